#pragma once
#include "core/stencil_cell.hpp"
#include "cuda/nca/step_data.cuh"

namespace mg::nca::cuda {

/// Which block of C rows holds the cotangent of what the cells perceived; -1: absent. DIFF is turned into cotangents of
/// the two derivatives, which get rows of their own when the model has no GRAD.
struct FeatureBlocks {
  int id, diff, grad, av, lap, count;
  MG_HD explicit FeatureBlocks(const PerceptionSpec& p) : id(-1), diff(-1), grad(-1), av(-1), lap(-1), count(0) {
    if (p.id) id = count++;
    if (p.diff) diff = count++;
    if (p.grad) grad = count, count += 2;
    if (p.av) av = count++;
    if (p.lap) lap = count++;
    if (p.diff && !p.grad) grad = count, count += 2;
  }
};

/// x_bar = y_bar + P^T p_bar, in gather form over the cells that read this one.
template <class T, int R>
struct StateBar {
  StepData<T> s;
  Stencils<T, R> stencils;
  View<const T> next_bar;     // (n, C, h, w)
  const unsigned char* keep;  // (n, h, w) or null
  View<const T> p_bar;        // (n, FeatureBlocks.count C, h, w)
  View<T> x_bar;              // (n, C, h, w)

  template <bool kInside>
  __device__ T gather(const Lattice<kInside>& lattice, int n, int c, int y, int x) const {
    const FeatureBlocks blocks(s.perception);
    const int C = s.shape.c, w = s.shape.w;
    const auto rows = [&](int block) { return block < 0 ? nullptr : p_bar.plane(n, block * C + c); };
    const T *g0 = rows(blocks.grad), *av = rows(blocks.av), *lap = rows(blocks.lap);
    const T* g1 = blocks.grad < 0 ? nullptr : rows(blocks.grad + 1);
    const T sum = blocks.id < 0 ? T(0) : rows(blocks.id)[std::size_t(y) * w + x];
    if (g0 == nullptr && av == nullptr && lap == nullptr) return sum;
    return sum + lattice.template fold<T>(stencils.radius(), y, x, [&](int i, int j, int da, int db) {
      const std::size_t at = std::size_t(i) * w + j;
      const int tap = stencils.at(da, db), turned = stencils.at(db, da);
      T value = 0;
      if (g0 != nullptr) {
        value += stencils.grad[stencils.axis0_first ? turned : tap] * g0[at];
        value += stencils.grad[stencils.axis0_first ? tap : turned] * g1[at];
      }
      if (av != nullptr) value += stencils.average[tap] * av[at];
      if (lap != nullptr) value += stencils.lap[tap] * lap[at];
      return value;
    });
  }

  __device__ void operator()(std::size_t index) const {
    const std::size_t plane = s.shape.plane(), cell = index % plane;
    const int c = int(index / plane % s.shape.c), n = int(index / plane / s.shape.c);
    const int y = int(cell / s.shape.w), x = int(cell % s.shape.w), reach = stencils.radius() + 1;
    const bool kept = keep == nullptr || keep[n * plane + cell];
    const T y_bar = kept ? s.bounded_adjoint(n, c, y, x, next_bar.data[index]) : T(0);
    const bool inside = y >= reach && y < s.shape.h - reach && x >= reach && x < s.shape.w - reach;
    x_bar.data[index] =
        y_bar + (inside ? gather(Lattice<true>{s.shape.h, s.shape.w, s.perception.padding}, n, c, y, x)
                        : gather(Lattice<false>{s.shape.h, s.shape.w, s.perception.padding}, n, c, y, x));
  }
};

}  // namespace mg::nca::cuda
