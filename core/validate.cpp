#include "core/validate.hpp"

#include <cmath>
#include <cstdio>

#include "core/suggest.hpp"

namespace mg {

using nlohmann::json;
using Kind = Property::Kind;
namespace fs = std::filesystem;

namespace {

std::string number_text(double value) {
  const std::string text = json(value).dump();
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

std::string range_text(bool has_min, bool has_max, bool open_min, bool open_max, const std::string& min,
                       const std::string& max) {
  if (has_min && has_max)
    return min == max ? " " + min
                      : std::string(" in ") + (open_min ? "(" : "[") + min + ", " + max + (open_max ? ")" : "]");
  if (has_min) return (open_min ? " > " : " >= ") + min;
  if (has_max) return (open_max ? " < " : " <= ") + max;
  return "";
}

std::string size_text(std::size_t min, std::size_t max) {
  constexpr std::size_t kUnbounded = 1000000;
  if (min == max) return " of " + std::to_string(min);
  if (min > 0 && max < kUnbounded) return " of " + std::to_string(min) + " to " + std::to_string(max);
  if (min > 0) return " of at least " + std::to_string(min);
  if (max < kUnbounded) return " of at most " + std::to_string(max);
  return " of";
}

std::vector<std::string> quoted(const std::vector<std::string>& words) {
  std::vector<std::string> result;
  for (const auto& word : words) result.push_back('"' + word + '"');
  return result;
}

std::vector<std::string> variant_names(const Property& property) {
  std::vector<std::string> names;
  for (const auto& [name, schema] : property.variants) names.push_back(name);
  return names;
}

std::string kind_text(const Property& property) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto& i = property.integers;
  const auto& n = property.numbers;
  switch (property.kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::integer:
      return "integer" + range_text(i.min != IntegerRange{}.min, i.max != IntegerRange{}.max, false, false,
                                    std::to_string(i.min), std::to_string(i.max));
    case Kind::number:
      return "number" + range_text(n.min != -kInfinity, n.max != kInfinity, n.min_exclusive, n.max_exclusive,
                                   number_text(n.min), number_text(n.max));
    case Kind::text:
      return "text";
    case Kind::path:
      return "path";
    case Kind::identifier:
      return "name of letters, digits, '.', '_' and '-'";
    case Kind::choice:
      return "one of " + join(quoted(property.choices));
    case Kind::list:
      return "list" + size_text(property.min_size, property.max_size) + " " + kind_text(*property.element);
    case Kind::object:
      return "object";
    case Kind::variant: {
      std::string text = "object with \"type\" " + join(quoted(variant_names(property)), " | ");
      return property.number_type.empty() ? text : "number or " + text;
    }
  }
  return "";
}

bool is_identifier(const std::string& name) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= 100 && name[0] != '.' && name[0] != '-' &&
         name.find_first_not_of(kAllowed) == std::string::npos;
}

class Validator {
 public:
  explicit Validator(const Document& document) : errors(document.errors), source_(*document.source) {}

  json object(const Schema& schema, const json& value, const std::string& pointer, bool has_type = false) {
    json resolved = json::object();
    for (const auto& property : schema.properties()) {
      const std::string below = pointer + "/" + escape_pointer(property.name);
      const auto it = value.find(property.name);
      if (it != value.end()) {
        resolved[property.name] = checked(property, *it, below);
      } else if (property.fallback) {
        resolved[property.name] = checked(property, *property.fallback, below);
      } else {
        errors.push_back(source_.describe(below) + "required, but missing; expected " + expected_text(property));
      }
    }
    for (const auto& [key, unused] : value.items())
      if (!schema.find(key) && !(has_type && key == "type")) unknown(schema, key, pointer, has_type);
    return resolved;
  }

  std::vector<std::string> errors;

 private:
  json wrong(const Property& property, const json& value, const std::string& pointer, const std::string& hint = "") {
    errors.push_back(source_.describe(pointer) + "expected " + expected_text(property) + ", got " + value_text(value) +
                     hint);
    return nullptr;
  }

