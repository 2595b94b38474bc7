#pragma once
#include "train/image_cell.hpp"

// Per-sample and per-cell maths of objectives and augmenters of trajectories.
namespace mg::train {

/// terms[n][term] += factor losses[n].
template <class T>
struct AddLossTerm {
  const T* losses;  // [n]
  double* terms;    // [n][kTerms]
  int term;
  double factor;
  MG_HD void operator()(int n) const { terms[n * kTerms + term] += factor * double(losses[n]); }
};

}  // namespace mg::train
