#pragma once
#include "core/reduce.hpp"
#include "core/stencil_cell.hpp"
#include "nca/nca_cell.hpp"
#include "nca/variant_spec.hpp"

// The stages of a variant's step around its network, one functor each beside its adjoint, for the elements of an array.
namespace mg::nca {

/// An element of (n, rows, h, w).
struct Place {
  int n, row, y, x;
  MG_HD Place(std::size_t i, Shape s)
      : n(int(i / s.plane() / s.c)), row(int(i / s.plane() % s.c)), y(int(i / s.w % s.h)), x(int(i % s.w)) {}
};

/// out = mean of x over blocks of scale^2 cells.
template <class T>
struct Pool {
  View<const T> x;
  View<T> out;
  int scale;
  MG_HD void operator()(std::size_t i) const {
    const Place p(i, out.shape);
    T sum = 0;
    for (int a = 0; a < scale; ++a)
      for (int b = 0; b < scale; ++b) sum += x(p.n, p.row, p.y * scale + a, p.x * scale + b);
    out.data[i] = sum / T(scale * scale);
  }
};
/// x_bar += adjoint of Pool.
template <class T>
struct PoolAdjoint {
  View<const T> out_bar;
  View<T> x_bar;
  int scale;
  MG_HD void operator()(std::size_t i) const {
    const Place p(i, x_bar.shape);
    x_bar.data[i] += out_bar(p.n, p.row, p.y / scale, p.x / scale) / T(scale * scale);
  }
};

/// The index tuples i_1 <= ... <= i_p of one degree after another, each in lexicographic order.
struct Monomial {
  int index[kMaxOrder] = {0};
  int degree = 1;
  MG_HD void next(int channels) {
    int at = degree - 1;
    while (at >= 0 && index[at] == channels - 1) --at;
    if (at < 0) {
      ++degree;
      for (int k = 0; k < degree && k < kMaxOrder; ++k) index[k] = 0;
      return;
    }
    const int value = index[at] + 1;
    for (int k = at; k < degree; ++k) index[k] = value;
  }
};

/// e = monomials of the channels of a cell.
template <class T>
struct Expand {
  View<const T> x;  // (n, C, h, w)
  View<T> e;        // (n, K, h, w)
  MG_HD void operator()(std::size_t i) const {
    const std::size_t plane = x.shape.plane(), cell = i % plane;
    const T* from = x.plane(int(i / plane), 0) + cell;
    T* to = e.plane(int(i / plane), 0) + cell;
    Monomial m;
    for (int k = 0; k < e.shape.c; ++k, m.next(x.shape.c)) {
      T product = 1;
      for (int j = 0; j < m.degree; ++j) product *= from[m.index[j] * plane];
      to[k * plane] = product;
    }
  }
};
/// x_bar += adjoint of Expand: each factor of each monomial in turn.
template <class T>
struct ExpandAdjoint {
  View<const T> x, e_bar;
  View<T> x_bar;
  MG_HD void operator()(std::size_t i) const {
    const std::size_t plane = x.shape.plane(), cell = i % plane;
    const int n = int(i / plane / x.shape.c), c = int(i / plane % x.shape.c);
    const T *from = x.plane(n, 0) + cell, *bar = e_bar.plane(n, 0) + cell;
    T sum = 0;
    Monomial m;
    for (int k = 0; k < e_bar.shape.c; ++k, m.next(x.shape.c)) {
      T rest = 1;
      int power = 0;
      for (int j = 0; j < m.degree; ++j) {
        if (m.index[j] == c && power++ == 0) continue;
        rest *= from[m.index[j] * plane];
      }
      if (power > 0) sum += T(power) * rest * bar[k * plane];
    }
    x_bar.data[i] += sum;
  }
};

inline constexpr int kMaxBankTaps = (2 * kMaxBankScale + 1) * (2 * kMaxBankScale + 1);

/// One kernel of a bank: its own taps, or those of a parameter.
template <class T>
struct BankKernel {
  T fixed[kMaxBankTaps];
  const T* learned = nullptr;
  int radius = 1;
  MG_HD T tap(int a, int b) const {
    const int at = (a + radius) * (2 * radius + 1) + b + radius;
    return learned != nullptr ? learned[at] : fixed[at];
  }
};

/// Channels first ... of p = kernel correlated with every channel of x.
template <class T>
struct BankPerceive {
  BankKernel<T> kernel;
  View<const T> x;
  View<T> p;
  int first;
  MG_HD int reach() const { return kernel.radius; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x0) const {
    const auto u = plane_of(x, n, c);
    T sum = 0;
    for (int a = -kernel.radius; a <= kernel.radius; ++a)
      for (int b = -kernel.radius; b <= kernel.radius; ++b) sum += kernel.tap(a, b) * l.read(u, y + a, x0 + b);
    store(p, n, first + c, y, x0, sum, false);
  }
};
/// x_bar += adjoint of BankPerceive.
template <class T>
struct BankPerceiveAdjoint {
  BankKernel<T> kernel;
  View<const T> p_bar;
  View<T> x_bar;
  int first;
  MG_HD int reach() const { return kernel.radius + 1; }
  template <bool I>
  MG_HD void operator()(const Lattice<I>& l, int n, int c, int y, int x0) const {
    const auto bar = plane_of(p_bar, n, first + c);
    const BankKernel<T>& k = kernel;
    const T sum =
        l.template fold<T>(k.radius, y, x0, [&](int i, int j, int a, int b) { return k.tap(a, b) * bar(i, j); });
    store(x_bar, n, c, y, x0, sum, true);
  }
};
/// Gradient of the taps of all kernels: segment = kernel and tap, elements = samples, channels and cells.
template <class T>
struct BankTapBar {
  View<const T> x, p_bar;
  Padding padding;
  int radius;
  std::size_t n;
  MG_HD std::size_t length(std::size_t) const { return n; }
  MG_HD ReduceValues<1> operator()(std::size_t s, std::size_t i) const {
    const int side = 2 * radius + 1, k = int(s / (side * side)), t = int(s % (side * side));
    const Place p(i, x.shape);
    const int y = padded_index(padding, p.y + t / side - radius, x.shape.h);
    const int x0 = padded_index(padding, p.x + t % side - radius, x.shape.w);
    if (y < 0 || x0 < 0) return {{0}};
    return {{double(x(p.n, p.row, y, x0)) * double(p_bar(p.n, k * x.shape.c + p.row, p.y, p.x))}};
  }
};
template <class T>
struct AddTapBar {
  T* params_bar;
  MG_HD void operator()(std::size_t s, const ReduceValues<1>& r) const { params_bar[s] += T(r.v[0]); }
};

/// Copies goal channels behind the perceived ones.
template <class T>
struct CopyGoals {
  View<const T> goal;
  View<T> p;
  int first;
  MG_HD void operator()(std::size_t i) const {
    const Place at(i, goal.shape);
    p(at.n, first + at.row, at.y, at.x) = goal.data[i];
  }
};

/// What happens between the outputs of the networks and the next state.
template <class T>
struct UpdateRule {
  Shape shape;  ///< of the state
  int sub, scales;
  int scale[kMaxScales];
  std::size_t at[kMaxScales];  ///< of the outputs of a sub-model, (n, outputs, h / s, w / s), in one array
  int outputs;
  bool gated, bounded;
  int observed;
  T rate;
  FireRule fire;
  View<const T> fire_override, boundary_mask;
  Boundary boundary;

