#pragma once
#include "core/padding.hpp"
#include "core/registry.hpp"
#include "core/stencil.hpp"
#include "pde/rhs.hpp"

// Incompressible flow on the lattice. Fields: velocity u0 (along axis 1), u1 (along axis 0), then what the model adds, each
// `copies` channels. @source the reference implementation; Chorin, J. Comput. Phys. 2 (1967)
namespace mg::pde {

/// What the models of the family share.
struct FlowSpec {
  int copies = 1;  ///< independent flows side by side
  Padding padding = Padding::circular;
  int smoothing = 1;              ///< of the stencils, see make_stencils
  double dx = 1;                  ///< cell size
  double rho = 1;                 ///< density
  double nu = 0.1;                ///< kinematic viscosity
  double force0 = 0, force1 = 0;  ///< initial uniform body force along axis 1 and axis 0
  bool force_field = false;       ///< a condition "forcing" [2 copies, h, w] on top of it
};

/// How the pressure makes a velocity free of divergence.
struct ProjectionSpec {
  bool exact = false;  ///< transforms instead of sweeps
  int sweeps = 1000;   ///< of Jacobi's method
};

/// Artificial compressibility, fields {u, p, s}:
///   u' = -(u . grad) u - grad p / rho + nu lap u + f,   p' = nu lap p + sigma div u / M^2,   s' = D lap s - (u . grad) s
/// sigma = -1: pressure waves decay. The reference has +1, with which they grow.
/// Parameters: rho, nu, forcing [2, copies], M, D.
template <class T>
std::unique_ptr<Rhs<T>> make_pressure_flow(const FlowSpec& spec, double mach, double diffusion, double sigma = -1);

/// The velocity alone, kept free of divergence by a pressure that is solved for in every evaluation, fields {u}:
///   q = -(u . grad) u + nu lap u + f,   lap phi = rho div q,   u' = q - grad phi / rho
/// rho cancels: its gradient is 0. Parameters: rho, nu, forcing [2, copies].
/// @param source_scale  factor on div q; the reference has 1 / dt, which makes the pull 1 / dt times too strong
template <class T>
std::unique_ptr<Rhs<T>> make_relaxation_flow(const FlowSpec& spec, const ProjectionSpec& projection,
                                             double source_scale = 1);

/// Adds "navier_stokes_pressure" and "navier_stokes_relaxation".
template <class T>
void register_fluids(Registry<Rhs<T>>& registry);

/// Adds "navier_stokes_splitting", whose step is a solver of its own: see SplittingFlow.
template <class T>
void register_fluid_systems(Registry<System<T>>& registry);

}  // namespace mg::pde
