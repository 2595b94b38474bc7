#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.hpp"
#include "apps/root_schema.hpp"
#include "core/error.hpp"
#include "core/fft.hpp"
#include "core/schema_export.hpp"
#include "core/suggest.hpp"
#include "train/loss.hpp"

namespace mg::apps {

namespace {

struct Kind {
  std::string path;  // where a configuration chooses among them
  const Property* property;
};

/// Every place of the schema that chooses among types, found by walking it.
void find_kinds(const std::string& path, const Schema& schema, std::vector<Kind>& kinds) {
  for (const Property& property : schema.properties()) {
    const std::string below = path.empty() ? property.name : path + "." + property.name;
    const Property& inner = property.element ? *property.element : property;
    if (inner.object) find_kinds(below, *inner.object, kinds);
    if (inner.variants.empty()) continue;
    kinds.push_back({below, &inner});
    for (const auto& [name, variant] : inner.variants) {
      std::vector<Kind> nested;
      find_kinds(below, *variant, nested);
      for (auto& kind : nested)
        if (std::none_of(kinds.begin(), kinds.end(), [&](const Kind& k) { return k.path == kind.path; }))
          kinds.push_back(kind);
    }
  }
}

std::string first_sentence(const std::string& text) {
  const auto end = text.find(". ");
  return end == std::string::npos ? text : text.substr(0, end + 1);
}

/// What a choice lacks in this build, in brackets, or nothing.
std::string lacking(const std::string& path, const std::string& name) {
  if (path != "objective.loss" || !train::needs_fft(name) || !host_fft_library().empty()) return "";
  return std::string(" [not on the host: ") + kNoHostFft + "]";
}

int list(const std::string& wanted, bool as_json) {
  std::vector<Kind> kinds;
  find_kinds("", root_schema(), kinds);
  std::vector<std::string> paths;
  for (const auto& kind : kinds) paths.push_back(kind.path);
  if (!wanted.empty()) {
    std::erase_if(kinds, [&](const Kind& kind) { return kind.path != wanted; });
    if (kinds.empty())
      throw Error(ExitCode::usage,
                  "nothing called '" + wanted + "'" + did_you_mean(wanted, paths) + " (one of " + join(paths) + ")");
  }
  if (as_json) {
    nlohmann::ordered_json out;
    for (const auto& kind : kinds)
      for (const auto& [name, schema] : kind.property->variants) out[kind.path][name] = json_schema(*schema);
    std::cout << out.dump(2) << "\n";
    return 0;
  }
  for (const auto& kind : kinds) {
    std::cout << kind.path << "\n";
    for (const auto& [name, schema] : kind.property->variants) {
      std::cout << "  " << name << ": " << (wanted.empty() ? first_sentence(schema->doc()) : schema->doc())
                << lacking(kind.path, name) << "\n";
      if (!wanted.empty()) std::cout << plain_reference(*schema, "      ");
    }
  }
  return 0;
}

}  // namespace

void add_list(Command& program, GlobalOptions&) {
  Command command = program.subcommand("list", "List models, losses, optimisers, ... that a configuration can name");
  auto kind = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command.option("KIND", *kind, "Only this place of the configuration, such as model, with all options");
  command.flag("--json", *as_json, "As JSON");
  command.action([=] { return list(*kind, *as_json); });
}

}  // namespace mg::apps
