#pragma once
// The static __shared__ variables of the program: found by their registration with AddressSanitizer, or as the
// thread-local block of the program under ThreadSanitizer (include/cuda_runtime.h says how __shared__ is spelled).
#include <cstddef>

namespace mg::emulation {

inline constexpr int kPoison = 0xff;  ///< every byte: NaN as float or double, -1 as an integer

/// Between two blocks: fills static shared memory with kPoison (AddressSanitizer) and makes ThreadSanitizer forget
/// who touched it, since the next block has its own.
void renew_static_shared();
/// The same for the dynamic shared memory of a block.
void renew_dynamic_shared(void* data, std::size_t bytes);
std::size_t static_shared_variables();  ///< how many were found; 0 where this build cannot see them

}  // namespace mg::emulation
