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
  std::ofstream(folder / "mg.schema.json") << json_schema(root_schema()).dump();
  if (test::run_process("python3", {"-c", "import jsonschema"}).code != 0)
    GTEST_SKIP() << "python3 without jsonschema: install python3-jsonschema to compare with another checker";
  const auto check = [&](const std::string& text) {
    std::ofstream(folder / "mg.config.json") << text;
    return test::run_process("python3", {"-c",
                                         "import json, sys, jsonschema\n"
                                         "schema, config = (json.load(open(name)) for name in sys.argv[1:])\n"
                                         "jsonschema.Draft202012Validator.check_schema(schema)\n"
                                         "jsonschema.Draft202012Validator(schema).validate(config)\n",
                                         (folder / "mg.schema.json").string(), (folder / "mg.config.json").string()});
  };
  for (const auto& file : shipped_configs()) {
    std::ifstream in(file);
    auto value = nlohmann::json::parse(in, nullptr, true, true);
    const bool whole = !value.contains("extends");  // a part alone may lack required keys
    if (whole) {
      const auto result = check(value.dump());
      EXPECT_EQ(result.code, 0) << file << "\n" << result.err;
    }
    const auto resolved = check(resolved_text(root_schema(), load_root_config(file, {}).json()));
    EXPECT_EQ(resolved.code, 0) << file << "\n" << resolved.err;
  }
  EXPECT_NE(check(R"({"model": "nca", "sede": 1})").code, 0);
  EXPECT_NE(check(R"({"model": {"type": "nca", "fire_rate": 0}})").code, 0);
  EXPECT_NE(check(R"({"model": {"type": "nac"}})").code, 0);
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