  MG_HD bool fires(int n, int c, int s, int y, int x) const {
    if (fire_override.data != nullptr) return fire_override(n, c, y * s, x * s) != T(0);
    return fire.fires(n, c, std::uint32_t(y) * std::uint32_t(shape.w / s) + std::uint32_t(x),
                      std::uint32_t(shape.plane()));
  }
  /// Output `o` of sub-model m at a coarse cell.
  MG_HD std::size_t output(int m, int n, int o, int y, int x) const {
    const int s = scale[m];
    return at[m] + ((std::size_t(n) * outputs + o) * (shape.h / s) + y) * (shape.w / s) + x;
  }
  /// x + rate M D of channel c at a cell.
  MG_HD T updated(const T* u, T x, int n, int c, int y, int x0) const {
    const int m = c / sub, s = scale[m], o = c - m * sub;
    if (!fires(n, c, s, y / s, x0 / s)) return x;
    const T first = u[output(m, n, o, y / s, x0 / s)];
    return x + rate * (gated ? gate(first, u[output(m, n, sub + o, y / s, x0 / s)]) : first);
  }
  MG_HD T low(int c) const { return c < observed ? T(0) : T(-1); }
};

/// next = boundary(clip(x + rate M D))
template <class T>
struct FinishVariant {
  UpdateRule<T> rule;
  View<const T> x;
  const T* u;
  View<T> next;
  MG_HD void operator()(std::size_t i) const {
    const Place p(i, x.shape);
    T y = rule.updated(u, x.data[i], p.n, p.row, p.y, p.x);
    if (rule.bounded) {
      const T low = rule.low(p.row);
      y = y < low ? low : y > T(1) ? T(1) : y;
    }
    const int row = boundary_row(rule.boundary, x.shape.c, rule.boundary_mask.shape.c, p.row);
    next.data[i] = row < 0 ? y : apply_boundary(rule.boundary, y, rule.boundary_mask(p.n, row, p.y, p.x));
  }
};
/// y_bar = adjoint of the boundary and of the clip, whose derivative at a bound is 1/2. `u` is read when bounded.
template <class T>
struct FinishVariantAdjoint {
  UpdateRule<T> rule;
  View<const T> x;
  const T* u;
  View<const T> next_bar;
  T* y_bar;
  MG_HD void operator()(std::size_t i) const {
    const Place p(i, x.shape);
    const int row = boundary_row(rule.boundary, x.shape.c, rule.boundary_mask.shape.c, p.row);
    T bar = next_bar.data[i];
    if (row >= 0) bar = apply_boundary_adjoint(rule.boundary, bar, rule.boundary_mask(p.n, row, p.y, p.x));
    if (rule.bounded) {
      const T y = rule.updated(u, x.data[i], p.n, p.row, p.y, p.x), low = rule.low(p.row);
      bar *= y < low || y > T(1) ? T(0) : y == low || y == T(1) ? T(0.5) : T(1);
    }
    y_bar[i] = bar;
  }
};
/// Cotangent of the outputs of sub-model m, element of (n, sub, h / s, w / s). `u` is read when gated.
template <class T>
struct OutputsBar {
  UpdateRule<T> rule;
  int m;
  const T *u, *y_bar;
  T* u_bar;  // as u, of this sub-model alone
  MG_HD void operator()(std::size_t i) const {
    const int s = rule.scale[m];
    const Place p(i, {rule.shape.n, rule.sub, rule.shape.h / s, rule.shape.w / s});
    const int c = m * rule.sub + p.row;
    T bar = 0;
    if (rule.fires(p.n, c, s, p.y, p.x))
      for (int a = 0; a < s; ++a)
        for (int b = 0; b < s; ++b)
          bar +=
              y_bar[((std::size_t(p.n) * rule.shape.c + c) * rule.shape.h + p.y * s + a) * rule.shape.w + p.x * s + b];
    bar *= rule.rate;
    T& first = u_bar[rule.output(m, p.n, p.row, p.y, p.x) - rule.at[m]];
    if (!rule.gated) {
      first = bar;
      return;
    }
    gate_adjoint(u[rule.output(m, p.n, p.row, p.y, p.x)], u[rule.output(m, p.n, rule.sub + p.row, p.y, p.x)], bar,
                 first, u_bar[rule.output(m, p.n, rule.sub + p.row, p.y, p.x) - rule.at[m]]);
  }
};

}  // namespace mg::nca
