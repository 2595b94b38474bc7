#include "tests/support/environment.hpp"

#include <cstdlib>
#include <stdexcept>

namespace mg::test {
namespace fs = std::filesystem;

fs::path golden_dir() {
  const fs::path source = MG_SOURCE_DIR;
  if (const char* named = std::getenv("MG_GOLDEN_DIR")) return named;
  const fs::path shared = source.parent_path() / "shared" / "golden";
  return fs::exists(shared) ? shared : source / "tests" / "golden";
}

std::optional<fs::path> oracle_dir() {
  if (const char* named = std::getenv("MG_ORACLE_DIR")) return named;
  const fs::path shared = fs::path(MG_SOURCE_DIR).parent_path() / "shared";
  if (fs::exists(shared / "oracles")) return shared / "oracles";
  if (std::getenv("CI") != nullptr && fs::exists(shared))
    throw std::runtime_error("CI is set and " + shared.string() + " exists, but it has no oracles");
  return std::nullopt;
}

}  // namespace mg::test
