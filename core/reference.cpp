#include <map>

#include "core/schema_export.hpp"
#include "core/validate.hpp"

namespace mg {

using Kind = Property::Kind;

namespace {

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

/// What a property takes, without repeating the names of variants that have sections of their own.
std::string takes(const Property& property) {
  std::string text;
  if (property.kind == Kind::variant) {
    for (const auto& [name, schema] : property.variants) text += (text.empty() ? "" : " | ") + ("\"" + name + "\"");
    if (!property.number_type.empty()) text = "number | " + text;
    return property.nullable ? text + " | null" : text;
  }
  return expected_text(property);
}

std::string default_text(const Property& property) {
  if (!property.fallback) return "required";
  if (property.kind == Kind::object && !property.fallback->is_null()) return "";
  return property.fallback->dump();
}

std::string table(const Schema& schema) {
  if (schema.properties().empty()) return "No keys of its own.\n";
  std::string text = "| key | takes | default | meaning |\n|---|---|---|---|\n";
  for (const auto& property : schema.properties()) {
    const std::string fallback = default_text(property);
    text += "| `" + property.name + "` | " + cell(takes(property)) + " | " +
            (!property.fallback ? "**required**"
             : fallback.empty() ? ""
                                : "`" + cell(fallback) + "`") +
            " | " + cell(property.doc) + " |\n";
  }
  return text;
}

/// Writes sections depth first; what was described before is only referred to.
class Writer {
 public:
  void section(const std::string& path, const std::string& type, const Schema& schema) {
    const std::string name = "`" + path + "`" + (type.empty() ? "" : " of type `" + type + "`");
    std::string deep;
    std::string body = (schema.doc().empty() ? "" : schema.doc() + "\n\n") + table(schema);
    signature(schema, deep);
    text += "\n" + std::string(type.empty() ? "## " : "### ") + name + "\n\n";
    if (const auto it = seen_.find(deep); it != seen_.end()) {
      text += (schema.doc().empty() ? "" : schema.doc() + " ") + "Keys as in " + it->second + ".\n";
      return;
    }
    if (!schema.properties().empty()) seen_[deep] = name;
    text += body;
    below(path, schema);
  }

  void below(const std::string& path, const Schema& schema) {
    for (const auto& property : schema.properties())
      nested(path.empty() ? property.name : path + "." + property.name, property);
  }

  std::string text;

 private:
  void nested(const std::string& path, const Property& property) {
    if (property.kind == Kind::object) section(path, "", *property.object);
    if (property.kind == Kind::list) nested(path + "[]", *property.element);
    if (property.kind == Kind::variant) choices(path, property);
  }
  /// The same choices as elsewhere are not listed again, one by one.
  void choices(const std::string& path, const Property& property) {
    std::string all;
    for (const auto& [type, schema] : property.variants) {
      all += type + "\n" + schema->doc() + "\n";
      signature(*schema, all);
    }
    const auto [it, fresh] = choices_.try_emplace(all, path);
    if (!fresh && property.variants.size() > 1) {
      text += "\n### `" + path + "`\n\nTypes and keys as in `" + it->second + "`.\n";
      return;
    }
    for (const auto& [type, schema] : property.variants) section(path, type, *schema);
  }
  /// Everything that two schemas must share to be described once.
  static void signature(const Schema& schema, std::string& out) {
    out += table(schema);
    for (const auto& property : schema.properties()) {
      if (property.object) signature(*property.object, out);
      if (property.element && property.element->object) signature(*property.element->object, out);
      for (const auto& [name, variant] : property.variants) signature(*variant, out);
    }
  }
  std::map<std::string, std::string> seen_;     // section by signature
  std::map<std::string, std::string> choices_;  // path by types and their signatures
};

std::string wrapped(const std::string& text, const std::string& indent) {
  constexpr std::size_t kWidth = 100;
  std::string out = indent;
  std::size_t column = indent.size();
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    if (column + (end - at) > kWidth && column > indent.size()) {
      out += "\n" + indent;
      column = indent.size();
    }
    if (column > indent.size()) {
      out += ' ';
      ++column;
    }
    out += text.substr(at, end - at);
    column += end - at;
    at = end + 1;
  }
  return out + "\n";
}

}  // namespace

std::string markdown_reference(const Schema& schema) {
  Writer writer;
  writer.text = "## Top level\n\n" + table(schema);
  writer.below("", schema);
  return writer.text;
}

std::string plain_reference(const Schema& schema, const std::string& indent) {
  std::string text;
  for (const auto& property : schema.properties()) {
    const std::string fallback = default_text(property);
    text += indent + property.name + ": " + takes(property) +
            (!property.fallback ? " (required)"
             : fallback.empty() ? ""
                                : " (default " + fallback + ")") +
            "\n";
    if (!property.doc.empty()) text += wrapped(property.doc, indent + "    ");
    if (property.object) text += plain_reference(*property.object, indent + "  ");
  }
  return text;
}

}  // namespace mg
