#include "apps/build_info.hpp"

#include <mg_build_config.hpp>
#include <mg_git.hpp>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/cpu.hpp"
#include "core/fft.hpp"

namespace mg::apps {

namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

std::string cuda_version() {
#if defined(MG_CUDA_EMULATION)
  return "emulated";
#else
  return MG_NVCC_VERSION;
#endif
}

}  // namespace

std::string version_line() {
  const std::string sha = MG_GIT_SHA;
  std::string line = "morphogen " MG_VERSION " (";
  line += sha.empty() ? "no commit" : sha.substr(0, 12);
  if (MG_GIT_DIRTY) line += "-dirty";
  line += ", " + std::string(MG_BUILD_TYPE);
  return line + (MG_WITH_CUDA ? ", CUDA " + cuda_version() : std::string(", no CUDA")) + ")";
}

nlohmann::json build_info() {
  nlohmann::json cuda = nullptr;
  if (MG_WITH_CUDA) cuda = {{"compiler", cuda_version()}, {"architectures", MG_CUDA_ARCHS}};
  nlohmann::json isas = nlohmann::json::array();
  for (const auto name : kIsaNames) isas.push_back(name);
  return {{"version", MG_VERSION},
          {"git", {{"sha", MG_GIT_SHA}, {"dirty", MG_GIT_DIRTY}}},
          {"build_type", MG_BUILD_TYPE},
          {"compiler", compiler()},
          {"flags", MG_CXX_FLAGS},
          {"sanitizers", MG_SANITIZERS},
          {"instruction_sets", isas},
#ifdef _OPENMP
          {"openmp", _OPENMP},
#else
          {"openmp", nullptr},
#endif
#ifdef MG_WITH_FREETYPE
          {"freetype", true},
#else
          {"freetype", false},
#endif
          {"fftw", host_fft_library().empty() ? nlohmann::json() : nlohmann::json(host_fft_library())},
          {"cuda", cuda}};
}

}  // namespace mg::apps
