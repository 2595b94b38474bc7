#include "cuda/train/plane_ops.cuh"
#include "train/parameter_cell.hpp"
#include "train/trajectory_cell.hpp"

// Device halves of train/trajectory_objective.cpp, trajectory_augmenter.cpp and grouped_optimiser.cpp.
namespace mg::train::cuda {

#define MG_INSTANTIATE(T)                   \
  MG_INSTANTIATE_SAMPLES(AddLossTerm<T>);   \
  MG_INSTANTIATE_CELLS(KeepNonNegative<T>); \
  MG_INSTANTIATE_CELLS(BoundGradient<T>);   \
  MG_INSTANTIATE_CELLS(BlendNoise<T>);      \
  MG_INSTANTIATE_CELLS(KeepChannels<T>);    \
  MG_INSTANTIATE_CELLS(OverwriteFrames<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train::cuda
