#pragma once
#include "abm/ant_spec.hpp"
#include "core/config.hpp"
#include "core/schema.hpp"
#include "core/system.hpp"

namespace mg::abm {

/// The reference's neural agents as a System, quirk by quirk: state {"x" [N,2] positions [nodes], "u" [N,2] velocities
/// [nodes / time], "lattice" [C,h,w]}. Runs on the host. One step:
///   1. every agent stands on its nearest node, senses the lattice, and its network answers
///   2. P <- relu(P + dt d) where agents stand, .9 P + .1 W*P, times the decay, clipped to [0, 1]
///   3. v <- speed (cos, sin)(angle + dt turn), or the velocity of slime; x <- x + dt v; walls
/// The adjoint is the derivative of exactly that: 0 by positions but for the move, all of a deposit's cotangent to the
/// agent that won its node.
template <class T>
class AntSystem final : public System<T> {
 public:
  /// @throws std::invalid_argument as check(spec)
  explicit AntSystem(const AntSpec& spec) : spec_(spec), where_(ant_params(spec)) {}

  const AntParams& where() const { return where_; }
  std::string_view type() const override { return "ants"; }
  /// @throws std::invalid_argument for a wall signal on a lattice of 40 nodes or fewer
  Layout state_layout(Grid grid) const override;
  const Layout& param_layout() const override { return where_.layout; }
  /// Weights and biases ~ U(-1/sqrt in, 1/sqrt in).
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;

 private:
  AntSpec spec_;
  AntParams where_;
};

/// Diffusion of one plane (h, w): .9 P + .1 W * P. raw: W of normal densities, 0 outside; else normalised, nodes mapped.
/// It is its own adjoint. @param out  overwritten, no alias
template <class T>
void ant_diffuse(const AntSpec& spec, int h, int w, const T* in, T* out);

/// The reference's walls on one axis: clipped to [0, n], the velocity flips within 1/2 of a wall.
/// @return slope of the new position by y: 1 inside, 0 outside, 1/2 where they meet
template <class T>
T ant_wall(int n, T& y, T& v);

/// The ramp that marks walls: (r + s - r s)^2, r = max(0, 1 - distance to the wall / 20).
double wall_signal(int h, int w, int i, int j);

/// Keys of {"type": "ants"}.
Schema ant_schema();
AntSpec ant_spec(const Config& config);

}  // namespace mg::abm
