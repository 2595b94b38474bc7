#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/build_info.hpp"
#include "apps/commands.hpp"

namespace mg::apps {

void add_version(CLI::App& program, GlobalOptions&, Action& action) {
  CLI::App* command = program.add_subcommand("version", "Print version and build");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "As one JSON object");
  command->callback([as_json, &action] {
    action = [as_json] {
      if (*as_json)
        std::cout << build_info().dump(2) << "\n";
      else
        std::cout << version_line() << "\n";
      return 0;
    };
  });
}

}  // namespace mg::apps
