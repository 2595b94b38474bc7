#include "apps/root_schema.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/schema_export.hpp"
#include "core/validate.hpp"
#include "tests/support/config.hpp"
#include "tests/support/subprocess.hpp"

namespace mg::apps {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> shipped_configs() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(MG_SOURCE_DIR "/configs"))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

void expect_valid_defaults(const std::string& path, const Schema& schema) {
  for (const Property& property : schema.properties()) {
    const std::string below = path + "." + property.name;
    EXPECT_FALSE(property.doc.empty()) << below << " is not documented";
    const bool nested_required = property.kind == Property::Kind::object;  // its keys are looked at below
    if (property.fallback && !nested_required) {
      Document document;
      document.value = nlohmann::json::object();
      Schema one("", "");
      one.list("x", property, nlohmann::json::array({*property.fallback}), "");
      EXPECT_EQ(test::config_error([&] { validate_config(one, document); }), "") << below;
    }
    const Property& inner = property.element ? *property.element : property;
    if (inner.object) expect_valid_defaults(below, *inner.object);
    for (const auto& [name, variant] : inner.variants) expect_valid_defaults(below + "." + name, *variant);
  }
}

TEST(RootSchema, EveryDefaultIsValidAndEveryKeyDocumented) { expect_valid_defaults("", root_schema()); }

TEST(RootSchema, ShippedConfigurationsAreValidAndResolveToFixedPoints) {
  const auto files = shipped_configs();
  EXPECT_FALSE(files.empty());
  for (const auto& file : files) {
    const Config config = load_root_config(file, {});
    const auto text = resolved_text(root_schema(), config.json());
    const Config again = validate_config(root_schema(), parse_config(text, "resolved"));
    EXPECT_EQ(again.json(), config.json()) << file;
    EXPECT_EQ(resolved_text(root_schema(), again.json()), text) << file;
  }
}

TEST(RootSchema, JsonSchemaAcceptsWhatIsShippedAndRefusesMistakes) {
  const auto folder = fs::path(::testing::TempDir());
  const std::string exported = json_schema(root_schema()).dump();
  EXPECT_LT(exported.size(), 400000u) << "editors load it at every start";
  std::ofstream(folder / "mg.schema.json") << exported;
  if (test::run_process("python3", {"-c", "import jsonschema"}).code != 0)
    GTEST_SKIP() << "python3 without jsonschema: install python3-jsonschema to compare with another checker";
  // One process for all: checking the schema itself takes longer than all documents together.
  nlohmann::json documents = nlohmann::json::array();
  const auto expect = [&](const std::string& name, const std::string& text, bool valid) {
    documents.push_back({{"name", name}, {"value", nlohmann::json::parse(text)}, {"valid", valid}});
  };
  for (const auto& file : shipped_configs()) {
    std::ifstream in(file);
    const auto value = nlohmann::json::parse(in, nullptr, true, true);
    const bool whole = !value.contains("extends");  // a part alone may lack required keys
    if (whole) expect(file.string(), value.dump(), true);
    expect(file.string() + " resolved", resolved_text(root_schema(), load_root_config(file, {}).json()), true);
  }
  expect("misspelt key", R"({"model": "nca", "sede": 1})", false);
  expect("number out of range", R"({"model": {"type": "nca", "fire_rate": 0}})", false);
  expect("unknown type", R"({"model": {"type": "nac"}})", false);
  std::ofstream(folder / "mg.configs.json") << documents.dump();
  const auto result =
      test::run_process("python3", {"-c",
                                    "import json, sys, jsonschema\n"
                                    "schema, documents = (json.load(open(name)) for name in sys.argv[1:])\n"
                                    "jsonschema.Draft202012Validator.check_schema(schema)\n"
                                    "validator = jsonschema.Draft202012Validator(schema)\n"
                                    "for d in documents:\n"
                                    "    error = next(validator.iter_errors(d['value']), None)\n"
                                    "    if (error is None) != d['valid']:\n"
                                    "        print(d['name'], error.message[:500] if error else 'was accepted')\n"
                                    "print(len(documents), 'checked')\n",
                                    (folder / "mg.schema.json").string(), (folder / "mg.configs.json").string()});
  EXPECT_EQ(result.out, std::to_string(documents.size()) + " checked\n") << result.err;
}

TEST(RootSchema, TheReferencePageIsUpToDate) {
  std::ifstream in(MG_SOURCE_DIR "/docs/config.md");
  const std::string committed(std::istreambuf_iterator<char>(in), {});
  EXPECT_TRUE(committed == test::run_morphogen({"config", "schema", "--markdown"}).out)
      << "docs/config.md is stale; run: morphogen config schema --markdown > docs/config.md";
}

TEST(RootSchema, ContradictionsInsideAModelAreConfigurationErrors) {
  const auto file = fs::path(::testing::TempDir()) / "mg_contradiction.json";
  std::ofstream(file) << "{\n\"model\": {\"type\": \"nca\", \"channels\": 2,\n \"alive\": {}}}";
  const auto error = test::config_error([&] { load_root_config(file, {}); });
  EXPECT_EQ(error, file.string() + ":3:11: /model/alive/channel: the model has 2 channels (0..1)");
}

}  // namespace
}  // namespace mg::apps
