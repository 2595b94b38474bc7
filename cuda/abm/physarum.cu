#include "abm/physarum.hpp"

#include "cuda/core/for_each.cuh"

namespace mg::abm::cuda {
namespace {

template <class T>
struct Clear {
  PhysarumPass<T> p;
  __device__ void operator()(std::size_t i) const { p.occupied[i] = p.arrived[i] = 0, p.claimed[i] = ~0U; }
};
template <class T>
struct Occupy {
  PhysarumPass<T> p;
  __device__ void operator()(std::size_t k) const { p.occupy(k); }
};
template <class T>
struct Claim {
  PhysarumPass<T> p;
  __device__ void operator()(std::size_t k) const { p.claim(k); }
};
template <class T>
struct MoveForward {
  PhysarumPass<T> p;
  __device__ void operator()(std::size_t k) const { p.move(k); }
};
template <class T>
struct Deposit {
  PhysarumPass<T> p;
  const T* lattice;
  __device__ void operator()(std::size_t i) const { p.trail[i] = lattice[i] + T(p.spec.deposit) * T(p.arrived[i]); }
};
template <class T>
struct Sense {
  PhysarumPass<T> p;
  __device__ void operator()(std::size_t k) const { p.sense(k); }
};
template <class T>
struct Fade {
  PhysarumPass<T> p;
  T* next;
  __device__ void operator()(std::size_t i) const {
    const auto w = std::size_t(p.w), h = std::size_t(p.h);
    next[i] = p.fade(i / w / h, int(i / w % h), int(i % w));
  }
};

}  // namespace

template <class T>
void physarum_step(CUstream_st* stream, const PhysarumPass<T>& p, const T* lattice, T* lattice_next) {
  using mg::cuda::for_each_index;
  const auto nodes = std::size_t(p.batch) * std::size_t(p.h) * std::size_t(p.w);
  const auto agents = std::size_t(p.batch) * std::size_t(p.spec.agents);
  for_each_index("physarum_clear", stream, nodes, Clear<T>{p});
  if (p.spec.exclusive) {
    for_each_index("physarum_occupy", stream, agents, Occupy<T>{p});
    for_each_index("physarum_claim", stream, agents, Claim<T>{p});
  }
  for_each_index("physarum_move", stream, agents, MoveForward<T>{p});
  for_each_index("physarum_deposit", stream, nodes, Deposit<T>{p, lattice});
  for_each_index("physarum_sense", stream, agents, Sense<T>{p});
  for_each_index("physarum_fade", stream, nodes, Fade<T>{p, lattice_next});
}
template void physarum_step(CUstream_st*, const PhysarumPass<float>&, const float*, float*);
template void physarum_step(CUstream_st*, const PhysarumPass<double>&, const double*, double*);

}  // namespace mg::abm::cuda
