#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/exec.hpp"

namespace mg {

/// Raw memory of a backend. Host memory is 64-byte aligned; device memory is ordered by `exec.stream`.
/// @throws DeviceError when a device allocation fails, std::bad_alloc on the host
void* allocate_bytes(const Exec& exec, std::size_t bytes);
void free_bytes(const Exec& exec, void* data) noexcept;
/// Copies between any two backends, ordered by `exec.stream`; host memory may be reused only after synchronise(exec).
void copy_bytes(const Exec& exec, void* to, Backend to_at, const void* from, Backend from_at, std::size_t bytes);
void zero_bytes(const Exec& exec, void* data, std::size_t bytes);
void synchronise(const Exec& exec);

/// Owns an array of a trivially copyable T on one backend. Move-only; contents start undefined.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  Buffer(const Exec& exec, std::size_t size)
      : exec_(exec), size_(size), data_(size ? static_cast<T*>(allocate_bytes(exec, size * sizeof(T))) : nullptr) {}
  ~Buffer() {
    if (data_ != nullptr) free_bytes(exec_, data_);
  }
  Buffer(Buffer&& o) noexcept
      : exec_(o.exec_), size_(std::exchange(o.size_, 0)), data_(std::exchange(o.data_, nullptr)) {}
  Buffer& operator=(Buffer&& o) noexcept {
    std::swap(exec_, o.exec_);
    std::swap(size_, o.size_);
    std::swap(data_, o.data_);
    return *this;
  }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  const Exec& exec() const { return exec_; }

  void zero() { zero_bytes(exec_, data_, size_ * sizeof(T)); }
  /// Copies exactly size() elements from host memory; another size is an error, never a silent resize.
  void upload(std::span<const T> host) {
    require(host.size());
    copy_bytes(exec_, data_, exec_.backend, host.data(), Backend::host, host.size_bytes());
    synchronise(exec_);
  }
  void download(std::span<T> host) const {
    require(host.size());
    copy_bytes(exec_, host.data(), Backend::host, data_, exec_.backend, host.size_bytes());
    synchronise(exec_);
  }
  std::vector<T> to_vector() const {
    std::vector<T> host(size_);
    download(host);
    return host;
  }

 private:
  void require(std::size_t n) const {
    if (n != size_)
      throw std::invalid_argument("Buffer: " + std::to_string(n) + " elements given, holds " + std::to_string(size_));
  }
  Exec exec_;
  std::size_t size_ = 0;
  T* data_ = nullptr;
};

/// Scratch memory that survives between steps: a name keeps its allocation until a larger one is asked for, so that a
/// training step allocates nothing after the first. Names are "module.use".
class Workspace {
 public:
  /// `size` elements of T under `name`; contents undefined, valid until the same name is asked for again.
  template <class T>
  T* get(const Exec& exec, std::string_view name, std::size_t size) {
    auto it = slots_.find(name);  // no std::string for a name that is known: long ones would allocate
    if (it == slots_.end()) it = slots_.emplace(std::string(name), Buffer<std::byte>()).first;
    Buffer<std::byte>& slot = it->second;
    const std::size_t bytes = size * sizeof(T);
    if (slot.size() < bytes) slot = Buffer<std::byte>(exec, bytes);
    return reinterpret_cast<T*>(slot.data());
  }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& [name, slot] : slots_) sum += slot.size();
    return sum;
  }

 private:
  std::map<std::string, Buffer<std::byte>, std::less<>> slots_;
};

}  // namespace mg
