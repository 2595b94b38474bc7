#pragma once
#include "core/cpu.hpp"
#include "nca/nca_spec.hpp"

/// The vectorised float path on the host; nca/nca_fast_isa.cpp holds its loops, once per instruction set.
namespace mg::nca::host {

/// Whether the vectorised path knows the model: every one of scale 1 without DIFF.
bool fast_supports(const NcaSpec& spec);

/// nca_step without checks. Cells whose update cannot matter are skipped: those that do not fire under a per-cell mask, those
/// with no alive cell within two. The bits depend on the instruction set, never on the number of threads.
void fast_step(Isa isa, const NcaSpec& spec, const float* params, const NcaInputs<float>& inputs, View<const float> x,
               View<float> next, Workspace& workspace);

/// nca_step_adjoint without checks. Work is cut into strips of rows, the weight gradient is summed per group of strips
/// and then over the groups, both in an order that depends only on the shapes.
void fast_step_adjoint(Isa isa, const NcaSpec& spec, const float* params, const NcaInputs<float>& inputs,
                       View<const float> x, View<const float> next_bar, View<float> x_bar, float* params_bar,
                       Workspace& workspace);

}  // namespace mg::nca::host
