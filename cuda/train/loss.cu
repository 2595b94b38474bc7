#include "train/loss_cell.hpp"

#include "cuda/train/plane_ops.cuh"

// Device halves of train/loss.cpp.
namespace mg::train::cuda {

#define MG_INSTANTIATE(T)                        \
  MG_INSTANTIATE_SUMS(DifferenceSums<T>);        \
  MG_INSTANTIATE_SAMPLES(DifferenceValue<T>);    \
  MG_INSTANTIATE_SAMPLES(DifferenceFactor<T>);   \
  MG_INSTANTIATE_CELLS(DifferencePull<T>);       \
  MG_INSTANTIATE_SUMS(CosineSums<T>);            \
  MG_INSTANTIATE_SAMPLES(CosineValue<T>);        \
  MG_INSTANTIATE_SAMPLES(CosineFactor<T>);       \
  MG_INSTANTIATE_CELLS(CosinePull<T>);           \
  MG_INSTANTIATE_SUMS(SpectralSums<T>);          \
  MG_INSTANTIATE_CELLS(SpectralPull<T>);         \
  MG_INSTANTIATE_SUMS(SpectralFullSums<T>);      \
  MG_INSTANTIATE_SAMPLES(SpectralFullValue<T>);  \
  MG_INSTANTIATE_SAMPLES(SpectralFullFactor<T>); \
  MG_INSTANTIATE_CELLS(SpectralFullPull<T>);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train::cuda
