#pragma once
#include "pde/isa_net.hpp"
#include "pde/isa_rows.hpp"

/// Scratch memory of a thread, and the blocks of a unit.
namespace mg::pde::MG_ISA {

using neural::Fields;
using neural::Output;
using neural::Role;

/// Scratch of one thread, cut from one allocation.
template <class T>
struct Scratch {
  static std::size_t size(const Plan<T>& p) { return Scratch(p, nullptr).used_; }
  Scratch(const Plan<T>& p, T* base) : base_(base) {
    constexpr std::size_t B = kBlock<T>;
    std::size_t features = 1, out = 1, layers = 1;
    for (int i = 0; i < p.nets; ++i) {
      const Net& n = p.net[i];
      if (std::size_t(n.features) > features) features = n.features;
      if (std::size_t(n.out) > out) out = n.out;
      if (std::size_t(n.layers) > layers) layers = n.layers;
    }
    const std::size_t C = p.C, wide = out > C ? out : C, cells = std::size_t(p.unit_rows) * p.w;
    x = take(C * B), x_dot = take(C * B), x_bar = take(C * B);
    local = take(C * B), local_dot = take(C * B);
    z0 = take(features * B), z0_dot = take(features * B), z0_bar = take(features * B);
    net.h = take(layers * C * B), net.z = take(layers * features * B);
    net.y = take(out * B), net.slope = take(out * B);
    net.psi = take(features * B), net.z_bar = take(features * B);
    net.h_bar = take(wide * B), net.z_dot = take(features * B);
    for (T*& r : ring) r = take(Rows<T>::size(p));
    lap = take(p.w + 2 * kLanes<T>);
    direct = take(C * cells);
    planes = take(std::size_t(p.planes) * cells);
  }
  T *x, *x_dot, *x_bar, *local, *local_dot;  // [C] of a block
  T *z0, *z0_dot, *z0_bar;                   // [features] of a block
  NetScratch<T> net;
  T* ring[3];
  T* lap;     // [w]
  T* direct;  // [C][unit cells]
  T* planes;  // [planes][unit cells]

 private:
  T* take(std::size_t n) {
    const std::size_t at = used_;
    used_ += (n + 15) / 16 * 16;
    return base_ == nullptr ? nullptr : base_ + at;
  }
  T* base_;
  std::size_t used_ = 0;
};

/// The block of `count` cells from `from` on; the rest is 0.
template <class T>
void read_block(const T* from, int count, T* to) {
  if (count == kBlock<T>) return (void)__builtin_memcpy(to, from, sizeof(T) * kBlock<T>);
  for (int i = 0; i < count; ++i) to[i] = from[i];
  for (int i = count; i < kBlock<T>; ++i) to[i] = 0;
}
template <class T>
void write_block(const T* from, int count, T* to) {
  if (count == kBlock<T>) return (void)__builtin_memcpy(to, from, sizeof(T) * kBlock<T>);
  for (int i = 0; i < count; ++i) to[i] = from[i];
}

/// Calls fn(first cell of the block in its plane, cells) for the blocks of a unit.
template <class T, class Fn>
void for_blocks(const Unit<T>& u, const Fn& fn) {
  for (int k = 0; k < u.cells; k += kBlock<T>) fn(u.first + k, u.cells - k < kBlock<T> ? u.cells - k : kBlock<T>);
}

inline bool reads_neighbours(const Net& net) { return net.role == Role::diffusion || net.role == Role::chemotaxis; }

/// r[c] of the unit, and the sums that want it.
template <class T>
void write_output(const Plan<T>& p, const Unit<T>& u, const Output<T>& out, const T* r, int c, std::size_t first,
                  int count) {
  const std::size_t at = (std::size_t(u.n) * p.C + c) * u.plane + first;
  for (int j = 0; j < out.sums; ++j) {
    const neural::Sum<T>& sum = out.sum[j];
    for (int k = 0; k < count; k += kLanes<T>) {
      const int some = count - k;
      Vec<T> v = sum.r_weight * load_some(r + k, some);
      if (sum.base != nullptr) v += load_some(sum.base + at + k, some);
      for (int i = 0; i < sum.terms; ++i) v += sum.weight[i] * load_some(sum.term[i] + at + k, some);
      store_some(sum.out + at + k, v, some);
    }
  }
  if (out.r != nullptr) __builtin_memcpy(out.r + at, r, sizeof(T) * count);
}

template <class T>
T linear_coefficient(const Plan<T>& p, int c) {
  return c >= p.linear && c < p.linear_end ? p.coefficient[c - p.linear] : T(0);
}
/// Plane of the network that diffuses channel c, or -1.
template <class T>
int diffusion_plane(const Plan<T>& p, int c) {
  if (p.diffusion < 0) return -1;
  const Net& net = p.net[p.diffusion];
  return c >= net.first && c < net.first + net.out ? net.plane + c - net.first : -1;
}

}  // namespace mg::pde::MG_ISA
