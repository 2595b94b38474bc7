#include <charconv>
#include <cstdlib>
#include <optional>

#include "core/suggest.hpp"
#include "core/validate.hpp"

namespace mg {

using nlohmann::json;
using Kind = Property::Kind;

namespace {

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> keys;
  for (std::size_t at = 0; at <= path.size();) {
    const auto dot = std::min(path.find('.', at), path.size());
    keys.emplace_back(path.substr(at, dot - at));
    at = dot + 1;
  }
  return keys;
}

/// The value as JSON, or none when it is not JSON.
std::optional<json> as_json(std::string_view text) {
  try {
    Document parsed = parse_config(text, "");
    if (parsed.errors.empty()) return std::move(parsed.value);
  } catch (const ConfigError&) {
  }
  return std::nullopt;
}

/// NaN, an infinity, a number beyond double, or one that is spelt in another way than JSON spells it.
bool is_foreign_number(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return end != text.c_str() && *end == '\0';
}

bool takes_bare_string(const Property& p) {
  return p.kind == Kind::text || p.kind == Kind::path || p.kind == Kind::identifier || p.kind == Kind::choice ||
         p.kind == Kind::variant;
}

/// Walks the schema and the document together, making what is missing on the way.
class Override {
 public:
  Override(Document& document, const std::string& assignment)
      : document_(document),
        place_{"--set " + assignment.substr(0, 200), 0, 0, 0, 0, std::filesystem::current_path()} {}

  [[noreturn]] void fail(const std::string& message) const {
    throw ConfigError(place_.origin + ": " + (pointer_.empty() ? "" : pointer_ + ": ") + message);
  }

  /// Enters key `key` of an object of `schema` (a variant's has a "type" besides).
  const Property* enter(const Schema& schema, const std::string& key, bool has_type) {
    std::vector<std::string> allowed;
    if (has_type) allowed.push_back("type");
    for (const auto& property : schema.properties()) allowed.push_back(property.name);
    pointer_ += "/" + escape_pointer(key);
    const Property* property = schema.find(key);
    if (!property) fail("unknown key" + did_you_mean(key, allowed) + " (allowed: " + join(allowed) + ")");
    if (value_->is_null()) *value_ = json::object();
    if (!value_->is_object())
      fail("cannot be set: the place above it holds " + value_text(*value_) + ", not an object");
    const bool given = value_->contains(key);
    value_ = &(*value_)[key];
    if (!given && property->fallback) *value_ = *property->fallback;
    return property;
  }

  /// The schema that the keys below `property` follow; brings short forms of a variant to their long form.
  const Schema& below(const Property& property, bool& has_type) {
    if (property.kind == Kind::object) return *property.object;
    if (property.kind != Kind::variant) fail("has no keys; expected " + expected_text(property));
    has_type = true;
    if (value_->is_string()) *value_ = json{{"type", *value_}};
    if (value_->is_number() && !property.number_type.empty())
      *value_ = json{{"type", property.number_type}, {property.number_key, *value_}};
    if (value_->is_object() && !value_->contains("type") && !property.default_type.empty())
      (*value_)["type"] = property.default_type;
    const auto type = value_->is_object() ? value_->find("type") : value_->end();
    const Schema* schema = value_->is_object() && type != value_->end() && type->is_string()
                               ? property.variant(type->get<std::string>())
                               : nullptr;
    if (!schema) fail("has no valid \"type\" yet; expected " + expected_text(property));
    return *schema;
  }

  const Property* enter_list(const Property& property, const std::string& key) {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
    pointer_ += "/" + escape_pointer(key);
    const std::size_t size = value_->is_array() ? value_->size() : 0;
    if (error != std::errc() || end != key.data() + key.size() || index >= size)
      fail("expected the number of a list element, 0 to " + std::to_string(size) + " (exclusive)");
    value_ = &(*value_)[index];
    return property.element.get();
  }

  void assign(json value) {
    *value_ = std::move(value);
    note();
  }
  /// A new "type": the keys of the old one mean nothing to it.
  void assign_type(json type) {
    *value_ = json{{"type", std::move(type)}};
    note();
  }
  void note() {
    document_.source->erase(pointer_);
    document_.source->set(pointer_, place_);
  }

 private:
  Document& document_;
  SourcePlace place_;
  json* value_ = &document_.value;
  std::string pointer_;
};

}  // namespace

void apply_override(const Schema& schema, Document& document, const std::string& assignment) {
  Override target(document, assignment);
  const auto equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) target.fail("expected path=value, as in --set train.iterations=100");
  const std::string text = assignment.substr(equals + 1);
  const auto keys = split_path(std::string_view(assignment).substr(0, equals));
  const auto parsed = as_json(text);

  const Property* property = nullptr;
  for (std::size_t k = 0; k < keys.size(); ++k) {
    if (property && property->kind == Kind::list) {
      property = target.enter_list(*property, keys[k]);
      continue;
    }
    if (property && property->kind == Kind::variant && keys[k] == "type" && k + 1 == keys.size())
      return target.assign_type(parsed && parsed->is_string() ? *parsed : json(text));
    bool has_type = false;
    const Schema& level = property ? target.below(*property, has_type) : schema;
    property = target.enter(level, keys[k], has_type);
  }
  if (!parsed && !property->number_key.empty() && is_foreign_number(text))
    target.fail("not a finite number as JSON writes it; expected " + expected_text(*property));
  const bool null = parsed && parsed->is_null() && property->nullable;
  if (takes_bare_string(*property) && !null && (!parsed || (property->kind != Kind::variant && !parsed->is_string()))) {
    try {
      (void)json(text).dump();
    } catch (const json::exception&) {
      target.fail("the value is not UTF-8");
    }
    if (text.size() > kMaxConfigString) target.fail("string longer than 64 KiB");
    return target.assign(text);
  }
  if (!parsed) target.fail("expected " + expected_text(*property));
  target.assign(*parsed);
}

}  // namespace mg
