#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mg {

class Schema;

struct IntegerRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min(), max = std::numeric_limits<std::int64_t>::max();
};
struct NumberRange {
  double min = -std::numeric_limits<double>::infinity(), max = std::numeric_limits<double>::infinity();
  bool min_exclusive = false, max_exclusive = false;
};

/// One key of a configuration object: type, range, default and documentation.
struct Property {
  enum class Kind { boolean, integer, number, text, path, identifier, choice, list, object, variant };
  std::string name;
  Kind kind = Kind::text;
  std::string doc;
  std::optional<nlohmann::json> fallback;  ///< default; none = required
  bool nullable = false;                   ///< null is a legal value: not given
  IntegerRange integers;
  NumberRange numbers;
  std::vector<std::string> choices;                                             ///< of choice
  std::shared_ptr<const Schema> object;                                         ///< of object
  std::vector<std::pair<std::string, std::shared_ptr<const Schema>>> variants;  ///< of variant: by "type"
  std::string default_type;             ///< of variant: the type of an object that names none; empty = it must name one
  std::string number_type, number_key;  ///< of variant: a bare number v stands for {"type": number_type, number_key: v}
  std::shared_ptr<const Property> element;       ///< of list
  std::size_t min_size = 0, max_size = 1000000;  ///< of list

  /// The schema of variant `type`, or null.
  const Schema* variant(const std::string& type) const;
};

using Variants = std::vector<std::pair<std::string, Schema>>;

/// Elements of lists.
namespace element {
Property integer(IntegerRange range);
Property number(NumberRange range);
Property text();
Property path();
Property choice(std::vector<std::string> allowed);
Property object(Schema schema);
Property variant(Variants variants);
Property list(Property inner, std::size_t min_size = 0, std::size_t max_size = 1000000);
}  // namespace element

/// The typed description of one configuration object. The single source of validation, resolved defaults, JSON
/// Schema, help texts and docs/config.md. Built fluently:
///   Schema("nca", "Neural cellular automaton").integer("channels", 16, {1, 1024}, "channels of a cell")
/// A std::nullopt default makes the key required.
class Schema {
 public:
  Schema(std::string title, std::string doc) : title_(std::move(title)), doc_(std::move(doc)) {}

  Schema& boolean(std::string name, std::optional<bool> fallback, std::string doc);
  Schema& integer(std::string name, std::optional<std::int64_t> fallback, IntegerRange range, std::string doc);
  Schema& number(std::string name, std::optional<double> fallback, NumberRange range, std::string doc);
  Schema& text(std::string name, std::optional<std::string> fallback, std::string doc);
  /// A file. A relative path is taken from the folder of the file that names it (--set: from the working folder) and
  /// absolute once resolved.
  Schema& path(std::string name, std::optional<std::string> fallback, std::string doc);
  /// A name that is safe in paths: 1 to 100 of A-Z a-z 0-9 . _ -, first not a dot or dash.
  Schema& identifier(std::string name, std::optional<std::string> fallback, std::string doc);
  Schema& choice(std::string name, std::optional<std::string> fallback, std::vector<std::string> allowed,
                 std::string doc);
  /// A nested object; absent means all its defaults.
  Schema& object(std::string name, Schema schema, std::string doc);
  /// {"type": one of the variants, ...its keys}. A bare string "x" stands for {"type": "x"}.
  Schema& variant(std::string name, Variants variants, std::optional<nlohmann::json> fallback, std::string doc);
  /// Of the variant just added: a bare number v stands for {"type": type, key: v}.
  Schema& number_form(std::string type, std::string key);
  /// Of the variant just added: an object without a "type" is of this one.
  Schema& default_type(std::string type);
  /// A list whose elements all fit `element` (its name is ignored).
  Schema& list(std::string name, Property element, std::optional<nlohmann::json> fallback, std::string doc,
               std::size_t min_size = 0, std::size_t max_size = 1000000);
  /// Marks the last added property as one that may also be null (= not given); null is its default if it has none.
  Schema& nullable();

  const std::string& title() const { return title_; }
  const std::string& doc() const { return doc_; }
  const std::vector<Property>& properties() const { return properties_; }
  /// The property of that name, or null.
  const Property* find(std::string_view name) const;

 private:
  Schema& add(Property property);
  std::string title_, doc_;
  std::vector<Property> properties_;
};

}  // namespace mg
