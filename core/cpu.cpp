#include "core/cpu.hpp"

#include <cstdlib>
#include <string>

#include "core/error.hpp"

namespace mg {

bool has_isa(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::baseline:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512cd");
  }
#endif
  return isa == Isa::baseline;
}

namespace {

Isa choose() {
  if (const char* asked = std::getenv("MG_ISA")) {
    for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
      if (kIsaNames[int(isa)] == asked) {
        if (!has_isa(isa)) throw DeviceError(std::string("MG_ISA=") + asked + ": this processor lacks it");
        return isa;
      }
    throw DeviceError(std::string("MG_ISA=") + asked + ": expected baseline, avx2 or avx512");
  }
  for (Isa isa : {Isa::avx512, Isa::avx2})
    if (has_isa(isa)) return isa;
  return Isa::baseline;
}

}  // namespace

Isa best_isa() {
  static const Isa isa = choose();
  return isa;
}

}  // namespace mg
