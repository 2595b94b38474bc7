#pragma once
#include <string_view>

namespace mg::pde {

/// An explicit Runge-Kutta scheme, its embedded error estimate and its dense output. With slopes K_i = F(t + c_i h, Y_i):
///   Y_i = y + h sum_{j<i} a_ij K_j,   y1 = y + h sum b_i K_i,   err = h sum e_i K_i
struct Tableau {
  static constexpr int kMost = 14;
  enum class Dense {
    linear,     ///< y + theta (y1 - y)
    quadratic,  ///< slopes with theta^2 b_i, the first with what makes their sum theta; order 2
    hermite,    ///< cubic, from y, y1 and the first and last slopes
    dopri5,     ///< quartic through a state in the middle of the step
    tsit5,      ///< order 4, from all slopes
    dopri8      ///< theta times a quintic per slope; misses y1 by 1e-10
  };

  std::string_view name;
  int stages = 0, order = 0;
  bool has_error = false;
  bool last_is_next = false;  ///< Y_s = y1: the last slope is the first one of the next step
  Dense dense = Dense::hermite;
  double c[kMost] = {};         // [stages]
  double a[kMost][kMost] = {};  // [stages][stages], strictly lower
  double b[kMost] = {};         // [stages]
  double e[kMost] = {};         // [stages]

  /// Slopes that y1 depends on: without the last one when only the next step or the error need it.
  int stages_of_next() const { return last_is_next ? stages - 1 : stages; }
};

/// Euler, order 1. No error estimate.
const Tableau& euler();
/// Heun's method of order 2 with Euler as the embedded scheme.
const Tableau& heun();
/// Strong-stability-preserving scheme of order 3 with 3 stages. @source Shu and Osher, J. Comput. Phys. 77 (1988)
const Tableau& ssp_rk3();
/// Order 3 with 3 stages, a = {2/3}, {-1/3, 1}, b = {1/4, 1/2, 1/4}: "3" of PETSc.
const Tableau& petsc_rk3();
/// Bogacki and Shampine 3(2), 4 stages, the last being the first of the next step.
/// @source Appl. Math. Lett. 2 (1989)
const Tableau& bosh3();
/// The classical scheme of order 4. No error estimate.
const Tableau& rk4();
/// Dormand and Prince 5(4), 7 stages, the last being the first of the next step. @source J. Comput. Appl. Math. 6 (1980)
const Tableau& dopri5();
/// Tsitouras 5(4), 7 stages, the last being the first of the next step. @source Comput. Math. Appl. 62 (2011)
const Tableau& tsit5();
/// Prince and Dormand 8(7), 13 stages and the first of the next step. @source J. Comput. Appl. Math. 7 (1981)
const Tableau& dopri8();

/// A state inside a step: p(theta) = y0 y + y1 y1 + h sum slope[i] K_i.
struct DenseWeights {
  double y0 = 0, y1 = 0;
  double slope[Tableau::kMost] = {};  // [stages]
};
/// Weights of the dense output at t + theta h, 0 <= theta <= 1.
DenseWeights dense_weights(const Tableau& tableau, double theta);

/// R(z) of y' = lambda y, z = h lambda = re + i im: |R|.
double stability_modulus(const Tableau& tableau, double re, double im);
/// Largest x with |R(-s)| <= 1 for all s in [0, x]: fixed steps of a diffusion are stable up to h rate = x.
double real_stability_limit(const Tableau& tableau);

}  // namespace mg::pde
