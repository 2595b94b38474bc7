#include "core/validate.hpp"

namespace mg {

using nlohmann::json;
using nlohmann::ordered_json;
using Kind = Property::Kind;

namespace {

ordered_json in_order(const Schema& schema, const json& value, bool has_type);

ordered_json in_order(const Property& property, const json& value) {
  if (value.is_null()) return nullptr;
  if (property.kind == Kind::object) return in_order(*property.object, value, false);
  if (property.kind == Kind::variant) return in_order(*property.variant(value.at("type")), value, true);
  if (property.kind != Kind::list) return ordered_json(value);
  ordered_json list = ordered_json::array();
  for (const auto& element : value) list.push_back(in_order(*property.element, element));
  return list;
}

ordered_json in_order(const Schema& schema, const json& value, bool has_type) {
  ordered_json ordered = ordered_json::object();
  if (has_type) ordered["type"] = value.at("type").get<std::string>();
  for (const auto& property : schema.properties()) ordered[property.name] = in_order(property, value.at(property.name));
  return ordered;
}

}  // namespace

std::string resolved_text(const Schema& schema, const json& value) {
  return in_order(schema, value, false).dump(2) + "\n";
}

}  // namespace mg