  void unknown(const Schema& schema, const std::string& key, const std::string& pointer, bool has_type) {
    std::vector<std::string> allowed;
    if (has_type) allowed.push_back("type");
    for (const auto& property : schema.properties()) allowed.push_back(property.name);
    const std::string shown = key.size() > 60 ? key.substr(0, 60) + "..." : key;
    const std::string hint = did_you_mean(key, allowed);
    std::string where = source_.describe(pointer + "/" + escape_pointer(key), true);
    if (key.size() > 60) where = source_.describe(pointer, true) + "key \"" + shown + "\": ";
    errors.push_back(where + "unknown key" + hint + (hint.empty() ? "; allowed: " : " (allowed: ") + join(allowed) +
                     (hint.empty() ? "" : ")"));
  }

  json checked(const Property& p, const json& value, const std::string& pointer) {
    if (p.nullable && value.is_null()) return nullptr;
    switch (p.kind) {
      case Kind::boolean:
        return value.is_boolean() ? value : wrong(p, value, pointer);
      case Kind::integer:
        return integer(p, value, pointer);
      case Kind::number:
        return number(p, value, pointer);
      case Kind::text:
        return value.is_string() ? value : wrong(p, value, pointer);
      case Kind::identifier:
        return value.is_string() && is_identifier(value.get<std::string>()) ? value : wrong(p, value, pointer);
      case Kind::path:
        return path(p, value, pointer);
      case Kind::choice:
        for (const auto& choice : p.choices)
          if (value == choice) return value;
        return wrong(p, value, pointer,
                     value.is_string() ? did_you_mean(value.get_ref<const std::string&>(), p.choices) : "");
      case Kind::list:
        return list(p, value, pointer);
      case Kind::object:
        return value.is_object() ? object(*p.object, value, pointer) : wrong(p, value, pointer);
      case Kind::variant:
        return variant(p, value, pointer);
    }
    return nullptr;
  }

  json integer(const Property& p, const json& value, const std::string& pointer) {
    std::int64_t number = 0;
    if (value.is_number_unsigned()) {
      const auto wide = value.get<std::uint64_t>();
      if (wide > std::uint64_t(std::numeric_limits<std::int64_t>::max())) return wrong(p, value, pointer);
      number = std::int64_t(wide);
    } else if (value.is_number_integer()) {
      number = value.get<std::int64_t>();
    } else if (value.is_number_float()) {
      const double real = value.get<double>();
      constexpr double kExact = 9007199254740992.0;  // 2^53
      if (real != std::floor(real) || std::abs(real) > kExact) return wrong(p, value, pointer);
      number = std::int64_t(real);
    } else {
      return wrong(p, value, pointer);
    }
    if (number < p.integers.min || number > p.integers.max) return wrong(p, value, pointer);
    return number;
  }

  json number(const Property& p, const json& value, const std::string& pointer) {
    if (!value.is_number()) return wrong(p, value, pointer);
    const double real = value.get<double>();
    const bool exact =
        value.is_number_float() ||
        (value.is_number_unsigned() ? std::abs(real) < 0x1p63 && std::uint64_t(real) == value.get<std::uint64_t>()
                                    : std::abs(real) < 0x1p63 && std::int64_t(real) == value.get<std::int64_t>());
    const auto& range = p.numbers;
    const bool below = range.min_exclusive ? !(real > range.min) : !(real >= range.min);
    const bool above = range.max_exclusive ? !(real < range.max) : !(real <= range.max);
    if (!exact || !std::isfinite(real) || below || above) return wrong(p, value, pointer);
    return real;
  }

