#include "cuda/train/plane_ops.cuh"
#include "train/swarm_cell.hpp"

// Device halves of train/swarm_objective.cpp and swarm_augmenter.cpp.
namespace mg::train::cuda {

#define MG_INSTANTIATE(T)                    \
  MG_INSTANTIATE_CELLS(UnitBoxes<T>);        \
  MG_INSTANTIATE_CELLS(UnitBoxesAdjoint<T>); \
  MG_INSTANTIATE_SUMS(LatticeError<T>);      \
  MG_INSTANTIATE_CELLS(LatticePull<T>);      \
  MG_INSTANTIATE_SAMPLES(SwarmSample<T>);    \
  MG_INSTANTIATE_SAMPLES(SwarmTotals<T>);    \
  MG_INSTANTIATE_CELLS(ScatterAgents<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train::cuda
