#include "nca/chain.hpp"
#include "nca/isa_activation.hpp"

// The chain of layers on tiles of kTile cells. No standard library here: what this file instantiates must not be linked
// into code of another instruction set.
namespace mg::nca::MG_ISA {
namespace {

using chain::Kind;
using chain::kSlack;
using chain::kTile;
using chain::Layer;
using chain::Plan;
using chain::round_up;

typedef double Vd __attribute__((vector_size(kLanes * 4)));

/// Arithmetic on one vector register.
template <class T>
struct Math;
template <class T>
struct Math<const T> : Math<T> {};
template <>
struct Math<float> {
  using V = MG_ISA::V;
  static constexpr int kWidth = kLanes;
  static V splat(double v) { return MG_ISA::splat(float(v)); }
  static V exp(V x) { return vexp(x); }
  static V tanh(V x) { return vtanh(x); }
  static V max(V a, V b) { return vmax(a, b); }
  static V log(V x) {
    return each(x, [](float v) { return __builtin_logf(v); });
  }
  static V sin(V x) {
    return each(x, [](float v) { return __builtin_sinf(v); });
  }
  static V cos(V x) {
    return each(x, [](float v) { return __builtin_cosf(v); });
  }
  static V activate(Activation a, V x, V* slope) { return vactivate(a, x, slope); }
  template <class Fn>
  static V each(V x, const Fn& fn) {
    for (int i = 0; i < kWidth; ++i) x[i] = fn(x[i]);
    return x;
  }
};
template <>
struct Math<double> {
  using V = Vd;
  static constexpr int kWidth = kLanes / 2;
  static V splat(double v) { return v - V{}; }
  static V exp(V x) {
    return each(x, [](double v) { return __builtin_exp(v); });
  }
  static V tanh(V x) {
    return each(x, [](double v) { return __builtin_tanh(v); });
  }
  static V max(V a, V b) { return a > b ? a : b; }
  static V log(V x) {
    return each(x, [](double v) { return __builtin_log(v); });
  }
  static V sin(V x) {
    return each(x, [](double v) { return __builtin_sin(v); });
  }
  static V cos(V x) {
    return each(x, [](double v) { return __builtin_cos(v); });
  }
  static V activate(Activation a, V x, V* slope) {
    if (slope != nullptr) *slope = each(x, [&](double v) { return activate_derivative<double>(a, v); });
    return each(x, [&](double v) { return mg::activate<double>(a, v); });
  }
  template <class Fn>
  static V each(V x, const Fn& fn) {
    for (int i = 0; i < kWidth; ++i) x[i] = fn(x[i]);
    return x;
  }
};

inline constexpr int kM = 4;  ///< rows of a register tile of the products here
#if defined(__AVX512F__)
inline constexpr int kN = 4;
#else
inline constexpr int kN = 2;
#endif

/// c (+)= a b for the rows of one column panel of N vectors; m is a multiple of kM.
template <class T, int N>
void panel(int m, int k, const T* a, std::size_t lda, const T* b, std::size_t ldb, T* c, std::size_t ldc, bool add) {
  using V = typename Math<T>::V;
  constexpr int w = Math<T>::kWidth;
  for (int i = 0; i < m; i += kM) {
    V sum[kM][N];
    for (int r = 0; r < kM; ++r)
      for (int v = 0; v < N; ++v) sum[r][v] = add ? load<V>(c + (i + r) * ldc + v * w) : V{};
    for (int q = 0; q < k; ++q) {
      V row[N];
      for (int v = 0; v < N; ++v) row[v] = load<V>(b + q * ldb + v * w);
      for (int r = 0; r < kM; ++r) {
        const V s = a[(i + r) * lda + q] - V{};
        for (int v = 0; v < N; ++v) sum[r][v] += s * row[v];
      }
    }
    for (int r = 0; r < kM; ++r)
      for (int v = 0; v < N; ++v) store(c + (i + r) * ldc + v * w, sum[r][v]);
  }
}

/// c (+)= a b, c [m][n]; n is a multiple of chain::kColumns.
template <class T>
void product(int m, int n, int k, const T* a, std::size_t lda, const T* b, std::size_t ldb, T* c, std::size_t ldc,
             bool add) {
  constexpr int w = Math<T>::kWidth;
  int j = 0;
  for (; j + kN * w <= n; j += kN * w) panel<T, kN>(m, k, a, lda, b + j, ldb, c + j, ldc, add);
  for (; j < n; j += w) panel<T, 1>(m, k, a, lda, b + j, ldb, c + j, ldc, add);
}

/// The rows of a tile at one vector of cells.
template <class T>
struct Rows {
  T* data;
  typename Math<T>::V get(int row) const { return load<typename Math<T>::V>(data + std::size_t(row) * kTile); }
  void set(int row, typename Math<T>::V v) const { store(data + std::size_t(row) * kTile, v); }
};

template <class T>
struct Scratch {
  static std::size_t size(const Plan<T>& p) { return Scratch(p, nullptr).used; }
  Scratch(const Plan<T>& p, T* base) {
    const auto take = [&](std::size_t rows) {
      T* at = base == nullptr ? nullptr : base + used;
      used += rows * kTile;
      return at;
    };
    int most = p.chain.features(), widest = 0;
    value[0] = take(p.chain.features() + kSlack);
    for (int l = 0; l < p.chain.layers; ++l) {
      const Layer& layer = p.chain.layer[l];
      value[l + 1] = take(layer.rows_out + kSlack);
      if (layer.rows_out > most) most = layer.rows_out;
      if (layer.rows_in > most) most = layer.rows_in;
      if (layer.in > widest) widest = layer.in;
    }
    bar[0] = take(most + kSlack);
    bar[1] = take(most + kSlack);
    turned = take(round_up(widest, chain::kColumns));
  }
  T* value[chain::kMaxLayers + 1];  // of the features, then of every layer [rows + slack][kTile]
  T* bar[2];                        // [most rows + slack][kTile]
  T* turned;                        // [kTile][in padded]
  std::size_t used = 0;
};

template <class T>
void load_tile(const T* from, std::size_t stride, int rows, int cells, T* to) {
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < kTile; ++i) to[r * kTile + i] = i < cells ? from[r * stride + i] : T(0);
}

template <class T>
void dense(const Plan<T>& p, int l, const T* x, T* y) {
  const Layer& layer = p.chain.layer[l];
  const int padded = round_up(layer.out, kM);
  for (int g = 0; g < layer.sets * layer.groups; ++g) {
    const int set = g / layer.groups;
    T* out = y + std::size_t(g) * layer.out * kTile;
    product(padded, kTile, layer.in, p.weights + p.weights_at[l] + std::size_t(set) * padded * layer.in, layer.in,
            x + std::size_t(g) * layer.in * kTile, kTile, out, kTile, false);
    if (layer.bias == chain::kNone) continue;
    const T* bias = p.params + layer.bias + std::size_t(set) * layer.out;
    for (int o = 0; o < layer.out; ++o)
      for (int i = 0; i < kTile; ++i) out[o * kTile + i] += bias[o];
  }
}

template <class T>
void dense_adjoint(const Plan<T>& p, int l, const T* x, const T* y_bar, T* x_bar, T* turned, T* sums) {
  const Layer& layer = p.chain.layer[l];
  const int out = round_up(layer.out, kM), in = round_up(layer.in, kM), columns = round_up(layer.in, chain::kColumns);
  T* bias_bar = sums + p.sums_at[l] + std::size_t(layer.sets) * out * columns;
  for (int g = 0; g < layer.sets * layer.groups; ++g) {
    const int set = g / layer.groups;
    const T* from = x + std::size_t(g) * layer.in * kTile;
    const T* bar = y_bar + std::size_t(g) * layer.out * kTile;
    for (int f = 0; f < layer.in; ++f)
      for (int i = 0; i < kTile; ++i) turned[i * columns + f] = from[f * kTile + i];
    product(out, columns, kTile, bar, kTile, turned, columns, sums + p.sums_at[l] + std::size_t(set) * out * columns,
            columns, true);
    for (int o = 0; layer.bias != chain::kNone && o < layer.out; ++o)
      for (int i = 0; i < kTile; ++i) bias_bar[set * layer.out + o] += bar[o * kTile + i];
    product(in, kTile, layer.out, p.weights_t + p.weights_t_at[l] + std::size_t(set) * in * layer.out, layer.out, bar,
            kTile, x_bar + std::size_t(g) * layer.in * kTile, kTile, false);
  }
}

template <class T>
void run(const Plan<T>& p, const Scratch<T>& s) {
  using M = Math<T>;
  using V = typename M::V;
  for (int l = 0; l < p.chain.layers; ++l) {
    const Layer& layer = p.chain.layer[l];
    const T* x = s.value[l];
    T* y = s.value[l + 1];
    if (layer.kind == Kind::dense) {
      dense(p, l, x, y);
      continue;
    }
    for (int i = 0; i < kTile; i += M::kWidth) {
      const Rows<const T> in{x + i};
      const Rows<T> out{y + i};
      switch (layer.kind) {
        case Kind::activation:
          for (int r = 0; r < layer.rows_in; ++r) out.set(r, M::activate(layer.activation, in.get(r), nullptr));
          break;
        case Kind::basis:
          for (int r = 0; r < layer.rows_in; ++r)
            basis_values<M>(layer.basis, in.get(r), [&](int k, V v, V) { out.set(r * layer.basis.terms + k, v); });
          break;
        case Kind::attention:
          for (int h = 0; h < layer.attention.heads; ++h)
            for (int q = 0; q < layer.attention.length; ++q) attention_cell<M>(layer.attention, in, h, q, out);
          break;
        case Kind::dense:
          break;
      }
    }
  }
}

template <class T>
void layer_adjoint(const Layer& layer, const T* x, const T* y, const T* y_bar, T* x_bar) {
  using M = Math<T>;
  using V = typename M::V;
  for (int i = 0; i < kTile; i += M::kWidth) {
    const Rows<const T> in{x + i}, out{y + i}, out_bar{y_bar + i};
    const Rows<T> in_bar{x_bar + i};
    switch (layer.kind) {
      case Kind::activation:
        for (int r = 0; r < layer.rows_in; ++r) {
          V slope;
          M::activate(layer.activation, in.get(r), &slope);
          in_bar.set(r, out_bar.get(r) * slope);
        }
        break;
      case Kind::basis:
        for (int r = 0; r < layer.rows_in; ++r) {
          V sum{};
          basis_values<M>(layer.basis, in.get(r),
                          [&](int k, V, V d) { sum += d * out_bar.get(r * layer.basis.terms + k); });
          in_bar.set(r, sum);
        }
        break;
      case Kind::attention:
        for (int h = 0; h < layer.attention.heads; ++h)
          for (int q = 0; q < layer.attention.length; ++q) {
            attention_query_bar<M>(layer.attention, in, out, out_bar, h, q, in_bar);
            attention_key_bar<M>(layer.attention, in, out, out_bar, h, q, in_bar);
          }
        break;
      case Kind::dense:
        break;
    }
  }
}

template <class T>
void forward(const Plan<T>& p, const T* features, std::size_t stride, int cells, T* out, T* scratch) {
  const Scratch<T> s(p, scratch);
  load_tile(features, stride, p.chain.features(), cells, s.value[0]);
  run(p, s);
  for (int r = 0; r < p.chain.outputs(); ++r)
    for (int i = 0; i < cells; ++i) out[r * stride + i] = s.value[p.chain.layers][r * kTile + i];
}

template <class T>
void adjoint(const Plan<T>& p, const T* features, std::size_t stride, int cells, const T* out_bar, T* features_bar,
             T* sums, T* scratch) {
  const Scratch<T> s(p, scratch);
  load_tile(features, stride, p.chain.features(), cells, s.value[0]);
  run(p, s);
  const int layers = p.chain.layers;
  load_tile(out_bar, stride, p.chain.outputs(), cells, s.bar[layers % 2]);
  for (int l = layers - 1; l >= 0; --l) {
    const Layer& layer = p.chain.layer[l];
    const T* y_bar = s.bar[(l + 1) % 2];
    T* x_bar = s.bar[l % 2];
    if (layer.kind == Kind::dense)
      dense_adjoint(p, l, s.value[l], y_bar, x_bar, s.turned, sums);
    else
      layer_adjoint(layer, s.value[l], s.value[l + 1], y_bar, x_bar);
  }
  for (int r = 0; r < p.chain.features(); ++r)
    for (int i = 0; i < cells; ++i) features_bar[r * stride + i] = s.bar[0][r * kTile + i];
}

template <class T>
std::size_t scratch_size(const Plan<T>& p) {
  return Scratch<T>::size(p);
}

}  // namespace

extern const chain::Kernels<float> kChainFloat;
extern const chain::Kernels<double> kChainDouble;
const chain::Kernels<float> kChainFloat{kM, scratch_size<float>, forward<float>, adjoint<float>};
const chain::Kernels<double> kChainDouble{kM, scratch_size<double>, forward<double>, adjoint<double>};

}  // namespace mg::nca::MG_ISA