  json path(const Property& p, const json& value, const std::string& pointer) {
    if (!value.is_string()) return wrong(p, value, pointer);
    const fs::path given = value.get<std::string>();
    if (given.empty() || given.native().find('\0') != std::string::npos) return wrong(p, value, pointer);
    const SourcePlace* place = source_.find(pointer);
    if (given.is_absolute() || !place || place->folder.empty()) return value;
    return (place->folder / given).lexically_normal().string();
  }

  json list(const Property& p, const json& value, const std::string& pointer) {
    if (!value.is_array() || value.size() < p.min_size || value.size() > p.max_size) return wrong(p, value, pointer);
    json resolved = json::array();
    for (std::size_t k = 0; k < value.size(); ++k)
      resolved.push_back(checked(*p.element, value[k], pointer + "/" + std::to_string(k)));
    return resolved;
  }

  json variant(const Property& p, const json& value, const std::string& pointer) {
    if (value.is_string()) return variant(p, json{{"type", value}}, pointer);
    if (value.is_number() && !p.number_type.empty())
      return variant(p, json{{"type", p.number_type}, {p.number_key, value}}, pointer);
    if (!value.is_object()) return wrong(p, value, pointer);
    const auto type = value.find("type");
    const auto names = variant_names(p);
    if (type == value.end() && !p.default_type.empty()) {
      json typed = value;
      typed["type"] = p.default_type;
      return variant(p, typed, pointer);
    }
    if (type == value.end()) {
      errors.push_back(source_.describe(pointer + "/type") + "required, but missing; expected one of " +
                       join(quoted(names)));
      return nullptr;
    }
    const Schema* schema = type->is_string() ? p.variant(type->get<std::string>()) : nullptr;
    if (!schema) {
      errors.push_back(source_.describe(pointer + "/type") + "expected one of " + join(quoted(names)) + ", got " +
                       value_text(*type) +
                       (type->is_string() ? did_you_mean(type->get_ref<const std::string&>(), names) : ""));
      return nullptr;
    }
    json resolved = object(*schema, value, pointer, true);
    resolved["type"] = *type;
    return resolved;
  }

  const SourceMap& source_;
};

}  // namespace

std::string expected_text(const Property& property) {
  return kind_text(property) + (property.nullable ? " or null" : "");
}

std::string value_text(const json& value) {
  constexpr std::size_t kShown = 60;
  const auto shortened = [](const std::string& text) {
    return text.size() > kShown ? text.substr(0, kShown) + "..." : text;
  };
  switch (value.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::boolean:
      return value.get<bool>() ? "true" : "false";
    case json::value_t::string:
      return "string " + shortened(value.dump(-1, ' ', true, json::error_handler_t::replace));
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
      return "integer " + value.dump();
    case json::value_t::number_float:
      return "number " + value.dump();
    case json::value_t::array:
      return "list of " + std::to_string(value.size());
    case json::value_t::object:
      return "object";
    default:
      return "something else";
  }
}

Config validate_config(const Schema& schema, const Document& document) {
  Validator validator(document);
  json resolved;
  if (document.value.is_object())
    resolved = validator.object(schema, document.value, "");
  else
    validator.errors.push_back(document.source->describe("") + "expected object, got " + value_text(document.value));
  if (!validator.errors.empty()) {
    constexpr std::size_t kReported = 50;
    const std::size_t count = validator.errors.size();
    if (count > kReported) {
      validator.errors.resize(kReported);
      validator.errors.push_back("... and " + std::to_string(count - kReported) + " more errors");
    }
    throw ConfigError(join(validator.errors, "\n"));
  }
  return Config(std::move(resolved), "", document.source);
}

Config load_config(const Schema& schema, const fs::path& file, const std::vector<std::string>& overrides) {
  Document document = read_config(file);
  std::vector<std::string> errors;
  for (const auto& assignment : overrides) {
    try {
      apply_override(schema, document, assignment);
    } catch (const ConfigError& error) {
      errors.push_back(error.what());
    }
  }
  document.errors.insert(document.errors.end(), errors.begin(), errors.end());
  return validate_config(schema, document);
}

}  // namespace mg
