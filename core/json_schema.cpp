#include <cmath>
#include <map>

#include "core/schema_export.hpp"

namespace mg {

using nlohmann::ordered_json;
using Kind = Property::Kind;

namespace {

ordered_json integer_schema(const IntegerRange& range) {
  ordered_json out{{"type", "integer"}};
  if (range.min != IntegerRange{}.min) out["minimum"] = range.min;
  if (range.max != IntegerRange{}.max) out["maximum"] = range.max;
  return out;
}

ordered_json number_schema(const NumberRange& range) {
  ordered_json out{{"type", "number"}};
  if (std::isfinite(range.min)) out[range.min_exclusive ? "exclusiveMinimum" : "minimum"] = range.min;
  if (std::isfinite(range.max)) out[range.max_exclusive ? "exclusiveMaximum" : "maximum"] = range.max;
  return out;
}

bool all_defaulted(const Schema& schema) {
  for (const auto& property : schema.properties())
    if (!property.fallback) return false;
  return true;
}

/// Writes every object once, under "$defs", and refers to it from everywhere else: models nest in data and data in
/// experiments, and copies of them would make megabytes.
class Exporter {
 public:
  /// The object itself; `type` = the constant that its key "type" must have, "" = it has none.
  ordered_json object_schema(const Schema& schema, const std::string& type) {
    ordered_json properties = ordered_json::object(), required = ordered_json::array();
    if (!type.empty()) {
      properties["type"] = {{"const", type}};
      required.push_back("type");
    }
    for (const auto& property : schema.properties()) {
      properties[property.name] = property_schema(property);
      if (!property.fallback) required.push_back(property.name);
    }
    ordered_json out{{"type", "object"}};
    if (!schema.doc().empty()) out["description"] = schema.doc();
    out["properties"] = properties;
    if (!required.empty()) out["required"] = required;
    out["additionalProperties"] = false;
    return out;
  }

  const ordered_json& definitions() const { return definitions_; }

 private:
  ordered_json reference(const std::string& name, const Schema& schema, const std::string& type) {
    const ordered_json object = object_schema(schema, type);
    const auto [known, is_new] = names_.emplace(object.dump(), name);
    if (is_new) {
      for (int n = 2; definitions_.contains(known->second); ++n) known->second = name + "_" + std::to_string(n);
      definitions_[known->second] = object;
    }
    return {{"$ref", "#/$defs/" + known->second}};
  }

  ordered_json variant_schema(const Property& property) {
    ordered_json any = ordered_json::array(), bare = ordered_json::array();
    for (const auto& [name, schema] : property.variants) {
      any.push_back(reference(name, *schema, name));
      if (all_defaulted(*schema)) bare.push_back(name);
    }
    if (!property.default_type.empty())
      any.push_back(reference(property.default_type, *property.variant(property.default_type), ""));
    if (!bare.empty()) any.push_back({{"enum", bare}});
    if (!property.number_type.empty())
      any.push_back(type_schema(*property.variant(property.number_type)->find(property.number_key)));
    return {{"anyOf", any}};
  }

  ordered_json list_schema(const Property& property) {
    ordered_json out{{"type", "array"}, {"items", type_schema(*property.element)}};
    if (property.min_size > 0) out["minItems"] = property.min_size;
    out["maxItems"] = property.max_size;
    return out;
  }

  ordered_json type_schema(const Property& property) {
    switch (property.kind) {
      case Kind::boolean:
        return {{"type", "boolean"}};
      case Kind::integer:
        return integer_schema(property.integers);
      case Kind::number:
        return number_schema(property.numbers);
      case Kind::text:
        return {{"type", "string"}};
      case Kind::path:
        return {{"type", "string"}, {"minLength", 1}};
      case Kind::identifier:
        return {{"type", "string"}, {"pattern", "^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"}};
      case Kind::choice:
        return {{"enum", property.choices}};
      case Kind::list:
        return list_schema(property);
      case Kind::object:
        return reference(property.name.empty() ? "element" : property.name, *property.object, "");
      case Kind::variant:
        return variant_schema(property);
    }
    return {};
  }

  ordered_json property_schema(const Property& property) {
    ordered_json out = type_schema(property);
    if (property.nullable) out = {{"anyOf", ordered_json::array({out, {{"type", "null"}}})}};
    if (!property.doc.empty()) out["description"] = property.doc;
    if (property.fallback) out["default"] = *property.fallback;
    return out;
  }

  std::map<std::string, std::string> names_;  // the text of an object -> its name in definitions_
  ordered_json definitions_ = ordered_json::object();
};

}  // namespace

ordered_json json_schema(const Schema& schema) {
  ordered_json out{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", schema.title()}};
  Exporter exporter;
  const ordered_json object = exporter.object_schema(schema, "");
  for (const auto& [key, value] : object.items()) out[key] = value;
  out["properties"]["extends"] = {{"type", "string"}, {"description", "another configuration that this one changes"}};
  out["properties"]["$schema"] = {{"type", "string"}};
  if (!exporter.definitions().empty()) out["$defs"] = exporter.definitions();
  return out;
}

}  // namespace mg
