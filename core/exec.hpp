#pragma once
#include <string>

#include "core/error.hpp"

struct CUstream_st;  // what cudaStream_t points to; core/ needs no CUDA header for it

namespace mg {

enum class Backend { host, cuda };

/// Where and on which stream an operator runs. Passed first to every operator, never global.
struct Exec {
  Backend backend = Backend::host;
  CUstream_st* stream = nullptr;  ///< used by Backend::cuda only
};

[[noreturn]] inline void throw_no_cuda(const char* op) {
  throw DeviceError(std::string(op) + ": backend 'cuda' asked for, but this build has none");
}

}  // namespace mg

/// The one place outside cuda/ (and test support) that knows whether the build has CUDA. `fn` is looked up
/// as host::fn(args...) and cuda::fn(stream, args...) in the caller's namespace.
#if MG_WITH_CUDA
#define MG_DISPATCH(ex, fn, ...) \
  ((ex).backend == ::mg::Backend::cuda ? cuda::fn((ex).stream, __VA_ARGS__) : host::fn(__VA_ARGS__))
#else
#define MG_DISPATCH(ex, fn, ...) \
  ((ex).backend == ::mg::Backend::cuda ? ::mg::throw_no_cuda(#fn) : host::fn(__VA_ARGS__))
#endif
