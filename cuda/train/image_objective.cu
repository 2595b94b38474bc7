#include "cuda/train/plane_ops.cuh"
#include "train/image_cell.hpp"

// Device halves of train/feature_loss.cpp and train/image_objective.cpp.
namespace mg::train::cuda {

MG_INSTANTIATE_SAMPLES(AddTerm);
#define MG_INSTANTIATE(T)                   \
  MG_INSTANTIATE_CELLS(GatherChannels<T>);  \
  MG_INSTANTIATE_CELLS(ScatterChannels<T>); \
  MG_INSTANTIATE_CELLS(ScaleChannels<T>);   \
  MG_INSTANTIATE_CELLS(TileMask<T>);        \
  MG_INSTANTIATE_SUMS(StateSums<T>);        \
  MG_INSTANTIATE_CELLS(StatePull<T>);       \
  MG_INSTANTIATE_SUMS(BoundarySums<T>);     \
  MG_INSTANTIATE_CELLS(BoundaryPull<T>);    \
  MG_INSTANTIATE_SAMPLES(AddLoss<T>);       \
  MG_INSTANTIATE_SAMPLES(FillSamples<T>);   \
  MG_INSTANTIATE_SAMPLES(SumTerms<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train::cuda
