#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace mg::apps {

/// "morphogen 0.1.0 (1a2b3c4d, Release, CUDA 13.0)"
std::string version_line();

/// Version, git commit and whether the tree was dirty when built, compiler, flags, build type, CUDA, instruction sets and
/// libraries: what `version --json` prints and every run directory keeps.
nlohmann::json build_info();

}  // namespace mg::apps
