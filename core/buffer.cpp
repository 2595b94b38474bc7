#include "core/buffer.hpp"

#include <cstring>
#include <new>

namespace mg {

namespace host {
void* allocate_bytes(std::size_t bytes) { return ::operator new (bytes, std::align_val_t{64}); }
void free_bytes(void* data) noexcept { ::operator delete (data, std::align_val_t{64}); }
void zero_bytes(void* data, std::size_t bytes) { std::memset(data, 0, bytes); }
}  // namespace host

#if MG_WITH_CUDA
namespace cuda {  // cuda/core/memory.cu
void* allocate_bytes(CUstream_st* stream, std::size_t bytes);
void free_bytes(CUstream_st* stream, void* data) noexcept;
void zero_bytes(CUstream_st* stream, void* data, std::size_t bytes);
void copy_bytes(CUstream_st* stream, void* to, const void* from, std::size_t bytes);
void synchronise(CUstream_st* stream);
}  // namespace cuda
#endif

void* allocate_bytes(const Exec& exec, std::size_t bytes) {
#if MG_WITH_CUDA
  if (exec.backend == Backend::cuda) return cuda::allocate_bytes(exec.stream, bytes);
#else
  if (exec.backend == Backend::cuda) throw_no_cuda("allocate_bytes");
#endif
  return host::allocate_bytes(bytes);
}

void free_bytes(const Exec& exec, void* data) noexcept {
#if MG_WITH_CUDA
  if (exec.backend == Backend::cuda) return cuda::free_bytes(exec.stream, data);
#endif
  (void)exec;
  host::free_bytes(data);
}

void zero_bytes(const Exec& exec, void* data, std::size_t bytes) {
  if (bytes != 0) MG_DISPATCH(exec, zero_bytes, data, bytes);
}

void copy_bytes(const Exec& exec, void* to, Backend to_at, const void* from, Backend from_at, std::size_t bytes) {
  if (bytes == 0) return;
  if (to_at == Backend::host && from_at == Backend::host) {
    std::memcpy(to, from, bytes);
    return;
  }
#if MG_WITH_CUDA
  cuda::copy_bytes(exec.stream, to, from, bytes);
#else
  (void)exec;
  throw_no_cuda("copy_bytes");
#endif
}

void synchronise(const Exec& exec) {
#if MG_WITH_CUDA
  if (exec.backend == Backend::cuda) cuda::synchronise(exec.stream);
#else
  (void)exec;
#endif
}

}  // namespace mg
