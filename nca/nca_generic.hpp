#pragma once
#include "nca/nca_spec.hpp"

/// The plain path of the automaton on the host: every option, float and double, loops that follow the formulas. The
/// vectorised path (nca/nca_fast.hpp) is tested against it.
namespace mg::nca::host {

/// nca_step without checks. Scratch: the features of one sample and some rows per thread.
template <class T>
void generic_step(const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs, View<const T> x, View<T> next,
                  Workspace& workspace);

/// nca_step_adjoint without checks. The weight gradient is summed over strips of rows whose number depends only on
/// the shapes.
template <class T>
void generic_step_adjoint(const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs, View<const T> x,
                          View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace);

}  // namespace mg::nca::host
