#include "core/perception.hpp"
#include "cuda/nca/step_data.cuh"

// The plain device path: one elementwise kernel per stage, everything between them in global memory.
namespace mg::nca::cuda {
namespace {

constexpr int kSlots = 32;  ///< partial sums of the weight gradient; each sums the cells k = slot (mod kSlots)

/// Index of an element of (n, rows, h w).
struct Element {
  int n, row;
  std::size_t cell;
  __device__ Element(std::size_t i, int rows, std::size_t plane)
      : n(int(i / plane / rows)), row(int(i / plane % rows)), cell(i % plane) {}
};

/// z = W0 P + b0
template <class T>
struct Hidden {
  StepData<T> s;
  const T* p;  // (n, F, h, w)
  T* z;        // (n, H, h, w)
  __device__ void operator()(std::size_t i) const {
    const std::size_t plane = s.shape.plane();
    const Element e(i, s.hidden, plane);
    const T* w = s.w0 + std::size_t(e.row) * s.features;
    T sum = s.b0 ? s.b0[e.row] : T(0);
    for (int f = 0; f < s.features; ++f) sum += w[f] * p[(std::size_t(e.n) * s.features + f) * plane + e.cell];
    z[i] = sum;
  }
};

/// u = W1 act(z) + b1 of output o
template <class T>
__device__ T output(const StepData<T>& s, const T* z, int n, int o, std::size_t cell) {
  const std::size_t plane = s.shape.plane();
  T sum = s.b1 ? s.b1[o] : T(0);
  for (int j = 0; j < s.hidden; ++j)
    sum +=
        s.w1[std::size_t(o) * s.hidden + j] * activate(s.activation, z[(std::size_t(n) * s.hidden + j) * plane + cell]);
  return sum;
}

/// y = x + M D; without the alive test also the boundary.
template <class T>
struct Update {
  StepData<T> s;
  View<const T> x;
  const T* z;    // (n, H, h, w)
  View<T> next;  // null data: write alpha only
  T* alpha;      // (n, h, w), null without the alive test
  __device__ void operator()(std::size_t i) const {
    const std::size_t plane = s.shape.plane();
    const Element e(i, s.shape.c, plane);
    if (next.data == nullptr && e.row != s.alive_channel) return;
    const int cy = int(e.cell / s.shape.w), cx = int(e.cell % s.shape.w);
    T y = x.data[i];
    if (s.fires(e.n, e.row, cy, cx)) {
      const T u = output(s, z, e.n, e.row, e.cell);
      y += s.gated ? gate(u, output(s, z, e.n, s.shape.c + e.row, e.cell)) : u;
    }
    if (s.alive && e.row == s.alive_channel) alpha[e.n * plane + e.cell] = y;
    if (next.data != nullptr) next.data[i] = s.alive ? y : s.bounded(e.n, e.row, cy, cx, y);
  }
};

/// x_bar = y_bar, u_bar = adjoint of gate and mask
template <class T>
struct OutputBar {
  StepData<T> s;
  const T* z;                 // (n, H, h, w)
  View<const T> next_bar;     // (n, C, h, w)
  const unsigned char* keep;  // (n, h, w) or null
  View<T> x_bar;              // (n, C, h, w)
  T* u_bar;                   // (n, O, h, w)
  __device__ void operator()(std::size_t i) const {
    const std::size_t plane = s.shape.plane();
    const Element e(i, s.shape.c, plane);
    const int cy = int(e.cell / s.shape.w), cx = int(e.cell % s.shape.w);
    const bool kept = keep == nullptr || keep[e.n * plane + e.cell];
    const T y_bar = kept ? s.bounded_adjoint(e.n, e.row, cy, cx, next_bar.data[i]) : T(0);
    x_bar.data[i] = y_bar;
    const T d_bar = s.fires(e.n, e.row, cy, cx) ? y_bar : T(0);
    T* u = u_bar + (std::size_t(e.n) * s.outputs + e.row) * plane + e.cell;
    if (!s.gated) {
      *u = d_bar;
      return;
    }
    gate_adjoint(output(s, z, e.n, e.row, e.cell), output(s, z, e.n, s.shape.c + e.row, e.cell), d_bar, *u,
                 u[s.shape.c * plane]);
  }
};

/// z_bar = act'(z) W1^T u_bar
template <class T>
struct HiddenBar {
  StepData<T> s;
  const T* z;      // (n, H, h, w)
  const T* u_bar;  // (n, O, h, w)
  T* z_bar;        // (n, H, h, w)
  __device__ void operator()(std::size_t i) const {
    const std::size_t plane = s.shape.plane();
    const Element e(i, s.hidden, plane);
    T sum = 0;
    for (int o = 0; o < s.outputs; ++o)
      sum += s.w1[std::size_t(o) * s.hidden + e.row] * u_bar[(std::size_t(e.n) * s.outputs + o) * plane + e.cell];
    z_bar[i] = sum * activate_derivative(s.activation, z[i]);
  }
};

/// p_bar = W0^T z_bar
template <class T>
struct FeatureBar {
  StepData<T> s;
  const T* z_bar;  // (n, H, h, w)
  T* p_bar;        // (n, F, h, w)
  __device__ void operator()(std::size_t i) const {
    const std::size_t plane = s.shape.plane();
    const Element e(i, s.features, plane);
    T sum = 0;
    for (int j = 0; j < s.hidden; ++j)
      sum += s.w0[std::size_t(j) * s.features + e.row] * z_bar[(std::size_t(e.n) * s.hidden + j) * plane + e.cell];
    p_bar[i] = sum;
  }
};

/// One element of the gradient, summed over the cells of one slot.
template <class T>
struct WeightBar {
  StepData<T> s;
  ParamOffsets at;
  const T *p, *z, *z_bar, *u_bar;
  T* partials;  // (kSlots, size)
  template <class Term>
  __device__ T sum(int slot, const Term& term) const {
    const std::size_t plane = s.shape.plane(), cells = s.shape.cells();
    T total = 0;
    for (std::size_t k = slot; k < cells; k += kSlots) total += term(int(k / plane), k % plane);
    return total;
  }
  __device__ void operator()(std::size_t i) const {
    const std::size_t plane = s.shape.plane(), q = i % at.size;
    const auto row = [=](const T* data, int rows, int r) {
      return [=](int n, std::size_t cell) { return data[(std::size_t(n) * rows + r) * plane + cell]; };
    };
    const auto pair = [](const auto& a, const auto& b) {
      return [=](int n, std::size_t cell) { return a(n, cell) * b(n, cell); };
    };
    const int slot = int(i / at.size);
    T total;
    if (q < at.b0) {
      const int j = int(q / s.features), f = int(q % s.features);
      total = sum(slot, pair(row(z_bar, s.hidden, j), row(p, s.features, f)));
    } else if (q < at.w1) {
      total = sum(slot, row(z_bar, s.hidden, int(q - at.b0)));
    } else if (q < at.b1) {
      const int o = int((q - at.w1) / s.hidden), j = int((q - at.w1) % s.hidden);
      const auto zs = row(z, s.hidden, j);
      const Activation activation = s.activation;
      total = sum(slot, pair(row(u_bar, s.outputs, o),
                             [=](int n, std::size_t cell) { return activate(activation, zs(n, cell)); }));
    } else {
      total = sum(slot, row(u_bar, s.outputs, int(q - at.b1)));
    }
    partials[i] = total;
  }
};

/// P and z of the state, both kept in scratch.
template <class T>
void features_and_hidden(cudaStream_t stream, const NcaSpec& spec, const StepData<T>& s, View<const T> x, T** p, T** z,
                         Workspace& workspace) {
  const Exec exec{Backend::cuda, stream};
  const std::size_t cells = s.shape.cells();
  *p = workspace.get<T>(exec, "nca.features", cells * s.features);
  *z = workspace.get<T>(exec, "nca.hidden", cells * s.hidden);
  perceive<T>(exec, spec.perception, x, View<T>{*p, {s.shape.n, s.features, s.shape.h, s.shape.w}});
  for_each_index("nca_plain_hidden", stream, cells * s.hidden, Hidden<T>{s, *p, *z});
}

}  // namespace

template <class T>
void plain_step(cudaStream_t stream, const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs, View<const T> x,
                View<T> next, Workspace& workspace) {
  const StepData<T> s = step_data(spec, params, inputs, x.shape);
  T *p, *z;
  features_and_hidden(stream, spec, s, x, &p, &z, workspace);
  T* alpha = s.alive ? workspace.get<T>({Backend::cuda, stream}, "nca.alpha", s.shape.cells()) : nullptr;
  for_each_index("nca_plain_update", stream, s.shape.size(), Update<T>{s, x, z, next, alpha});
  if (s.alive) finish_alive(stream, s, x, alpha, next);
}

template <class T>
void plain_step_adjoint(cudaStream_t stream, const NcaSpec& spec, const T* params, const NcaInputs<T>& inputs,
                        View<const T> x, View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace& workspace) {
  const Exec exec{Backend::cuda, stream};
  const StepData<T> s = step_data(spec, params, inputs, x.shape);
  const ParamOffsets at(s);
  const std::size_t cells = s.shape.cells();
  T *p, *z;
  features_and_hidden(stream, spec, s, x, &p, &z, workspace);
  unsigned char* keep = nullptr;
  if (s.alive) {
    T* alpha = workspace.get<T>(exec, "nca.alpha", cells);
    keep = workspace.get<unsigned char>(exec, "nca.keep", cells);
    for_each_index("nca_plain_alpha", stream, s.shape.size(), Update<T>{s, x, z, {}, alpha});
    keep_mask(stream, s, x, alpha, keep);
  }
  T* u_bar = workspace.get<T>(exec, "nca.u_bar", cells * s.outputs);
  T* z_bar = workspace.get<T>(exec, "nca.z_bar", cells * s.hidden);
  T* p_bar = workspace.get<T>(exec, "nca.p_bar", cells * s.features);
  T* partials = workspace.get<T>(exec, "nca.partials", at.size * kSlots);
  for_each_index("nca_plain_output_bar", stream, s.shape.size(), OutputBar<T>{s, z, next_bar, keep, x_bar, u_bar});
  for_each_index("nca_plain_hidden_bar", stream, cells * s.hidden, HiddenBar<T>{s, z, u_bar, z_bar});
  for_each_index("nca_plain_feature_bar", stream, cells * s.features, FeatureBar<T>{s, z_bar, p_bar});
  for_each_index("nca_plain_weight_bar", stream, at.size * kSlots, WeightBar<T>{s, at, p, z, z_bar, u_bar, partials});
  add_partials(stream, at.size, partials, kSlots, at.size, params_bar);
  perceive_adjoint<T>(exec, spec.perception, x, View<const T>{p_bar, {s.shape.n, s.features, s.shape.h, s.shape.w}},
                      x_bar);
}

#define MG_INSTANTIATE(T)                                                                                          \
  template void plain_step<T>(cudaStream_t, const NcaSpec&, const T*, const NcaInputs<T>&, View<const T>, View<T>, \
                              Workspace&);                                                                         \
  template void plain_step_adjoint<T>(cudaStream_t, const NcaSpec&, const T*, const NcaInputs<T>&, View<const T>,  \
                                      View<const T>, View<T>, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::nca::cuda
