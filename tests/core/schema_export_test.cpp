#include "core/schema_export.hpp"

#include <gtest/gtest.h>

namespace mg {
namespace {

Schema sample_schema() {
  Schema constant("constant", "A constant.");
  constant.number("value", std::nullopt, {.min = 0, .min_exclusive = true}, "rate");
  Schema inner("inner", "Inside.");
  inner.integer("count", 3, {1, 9}, "how many").nullable();
  Schema schema("sample", "A sample.");
  schema.identifier("name", std::nullopt, "name")
      .choice("mode", "a", {"a", "b"}, "a | b")
      .variant("lr", {{"constant", constant}, {"none", Schema("none", "")}}, 1e-3, "learning rate")
      .number_form("constant", "value")
      .list("sizes", element::integer({1, 9}), nlohmann::json{1}, "sizes", 1, 3)
      .object("inner", inner, "nested");
  return schema;
}

TEST(SchemaExport, JsonSchemaSaysEverythingTheSchemaSays) {
  const auto exported = json_schema(sample_schema());
  EXPECT_EQ(exported["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(exported["required"], nlohmann::ordered_json({"name"}));
  EXPECT_EQ(exported["additionalProperties"], false);
  const auto& properties = exported["properties"];
  EXPECT_TRUE(properties.contains("extends"));
  EXPECT_EQ(properties["mode"].dump(), R"({"enum":["a","b"],"description":"a | b","default":"a"})");
  EXPECT_EQ(properties["sizes"].dump(),
            R"({"type":"array","items":{"type":"integer","minimum":1,"maximum":9},"minItems":1,"maxItems":3,)"
            R"("description":"sizes","default":[1]})");
  EXPECT_EQ(properties["inner"].dump(), R"({"$ref":"#/$defs/inner","description":"nested","default":{}})");
  EXPECT_EQ(exported["$defs"]["inner"]["properties"]["count"].dump(),
            R"({"anyOf":[{"type":"integer","minimum":1,"maximum":9},{"type":"null"}],)"
            R"("description":"how many","default":3})");
  EXPECT_EQ(properties["lr"]["anyOf"].size(), 4u) << "two types, the bare names, the bare number";
  EXPECT_EQ(properties["lr"]["anyOf"][2].dump(), R"({"enum":["none"]})") << "constant needs its value";
  EXPECT_EQ(properties["lr"]["anyOf"][3].dump(), R"({"type":"number","exclusiveMinimum":0.0})");
}

TEST(SchemaExport, JsonSchemaDefinesEqualObjectsOnceAndNamesDifferentOnesApart) {
  Schema same("same", "Same."), other("other", "Other.");
  same.integer("k", 1, {}, "k");
  other.integer("k", 2, {}, "k");
  Schema first("first", ""), second("second", ""), schema("sample", "");
  first.object("part", same, "");
  second.object("part", other, "");
  schema.object("a", first, "").object("b", first, "").object("c", second, "").object("part", same, "");
  const auto exported = json_schema(schema);
  EXPECT_EQ(exported["$defs"].size(), 4u) << exported["$defs"];
  EXPECT_EQ(exported["properties"]["b"]["$ref"], "#/$defs/a") << "as the first of its kind is called";
  EXPECT_EQ(exported["properties"]["part"]["$ref"], "#/$defs/part");
  EXPECT_EQ(exported["$defs"]["c"]["properties"]["part"]["$ref"], "#/$defs/part_2");
}

TEST(SchemaExport, MarkdownHasOneSectionForEveryObjectAndType) {
  EXPECT_EQ(markdown_reference(sample_schema()), R"(## Top level

| key | takes | default | meaning |
|---|---|---|---|
| `name` | name of letters, digits, '.', '_' and '-' | **required** | name |
| `mode` | one of "a", "b" | `"a"` | a \| b |
| `lr` | number \| "constant" \| "none" | `0.001` | learning rate |
| `sizes` | list of 1 to 3 integer in [1, 9] | `[1]` | sizes |
| `inner` | object |  | nested |

### `lr` of type `constant`

A constant.

| key | takes | default | meaning |
|---|---|---|---|
| `value` | number > 0 | **required** | rate |

### `lr` of type `none`

No keys of its own.

## `inner`

Inside.

| key | takes | default | meaning |
|---|---|---|---|
| `count` | integer in [1, 9] or null | `3` | how many |
)");
}

TEST(SchemaExport, MarkdownDescribesEqualSchemasOnce) {
  Schema same("same", "Same.");
  same.integer("k", 1, {}, "k");
  Schema schema("sample", "");
  schema.object("a", same, "").object("b", same, "");
  const auto text = markdown_reference(schema);
  EXPECT_NE(text.find("## `b`\n\nSame. Keys as in `a`.\n"), std::string::npos) << text;
}

TEST(SchemaExport, PlainTextForHelp) {
  const auto text = plain_reference(sample_schema());
  EXPECT_EQ(text.find("  name: name of letters, digits, '.', '_' and '-' (required)\n      name\n"), 0u) << text;
  EXPECT_NE(text.find("  inner: object\n      nested\n    count: integer in [1, 9] or null (default 3)\n"),
            std::string::npos)
      << text;
}

}  // namespace
}  // namespace mg
