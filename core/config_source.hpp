#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace mg {

/// Bounds of a configuration file.
inline constexpr std::size_t kMaxConfigBytes = 4u << 20, kMaxConfigDepth = 64, kMaxConfigString = 64u << 10,
                             kMaxConfigArray = 1000000, kMaxExtends = 8;

/// Where a value came from: a place in a file, or the text of an override.
struct SourcePlace {
  std::string origin;                ///< file name, or "--set path=value"
  int line = 0, column = 0;          ///< of the value, 1-based, columns in characters; 0 = none
  int key_line = 0, key_column = 0;  ///< of its key
  std::filesystem::path folder;      ///< relative paths start here
};

/// JSON pointer -> where the value came from.
class SourceMap {
 public:
  void set(const std::string& pointer, SourcePlace place) { places_[pointer] = std::move(place); }
  /// Forgets the pointer and everything below it.
  void erase(const std::string& pointer);
  /// Takes the places of `other` at and below `pointer`.
  void take(const SourceMap& other, const std::string& pointer);
  /// The place of the pointer, or of the nearest place above it; null when nothing is known.
  const SourcePlace* find(std::string pointer) const;
  /// "file:line:col: /pointer: ", "--set path=value: /pointer: " or "/pointer: ". `at_key` points at the key.
  std::string describe(const std::string& pointer, bool at_key = false) const;

 private:
  std::map<std::string, SourcePlace> places_;
};

/// A parsed configuration before validation.
struct Document {
  nlohmann::json value;
  std::shared_ptr<SourceMap> source = std::make_shared<SourceMap>();
  std::vector<std::string> errors;  ///< found while reading, reported together with those of the validation
};

/// "a/b" -> "a~1b" (RFC 6901).
std::string escape_pointer(std::string_view key);

/// Parses JSON with // and /* */ comments. Duplicate keys become errors of the document.
/// @throws ConfigError "name:line:col: ..." for syntax and for what exceeds the bounds above
Document parse_config(std::string_view text, const std::string& name, const std::filesystem::path& folder = {});

/// Reads a file and what it `extends`: a relative path at or below the folder of the file that says so. Objects are
/// merged key by key; everything else, and an object of another "type", is replaced. Drops "extends" and "$schema".
/// @throws ConfigError also for missing files, cycles and chains longer than kMaxExtends
Document read_config(const std::filesystem::path& file);

}  // namespace mg
