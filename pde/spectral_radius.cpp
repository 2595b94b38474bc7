#include "pde/spectral_radius.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/reduce.hpp"

namespace mg::pde {

namespace {

template <class T>
double norm(const Exec& exec, const T* x, std::size_t size, Workspace& workspace) {
  T* const out = workspace.get<T>(exec, "spectral.norm", 1);
  reduce<T>(exec, Reduction::sum_squares, x, 1, size, out, workspace);
  T value = 0;
  copy_bytes(exec, &value, Backend::host, out, exec.backend, sizeof(T));
  synchronise(exec);
  return std::sqrt(double(value));
}

/// Uniform on (-1, 1), a function of the index alone.
template <class T>
std::vector<T> start_vector(std::size_t size) {
  std::vector<T> v(size);
  std::uint64_t state = 0x9e3779b97f4a7c15;
  for (T& x : v) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    x = T(double(state >> 11) * 0x1p-52 - 1);
  }
  return v;
}

template <class T>
void describe_mode(const std::vector<T>& v, Shape shape, SpectralEstimate& estimate) {
  double most = -1;
  for (int c = 0; c < shape.c; ++c) {
    double squares = 0, products = 0, pairs = 0;
    for (int n = 0; n < shape.n; ++n)
      for (int i = 0; i < shape.h; ++i)
        for (int j = 0; j < shape.w; ++j) {
          const auto at = [&](int y, int x) {
            return double(v[((std::size_t(n) * shape.c + c) * shape.h + y) * shape.w + x]);
          };
          const double here = at(i, j);
          squares += here * here;
          if (j + 1 < shape.w) products += here * at(i, j + 1), pairs += here * here;
          if (i + 1 < shape.h) products += here * at(i + 1, j), pairs += here * here;
        }
    if (squares > most) most = squares, estimate.channel = c, estimate.correlation = pairs > 0 ? products / pairs : 1;
  }
}

/// Which part of the right-hand side turns the mode w into J w. Where J w is largest, the reaction alone is what a uniform
/// state and a uniform mode of that cell give; what is left is diffusion when it opposes the mode, transport when it is
/// at right angles to it.
template <class T>
std::string_view limiting_term(const Rhs<T>& rhs, const RhsContext<T>& at, ConstView<T> x, const std::vector<T>& w,
                               const std::vector<T>& jw) {
  const Shape shape = x.shape;
  const std::size_t size = shape.size(), plane = shape.plane(), sample = std::size_t(shape.c) * plane;
  double squares = 0, product = 0, images = 0, most = -1;
  for (std::size_t i = 0; i < size; ++i) {
    squares += double(w[i]) * double(w[i]);
    images += double(jw[i]) * double(jw[i]);
    product += double(w[i]) * double(jw[i]);
  }
  std::size_t place = 0;
  for (std::size_t n = 0; n < std::size_t(shape.n); ++n)
    for (std::size_t k = 0; k < plane; ++k) {
      double here = 0;
      for (std::size_t c = 0; c < std::size_t(shape.c); ++c)
        here += std::pow(double(jw[n * sample + c * plane + k]), 2);
      if (here > most) most = here, place = n * sample + k;
    }
  std::vector<T> state(size), mode(size), image(size);
  copy_bytes(at.exec, state.data(), Backend::host, x.data, at.exec.backend, size * sizeof(T));
  synchronise(at.exec);
  for (std::size_t c = 0; c < std::size_t(shape.c); ++c) {
    const T value = state[place + c * plane], direction = w[place + c * plane];
    for (std::size_t n = 0; n < std::size_t(shape.n); ++n)
      for (std::size_t k = 0; k < plane; ++k)
        image[n * sample + c * plane + k] = value, mode[n * sample + c * plane + k] = direction;
  }
  T* const memory = at.workspace->template get<T>(at.exec, "spectral.uniform", 3 * size);
  copy_bytes(at.exec, memory, at.exec.backend, image.data(), Backend::host, size * sizeof(T));
  copy_bytes(at.exec, memory + size, at.exec.backend, mode.data(), Backend::host, size * sizeof(T));
  synchronise(at.exec);
  rhs.rhs_tangent(at, {memory, shape}, {memory + size, shape}, memory + 2 * size);
  copy_bytes(at.exec, image.data(), Backend::host, memory + 2 * size, at.exec.backend, size * sizeof(T));
  synchronise(at.exec);
  const std::size_t centre = std::size_t(shape.h / 2) * std::size_t(shape.w) + std::size_t(shape.w / 2);
  double reaction = 0;
  for (std::size_t c = 0; c < std::size_t(shape.c); ++c) reaction += std::pow(double(image[c * plane + centre]), 2);
  if (std::sqrt(reaction) > 0.5 * std::sqrt(most)) return "the reaction";
  return std::abs(product) < 0.5 * std::sqrt(squares * images) ? "transport" : "diffusion";
}

}  // namespace

