#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/build_info.hpp"
#include "apps/commands.hpp"

namespace mg::apps {

void add_version(Command& program, GlobalOptions&) {
  Command command = program.subcommand("version", "Print version and build");
  auto as_json = std::make_shared<bool>(false);
  command.flag("--json", *as_json, "As one JSON object");
  command.action([as_json] {
    if (*as_json)
      std::cout << build_info().dump(2) << "\n";
    else
      std::cout << version_line() << "\n";
    return 0;
  });
}

}  // namespace mg::apps
