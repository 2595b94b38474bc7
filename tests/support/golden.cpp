#include "tests/support/golden.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/environment.hpp"

namespace mg::test {

std::vector<std::filesystem::path> golden_files(const std::string& area, const std::string& prefix) {
  const auto folder = golden_dir() / area;
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto& path = entry.path();
    if (path.extension() == ".safetensors" && path.stem().string().starts_with(prefix)) found.push_back(path);
  }
  std::sort(found.begin(), found.end());
  if (found.empty()) ADD_FAILURE() << "no golden file " << (folder / (prefix + "*.safetensors"));
  return found;
}

Golden load_golden(const std::filesystem::path& path) {
  Golden golden{path.stem().string(), read_safetensors(path), {}};
  const auto it = golden.file.metadata.find("case");
  if (it == golden.file.metadata.end()) throw DataError(path.string() + ": has no metadata 'case'");
  golden.what = nlohmann::json::parse(it->second);
  return golden;
}

}  // namespace mg::test
