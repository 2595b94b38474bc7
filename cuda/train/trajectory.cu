#include "cuda/train/plane_ops.cuh"
#include "train/trajectory_cell.hpp"

// Device halves of train/trajectory_objective.cpp.
namespace mg::train::cuda {

#define MG_INSTANTIATE(T) MG_INSTANTIATE_SAMPLES(AddLossTerm<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train::cuda
