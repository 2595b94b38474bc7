#pragma once
#include "pde/rhs.hpp"
#include "pde/stepping.hpp"

namespace mg::pde {

/// A first step of an adaptive scheme of that order at x, from two evaluations of the right-hand side (starting_step()
/// of pde/adaptive.hpp). Scratch: workspace "estimated_step". Waits for the device.
template <class T>
double estimated_step(const Rhs<T>& rhs, const RhsContext<T>& at, const StepControl& control, int order, ConstView<T> x,
                      Workspace& workspace);

}  // namespace mg::pde
