#include "train/sliced_loss.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "core/philox.hpp"
#include "core/threads.hpp"

namespace mg::train {
namespace {

/// Unit vectors (projections, c p^2), the same in every call.
template <class T>
std::vector<T> directions(int projections, int size) {
  std::vector<T> all(std::size_t(projections) * size);
  for (int k = 0; k < projections; ++k) {
    const RandomStream stream{0, RandomPurpose::loss_samples, 0, 0, std::uint32_t(k)};
    std::vector<double> v(std::size_t(size) + 1);
    double norm = 0;
    for (int i = 0; i < size; i += 2) {
      const Philox4 w = stream.words(std::uint32_t(i));
      normal2(w.v[0], w.v[1], &v[std::size_t(i)]);
    }
    for (int i = 0; i < size; ++i) norm += v[std::size_t(i)] * v[std::size_t(i)];
    for (int i = 0; i < size; ++i) all[std::size_t(k) * size + i] = T(v[std::size_t(i)] / std::sqrt(norm));
  }
  return all;
}

/// A field (c, h, w) of one sample at one level, or its cotangent.
template <class T>
struct Level {
  int c, h, w;
  std::vector<T> x;
  std::size_t plane() const { return std::size_t(h) * w; }
};

template <class T>
Level<T> halved(const Level<T>& from) {
  Level<T> to{from.c, from.h / 2, from.w / 2, {}};
  for (int k = 0; k < to.c; ++k)
    for (int y = 0; y < to.h; ++y)
      for (int x = 0; x < to.w; ++x) {
        const T* p = &from.x[k * from.plane() + std::size_t(2 * y) * from.w + 2 * x];
        to.x.push_back((p[0] + p[1] + p[from.w] + p[from.w + 1]) / 4);
      }
  return to;
}
/// fine_bar += adjoint of halved.
template <class T>
void halved_adjoint(const Level<T>& coarse_bar, Level<T>& fine_bar) {
  for (int k = 0; k < fine_bar.c; ++k)
    for (int y = 0; y < fine_bar.h; ++y)
      for (int x = 0; x < fine_bar.w; ++x)
        fine_bar.x[k * fine_bar.plane() + std::size_t(y) * fine_bar.w + x] +=
            coarse_bar.x[k * coarse_bar.plane() + std::size_t(y / 2) * coarse_bar.w + x / 2] / 4;
}

/// Calls fn(to, from, n) for the runs of cells with (y, x) and (y + a, x + b), wrapped.
template <class Fn>
void for_shifted(int h, int w, int a, int b, const Fn& fn) {
  const int split = w - b % w;
  for (int y = 0; y < h; ++y) {
    const std::size_t to = std::size_t(y) * w, from = std::size_t((y + a) % h) * w;
    fn(to, from + std::size_t(w - split), split);
    if (split < w) fn(to + std::size_t(split), from, w - split);
  }
}

/// <v, P> of every cell.
template <class T>
void project(const Level<T>& f, const T* v, int patch, T* out) {
  std::fill_n(out, f.plane(), T(0));
  for (int k = 0; k < f.c; ++k)
    for (int a = 0; a < patch; ++a)
      for (int b = 0; b < patch; ++b) {
        const T s = v[(k * patch + a) * patch + b];
        const T* x = f.x.data() + k * f.plane();
        for_shifted(f.h, f.w, a, b, [&](std::size_t to, std::size_t from, int n) {
          for (int i = 0; i < n; ++i) out[to + std::size_t(i)] += s * x[from + std::size_t(i)];
        });
      }
}

/// Cells in the order of their values.
template <class T>
std::vector<int> order_of(const T* values, std::size_t n) {
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int i, int j) { return values[i] < values[j] || (values[i] == values[j] && i < j); });
  return order;
}

