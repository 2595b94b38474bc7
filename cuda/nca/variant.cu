#include <algorithm>

#include "core/perception.hpp"
#include "cuda/core/cell_loop.cuh"
#include "cuda/core/reduce.cuh"
#include "cuda/nca/step_data.cuh"
#include "nca/variant_pass.hpp"

// The variants on a device: one elementwise kernel per layer, everything between them in global memory.
namespace mg::nca::cuda {
namespace {

using chain::Chain;
using chain::Layer;

constexpr int kSlots = 32;  ///< partial sums of the gradient; each sums the cells k = slot (mod kSlots)

template <class T>
struct ScalarMath {
  using V = T;
  static __device__ V splat(double v) { return V(v); }
  static __device__ V exp(V x) { return ::exp(x); }
  static __device__ V log(V x) { return ::log(x); }
  static __device__ V tanh(V x) { return ::tanh(x); }
  static __device__ V sin(V x) { return ::sin(x); }
  static __device__ V cos(V x) { return ::cos(x); }
  static __device__ V max(V a, V b) { return a > b ? a : b; }
};

/// An array (n, rows, h w).
template <class T>
struct Cells {
  T* data;
  int rows;
  std::size_t plane;
  __device__ T& at(std::size_t cell, int row) const { return data[(cell / plane * rows + row) * plane + cell % plane]; }
};
/// Its rows at one cell.
template <class T>
struct Column {
  Cells<T> cells;
  std::size_t cell;
  __device__ T get(int row) const { return cells.at(cell, row); }
  __device__ void set(int row, T v) const { cells.at(cell, row) = v; }
};

/// y of one row of a dense layer; element (cell, row) has index row count + cell.
template <class T>
struct Dense {
  Layer layer;
  const T* params;
  Cells<const T> x;
  Cells<T> y;
  std::size_t count;
  __device__ void operator()(std::size_t i) const {
    const std::size_t cell = i % count;
    const int row = int(i / count), group = row / layer.out, o = row % layer.out, set = group / layer.groups;
    T sum = layer.bias == chain::kNone ? T(0) : params[layer.bias + std::size_t(set) * layer.out + o];
    for (int f = 0; f < layer.in; ++f) sum += params[layer.weight_at(set, o, f)] * x.at(cell, group * layer.in + f);
    y.at(cell, row) = sum;
  }
};
template <class T>
struct DenseBar {
  Layer layer;
  const T* params;
  Cells<const T> y_bar;
  Cells<T> x_bar;
  std::size_t count;
  __device__ void operator()(std::size_t i) const {
    const std::size_t cell = i % count;
    const int row = int(i / count), group = row / layer.in, f = row % layer.in, set = group / layer.groups;
    T sum = 0;
    for (int o = 0; o < layer.out; ++o)
      sum += params[layer.weight_at(set, o, f)] * y_bar.at(cell, group * layer.out + o);
    x_bar.at(cell, row) = sum;
  }
};
/// One weight or bias, summed over the cells of one slot; partials (kSlots, pitch) in the order of the parameters.
template <class T>
struct DenseWeightBar {
  Layer layer;
  Cells<const T> x, y_bar;
  std::size_t count, pitch;
  T* partials;
  __device__ void operator()(std::size_t i) const {
    const int inputs = layer.in + (layer.bias == chain::kNone ? 0 : 1);
    const int f = int(i % inputs), o = int(i / inputs % layer.out), set = int(i / inputs / layer.out % layer.sets);
    const std::size_t slot = i / inputs / layer.out / layer.sets;
    T sum = 0;
    for (int g = set * layer.groups; g < (set + 1) * layer.groups; ++g)
      for (std::size_t cell = slot; cell < count; cell += kSlots)
        sum += y_bar.at(cell, g * layer.out + o) * (f < layer.in ? x.at(cell, g * layer.in + f) : T(1));
    const std::size_t at = f < layer.in ? layer.weight_at(set, o, f) : layer.bias + std::size_t(set) * layer.out + o;
    partials[slot * pitch + at] = sum;
  }
};

/// The other layers; i = row count + cell, rows of the input or (head, position).
template <class T>
struct Pointwise {
  Layer layer;
  Cells<const T> x;
  Cells<T> y;
  std::size_t count;
  __device__ void operator()(std::size_t i) const {
    const std::size_t cell = i % count;
    const int row = int(i / count);
    if (layer.kind == chain::Kind::activation) {
      y.at(cell, row) = activate(layer.activation, x.at(cell, row));
    } else if (layer.kind == chain::Kind::basis) {
      basis_values<ScalarMath<T>>(layer.basis, x.at(cell, row),
                                  [&](int k, T v, T) { y.at(cell, row * layer.basis.terms + k) = v; });
    } else {
      const int h = row / layer.attention.length, s = row % layer.attention.length;
      attention_cell<ScalarMath<T>>(layer.attention, Column<const T>{x, cell}, h, s, Column<T>{y, cell});
    }
  }
};
template <class T>
struct PointwiseBar {
  Layer layer;
  Cells<const T> x, y, y_bar;
  Cells<T> x_bar;
  std::size_t count;
  __device__ void operator()(std::size_t i) const {
    const std::size_t cell = i % count;
    const int row = int(i / count);
    if (layer.kind == chain::Kind::activation) {
      x_bar.at(cell, row) = y_bar.at(cell, row) * activate_derivative(layer.activation, x.at(cell, row));
    } else if (layer.kind == chain::Kind::basis) {
      T sum = 0;
      basis_values<ScalarMath<T>>(layer.basis, x.at(cell, row),
                                  [&](int k, T, T d) { sum += d * y_bar.at(cell, row * layer.basis.terms + k); });
      x_bar.at(cell, row) = sum;
    } else {
      using M = ScalarMath<T>;
      const int h = row / layer.attention.length, s = row % layer.attention.length;
      const Column<const T> in{x, cell}, out{y, cell}, out_bar{y_bar, cell};
      const Column<T> in_bar{x_bar, cell};
      attention_query_bar<M>(layer.attention, in, out, out_bar, h, s, in_bar);
      attention_key_bar<M>(layer.attention, in, out, out_bar, h, s, in_bar);
    }
  }
};

int pointwise_rows(const Layer& layer) {
  return layer.kind == chain::Kind::attention ? layer.attention.heads * layer.attention.length : layer.rows_in;
}

/// What VariantPass asks of a device.
template <class T>
class DeviceRun {
 public:
  DeviceRun(cudaStream_t stream, const Layout& layout, const T* params, Workspace& workspace)
      : stream_(stream), size_(layout.size()), params_(params), workspace_(workspace) {}

