#include "cuda/train/plane_ops.cuh"
#include "train/trajectory_cell.hpp"

// Device halves of train/trajectory_objective.cpp and train/trajectory_augmenter.cpp.
namespace mg::train::cuda {

#define MG_INSTANTIATE(T)                 \
  MG_INSTANTIATE_SAMPLES(AddLossTerm<T>); \
  MG_INSTANTIATE_CELLS(BlendNoise<T>);    \
  MG_INSTANTIATE_CELLS(KeepChannels<T>);  \
  MG_INSTANTIATE_CELLS(OverwriteFrames<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train::cuda
