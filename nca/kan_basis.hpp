#pragma once
#include <string_view>

#include "core/macros.hpp"

// Basis functions of Kolmogorov-Arnold layers and their derivatives. M names the arithmetic: M::V is a number or a vector
// of numbers, with M::splat, M::exp, M::tanh, M::sin and M::cos.
namespace mg::nca {

enum class Basis { gauss, mean, polynomial, legendre, chebyshev, fourier };

inline constexpr std::string_view kBasisNames[] = {"gauss", "mean", "polynomial", "legendre", "chebyshev", "fourier"};

/// f(x) = sum_k c_k phi_k(x), k < terms.
///   gauss       phi_k = exp(-(x - mu_k)^2 / (2 s^2)) / (s sqrt(2 pi)), s = width / terms, mu_k even in [-bounds, bounds]
///   mean        phi_k = x / terms
///   polynomial  phi_k = x^k
///   legendre    phi_k = P_k(x)
///   chebyshev   phi_k = T_k(tanh x)
///   fourier     phi_0 = 1, then cos(j w x), sin(j w x) in turn, w = pi / bounds
struct BasisRule {
  Basis kind = Basis::gauss;
  int terms = 16;
  double width = 4, bounds = 3;
  /// polynomial, legendre: the reference's last function is phi_{terms-1} + phi_terms, with its P_4 and P_6 (32 and 213
  /// as leading coefficients instead of 35 and 231).
  bool reference = false;
};

/// Calls emit(k, phi_k(x), phi_k'(x)) for k = 0 ... terms - 1.
/// @source the reference implementation; Chebyshev and Fourier KAN as in the literature
template <class M, class Emit>
MG_HD void basis_values(const BasisRule& rule, typename M::V x, const Emit& emit) {
  using V = typename M::V;
  const V one = M::splat(1.0), zero = M::splat(0.0);
  const int K = rule.terms;
  switch (rule.kind) {
    case Basis::gauss: {
      const double s = rule.width / K, step = K > 1 ? 2 * rule.bounds / (K - 1) : 0;
      const V norm = M::splat(0.3989422804014327 / s), curve = M::splat(-0.5 / (s * s)), slope = M::splat(-1 / (s * s));
      for (int k = 0; k < K; ++k) {
        const V d = x - M::splat(step * k - rule.bounds);
        const V v = M::exp(curve * d * d) * norm;
        emit(k, v, slope * d * v);
      }
      return;
    }
    case Basis::mean: {
      const V share = M::splat(1.0 / K);
      for (int k = 0; k < K; ++k) emit(k, share * x, share);
      return;
    }
    case Basis::polynomial: {
      V p = one, d = zero;
      for (int k = 0; k < K; ++k) {
        const V next = p * x, next_d = M::splat(k + 1.0) * p;
        if (rule.reference && k == K - 1)
          emit(k, p + next, d + next_d);
        else
          emit(k, p, d);
        p = next, d = next_d;
      }
      return;
    }
    case Basis::legendre: {
      V before = zero, before_d = zero, p = one, d = zero;  // P_{k-1}, P_k
      const auto fixed = [&](int k, V& v, V& v_d) {
        if (!rule.reference || (k != 4 && k != 6)) return;
        const V x3 = x * x * x, c = M::splat(k == 4 ? 0.375 : 1.125);
        v = v - c * (k == 4 ? x3 * x : x3 * x3);
        v_d = v_d - c * (k == 4 ? M::splat(4.0) * x3 : M::splat(6.0) * x3 * x * x);
      };
      for (int k = 0; k < K; ++k) {
        const V a = M::splat((2 * k + 1.0) / (k + 1)), b = M::splat(double(k) / (k + 1));
        const V next = a * x * p - b * before, next_d = a * (p + x * d) - b * before_d;
        V v = p, v_d = d;
        fixed(k, v, v_d);
        if (rule.reference && k == K - 1) {
          V w = next, w_d = next_d;
          fixed(k + 1, w, w_d);
          v = v + w, v_d = v_d + w_d;
        }
        emit(k, v, v_d);
        before = p, before_d = d, p = next, d = next_d;
      }
      return;
    }
    case Basis::chebyshev: {
      const V t = M::tanh(x), t_d = one - t * t, two = M::splat(2.0);
      V before = t, before_d = one, p = one, d = zero;  // T_{-1} = T_1
      for (int k = 0; k < K; ++k) {
        emit(k, p, d * t_d);
        const V next = k == 0 ? t : two * t * p - before, next_d = k == 0 ? one : two * (p + t * d) - before_d;
        before = p, before_d = d, p = next, d = next_d;
      }
      return;
    }
    case Basis::fourier: {
      const V w = M::splat(3.141592653589793 / rule.bounds), c1 = M::cos(w * x), s1 = M::sin(w * x);
      V c = one, s = zero;
      for (int k = 0; k < K; ++k) {
        if (k % 2 == 1) {
          const V turned = c * c1 - s * s1;
          s = s * c1 + c * s1;
          c = turned;
        }
        const V rate = M::splat((k + 1) / 2) * w;
        if (k == 0)
          emit(k, one, zero);
        else if (k % 2 == 1)
          emit(k, c, zero - rate * s);
        else
          emit(k, s, rate * c);
      }
      return;
    }
  }
}

}  // namespace mg::nca