  Exec exec() const { return {Backend::cuda, stream_}; }
  T* scratch(const char* name, std::size_t size) { return workspace_.get<T>(exec(), name, size); }
  template <class F>
  void each(const char* name, std::size_t count, const F& f) {
    for_each_index(name, stream_, count, f);
  }
  template <class F>
  void lattice(const char* name, Padding padding, Shape shape, const F& f) {
    mg::cuda::for_lattice_cells(name, stream_, padding, shape, f);
  }
  template <class F, class S>
  void sums(std::size_t segments, std::size_t length, const F& f, const S& store) {
    mg::cuda::reduce_segments<Add, 1>("variant_taps", stream_, segments, length, f, store, workspace_);
  }

  void network(const Chain& chain, View<const T> p, View<T> u) {
    T* values = scratch("variant.values", most_rows(chain) * 2 * p.shape.cells());
    const T* x = p.data;
    for (int l = 0; l < chain.layers; ++l) {
      const std::size_t half = std::size_t(l % 2) * most_rows(chain) * p.shape.cells();
      T* y = l + 1 == chain.layers ? u.data : values + half;
      layer(chain, l, x, y, p.shape);
      x = y;
    }
  }

  void network_adjoint(const Chain& chain, View<const T> p, View<const T> u_bar, View<T> p_bar, T* params_bar) {
    const std::size_t cells = p.shape.cells();
    std::size_t rows = 0;
    for (int l = 0; l < chain.layers; ++l) rows += chain.layer[l].rows_out;
    T* values = scratch("variant.all_values", rows * cells);
    const T* value[chain::kMaxLayers + 1] = {p.data};
    T* at = values;
    for (int l = 0; l < chain.layers; ++l) {
      layer(chain, l, value[l], at, p.shape);
      value[l + 1] = at;
      at += chain.layer[l].rows_out * cells;
    }
    T* partials = scratch("variant.partials", size_ * kSlots);
    zero_bytes(exec(), partials, size_ * kSlots * sizeof(T));
    T* bars = scratch("variant.bars", most_rows(chain) * 2 * cells);
    const T* y_bar = u_bar.data;
    for (int l = chain.layers - 1; l >= 0; --l) {
      T* x_bar = l == 0 ? p_bar.data : bars + std::size_t(l % 2) * most_rows(chain) * cells;
      layer_adjoint(chain, l, value[l], value[l + 1], y_bar, x_bar, partials, p.shape);
      y_bar = x_bar;
    }
    add_partials(stream_, size_, partials, kSlots, size_, params_bar);
  }

