#include <gtest/gtest.h>

#include "tests/support/config.hpp"

namespace mg {
namespace {

Schema sample_schema() {
  Schema lr_constant("constant", ""), lr_decay("decay", "");
  lr_constant.number("value", std::nullopt, {.min = 0, .min_exclusive = true}, "rate");
  lr_decay.number("start", 1.0, {}, "start").integer("steps", 10, {1, 100}, "steps");
  Schema train("train", "");
  train.integer("batch", 8, {1, 4096}, "batch")
      .number("rate", 0.5, {.min = 0, .max = 1, .min_exclusive = true}, "rate")
      .variant("lr", {{"constant", lr_constant}, {"decay", lr_decay}}, 1e-3, "learning rate")
      .number_form("constant", "value")
      .integer("limit", std::nullopt, {}, "limit")
      .nullable();
  Schema schema("sample", "");
  schema.identifier("name", std::nullopt, "name")
      .boolean("flag", false, "flag")
      .text("note", "", "note")
      .choice("mode", "fast", {"fast", "slow"}, "mode")
      .list("sizes", element::integer({1, 9}), nlohmann::json{1, 2}, "sizes", 1, 3)
      .list("terms", element::variant({{"constant", lr_constant}, {"decay", lr_decay}}), nlohmann::json::array(),
            "terms")
      .object("train", std::move(train), "training");
  return schema;
}

std::string error_of(const std::string& text) {
  return test::config_error([&] { test::configure(sample_schema(), text); });
}

TEST(ConfigValidate, FillsInDefaults) {
  const auto config =
      test::configure(sample_schema(), R"({"name": "a", "terms": ["decay", {"type": "constant", "value": 2}]})");
  EXPECT_EQ(config.get<std::string>("mode"), "fast");
  EXPECT_FALSE(config.get<bool>("flag"));
  EXPECT_EQ(config.at("train").get<int>("batch"), 8);
  EXPECT_FALSE(config.at("train").has("limit"));
  EXPECT_EQ(config.at("train").at("lr").type(), "constant");
  EXPECT_EQ(config.at("train").at("lr").get<double>("value"), 1e-3);
  const auto terms = config.list("terms");
  ASSERT_EQ(terms.size(), 2u);
  EXPECT_EQ(terms[0].get<int>("steps"), 10);
  EXPECT_EQ(terms[1].pointer(), "/terms/1");
  EXPECT_EQ(terms[1].json()["value"].type(), nlohmann::json::value_t::number_float);
}

TEST(ConfigValidate, ResolvedIsAFixedPointInSchemaOrder) {
  const auto schema = sample_schema();
  const auto once = test::configure(schema, R"({"train": {"lr": 2, "batch": 1e3}, "terms": ["decay"], "name": "a"})");
  const auto text = resolved_text(schema, once.json());
  EXPECT_EQ(test::configure(schema, text).json(), once.json());
  EXPECT_EQ(resolved_text(schema, test::configure(schema, text).json()), text);
  EXPECT_EQ(text, R"({
  "name": "a",
  "flag": false,
  "note": "",
  "mode": "fast",
  "sizes": [
    1,
    2
  ],
  "terms": [
    {
      "type": "decay",
      "start": 1.0,
      "steps": 10
    }
  ],
  "train": {
    "batch": 1000,
    "rate": 0.5,
    "lr": {
      "type": "constant",
      "value": 2.0
    },
    "limit": null
  }
}
)");
}

TEST(ConfigValidate, ReportsAllErrorsAtOnceWithTheirPlaces) {
  EXPECT_EQ(
      error_of(R"({
  "flag": 1,
  "mode": "fats",
  "sizes": [1, 10, "x"],
  "train": {"batch": 3000000000, "rate": 0,
    "lr": "decya", "bacth": 2},
  "note": null
})"),
      "test.json:1:1: /name: required, but missing; expected name of letters, digits, '.', '_' and '-'\n"
      "test.json:2:11: /flag: expected true or false, got integer 1\n"
      "test.json:7:11: /note: expected text, got null\n"
      "test.json:3:11: /mode: expected one of \"fast\", \"slow\", got string \"fats\"; did you mean \"fast\"?\n"
      "test.json:4:16: /sizes/1: expected integer in [1, 9], got integer 10\n"
      "test.json:4:20: /sizes/2: expected integer in [1, 9], got string \"x\"\n"
      "test.json:5:22: /train/batch: expected integer in [1, 4096], got integer 3000000000\n"
      "test.json:5:42: /train/rate: expected number in (0, 1], got integer 0\n"
      "test.json:6:11: /train/lr/type: expected one of \"constant\", \"decay\", got string \"decya\"; did you mean "
      "\"decay\"?\n"
      "test.json:6:20: /train/bacth: unknown key; did you mean \"batch\"? (allowed: batch, rate, lr, limit)");
}

