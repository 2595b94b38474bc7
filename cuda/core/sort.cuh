#pragma once
#include "core/buffer.hpp"

namespace mg::cuda {

/// Sorts `n` pairs by the lowest `bits` bits of their keys; equal keys keep their order.
void sort_pairs(CUstream_st* stream, const unsigned* keys, unsigned* keys_out, const int* values, int* values_out,
                std::size_t n, int bits, Workspace& workspace);

}  // namespace mg::cuda
