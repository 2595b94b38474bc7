#include "core/config_source.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"

namespace mg {

using nlohmann::json;

void SourceMap::erase(const std::string& pointer) {
  places_.erase(pointer);
  const auto first = places_.lower_bound(pointer + "/");
  places_.erase(first, places_.lower_bound(pointer + "0"));  // '0' follows '/'
}

void SourceMap::take(const SourceMap& other, const std::string& pointer) {
  if (const auto it = other.places_.find(pointer); it != other.places_.end()) places_[pointer] = it->second;
  const auto last = other.places_.lower_bound(pointer + "0");
  for (auto it = other.places_.lower_bound(pointer + "/"); it != last; ++it) places_[it->first] = it->second;
}

const SourcePlace* SourceMap::find(std::string pointer) const {
  while (true) {
    if (const auto it = places_.find(pointer); it != places_.end()) return &it->second;
    if (pointer.empty()) return nullptr;
    pointer.resize(pointer.rfind('/'));
  }
}

std::string SourceMap::describe(const std::string& pointer, bool at_key) const {
  std::string text;
  if (const SourcePlace* place = find(pointer)) {
    text = place->origin;
    const bool key = at_key && place->key_line && places_.contains(pointer);
    const int line = key ? place->key_line : place->line, column = key ? place->key_column : place->column;
    if (line) text += ":" + std::to_string(line) + ":" + std::to_string(column);
    text += ": ";
  }
  return pointer.empty() ? text : text + pointer + ": ";
}

std::string escape_pointer(std::string_view key) {
  std::string escaped;
  for (const char c : key) escaped += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return escaped;
}

namespace {

struct Position {
  int line = 1, column = 1;
};

/// Follows the tokens of the text in step with the events of the parser.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }
  /// Start of the next token; moves behind it.
  Position next() {
    skip_blank();
    const Position start = position_;
    if (at_ == text_.size()) return start;
    if (text_[at_] == '"') {
      for (advance(); at_ < text_.size() && text_[at_] != '"'; advance())
        if (text_[at_] == '\\') advance();
      advance();
    } else if (std::string_view("{}[]").find(text_[at_]) != std::string_view::npos) {
      advance();
    } else {
      while (at_ < text_.size() && std::string_view(" \t\r\n,:{}[]/\"").find(text_[at_]) == std::string_view::npos)
        advance();
    }
    return start;
  }
  /// Position of byte `offset`, counted from where the tokens stand.
  Position at(std::size_t offset) {
    while (at_ < offset && at_ < text_.size()) advance();
    return position_;
  }

 private:
  void advance() {
    if (at_ >= text_.size()) return;
    const auto c = static_cast<unsigned char>(text_[at_++]);
    if (c == '\n') {
      ++position_.line;
      position_.column = 1;
    } else if ((at_ >= text_.size() || (static_cast<unsigned char>(text_[at_]) & 0xC0) != 0x80)) {
      ++position_.column;  // at the last byte of a character
    }
  }
  void skip_blank() {
    while (at_ < text_.size()) {
      if (text_.substr(at_, 2) == "//") {
        while (at_ < text_.size() && text_[at_] != '\n') advance();
      } else if (text_.substr(at_, 2) == "/*") {
        for (advance(), advance(); at_ < text_.size() && text_.substr(at_, 2) != "*/";) advance();
        advance(), advance();
      } else if (std::string_view(" \t\r\n,:").find(text_[at_]) != std::string_view::npos) {
        advance();
      } else {
        return;
      }
    }
  }
  std::string_view text_;
  std::size_t at_ = 0;
  Position position_;
};

/// Receives the events of nlohmann's parser, builds the value and notes the place of everything.
class Builder {
 public:
  Builder(std::string_view text, const std::string& name, const std::filesystem::path& folder)
      : text_(text), tokens_(text), name_(name), folder_(folder) {}

