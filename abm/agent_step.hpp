#pragma once
#include "abm/agent_spec.hpp"
#include "core/buffer.hpp"
#include "core/layout.hpp"
#include "core/system.hpp"

namespace mg::abm {

/// State of a batch of samples: positions and headings (batch, N, 2), lattice (batch, C, h, w).
template <class T>
struct AgentState {
  T *x = nullptr, *u = nullptr, *lattice = nullptr;
};

/// What a step needs beside state and parameters.
template <class T>
struct AgentStepInputs {
  const AgentSpec* spec = nullptr;
  const AgentParams* where = nullptr;              ///< agent_params(*spec)
  const LatticeOperators<T>* operators = nullptr;  ///< of the lattice (h, w)
  const LineKernels* kernels = nullptr;            ///< what `operators` were made of
  int batch = 1, h = 0, w = 0;
  const T* noise = nullptr;  // (batch, N, 3) standard normal xi, zeta; null without noise
};

/// Standard normal xi and zeta of every agent of one step, keyed by sample, agent and step.
/// @param noise  (batch, agents, 3) overwritten
template <class T>
void agent_noise(const Exec& exec, const StepIndex& index, int batch, int agents, T* noise);

/// One step of all agents on a lattice P (C, h, w):
///   1. every agent senses P, its policy gives speed m, turn t and deposit d
///   2. Pt = P + dt sum_a Scatter(x_a, d_a), additive and conservative, at the old positions
///   3. u' = R(dt t) u, y = x + dt m u', walls
///   4. A = act(Pt), P' = lambda ((1 - kappa) A + kappa K A), K the normalised blur
/// @param params  layout of agent_params()   @param next  overwritten, no alias
template <class T>
void agent_step(const Exec& exec, const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                AgentState<T> next, Workspace& workspace);
/// Adjoint at the same arguments: `bar` is overwritten, params_bar accumulated. Sums run in an order that depends only
/// on shapes and positions, never on the number of threads.
template <class T>
void agent_step_adjoint(const Exec& exec, const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                        AgentState<const T> next_bar, AgentState<T> bar, T* params_bar, Workspace& workspace);

}  // namespace mg::abm
