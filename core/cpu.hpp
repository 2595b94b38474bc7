#pragma once
#include <string_view>

namespace mg {

/// Instruction sets that hot host loops (files *_isa.cpp) are compiled for.
enum class Isa { baseline, avx2, avx512 };

inline constexpr std::string_view kIsaNames[] = {"baseline", "avx2", "avx512"};

/// Whether this processor has the set.
bool has_isa(Isa isa);

/// The best set this processor has, or the one that the environment variable MG_ISA names (for tests);
/// a named set that the processor lacks is an error.
Isa best_isa();

/// Which of three values belongs to `isa`: the same function, or pointer to a table, of every copy of a *_isa.cpp file.
template <class V>
constexpr V of_isa(Isa isa, V baseline, V avx2, V avx512) {
  return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : baseline;
}

}  // namespace mg