TEST(ConfigValidate, NamesAllowedKeysWhenNothingIsNear) {
  EXPECT_EQ(error_of(R"({"name": "a", "terms": [{"type": "decay", "zzz": 1}]})"),
            "test.json:1:43: /terms/0/zzz: unknown key; allowed: type, start, steps");
}

TEST(ConfigValidate, NoLossyNumbers) {
  const auto batch = [](const std::string& value) {
    return error_of(R"({"name": "a", "train": {"batch": )" + value + "}}");
  };
  EXPECT_EQ(batch("8"), "");
  EXPECT_EQ(batch("8.0"), "") << "a whole number may have a decimal point";
  const std::string expected = "test.json:1:34: /train/batch: expected integer in [1, 4096], got ";
  EXPECT_EQ(batch("1.5"), expected + "number 1.5");
  EXPECT_EQ(batch("-1"), expected + "integer -1");
  EXPECT_EQ(batch("18446744073709551615"), expected + "integer 18446744073709551615");
  EXPECT_EQ(batch("1e300"), expected + "number 1e+300");
  EXPECT_EQ(batch("\"8\""), expected + "string \"8\"");
  EXPECT_EQ(error_of(R"({"name": "a", "terms": [{"type": "decay", "start": 9007199254740993}]})"),
            "test.json:1:52: /terms/0/start: expected number, got integer 9007199254740993");
}

TEST(ConfigValidate, WrongShapes) {
  EXPECT_EQ(error_of("[1]"), "test.json:1:1: expected object, got list of 1");
  EXPECT_EQ(error_of(R"({"name": "a", "train": []})"), "test.json:1:24: /train: expected object, got list of 0");
  EXPECT_EQ(error_of(R"({"name": "a", "sizes": []})"),
            "test.json:1:24: /sizes: expected list of 1 to 3 integer in [1, 9], got list of 0");
  EXPECT_EQ(error_of(R"({"name": "a", "terms": [{}]})"),
            "test.json:1:25: /terms/0/type: required, but missing; expected one of \"constant\", \"decay\"");
  EXPECT_EQ(error_of(R"({"name": "a", "terms": ["constant"]})"),
            "test.json:1:25: /terms/0/value: required, but missing; expected number > 0");
  EXPECT_EQ(
      error_of(R"({"name": "a", "train": {"lr": [1]}})"),
      "test.json:1:31: /train/lr: expected number or object with \"type\" \"constant\" | \"decay\", got list of 1");
  EXPECT_EQ(error_of(R"({"name": "../a"})"),
            "test.json:1:10: /name: expected name of letters, digits, '.', '_' and '-', got string \"../a\"");
}

TEST(ConfigValidate, DuplicatesAndTypesTogether) {
  EXPECT_EQ(error_of("{\"name\": \"a\",\n\"flag\": 3,\n\"name\": \"b\"}"),
            "test.json:3:1: /name: duplicate key; first given in line 1\n"
            "test.json:2:9: /flag: expected true or false, got integer 3");
}

TEST(ConfigValidate, ManyErrorsAreCut) {
  std::string text = "{\"name\": \"a\"";
  for (int k = 0; k < 80; ++k) text += ", \"unknown" + std::to_string(k) + "\": 1";
  const auto error = error_of(text + "}");
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 50);
  EXPECT_NE(error.find("\n... and 30 more errors"), std::string::npos);
}

TEST(ConfigValidate, BuildersReportContradictionsWithThePlace) {
  const auto config = test::configure(sample_schema(), "{\"name\": \"a\",\n \"train\": {\"batch\": 4}}");
  EXPECT_EQ(test::config_error([&] { config.at("train").fail("batch", "does not divide 9"); }),
            "test.json:2:21: /train/batch: does not divide 9");
  EXPECT_EQ(test::config_error([&] { config.at("train").at("lr").fail("", "unused"); }),
            "test.json:2:11: /train/lr: unused");
  EXPECT_THROW(config.get<int>("nothing"), std::logic_error);
}

}  // namespace
}  // namespace mg
