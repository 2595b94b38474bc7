// Device memory: real allocations that remember being device memory, so that copies can be checked.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>

#include "fiber.hpp"
#include "queue.hpp"
#include "shared_memory.hpp"

namespace mg::emulation {
namespace {

// Keyed by the complement of the address, which LeakSanitizer does not take for a pointer: what nobody frees is a leak.
std::map<std::uintptr_t, std::size_t> device_memory;
std::size_t device_bytes = std::size_t{8} << 30, used_bytes = 0;
int on_device = 0;

std::uintptr_t key(const void* pointer) { return ~reinterpret_cast<std::uintptr_t>(pointer); }

struct Place {
  bool on_device = false;
  std::size_t room = 0;  ///< bytes from the pointer to the end of its allocation
};
Place locate(const void* pointer) {
  const auto found = device_memory.lower_bound(key(pointer));  // the nearest allocation at or before it
  if (found == device_memory.end()) return {};
  const std::uintptr_t offset = found->first - key(pointer);
  return offset < found->second ? Place{true, found->second - offset} : Place{};
}

void set_touchable(bool touchable) {
  (void)touchable;
  MG_ASAN(for (const auto& [k, bytes]
               : device_memory) {
    void* data = reinterpret_cast<void*>(~k);
    if (touchable)
      __asan_unpoison_memory_region(data, bytes);
    else
      __asan_poison_memory_region(data, bytes);
  })
}

/// Whether a copy of `bytes` may touch this side of it.
bool fits(const void* pointer, std::size_t bytes, bool must_be_device, bool must_be_host) {
  const Place place = locate(pointer);
  if (place.on_device) return !must_be_host && bytes <= place.room;
  return !must_be_device;
}

bool valid_copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const bool known = kind != cudaMemcpyDefault;
  return fits(to, bytes, to_device, known && !to_device) && fits(from, bytes, from_device, known && !from_device);
}

void release(void* pointer) {
  const auto found = device_memory.find(key(pointer));
  if (found == device_memory.end()) return;
  MG_ASAN(__asan_unpoison_memory_region(pointer, found->second);)
  used_bytes -= found->second;
  device_memory.erase(found);
  std::free(pointer);
}

}  // namespace

std::recursive_mutex& device_lock() {
  static std::recursive_mutex lock;
  return lock;
}

void enter_device() {
  device_lock().lock();
  if (on_device++ == 0) set_touchable(true);
}
void leave_device() {
  if (--on_device == 0) set_touchable(false);
  device_lock().unlock();
}

LibraryCall::LibraryCall(cudaStream_t stream) {
  (void)report(cudaStreamSynchronize(stream));
  enter_device();
}
LibraryCall::~LibraryCall() { leave_device(); }

void set_device_memory(std::size_t bytes) { device_bytes = bytes; }

cudaError_t allocate(void** pointer, std::size_t bytes) {
  const std::lock_guard guard(device_lock());
  *pointer = nullptr;
  if (any_capture()) return report(cudaErrorStreamCaptureUnsupported);
  if (bytes == 0) return cudaSuccess;
  if (bytes > device_bytes - std::min(device_bytes, used_bytes)) return report(cudaErrorMemoryAllocation);
  void* data = nullptr;
  if (posix_memalign(&data, 256, bytes) != 0) return report(cudaErrorMemoryAllocation);
  std::memset(data, kPoison, bytes);
  device_memory[key(data)] = bytes;
  used_bytes += bytes;
  MG_ASAN(if (on_device == 0) __asan_poison_memory_region(data, bytes);)
  *pointer = data;
  return cudaSuccess;
}

cudaError_t allocate_host(void** pointer, std::size_t bytes) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (posix_memalign(pointer, 256, bytes) != 0) return report(cudaErrorMemoryAllocation);
  std::memset(*pointer, kPoison, bytes);
  return cudaSuccess;
}

}  // namespace mg::emulation

using namespace mg::emulation;

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  const std::lock_guard guard(device_lock());
  *free_bytes = device_bytes - std::min(device_bytes, used_bytes);
  *total_bytes = device_bytes;
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const std::lock_guard guard(device_lock());
  const bool device = locate(pointer).on_device;
  void* plain = const_cast<void*>(pointer);
  *attributes = {device ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered, 0, device ? plain : nullptr,
                 device ? nullptr : plain};
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  const std::lock_guard guard(device_lock());
  const cudaError_t status = run_all_queues();
  if (device_memory.count(key(pointer)) == 0) return report(cudaErrorInvalidValue);
  release(pointer);
  return status;
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  if (pointer == nullptr) return cudaSuccess;
  const std::lock_guard guard(device_lock());
  if (device_memory.count(key(pointer)) == 0) return report(cudaErrorInvalidValue);
  return enqueue(stream, [pointer] { release(pointer); });
}

cudaError_t cudaFreeHost(void* pointer) {
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  const std::lock_guard guard(device_lock());
  if (!valid_copy(to, from, bytes, kind)) return report(cudaErrorInvalidValue);
  return enqueue(stream, [=] { std::memmove(to, from, bytes); });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  if (width == 0 || height == 0) return cudaSuccess;
  const std::lock_guard guard(device_lock());
  const bool pitches = width <= to_pitch && width <= from_pitch;
  if (!pitches || !valid_copy(to, from, width, kind) || !fits(to, to_pitch * (height - 1) + width, false, false) ||
      !fits(from, from_pitch * (height - 1) + width, false, false))
    return report(cudaErrorInvalidValue);
  return enqueue(stream, [=] {
    for (std::size_t row = 0; row < height; ++row)
      std::memmove(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t status = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return status == cudaSuccess ? cudaStreamSynchronize(nullptr) : status;
}

cudaError_t cudaMemsetAsync(void* at, int value, std::size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  const std::lock_guard guard(device_lock());
  if (!fits(at, bytes, true, false)) return report(cudaErrorInvalidValue);
  return enqueue(stream, [=] { std::memset(at, value, bytes); });
}

cudaError_t cudaMemset(void* at, int value, std::size_t bytes) { return cudaMemsetAsync(at, value, bytes, nullptr); }