template <class T>
SpectralEstimate spectral_radius(const Rhs<T>& rhs, const RhsContext<T>& at, ConstView<T> x, int iterations,
                                 bool want_term) {
  const std::size_t size = x.shape.size();
  T* const memory = at.workspace->template get<T>(at.exec, "spectral", 2 * size);
  T *v = memory, *w = memory + size;
  const std::vector<T> start = start_vector<T>(size);
  copy_bytes(at.exec, v, at.exec.backend, start.data(), Backend::host, size * sizeof(T));
  double length = norm(at.exec, v, size, *at.workspace);
  constexpr int kLast = 4;  // of an oscillating pair, the largest of the last growths
  SpectralEstimate estimate;
  for (int k = 0; k < iterations; ++k) {
    Combination<T> scaled;
    scaled.out = v;
    scaled.add(T(1 / length), v);
    write_combinations<T>(at.exec, Combinations<T>(scaled), nullptr, size);
    rhs.rhs_tangent(at, x, {v, x.shape}, w);
    length = norm(at.exec, w, size, *at.workspace);
    std::swap(v, w);
    if (!(length > 0) || !std::isfinite(length)) {
      estimate.radius = length;
      return estimate;
    }
    if (k >= iterations - kLast) estimate.radius = std::max(estimate.radius, length);
  }
  std::vector<T> mode(size);
  copy_bytes(at.exec, mode.data(), Backend::host, v, at.exec.backend, size * sizeof(T));
  synchronise(at.exec);
  describe_mode(mode, x.shape, estimate);
  if (want_term) {
    std::vector<T> before(size);
    copy_bytes(at.exec, before.data(), Backend::host, w, at.exec.backend, size * sizeof(T));
    synchronise(at.exec);
    estimate.term = limiting_term(rhs, at, x, before, mode);
  }
  return estimate;
}

template <class T>
std::string stability_complaint(const Rhs<T>& rhs, const RhsContext<T>& at, ConstView<T> x, std::string_view scheme,
                                double h, double limit) {
  const SpectralEstimate e = spectral_radius(rhs, at, x, 20, true);
  if (!std::isfinite(e.radius) || h * e.radius <= 1.001 * limit) return "";
  char text[400];
  std::snprintf(
      text, sizeof text,
      "steps of %.4g are too long for %.*s: limited by %.*s, whose fastest rate is %.4g, %s channel %d; dt may "
      "be at most %.3g",
      h, int(scheme.size()), scheme.data(), int(e.term.size()), e.term.data(), e.radius,
      e.correlation < 0     ? "of a pattern of single cells in"
      : e.correlation > 0.7 ? "of a smooth mode in"
                            : "of a mode of a few cells in",
      e.channel, limit / e.radius);
  return text;
}

#define MG_INSTANTIATE(T)                                                                                       \
  template SpectralEstimate spectral_radius(const Rhs<T>&, const RhsContext<T>&, ConstView<T>, int, bool);      \
  template std::string stability_complaint(const Rhs<T>&, const RhsContext<T>&, ConstView<T>, std::string_view, \
                                           double, double);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::pde
