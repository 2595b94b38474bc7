#pragma once
#include <filesystem>
#include <optional>

namespace mg::test {

/// Where golden files are read from: MG_GOLDEN_DIR, else ../shared/golden beside the source tree, else tests/golden.
std::filesystem::path golden_dir();

/// Where other people's models lie: MG_ORACLE_DIR, else ../shared/oracles; none when neither exists. Absent although
/// CI is set and ../shared exists is an error.
std::optional<std::filesystem::path> oracle_dir();

}  // namespace mg::test