/// The loss of one sample and, when x_bar is given, its gradient, added; both times `weight`.
template <class T>
double sample_loss(const Level<T>& x, const Level<T>& y, int projections, int patch, double weight, Level<T>* x_bar) {
  const std::size_t cells = x.plane();
  const int size = x.c * patch * patch;
  const std::vector<T> v = directions<T>(projections, size);
  std::vector<double> sums(static_cast<std::size_t>(projections));
  std::vector<T> pull(x_bar != nullptr ? cells * projections : 0);
  const bool worthwhile = double(cells) * size * projections > 1e5;
  const double share = weight / (double(cells) * projections);
  parallel_for(
      projections,
      [&](int k, int) {
        std::vector<T> px(cells), py(cells);
        project(x, v.data() + std::size_t(k) * size, patch, px.data());
        project(y, v.data() + std::size_t(k) * size, patch, py.data());
        double total = 0;
        for (std::size_t i = 0; i < cells; ++i) total += px[i] + py[i];
        if (!std::isfinite(total)) {
          sums[std::size_t(k)] = std::numeric_limits<double>::quiet_NaN();
          return;
        }
        const auto ox = order_of(px.data(), cells), oy = order_of(py.data(), cells);
        for (std::size_t r = 0; r < cells; ++r) {
          const double d = double(px[std::size_t(ox[r])]) - double(py[std::size_t(oy[r])]);
          sums[std::size_t(k)] += d * d;
          if (x_bar != nullptr) pull[k * cells + std::size_t(ox[r])] = T(2 * share * d);
        }
      },
      worthwhile);
  const double loss = share * std::accumulate(sums.begin(), sums.end(), 0.0);
  if (x_bar == nullptr || !std::isfinite(loss)) return loss;
  parallel_for(
      x.c,
      [&](int channel, int) {
        T* bar = x_bar->x.data() + channel * cells;
        for (int k = 0; k < projections; ++k)
          for (int a = 0; a < patch; ++a)
            for (int b = 0; b < patch; ++b) {
              const T s = v[std::size_t(k) * size + std::size_t((channel * patch + a) * patch + b)];
              const T* g = pull.data() + k * cells;
              for_shifted(x.h, x.w, a, b, [&](std::size_t to, std::size_t from, int n) {
                for (int i = 0; i < n; ++i) bar[from + std::size_t(i)] += s * g[to + std::size_t(i)];
              });
            }
      },
      worthwhile);
  return loss;
}

template <class T>
Level<T> level_of(View<const T> f, int n) {
  return {f.shape.c, f.shape.h, f.shape.w, std::vector<T>(f.plane(n, 0), f.plane(n, 0) + f.shape.c * f.shape.plane())};
}

}  // namespace

template <class T>
void SlicedLoss<T>::check(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask) const {
  if (exec.backend != Backend::host) throw DeviceError("sliced_wasserstein: runs on the host only");
  if (!(x.shape == y.shape) || x.shape.size() == 0)
    throw std::invalid_argument("sliced_wasserstein: prediction and target must have the same shape");
  if (mask.data != nullptr) throw std::invalid_argument("sliced_wasserstein: takes no mask");
  const int part = 1 << (levels_ - 1);
  if (x.shape.h % part != 0 || x.shape.w % part != 0)
    throw std::invalid_argument("sliced_wasserstein: " + std::to_string(levels_) + " levels need sides that " +
                                std::to_string(part) + " divides, the lattice is " + std::to_string(x.shape.h) + " x " +
                                std::to_string(x.shape.w));
}

template <class T>
void SlicedLoss<T>::value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
                          Workspace&) const {
  check(exec, x, y, mask);
  for (int n = 0; n < x.shape.n; ++n) {
    Level<T> a = level_of<T>(x, n), b = level_of<T>(y, n);
    double loss = 0;
    for (int l = 0; l < levels_; ++l) {
      if (l > 0) a = halved(a), b = halved(b);
      loss += sample_loss<T>(a, b, projections_, patch_, 1.0 / levels_, nullptr);
    }
    losses[n] = std::isnan(loss) ? T(0) : T(std::min(loss, double(std::numeric_limits<T>::max())));
  }
}

template <class T>
void SlicedLoss<T>::adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar,
                            View<T> x_bar, Workspace&) const {
  check(exec, x, y, mask);
  for (int n = 0; n < x.shape.n; ++n) {
    std::vector<Level<T>> a = {level_of<T>(x, n)}, b = {level_of<T>(y, n)}, bars;
    for (int l = 1; l < levels_; ++l) a.push_back(halved(a.back())), b.push_back(halved(b.back()));
    bool finite = true;
    for (const Level<T>& level : a) bars.push_back({level.c, level.h, level.w, std::vector<T>(level.x.size())});
    for (std::size_t l = 0; l < a.size(); ++l)
      finite &=
          std::isfinite(sample_loss<T>(a[l], b[l], projections_, patch_, double(losses_bar[n]) / levels_, &bars[l]));
    if (!finite) continue;
    for (std::size_t l = a.size() - 1; l > 0; --l) halved_adjoint(bars[l], bars[l - 1]);
    T* to = x_bar.plane(n, 0);
    for (std::size_t i = 0; i < bars[0].x.size(); ++i) to[i] += bars[0].x[i];
  }
}

template class SlicedLoss<float>;
template class SlicedLoss<double>;

}  // namespace mg::train
