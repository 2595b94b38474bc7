#include "core/schema.hpp"

#include <algorithm>
#include <stdexcept>

namespace mg {

using Kind = Property::Kind;

namespace {

Property make(std::string name, Kind kind, std::string doc) {
  Property property;
  property.name = std::move(name);
  property.kind = kind;
  property.doc = std::move(doc);
  return property;
}

template <class T>
std::optional<nlohmann::json> as_json(const std::optional<T>& value) {
  return value ? std::optional<nlohmann::json>(*value) : std::nullopt;
}

std::vector<std::pair<std::string, std::shared_ptr<const Schema>>> share(Variants variants) {
  std::vector<std::pair<std::string, std::shared_ptr<const Schema>>> shared;
  for (auto& [name, schema] : variants) shared.emplace_back(name, std::make_shared<Schema>(std::move(schema)));
  return shared;
}

}  // namespace

const Schema* Property::variant(const std::string& type) const {
  for (const auto& [known, schema] : variants)
    if (known == type) return schema.get();
  return nullptr;
}

namespace element {

Property integer(IntegerRange range) {
  auto property = make("", Kind::integer, "");
  property.integers = range;
  return property;
}
Property number(NumberRange range) {
  auto property = make("", Kind::number, "");
  property.numbers = range;
  return property;
}
Property text() { return make("", Kind::text, ""); }
Property path() { return make("", Kind::path, ""); }
Property choice(std::vector<std::string> allowed) {
  auto property = make("", Kind::choice, "");
  property.choices = std::move(allowed);
  return property;
}
Property object(Schema schema) {
  auto property = make("", Kind::object, "");
  property.object = std::make_shared<Schema>(std::move(schema));
  return property;
}
Property variant(Variants variants) {
  auto property = make("", Kind::variant, "");
  property.variants = share(std::move(variants));
  return property;
}
Property list(Property inner, std::size_t min_size, std::size_t max_size) {
  auto property = make("", Kind::list, "");
  property.element = std::make_shared<Property>(std::move(inner));
  property.min_size = min_size;
  property.max_size = max_size;
  return property;
}

}  // namespace element

Schema& Schema::add(Property property) {
  if (find(property.name)) throw std::logic_error("schema '" + title_ + "' has key '" + property.name + "' twice");
  properties_.push_back(std::move(property));
  return *this;
}

const Property* Schema::find(std::string_view name) const {
  const auto it = std::find_if(properties_.begin(), properties_.end(), [&](const auto& p) { return p.name == name; });
  return it == properties_.end() ? nullptr : &*it;
}

Schema& Schema::boolean(std::string name, std::optional<bool> fallback, std::string doc) {
  auto property = make(std::move(name), Kind::boolean, std::move(doc));
  property.fallback = as_json(fallback);
  return add(std::move(property));
}

Schema& Schema::integer(std::string name, std::optional<std::int64_t> fallback, IntegerRange range, std::string doc) {
  auto property = make(std::move(name), Kind::integer, std::move(doc));
  property.fallback = as_json(fallback);
  property.integers = range;
  return add(std::move(property));
}

Schema& Schema::number(std::string name, std::optional<double> fallback, NumberRange range, std::string doc) {
  auto property = make(std::move(name), Kind::number, std::move(doc));
  property.fallback = as_json(fallback);
  property.numbers = range;
  return add(std::move(property));
}

Schema& Schema::text(std::string name, std::optional<std::string> fallback, std::string doc) {
  auto property = make(std::move(name), Kind::text, std::move(doc));
  property.fallback = as_json(fallback);
  return add(std::move(property));
}

Schema& Schema::path(std::string name, std::optional<std::string> fallback, std::string doc) {
  text(std::move(name), std::move(fallback), std::move(doc));
  properties_.back().kind = Kind::path;
  return *this;
}

Schema& Schema::identifier(std::string name, std::optional<std::string> fallback, std::string doc) {
  text(std::move(name), std::move(fallback), std::move(doc));
  properties_.back().kind = Kind::identifier;
  return *this;
}

Schema& Schema::choice(std::string name, std::optional<std::string> fallback, std::vector<std::string> allowed,
                       std::string doc) {
  auto property = make(std::move(name), Kind::choice, std::move(doc));
  property.fallback = as_json(fallback);
  property.choices = std::move(allowed);
  return add(std::move(property));
}

Schema& Schema::object(std::string name, Schema schema, std::string doc) {
  auto property = make(std::move(name), Kind::object, std::move(doc));
  property.object = std::make_shared<Schema>(std::move(schema));
  property.fallback = nlohmann::json::object();
  return add(std::move(property));
}

Schema& Schema::variant(std::string name, Variants variants, std::optional<nlohmann::json> fallback, std::string doc) {
  auto property = make(std::move(name), Kind::variant, std::move(doc));
  property.variants = share(std::move(variants));
  property.fallback = std::move(fallback);
  return add(std::move(property));
}

Schema& Schema::number_form(std::string type, std::string key) {
  auto& property = properties_.at(properties_.size() - 1);
  const Schema* schema = property.variant(type);
  if (!schema || !schema->find(key)) throw std::logic_error("number form of '" + property.name + "' names no key");
  property.number_type = std::move(type);
  property.number_key = std::move(key);
  return *this;
}

Schema& Schema::default_type(std::string type) {
  auto& property = properties_.at(properties_.size() - 1);
  if (!property.variant(type)) throw std::logic_error("default type of '" + property.name + "' names no variant");
  property.default_type = std::move(type);
  return *this;
}

Schema& Schema::list(std::string name, Property inner, std::optional<nlohmann::json> fallback, std::string doc,
                     std::size_t min_size, std::size_t max_size) {
  auto property = element::list(std::move(inner), min_size, max_size);
  property.name = std::move(name);
  property.doc = std::move(doc);
  property.fallback = std::move(fallback);
  return add(std::move(property));
}

Schema& Schema::nullable() {
  auto& property = properties_.at(properties_.size() - 1);
  property.nullable = true;
  if (!property.fallback || property.kind == Kind::object) property.fallback = nlohmann::json();
  return *this;
}

}  // namespace mg