  bool null() { return scalar(nullptr); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(json::number_integer_t value) { return scalar(value); }
  bool number_unsigned(json::number_unsigned_t value) { return scalar(value); }
  bool number_float(json::number_float_t value, const std::string&) { return scalar(value); }
  bool binary(json::binary_t&) { return false; }
  bool string(std::string& value) {
    const Position start = tokens_.next();
    if (value.size() > kMaxConfigString) fail(start, "string longer than 64 KiB");
    add(std::move(value), start);
    return true;
  }
  bool start_object(std::size_t) { return open(json::object()); }
  bool start_array(std::size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    key_position_ = tokens_.next();
    if (name.size() > kMaxConfigString) fail(key_position_, "string longer than 64 KiB");
    key_ = std::move(name);
    if (!open_.back().keys.insert(key_).second) {
      const int first = document.source->find(child_pointer())->key_line;
      document.errors.push_back(name_ + ":" + std::to_string(key_position_.line) + ":" +
                                std::to_string(key_position_.column) + ": " + child_pointer() + ": duplicate key" +
                                (first ? "; first given in line " + std::to_string(first) : ""));
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const json::exception& error) {
    std::string message = error.what();
    message.erase(0, message.find("] ") + 2);
    if (const auto at = message.find("syntax error"); at != std::string::npos) message.erase(0, at);
    if (const auto last = message.find("; last read"); last != std::string::npos) {
      const auto expected = message.find("; expected", last);
      message.erase(last, expected == std::string::npos ? std::string::npos : expected - last);
    }
    const bool overflow = message.starts_with("number overflow");
    if (overflow) message = "number too large for a double";
    fail(overflow ? tokens_.next() : Tokens(text_).at(position ? position - 1 : 0), message.substr(0, 200));
  }

  Document document;

 private:
  struct Open {
    json* value;
    std::string pointer;
    std::set<std::string> keys;
  };

  [[noreturn]] void fail(Position at, const std::string& message) const {
    throw ConfigError(name_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " + message);
  }
  std::string child_pointer() const {
    if (open_.empty()) return "";
    const Open& parent = open_.back();
    return parent.pointer + "/" +
           (parent.value->is_array() ? std::to_string(parent.value->size()) : escape_pointer(key_));
  }
  bool scalar(json value) {
    const Position start = tokens_.next();
    add(std::move(value), start);
    return true;
  }
  json* add(json value, Position start) {
    constexpr std::size_t kPlacedElements = 4096;  // later elements of a list report the place of the list
    const bool in_array = !open_.empty() && open_.back().value->is_array();
    if (in_array && open_.back().value->size() >= kMaxConfigArray) fail(start, "list longer than 1000000 elements");
    if (!in_array || open_.back().value->size() < kPlacedElements) {
      SourcePlace place{name_, start.line, start.column, 0, 0, folder_};
      if (!open_.empty() && !in_array) place.key_line = key_position_.line, place.key_column = key_position_.column;
      document.source->set(child_pointer(), std::move(place));
    }
    if (open_.empty()) return &(document.value = std::move(value));
    json& parent = *open_.back().value;
    if (!in_array) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }
  bool open(json empty) {
    const Position start = tokens_.next();
    if (open_.size() >= kMaxConfigDepth) fail(start, "nested deeper than 64 levels");
    std::string pointer = child_pointer();
    json* value = add(std::move(empty), start);
    open_.push_back({value, std::move(pointer), {}});
    return true;
  }
  bool close() {
    tokens_.next();
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  Tokens tokens_;
  std::string name_;
  std::filesystem::path folder_;
  std::string key_;
  Position key_position_;
  std::vector<Open> open_;
};

}  // namespace

Document parse_config(std::string_view text, const std::string& name, const std::filesystem::path& folder) {
  if (text.size() > kMaxConfigBytes) throw ConfigError(name + ": larger than 4 MiB");
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    throw ConfigError(name + ":1:1: text is UTF-16; save the file as UTF-8");
  Builder builder(text, name, folder);
  json::sax_parse(text.begin(), text.end(), &builder, json::input_format_t::json, true, true);
  return std::move(builder.document);
}

}  // namespace mg
