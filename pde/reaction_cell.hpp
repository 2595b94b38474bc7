#pragma once
#include <string_view>

#include "core/macros.hpp"
#include "pde/parameter.hpp"

// Models x_c' = D_c L x_c + R_c(x): the reaction R of one cell with its adjoint and tangent side by side. S is the scalar
// type of the parameters p, V what one cell's values are: S, or a vector of several cells. D_c = p[c] for the first
// kFields parameters; the functions below add to their outputs and touch the other parameters only.
namespace mg::pde {

/// A' = DA L A - A B^2 + alpha (1 - A);  B' = DB L B + A B^2 - (gamma + alpha) B
/// @source Pearson, Science 261 (1993); defaults of the reference implementation
struct GrayScott {
  static constexpr std::string_view kName = "gray_scott";
  static constexpr std::string_view kFieldNames[] = {"A", "B"};
  static constexpr int kFields = 2, kParams = 4;
  static constexpr Parameter kParameters[kParams] = {{"DA", 0.1, false, "diffusion of A"},
                                                     {"DB", 0.05, false, "diffusion of B"},
                                                     {"alpha", 0.0623, true, "feed rate"},
                                                     {"gamma", 0.06268, true, "kill rate"}};
  template <class S, class V>
  static MG_HD void value(const S* p, const V* x, V* r) {
    const V abb = x[0] * x[1] * x[1];
    r[0] += p[2] * (S(1) - x[0]) - abb;
    r[1] += abb - (p[3] + p[2]) * x[1];
  }
  template <class S, class V>
  static MG_HD void adjoint(const S* p, const V* x, const V* b, V* x_bar, V* p_bar) {
    const V d = b[0] - b[1], db = d * x[1];
    x_bar[0] -= db * x[1] + p[2] * b[0];
    x_bar[1] -= S(2) * x[0] * db + (p[3] + p[2]) * b[1];
    const V bb = b[1] * x[1];
    p_bar[2] += b[0] - b[0] * x[0] - bb;
    p_bar[3] -= bb;
  }
  template <class S, class V>
  static MG_HD void tangent(const S* p, const V* x, const V* d, V* r) {
    const V abb = x[1] * (x[1] * d[0] + S(2) * x[0] * d[1]);
    r[0] -= p[2] * d[0] + abb;
    r[1] += abb - (p[3] + p[2]) * d[1];
  }
};

/// A' = DA L A + SA A^2 / (KI + I) - KdA A;  I' = DI L I + SI A^2 - KdI I
/// @source the reference implementation (its KA is not used and not a parameter here)
struct Chhabra {
  static constexpr std::string_view kName = "chhabra";
  static constexpr std::string_view kFieldNames[] = {"A", "I"};
  static constexpr int kFields = 2, kParams = 7;
  static constexpr Parameter kParameters[kParams] = {{"DA", 0.0025, false, "diffusion of the activator"},
                                                     {"DI", 0.4, false, "diffusion of the inhibitor"},
                                                     {"SA", 0.01, true, "production of the activator"},
                                                     {"SI", 0.01, true, "production of the inhibitor"},
                                                     {"KdA", 0.001, true, "decay of the activator"},
                                                     {"KdI", 0.008, true, "decay of the inhibitor"},
                                                     {"KI", 1, true, "inhibition constant"}};
  template <class S, class V>
  static MG_HD void value(const S* p, const V* x, V* r) {
    const V aa = x[0] * x[0];
    r[0] += p[2] * aa / (p[6] + x[1]) - p[4] * x[0];
    r[1] += p[3] * aa - p[5] * x[1];
  }
  template <class S, class V>
  static MG_HD void adjoint(const S* p, const V* x, const V* b, V* x_bar, V* p_bar) {
    const V q = S(1) / (p[6] + x[1]), ab = x[0] * b[0], aab = x[0] * ab * q, to_q = p[2] * aab * q;
    x_bar[0] += S(2) * p[2] * ab * q - p[4] * b[0] + S(2) * p[3] * x[0] * b[1];
    x_bar[1] -= to_q + p[5] * b[1];
    p_bar[2] += aab;
    p_bar[3] += x[0] * x[0] * b[1];
    p_bar[4] -= ab;
    p_bar[5] -= x[1] * b[1];
    p_bar[6] -= to_q;
  }
  template <class S, class V>
  static MG_HD void tangent(const S* p, const V* x, const V* d, V* r) {
    const V q = S(1) / (p[6] + x[1]), ad = x[0] * d[0];
    r[0] += p[2] * q * (S(2) * ad - x[0] * x[0] * q * d[1]) - p[4] * d[0];
    r[1] += S(2) * p[3] * ad - p[5] * d[1];
  }
};

/// a' = Da L a + rho_a a^2 / ((1 + kappa a^2) h) - mu_a a + sigma_a;  h' = Dh L h + rho_h a^2 - mu_h h + sigma_h
/// @source Koch, Meinhardt, Rev. Mod. Phys. 66 (1994), 1481: spots; kappa = 0.25 gives stripes
struct GiererMeinhardt {
  static constexpr std::string_view kName = "gierer_meinhardt";
  static constexpr std::string_view kFieldNames[] = {"a", "h"};
  static constexpr int kFields = 2, kParams = 9;
  static constexpr Parameter kParameters[kParams] = {{"Da", 0.005, false, "diffusion of the activator"},
                                                     {"Dh", 0.2, false, "diffusion of the inhibitor"},
                                                     {"rho_a", 0.01, true, "production of the activator"},
                                                     {"rho_h", 0.02, true, "production of the inhibitor"},
                                                     {"mu_a", 0.01, true, "decay of the activator"},
                                                     {"mu_h", 0.02, true, "decay of the inhibitor"},
                                                     {"sigma_a", 0, true, "basal production"},
                                                     {"sigma_h", 0, true, "basal production"},
                                                     {"kappa", 0, true, "saturation of the activator"}};
  template <class S, class V>
  static MG_HD void value(const S* p, const V* x, V* r) {
    const V aa = x[0] * x[0];
    r[0] += p[2] * aa / ((S(1) + p[8] * aa) * x[1]) - p[4] * x[0] + p[6];
    r[1] += p[3] * aa - p[5] * x[1] + p[7];
  }
  template <class S, class V>
  static MG_HD void adjoint(const S* p, const V* x, const V* b, V* x_bar, V* p_bar) {
    const V aa = x[0] * x[0], s = S(1) / (S(1) + p[8] * aa), q = s / x[1], b0q = b[0] * q;
    x_bar[0] += S(2) * p[2] * x[0] * s * b0q - p[4] * b[0] + S(2) * p[3] * x[0] * b[1];
    x_bar[1] -= p[2] * aa * b0q / x[1] + p[5] * b[1];
    p_bar[2] += aa * b0q;
    p_bar[3] += aa * b[1];
    p_bar[4] -= x[0] * b[0];
    p_bar[5] -= x[1] * b[1];
    p_bar[6] += b[0];
    p_bar[7] += b[1];
    p_bar[8] -= p[2] * aa * aa * s * b0q;
  }
  template <class S, class V>
  static MG_HD void tangent(const S* p, const V* x, const V* d, V* r) {
    const V aa = x[0] * x[0], s = S(1) / (S(1) + p[8] * aa), q = s / x[1];
    r[0] += p[2] * q * (S(2) * x[0] * s * d[0] - aa * d[1] / x[1]) - p[4] * d[0];
    r[1] += S(2) * p[3] * x[0] * d[0] - p[5] * d[1];
  }
};

/// u' = Du L u + rate (a - u + u^2 v);  v' = Dv L v + rate (b - u^2 v)
/// @source Schnakenberg, J. Theor. Biol. 81 (1979); Murray, Mathematical Biology II: a = 0.1, b = 0.9, Dv / Du = 10
struct Schnakenberg {
  static constexpr std::string_view kName = "schnakenberg";
  static constexpr std::string_view kFieldNames[] = {"u", "v"};
  static constexpr int kFields = 2, kParams = 5;
  static constexpr Parameter kParameters[kParams] = {{"Du", 1, false, "diffusion of u"},
                                                     {"Dv", 10, false, "diffusion of v"},
                                                     {"a", 0.1, true, "supply of u"},
                                                     {"b", 0.9, true, "supply of v"},
                                                     {"rate", 1, true, "speed of the reaction"}};
  template <class S, class V>
  static MG_HD void value(const S* p, const V* x, V* r) {
    const V uuv = x[0] * x[0] * x[1];
    r[0] += p[4] * (p[2] - x[0] + uuv);
    r[1] += p[4] * (p[3] - uuv);
  }
  template <class S, class V>
  static MG_HD void adjoint(const S* p, const V* x, const V* b, V* x_bar, V* p_bar) {
    const V uu = x[0] * x[0], uuv = uu * x[1], d = b[0] - b[1];
    x_bar[0] += p[4] * (S(2) * x[0] * x[1] * d - b[0]);
    x_bar[1] += p[4] * uu * d;
    p_bar[2] += p[4] * b[0];
    p_bar[3] += p[4] * b[1];
    p_bar[4] += b[0] * (p[2] - x[0]) + b[1] * p[3] + uuv * d;
  }
  template <class S, class V>
  static MG_HD void tangent(const S* p, const V* x, const V* d, V* r) {
    const V uuv = S(2) * x[0] * x[1] * d[0] + x[0] * x[0] * d[1];
    r[0] += p[4] * (uuv - d[0]);
    r[1] -= p[4] * uuv;
  }
};

/// u' = Du L u + A - (B + 1) u + u^2 v;  v' = Dv L v + B u - u^2 v
/// @source Prigogine, Lefever, J. Chem. Phys. 48 (1968); defaults of the collection of Ready
struct Brusselator {
  static constexpr std::string_view kName = "brusselator";
  static constexpr std::string_view kFieldNames[] = {"u", "v"};
  static constexpr int kFields = 2, kParams = 4;
  static constexpr Parameter kParameters[kParams] = {{"Du", 0.05, false, "diffusion of u"},
                                                     {"Dv", 0.005, false, "diffusion of v"},
                                                     {"A", 1, true, "supply"},
                                                     {"B", 3, true, "conversion"}};
  template <class S, class V>
  static MG_HD void value(const S* p, const V* x, V* r) {
    const V uuv = x[0] * x[0] * x[1], bu = p[3] * x[0];
    r[0] += p[2] - bu - x[0] + uuv;
    r[1] += bu - uuv;
  }
  template <class S, class V>
  static MG_HD void adjoint(const S* p, const V* x, const V* b, V* x_bar, V* p_bar) {
    const V d = b[0] - b[1];
    x_bar[0] += (S(2) * x[0] * x[1] - p[3]) * d - b[0];
    x_bar[1] += x[0] * x[0] * d;
    p_bar[2] += b[0];
    p_bar[3] -= x[0] * d;
  }
  template <class S, class V>
  static MG_HD void tangent(const S* p, const V* x, const V* d, V* r) {
    const V change = (S(2) * x[0] * x[1] - p[3]) * d[0] + x[0] * x[0] * d[1];
    r[0] += change - d[0];
    r[1] -= change;
  }
};

/// u' = Du L u + u - u^3 - v;  v' = Dv L v + epsilon (u - a1 v - a0)
/// @source Malevanets, Kapral, Phys. Rev. E 55 (1997): splitting tips
struct FitzHughNagumo {
  static constexpr std::string_view kName = "fitzhugh_nagumo";
  static constexpr std::string_view kFieldNames[] = {"u", "v"};
  static constexpr int kFields = 2, kParams = 5;
  static constexpr Parameter kParameters[kParams] = {{"Du", 1, false, "diffusion of u"},
                                                     {"Dv", 4, false, "diffusion of v"},
                                                     {"a0", -0.1, true, "offset"},
                                                     {"a1", 2, true, "decay of v"},
                                                     {"epsilon", 0.05, true, "speed of v"}};
  template <class S, class V>
  static MG_HD void value(const S* p, const V* x, V* r) {
    r[0] += x[0] - x[0] * x[0] * x[0] - x[1];
    r[1] += p[4] * (x[0] - p[3] * x[1] - p[2]);
  }
  template <class S, class V>
  static MG_HD void adjoint(const S* p, const V* x, const V* b, V* x_bar, V* p_bar) {
    const V eb = p[4] * b[1];
    x_bar[0] += (S(1) - S(3) * x[0] * x[0]) * b[0] + eb;
    x_bar[1] -= b[0] + p[3] * eb;
    p_bar[2] -= eb;
    p_bar[3] -= eb * x[1];
    p_bar[4] += b[1] * (x[0] - p[3] * x[1] - p[2]);
  }
  template <class S, class V>
  static MG_HD void tangent(const S* p, const V* x, const V* d, V* r) {
    r[0] += (S(1) - S(3) * x[0] * x[0]) * d[0] - d[1];
    r[1] += p[4] * (d[0] - p[3] * d[1]);
  }
};

/// u' = D L u + rate (1 - u^2) (u - bias); the double well has its minima at -1 and 1.
/// @source Allen, Cahn, Acta Metall. 27 (1979); with a bias the equation of Nagumo
struct AllenCahn {
  static constexpr std::string_view kName = "allen_cahn";
  static constexpr std::string_view kFieldNames[] = {"u"};
  static constexpr int kFields = 1, kParams = 3;
  static constexpr Parameter kParameters[kParams] = {{"D", 1, false, "diffusion"},
                                                     {"rate", 1, true, "speed of the reaction"},
                                                     {"bias", 0, true, "the unstable state"}};
  template <class S, class V>
  static MG_HD void value(const S* p, const V* x, V* r) {
    r[0] += p[1] * (S(1) - x[0] * x[0]) * (x[0] - p[2]);
  }
  template <class S, class V>
  static MG_HD void adjoint(const S* p, const V* x, const V* b, V* x_bar, V* p_bar) {
    const V well = (S(1) - x[0] * x[0]) * b[0], u = x[0] - p[2];
    x_bar[0] += p[1] * (well - S(2) * x[0] * u * b[0]);
    p_bar[1] += well * u;
    p_bar[2] -= p[1] * well;
  }
  template <class S, class V>
  static MG_HD void tangent(const S* p, const V* x, const V* d, V* r) {
    r[0] += p[1] * (S(1) - x[0] * x[0] - S(2) * x[0] * (x[0] - p[2])) * d[0];
  }
};

/// u' = D L u + rate u (1 - u)
/// @source Fisher, Ann. Eugenics 7 (1937)
struct FisherKpp {
  static constexpr std::string_view kName = "fisher_kpp";
  static constexpr std::string_view kFieldNames[] = {"u"};
  static constexpr int kFields = 1, kParams = 2;
  static constexpr Parameter kParameters[kParams] = {{"D", 1, false, "diffusion"}, {"rate", 1, true, "growth rate"}};
  template <class S, class V>
  static MG_HD void value(const S* p, const V* x, V* r) {
    r[0] += p[1] * (x[0] - x[0] * x[0]);
  }
  template <class S, class V>
  static MG_HD void adjoint(const S* p, const V* x, const V* b, V* x_bar, V* p_bar) {
    x_bar[0] += p[1] * (S(1) - S(2) * x[0]) * b[0];
    p_bar[1] += (x[0] - x[0] * x[0]) * b[0];
  }
  template <class S, class V>
  static MG_HD void tangent(const S* p, const V* x, const V* d, V* r) {
    r[0] += p[1] * (S(1) - S(2) * x[0]) * d[0];
  }
};

}  // namespace mg::pde

/// All of them as X(struct), in the order of their index.
#define MG_REACTIONS(X) \
  X(GrayScott)          \
  X(Chhabra) X(GiererMeinhardt) X(Schnakenberg) X(Brusselator) X(FitzHughNagumo) X(AllenCahn) X(FisherKpp)
