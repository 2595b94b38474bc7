#pragma once
#include <array>

#include "core/registry.hpp"
#include "pde/solver.hpp"
#include "pde/stepping.hpp"

namespace mg::pde {

/// Families of explicit schemes of order 2 whose stability grows with the square of their stages: for diffusion.
/// @source rkc2: Sommeijer, Shampine, Verwer, J. Comput. Appl. Math. 88 (1998); rkl2: Meyer, Balsara, Aslam,
///   J. Comput. Phys. 257 (2014)
enum class StabilisedFamily { rkc2, rkl2 };

/// Y_1 = y + gain_1 h F(y);  Y_j = (1 - mu_j - nu_j) y + mu_j Y_{j-1} + nu_j Y_{j-2} + gain_j h F(Y_{j-1}) + first_j h F(y)
struct StabilisedScheme {
  static constexpr int kMostStages = 255;
  using Row = std::array<double, kMostStages + 1>;
  int stages = 0;
  Row mu{}, nu{}, gain{}, first{};
  Row c{};  ///< Y_j is at t + c_j h; c_s = 1
};
/// @throws std::invalid_argument unless 2 <= stages <= kMostStages, and odd from 3 for rkl2
StabilisedScheme stabilised_scheme(StabilisedFamily family, int stages);
/// Fewest stages that bear a rate of `h_radius` per step.
int stabilised_stages(StabilisedFamily family, double h_radius);

struct StabilisedSpec {
  Stepping stepping = {};
  double radius = 0;    ///< spectral radius [1 / model time]; 0 = estimated
  double safety = 1.2;  ///< on the estimate
  int max_stages = 99;
};

/// A stabilised scheme. Its stages are chosen from the spectral radius when the grid is made, and recorded with each step;
/// a step without recorded stages chooses them from its own state. Dense output: cubic Hermite.
/// Adjoint: with Yb_j the cotangent of Y_j, q_j = (dF/dx)^T (gain_{j+1} h Yb_{j+1}) at Y_j:
///   Yb_j = mu_{j+1} Yb_{j+1} + nu_{j+2} Yb_{j+2} + q_j;
///   state_bar = sum_j (1 - mu_j - nu_j) Yb_j + (dF/dx)^T sum_j first_j h Yb_j + what Y_1 gives.
/// Scratch: workspace "stabilised.forward", "stabilised.adjoint".
template <class T>
class Stabilised final : public Solver<T> {
 public:
  Stabilised(StabilisedFamily family, StabilisedSpec spec);

  TimeGrid time_grid(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                     ConstStateView<T> conditions, ConstStateView<T> state, std::span<const double> save_times,
                     Workspace& workspace) const override;
  void step(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
            Workspace& workspace) const override;
  void step_adjoint(const Rhs<T>& rhs, const Exec& exec, const StepIndex& index, const T* params,
                    ConstStateView<T> conditions, ConstStateView<T> state, ConstStateView<T> next_bar,
                    std::span<const Tap<const T>> tap_bars, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;

 private:
  double radius_at(const Rhs<T>& rhs, const RhsContext<T>& at, ConstView<T> x) const;
  StabilisedScheme scheme(const Rhs<T>& rhs, const RhsContext<T>& at, const StepIndex& index, ConstView<T> x) const;
  TimeGrid adaptive(const Rhs<T>& rhs, const RhsContext<T>& at, double t0, ConstStateView<T> state,
                    std::span<const double> save_times) const;
  StabilisedFamily family_;
  StabilisedSpec spec_;
};

/// Adds the types "rkc2" and "rkl2".
template <class T>
void register_stabilised(Registry<Solver<T>>& registry);

}  // namespace mg::pde
