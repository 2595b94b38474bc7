#include "nca/nca_generic.hpp"

#include <algorithm>
#include <utility>

#include "core/threads.hpp"
#include "nca/nca_cell.hpp"

namespace mg::nca::host {
namespace {

constexpr int kStrips = 8;  ///< partial sums of the weight gradient per sample

/// Whether the products of one sample are worth several threads.
template <class Net>
bool worthwhile(const Net& net, std::size_t plane) {
  return double(plane) * net.H * (net.F + net.O) > 1e6;
}

/// Sizes and parameter arrays of one automaton.
template <class T>
struct Net {
  Net(const NcaSpec& s, const T* p) : C(s.channels), F(s.features()), H(s.hidden_width()), O(s.outputs()) {
    w0 = p, p += std::size_t(H) * F;
    if (s.hidden_bias) b0 = p, p += H;
    w1 = p, p += std::size_t(O) * H;
    if (s.output_bias) b1 = p;
  }
  /// Parameters in all.
  std::size_t size() const {
    return std::size_t(H) * F + std::size_t(O) * H + (b0 != nullptr ? H : 0) + (b1 != nullptr ? O : 0);
  }
  int C, F, H, O;
  const T* w0;            // [H, F]
  const T* b0 = nullptr;  // [H]
  const T* w1;            // [O, H]
  const T* b1 = nullptr;  // [O]
};

/// Rows of one thread: everything that lies between the features and the update of w cells.
template <class T>
struct Rows {
  static std::size_t size(const Net<T>& net, int w) { return std::size_t(3 * net.H + 2 * net.O + 2 * net.C) * w; }
  Rows(T* p, const Net<T>& net, int w) {
    const auto take = [&](int n) { return std::exchange(p, p + std::size_t(n) * w); };
    z = take(net.H), a = take(net.H), z_bar = take(net.H);
    u = take(net.O), u_bar = take(net.O);
    fire = take(net.C), d_bar = take(net.C);
  }
  T* z;      // [H, w] before the activation
  T* a;      // [H, w]
  T* z_bar;  // [H, w]
  T* u;      // [O, w]
  T* u_bar;  // [O, w]
  T* fire;   // [C, w] 0 or 1
  T* d_bar;  // [C, w]
};

template <class T>
void axpy(T s, const T* x, T* y, int n) {
  for (int i = 0; i < n; ++i) y[i] += s * x[i];
}
template <class T>
T dot(const T* x, const T* y, int n) {
  T s = 0;
  for (int i = 0; i < n; ++i) s += x[i] * y[i];
  return s;
}

/// Fire mask of row y of sample n.
template <class T>
void draw_row(const NcaSpec& spec, const NcaInputs<T>& in, Shape s, int n, int y, T* fire) {
  if (in.fire_override.data != nullptr) {
    for (int c = 0; c < s.c; ++c) std::copy_n(&in.fire_override(n, c, y, 0), s.w, fire + std::size_t(c) * s.w);
    return;
  }
  const FireRule rule = fire_rule(spec, in.index);
  const auto plane = std::uint32_t(s.plane());
  for (int c = 0; c < s.c; ++c)
    for (int x = 0; x < s.w; ++x)
      fire[std::size_t(c) * s.w + x] = rule.fires(n, c, std::uint32_t(y) * s.w + x, plane) ? T(1) : T(0);
}

/// z = W0 p + b0, a = act(z), u = W1 a + b1 for w cells; p points to feature 0 of the row, features `plane` apart.
template <class T>
void network_row(const NcaSpec& spec, const Net<T>& net, const T* p, std::size_t plane, int w, Rows<T>& r) {
  for (int j = 0; j < net.H; ++j) {
    T *z = r.z + std::size_t(j) * w, *a = r.a + std::size_t(j) * w;
    std::fill_n(z, w, net.b0 ? net.b0[j] : T(0));
    for (int f = 0; f < net.F; ++f) axpy(net.w0[std::size_t(j) * net.F + f], p + f * plane, z, w);
    for (int x = 0; x < w; ++x) a[x] = activate(spec.activation, z[x]);
  }
  for (int o = 0; o < net.O; ++o) {
    T* u = r.u + std::size_t(o) * w;
    std::fill_n(u, w, net.b1 ? net.b1[o] : T(0));
    for (int j = 0; j < net.H; ++j) axpy(net.w1[std::size_t(o) * net.H + j], r.a + std::size_t(j) * w, u, w);
  }
}

/// y = x + M D of sample n, for all rows.
template <class T>
void update_sample(const NcaSpec& spec, const Net<T>& net, const NcaInputs<T>& in, View<const T> x, const T* p, int n,
                   T* y_out, T* scratch) {
  const Shape s = x.shape;
  const std::size_t plane = s.plane(), rows = Rows<T>::size(net, s.w);
  parallel_for(
      s.h,
      [&](int y, int thread) {
        Rows<T> r(scratch + rows * thread, net, s.w);
        network_row(spec, net, p + std::size_t(y) * s.w, plane, s.w, r);
        draw_row(spec, in, s, n, y, r.fire);
        for (int c = 0; c < s.c; ++c)
          for (int i = 0; i < s.w; ++i) {
            const std::size_t at = std::size_t(c) * s.w + i;
            const T d = spec.gated ? gate(r.u[at], r.u[at + std::size_t(s.c) * s.w]) : r.u[at];
            y_out[c * plane + std::size_t(y) * s.w + i] = x(n, c, y, i) + r.fire[at] * d;
          }
      },
      worthwhile(net, plane));
}

/// keep = alive(x) and alive(y) of every cell, from the alive channel of both.
template <class T>
void keep_mask(const NcaSpec& spec, const T* x, const T* y, int h, int w, T* keep) {
  for (int i = 0; i < h; ++i)
    for (int j = 0; j < w; ++j) {
      const auto lives = [&](const T* z) {
        return alive_around(spec.perception.padding, h, w, i, j, T(spec.alive_threshold),
                            [&](int yy, int xx) { return z[std::size_t(yy) * w + xx]; });
      };
      keep[std::size_t(i) * w + j] = lives(x) && lives(y) ? T(1) : T(0);
    }
}

/// Calls fn(channel, mask row) for every channel that the boundary touches.
template <class T, class Fn>
void for_boundary_channels(const NcaSpec& spec, const NcaInputs<T>& in, int n, const Fn& fn) {
  for (int c = 0; c < spec.channels; ++c) {
    const int row = boundary_row(spec.boundary, spec.channels, spec.mask_rows(), c);
    if (row >= 0) fn(c, in.boundary.plane(n, row));
  }
}

template <class T>
View<const T> sample_of(View<const T> v, int n) {
  return {v.plane(n, 0), {1, v.shape.c, v.shape.h, v.shape.w}};
}

/// Adjoint of one row: u_bar and z_bar from d_bar, sums into the weight gradients, p_bar of the row.
template <class T>
void network_row_adjoint(const NcaSpec& spec, const Net<T>& net, const T* p, T* p_bar, std::size_t plane, int w,
                         Rows<T>& r, T* partial) {
  const std::size_t gate_at = std::size_t(net.C) * w;
  for (std::size_t i = 0; i < gate_at; ++i) {
    if (spec.gated)
      gate_adjoint(r.u[i], r.u[i + gate_at], r.d_bar[i], r.u_bar[i], r.u_bar[i + gate_at]);
    else
      r.u_bar[i] = r.d_bar[i];
  }
  T* w0_bar = partial;
  T* b0_bar = w0_bar + std::size_t(net.H) * net.F;
  T* w1_bar = b0_bar + (net.b0 ? net.H : 0);
  T* b1_bar = w1_bar + std::size_t(net.O) * net.H;
  for (int f = 0; f < net.F; ++f) std::fill_n(p_bar + f * plane, w, T(0));
  for (int j = 0; j < net.H; ++j) {
    T* z_bar = r.z_bar + std::size_t(j) * w;
    const T *z = r.z + std::size_t(j) * w, *a = r.a + std::size_t(j) * w;
    std::fill_n(z_bar, w, T(0));
    for (int o = 0; o < net.O; ++o) {
      const std::size_t at = std::size_t(o) * net.H + j;
      axpy(net.w1[at], r.u_bar + std::size_t(o) * w, z_bar, w);
      w1_bar[at] += dot(r.u_bar + std::size_t(o) * w, a, w);
    }
    for (int x = 0; x < w; ++x) z_bar[x] *= activate_derivative(spec.activation, z[x]);
    for (int f = 0; f < net.F; ++f) {
      const std::size_t at = std::size_t(j) * net.F + f;
      axpy(net.w0[at], z_bar, p_bar + f * plane, w);
      w0_bar[at] += dot(z_bar, p + f * plane, w);
    }
    if (net.b0)
      for (int x = 0; x < w; ++x) b0_bar[j] += z_bar[x];
  }
  if (net.b1)
    for (int o = 0; o < net.O; ++o)
      for (int x = 0; x < w; ++x) b1_bar[o] += r.u_bar[std::size_t(o) * w + x];
}

}  // namespace

template <class T>
void generic_step(const NcaSpec& spec, const T* params, const NcaInputs<T>& in, View<const T> x, View<T> next,
                  Workspace& workspace) {
  const Net<T> net(spec, params);
  const Shape s = x.shape;
  const std::size_t plane = s.plane();
  T* p = workspace.get<T>({}, "nca.features", net.F * plane);
  T* keep = workspace.get<T>({}, "nca.keep", plane);
  T* rows = workspace.get<T>({}, "nca.rows", Rows<T>::size(net, s.w) * max_threads());
  for (int n = 0; n < s.n; ++n) {
    T* y = next.plane(n, 0);
    perceive<T>({}, spec.perception, sample_of(x, n), {p, {1, net.F, s.h, s.w}});
    update_sample(spec, net, in, x, p, n, y, rows);
    if (spec.alive) {
      keep_mask(spec, x.plane(n, spec.alive_channel), next.plane(n, spec.alive_channel), s.h, s.w, keep);
      for (int c = 0; c < s.c; ++c)
        for (std::size_t i = 0; i < plane; ++i)
          if (keep[i] == T(0)) y[c * plane + i] = 0;
    }
    for_boundary_channels(spec, in, n, [&](int c, const T* mask) {
      for (std::size_t i = 0; i < plane; ++i)
        y[c * plane + i] = apply_boundary(spec.boundary, y[c * plane + i], mask[i]);
    });
  }
}

template <class T>
void generic_step_adjoint(const NcaSpec& spec, const T* params, const NcaInputs<T>& in, View<const T> x,
                          View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace) {
  const Net<T> net(spec, params);
  const Shape s = x.shape;
  const std::size_t plane = s.plane(), count = net.size(), row_size = Rows<T>::size(net, s.w);
  T* p = workspace.get<T>({}, "nca.features", net.F * plane);
  T* p_bar = workspace.get<T>({}, "nca.features_bar", net.F * plane);
  T* keep = workspace.get<T>({}, "nca.keep", plane);
  T* rows = workspace.get<T>({}, "nca.rows", row_size * max_threads());
  T* partials = workspace.get<T>({}, "nca.partials", count * kStrips);
  for (int n = 0; n < s.n; ++n) {
    T* y_bar = x_bar.plane(n, 0);  // x_bar starts as y_bar: x enters y directly
    perceive<T>({}, spec.perception, sample_of(x, n), {p, {1, net.F, s.h, s.w}});
    if (spec.alive) {  // y is needed once more; y_bar serves as its memory
      update_sample(spec, net, in, x, p, n, y_bar, rows);
      keep_mask(spec, x.plane(n, spec.alive_channel), y_bar + spec.alive_channel * plane, s.h, s.w, keep);
    }
    std::copy_n(next_bar.plane(n, 0), s.c * plane, y_bar);
    for_boundary_channels(spec, in, n, [&](int c, const T* mask) {
      for (std::size_t i = 0; i < plane; ++i)
        y_bar[c * plane + i] = apply_boundary_adjoint(spec.boundary, y_bar[c * plane + i], mask[i]);
    });
    if (spec.alive)
      for (int c = 0; c < s.c; ++c)
        for (std::size_t i = 0; i < plane; ++i)
          if (keep[i] == T(0)) y_bar[c * plane + i] = 0;
    std::fill_n(partials, count * kStrips, T(0));
    parallel_for(
        kStrips,
        [&](int strip, int thread) {
          Rows<T> r(rows + row_size * thread, net, s.w);
          for (int y = s.h * strip / kStrips; y < s.h * (strip + 1) / kStrips; ++y) {
            const std::size_t at = std::size_t(y) * s.w;
            network_row(spec, net, p + at, plane, s.w, r);
            draw_row(spec, in, s, n, y, r.fire);
            for (int c = 0; c < s.c; ++c)
              for (int i = 0; i < s.w; ++i)
                r.d_bar[std::size_t(c) * s.w + i] = r.fire[std::size_t(c) * s.w + i] * y_bar[c * plane + at + i];
            network_row_adjoint(spec, net, p + at, p_bar + at, plane, s.w, r, partials + count * strip);
          }
        },
        worthwhile(net, plane));
    for (int strip = 0; strip < kStrips; ++strip) axpy(T(1), partials + count * strip, params_bar, int(count));
    perceive_adjoint<T>({}, spec.perception, sample_of(x, n), {p_bar, {1, net.F, s.h, s.w}},
                        {y_bar, {1, s.c, s.h, s.w}});
  }
}

#define MG_INSTANTIATE(T)                                                                                            \
  template void generic_step<T>(const NcaSpec&, const T*, const NcaInputs<T>&, View<const T>, View<T>, Workspace&);  \
  template void generic_step_adjoint<T>(const NcaSpec&, const T*, const NcaInputs<T>&, View<const T>, View<const T>, \
                                        View<T>, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)

}  // namespace mg::nca::host
