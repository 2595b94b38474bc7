#pragma once
#include "pde/isa_scratch.hpp"

/// The networks of all cells of a unit and what their outputs give.
namespace mg::pde::MG_ISA {

template <class T>
void cells(const Plan<T>& p, const Fields<T>& f, bool planes_only, int unit, T* scratch) {
  constexpr int B = kBlock<T>;
  const Scratch<T> s(p, scratch);
  const Unit<T> u(p, unit);
  for_blocks(u, [&](std::size_t at, int count) {
    for (int c = 0; c < p.C; ++c) read_block(u.of(f.x, p.C, c) + at, count, s.x + c * B);
    const T* z0 = s.x;
    if (p.nets > 0 && p.net[0].order > 1) expand(p.net[0], s.x, s.z0), z0 = s.z0;
    for_vectors<T>(p.C, [&](int i) { store(s.local + i, Vec<T>{}); });
    for_vectors<T>(p.cubic_end - p.cubic, [&](int i) {
      const Vec<T> x = load(s.x + p.cubic * B + i);
      store(s.local + p.cubic * B + i, -(p.stability * x * x * x));
    });
    for (int k = 0; k < p.nets; ++k) {
      const Net& net = p.net[k];
      if (planes_only && !reads_neighbours(net)) continue;
      forward_net(p, net, z0, s.net, false);
      T* to = s.local + net.first * B;
      const T* x = s.x + net.first * B;
      if (net.role == Role::add) {
        for_vectors<T>(net.out, [&](int i) { store(to + i, load(to + i) + load(s.net.y + i)); });
      } else if (net.role == Role::decay) {
        for_vectors<T>(net.out, [&](int i) { store(to + i, load(to + i) - load(x + i) * load(s.net.y + i)); });
      } else {
        if (net.role == Role::advection)
          for (int half = 0; half < 2; ++half)
            for_vectors<T>(p.C, [&](int i) {
              T* y = s.net.y + half * p.C * B + i;
              store(y, load(y) * load(s.x + i));
            });
        for (int o = 0; o < net.out; ++o)
          write_block(s.net.y + o * B, count, u.of(f.extra, p.planes, net.plane + o) + at);
      }
    }
    if (!planes_only)
      for (int c = 0; c < p.C; ++c) write_block(s.local + c * B, count, u.of(f.local, p.C, c) + at);
  });
}

template <class T>
void cells_tangent(const Plan<T>& p, const Fields<T>& f, int unit, T* scratch) {
  constexpr int B = kBlock<T>;
  const Scratch<T> s(p, scratch);
  const Unit<T> u(p, unit);
  for_blocks(u, [&](std::size_t at, int count) {
    for (int c = 0; c < p.C; ++c) {
      read_block(u.of(f.x, p.C, c) + at, count, s.x + c * B);
      read_block(u.of(f.x_dot, p.C, c) + at, count, s.x_dot + c * B);
    }
    const T *z0 = s.x, *z0_dot = s.x_dot;
    if (p.nets > 0 && p.net[0].order > 1) {
      expand(p.net[0], s.x, s.z0), z0 = s.z0;
      expand_tangent(p.net[0], s.z0, s.x_dot, s.z0_dot), z0_dot = s.z0_dot;
    }
    for_vectors<T>(p.C, [&](int i) { store(s.local_dot + i, Vec<T>{}); });
    for_vectors<T>(p.cubic_end - p.cubic, [&](int i) {
      const Vec<T> x = load(s.x + p.cubic * B + i), d = load(s.x_dot + p.cubic * B + i);
      store(s.local_dot + p.cubic * B + i, -(T(3) * p.stability * x * x * d));
    });
    for (int k = 0; k < p.nets; ++k) {
      const Net& net = p.net[k];
      forward_net(p, net, z0, s.net, true);
      tangent_net(p, net, z0_dot, s.net);
      T *to = s.local_dot + net.first * B, *y_dot = s.net.h_bar;
      const T *y = s.net.y, *x = s.x + net.first * B, *x_dot = s.x_dot + net.first * B;
      if (net.role == Role::add) {
        for_vectors<T>(net.out, [&](int i) { store(to + i, load(to + i) + load(y_dot + i)); });
        continue;
      }
      if (net.role == Role::decay) {
        for_vectors<T>(net.out, [&](int i) {
          store(to + i, load(to + i) - load(x + i) * load(y_dot + i) - load(x_dot + i) * load(y + i));
        });
        continue;
      }
      if (net.role == Role::advection)
        for (int half = 0; half < 2; ++half)
          for_vectors<T>(p.C, [&](int i) {
            const int j = half * p.C * B + i;
            store(y_dot + j, load(y_dot + j) * load(s.x + i) + load(y + j) * load(s.x_dot + i));
          });
      for (int o = 0; o < net.out; ++o) {
        write_block(y_dot + o * B, count, u.of(f.extra_dot, p.planes, net.plane + o) + at);
        if (reads_neighbours(net)) write_block(y + o * B, count, u.of(f.extra, p.planes, net.plane + o) + at);
      }
    }
    for (int c = 0; c < p.C; ++c) write_block(s.local_dot + c * B, count, u.of(f.local_dot, p.C, c) + at);
  });
}

/// y_bar of a network into s.net.h_bar; what y owes to x directly is added to x_bar.
template <class T>
void network_bar(const Plan<T>& p, const Net& net, const Unit<T>& u, const Scratch<T>& s, const T* g, int k,
                 int count) {
  constexpr int B = kBlock<T>;
  T *y_bar = s.net.h_bar, *x_bar = s.x_bar + net.first * B;
  const T *x = s.x + net.first * B, *from = g + net.first * B, *y = s.net.y;
  if (net.role == Role::add) {
    for_vectors<T>(net.out, [&](int i) { store(y_bar + i, load(from + i)); });
  } else if (net.role == Role::decay) {
    for_vectors<T>(net.out, [&](int i) {
      const Vec<T> bar = -load(from + i);
      store(y_bar + i, bar * load(x + i));
      store(x_bar + i, load(x_bar + i) + bar * load(y + i));
    });
  } else {
    for (int o = 0; o < net.out; ++o)
      read_block(s.planes + std::size_t(net.plane + o) * u.cells + k, count, y_bar + o * B);
    if (net.role != Role::advection) return;
    for (int half = 0; half < 2; ++half)
      for_vectors<T>(p.C, [&](int i) {
        const int j = half * p.C * B + i;
        const Vec<T> bar = load(y_bar + j);
        store(s.x_bar + i, load(s.x_bar + i) + bar * load(y + j));
        store(y_bar + j, bar * load(s.x + i));
      });
  }
}

}  // namespace mg::pde::MG_ISA