 private:
  static std::size_t most_rows(const Chain& chain) {
    int most = 1;
    for (int l = 0; l < chain.layers; ++l) most = std::max({most, chain.layer[l].rows_in, chain.layer[l].rows_out});
    return std::size_t(most);
  }
  /// Rows of the array that layer l reads; it may have some that the layer leaves alone.
  static int rows_before(const Chain& chain, int l) { return l == 0 ? chain.features() : chain.layer[l - 1].rows_out; }
  void layer(const Chain& chain, int l, const T* x, T* y, Shape s) {
    const Layer& layer = chain.layer[l];
    const Cells<const T> in{x, rows_before(chain, l), s.plane()};
    const Cells<T> out{y, layer.rows_out, s.plane()};
    if (layer.kind == chain::Kind::dense)
      each("variant_dense", layer.rows_out * s.cells(), Dense<T>{layer, params_, in, out, s.cells()});
    else
      each("variant_pointwise", pointwise_rows(layer) * s.cells(), Pointwise<T>{layer, in, out, s.cells()});
  }
  void layer_adjoint(const Chain& chain, int l, const T* x, const T* y, const T* y_bar, T* x_bar, T* partials,
                     Shape s) {
    const Layer& layer = chain.layer[l];
    const std::size_t plane = s.plane(), cells = s.cells();
    const Cells<const T> in{x, rows_before(chain, l), plane}, out{y, layer.rows_out, plane},
        bar{y_bar, layer.rows_out, plane};
    const Cells<T> in_bar{x_bar, rows_before(chain, l), plane};
    if (layer.kind != chain::Kind::dense) {
      each("variant_pointwise_bar", pointwise_rows(layer) * cells, PointwiseBar<T>{layer, in, out, bar, in_bar, cells});
      return;
    }
    const std::size_t inputs = layer.in + (layer.bias == chain::kNone ? 0 : 1);
    each("variant_weight_bar", inputs * layer.out * layer.sets * kSlots,
         DenseWeightBar<T>{layer, in, bar, cells, size_, partials});
    each("variant_dense_bar", layer.rows_in * cells, DenseBar<T>{layer, params_, bar, in_bar, cells});
  }

  cudaStream_t stream_;
  std::size_t size_;
  const T* params_;
  Workspace& workspace_;
};

}  // namespace

template <class T>
void variant_step(CUstream_st* stream, const VariantSpec& spec, const Layout& layout, const T* params,
                  const VariantInputs<T>& in, View<const T> x, View<T> next, Workspace& workspace) {
  DeviceRun<T> run(stream, layout, params, workspace);
  VariantPass<T, DeviceRun<T>>(run, spec, layout, params, in, x).step(next);
}

template <class T>
void variant_step_adjoint(CUstream_st* stream, const VariantSpec& spec, const Layout& layout, const T* params,
                          const VariantInputs<T>& in, View<const T> x, View<const T> next_bar, View<T> x_bar,
                          T* params_bar, Workspace& workspace) {
  DeviceRun<T> run(stream, layout, params, workspace);
  VariantPass<T, DeviceRun<T>>(run, spec, layout, params, in, x).adjoint(next_bar, x_bar, params_bar);
}

#define MG_INSTANTIATE(T)                                                                                           \
  template void variant_step<T>(CUstream_st*, const VariantSpec&, const Layout&, const T*, const VariantInputs<T>&, \
                                View<const T>, View<T>, Workspace&);                                                \
  template void variant_step_adjoint<T>(CUstream_st*, const VariantSpec&, const Layout&, const T*,                  \
                                        const VariantInputs<T>&, View<const T>, View<const T>, View<T>, T*,         \
                                        Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::nca::cuda
