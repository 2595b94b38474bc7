#pragma once
// What CUDA adds to C++ inside a kernel: qualifiers, barriers, votes, shuffles, atomics.
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "emulator.hpp"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// Blocks run one after another, so the threads of a block can share a static variable. ThreadSanitizer builds keep
// them in the thread-local block of the program, whose address range is known; the others where AddressSanitizer
// puts red zones round them.
#if defined(__SANITIZE_THREAD__)
#define __shared__ static thread_local
#else
#define __shared__ static
#endif

inline void __syncthreads() { ::mg::emulation::block_barrier(); }
inline int __syncthreads_count(int predicate) { return ::mg::emulation::block_barrier(predicate); }
inline int __syncthreads_or(int predicate) { return ::mg::emulation::block_barrier(predicate) > 0 ? 1 : 0; }
inline int __syncthreads_and(int predicate) {
  return ::mg::emulation::block_barrier(predicate) == ::mg::emulation::block_alive() ? 1 : 0;
}
inline void __syncwarp(unsigned mask = ~0U) { ::mg::emulation::warp_meet(mask, ::mg::emulation::WarpOp::barrier); }

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return ::mg::emulation::warp_meet(mask, ::mg::emulation::WarpOp::vote, predicate).ballot;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0 ? 1 : 0; }
inline int __all_sync(unsigned mask, int predicate) {
  const auto vote = ::mg::emulation::warp_meet(mask, ::mg::emulation::WarpOp::vote, predicate);
  return vote.ballot == vote.group ? 1 : 0;
}

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = warpSize) {
  const int first = ::mg::emulation::lane() & ~(width - 1);
  return ::mg::emulation::shuffle(mask, value, first + (from & (width - 1)));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  const int own = ::mg::emulation::lane(), first = own & ~(width - 1), from = own - int(delta);
  return ::mg::emulation::shuffle(mask, value, from >= first ? from : own);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  const int own = ::mg::emulation::lane(), last = own | (width - 1), from = own + int(delta);
  return ::mg::emulation::shuffle(mask, value, from <= last ? from : own);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize) {
  const int own = ::mg::emulation::lane(), last = own | (width - 1), from = own ^ lane_mask;
  return ::mg::emulation::shuffle(mask, value, from <= last ? from : own);
}

// All threads run in one of the host; what orders them for ThreadSanitizer is the atomic that follows.
inline void __threadfence() { std::atomic_signal_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() { __threadfence(); }
inline void __threadfence_system() { __threadfence(); }
[[noreturn]] inline void __trap() { throw std::runtime_error("__trap() in a kernel"); }

// ---- atomics: ordered, as the pattern "write, __threadfence, atomic" needs them ------------------------------------

namespace mg::emulation {
template <class T>
struct Same {
  using type = T;
};
/// Replaces *at by f(*at); returns what was there.
template <class T, class F>
T atomic_update(T* at, const F& f) {
  std::atomic_ref<T> ref(*at);
  T old = ref.load();
  while (!ref.compare_exchange_weak(old, f(old))) {
  }
  return old;
}
}  // namespace mg::emulation

template <class T>
T atomicAdd(T* at, typename ::mg::emulation::Same<T>::type v) {
  return ::mg::emulation::atomic_update(at, [v](T old) { return T(old + v); });
}
template <class T>
T atomicSub(T* at, typename ::mg::emulation::Same<T>::type v) {
  return ::mg::emulation::atomic_update(at, [v](T old) { return T(old - v); });
}
template <class T>
T atomicMin(T* at, typename ::mg::emulation::Same<T>::type v) {
  return ::mg::emulation::atomic_update(at, [v](T old) { return v < old ? v : old; });
}
template <class T>
T atomicMax(T* at, typename ::mg::emulation::Same<T>::type v) {
  return ::mg::emulation::atomic_update(at, [v](T old) { return old < v ? v : old; });
}
template <class T>
T atomicAnd(T* at, typename ::mg::emulation::Same<T>::type v) {
  return ::mg::emulation::atomic_update(at, [v](T old) { return T(old & v); });
}
template <class T>
T atomicOr(T* at, typename ::mg::emulation::Same<T>::type v) {
  return ::mg::emulation::atomic_update(at, [v](T old) { return T(old | v); });
}
template <class T>
T atomicXor(T* at, typename ::mg::emulation::Same<T>::type v) {
  return ::mg::emulation::atomic_update(at, [v](T old) { return T(old ^ v); });
}
template <class T>
T atomicExch(T* at, typename ::mg::emulation::Same<T>::type v) {
  return std::atomic_ref<T>(*at).exchange(v);
}
template <class T>
T atomicCAS(T* at, typename ::mg::emulation::Same<T>::type expected, typename ::mg::emulation::Same<T>::type v) {
  std::atomic_ref<T>(*at).compare_exchange_strong(expected, v);
  return expected;
}
inline unsigned atomicInc(unsigned* at, unsigned last) {
  return ::mg::emulation::atomic_update(at, [last](unsigned old) { return old >= last ? 0U : old + 1; });
}
inline unsigned atomicDec(unsigned* at, unsigned last) {
  return ::mg::emulation::atomic_update(at, [last](unsigned old) { return old == 0 || old > last ? last : old - 1; });
}
