#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/config_source.hpp"
#include "core/error.hpp"

namespace mg {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::string read_bounded(const fs::path& file) {
  std::error_code error;
  if (fs::is_directory(file, error)) throw ConfigError(file.string() + ": is a folder, not a configuration file");
  std::ifstream in(file, std::ios::binary);
  if (!in) throw ConfigError(file.string() + ": cannot be opened: " + std::strerror(errno));
  std::string text(kMaxConfigBytes + 1, '\0');
  in.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(in.gcount()));
  if (in.bad()) throw ConfigError(file.string() + ": cannot be read");
  if (text.size() > kMaxConfigBytes) throw ConfigError(file.string() + ": larger than 4 MiB");
  return text;
}

bool other_type(const json& a, const json& b) {
  const auto in_a = a.find("type"), in_b = b.find("type");
  return in_b != b.end() && (in_a == a.end() || *in_a != *in_b);
}

/// Puts `child` over `base`; places follow the values.
void merge(Document& base, json& into, const std::string& pointer, const Document& child, const json& value) {
  if (!into.is_object() || !value.is_object() || other_type(into, value)) {
    into = value;
    base.source->erase(pointer);
    base.source->take(*child.source, pointer);
    return;
  }
  if (const auto* place = child.source->find(pointer)) base.source->set(pointer, *place);
  for (const auto& [key, element] : value.items()) {
    const std::string below = pointer + "/" + escape_pointer(key);
    if (into.contains(key)) {
      merge(base, into[key], below, child, element);
    } else {
      into[key] = element;
      base.source->take(*child.source, below);
    }
  }
}

Document read_chain(const fs::path& file, std::vector<fs::path>& chain) {
  const fs::path real = fs::weakly_canonical(fs::absolute(file));
  Document document = parse_config(read_bounded(file), file.string(), fs::absolute(file).parent_path());
  chain.push_back(real);
  if (!document.value.is_object()) return document;
  document.value.erase("$schema");
  if (!document.value.contains("extends")) return document;

  const json extends = document.value["extends"];
  const auto fail = [&](const std::string& message) -> void {
    throw ConfigError(document.source->describe("/extends") + message);
  };
  if (!extends.is_string()) fail("expected the path of a configuration file, got " + extends.dump().substr(0, 60));
  const fs::path relative = extends.get<std::string>();
  const fs::path base_file = file.parent_path() / relative;
  const fs::path base_real = fs::weakly_canonical(fs::absolute(base_file)), folder = real.parent_path();
  const fs::path inside = base_real.lexically_relative(folder);
  if (relative.empty() || relative.is_absolute() || inside.empty() || *inside.begin() == "..")
    fail("expected a relative path at or below the folder of this file, got " + extends.dump());
  if (std::find(chain.begin(), chain.end(), base_real) != chain.end())
    fail("cycle: " + relative.string() + " extends this file");
  if (chain.size() > kMaxExtends) fail("chain longer than " + std::to_string(kMaxExtends) + " files");
  std::error_code error;
  if (!fs::exists(base_real, error)) fail("no such file: " + base_file.string());

  document.value.erase("extends");
  document.source->erase("/extends");
  Document base = read_chain(base_file, chain);
  base.errors.insert(base.errors.end(), document.errors.begin(), document.errors.end());
  merge(base, base.value, "", document, document.value);
  return base;
}

}  // namespace

Document read_config(const fs::path& file) {
  std::vector<fs::path> chain;
  return read_chain(file, chain);
}

}  // namespace mg
