#include "train/cloud_loss_cell.hpp"

#include "cuda/train/plane_ops.cuh"

// Device half of train/cloud_loss.cpp.
namespace mg::train::cuda {

MG_INSTANTIATE_SUMS(RowSum);
MG_INSTANTIATE_CELLS(RankOf);
MG_INSTANTIATE_CELLS(MatchQuantiles);
MG_INSTANTIATE_SAMPLES(ScaleValues);
#define MG_INSTANTIATE(T)                 \
  MG_INSTANTIATE_SAMPLES(TotalWeight<T>); \
  MG_INSTANTIATE_CELLS(EnergyRow<T>);     \
  MG_INSTANTIATE_CELLS(Project<T>);       \
  MG_INSTANTIATE_SAMPLES(Accumulate<T>);  \
  MG_INSTANTIATE_CELLS(SlicedPull<T>);    \
  MG_INSTANTIATE_CELLS(Density<T>);       \
  MG_INSTANTIATE_SUMS(DensityError<T>);   \
  MG_INSTANTIATE_CELLS(DensityPull<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train::cuda
