#pragma once
#include <cstddef>
#include <cstdint>

#include "core/activation.hpp"
#include "nca/attention_cell.hpp"
#include "nca/kan_basis.hpp"

/// The network of one cell as a chain of layers, each a map between rows of numbers. Plain data: it is read by code that is
/// compiled for several instruction sets.
namespace mg::nca::chain {

enum class Kind { dense, activation, basis, attention };

inline constexpr std::size_t kNone = ~std::size_t{0};
inline constexpr int kMaxLayers = 8;

struct Layer {
  Kind kind = Kind::dense;
  int rows_in = 0, rows_out = 0;
  /// dense: `sets` matrices [out, in]; matrix k acts on `groups` groups of rows one after another.
  int sets = 1, groups = 1, in = 0, out = 0;
  std::size_t weight = 0, bias = kNone;  ///< places of [sets][out, in] and [sets out] in the parameters
  int terms = 0;                         ///< > 0: the matrix is stored as [in / terms, out, terms]
  int blocks = 0;                        ///< > 0: its first `spread` columns are stored channel-major
  int spread = 0;
  Activation activation = Activation::linear;
  BasisRule basis;
  AttentionShape attention;

  /// Where weight (o, f) of matrix `set` is stored.
  MG_HD std::size_t weight_at(int set, int o, int f) const {
    const std::size_t first = weight + std::size_t(set) * in * out;
    if (terms > 0) return first + (std::size_t(f / terms) * out + o) * terms + f % terms;
    int column = f;
    if (blocks > 0 && f < spread) {
      const int channels = spread / blocks;
      column = f % channels * blocks + f / channels;
    }
    return first + std::size_t(o) * in + column;
  }
};

struct Chain {
  Layer layer[kMaxLayers];
  int layers = 0;
  std::size_t params = 0;  ///< numbers that the layers read
  MG_HD int features() const { return layer[0].rows_in; }
  MG_HD int outputs() const { return layer[layers - 1].rows_out; }
};

inline constexpr int kTile = 64;   ///< cells that go through the chain together
inline constexpr int kSlack = 16;  ///< rows that may be overwritten behind an array of rows

/// A chain with its weights as the host's matrix products want them.
template <class T>
struct Plan {
  Chain chain;
  const T* params;                       // as stored: the biases are read from here
  const T* weights;                      // per dense layer and set [out padded][in]
  const T* weights_t;                    // per dense layer and set [in padded][out]
  std::size_t weights_at[kMaxLayers];    ///< of a layer in `weights`
  std::size_t weights_t_at[kMaxLayers];  ///< of a layer in `weights_t`
  std::size_t
      sums_at[kMaxLayers];  ///< of a layer in the partial sums: per set [out padded][in padded], then the biases
  std::size_t sums;         ///< numbers of one array of partial sums
};

/// Entry points of one instruction set. Arrays of cells are rows `stride` apart, of which `cells` <= kTile are used.
template <class T>
struct Kernels {
  int rows;  ///< rows of matrices are padded to a multiple of it
  std::size_t (*scratch)(const Plan<T>&);
  void (*forward)(const Plan<T>&, const T* features, std::size_t stride, int cells, T* out, T* scratch);
  /// Recomputes the chain; features_bar is overwritten, the gradient is added to `sums`.
  void (*adjoint)(const Plan<T>&, const T* features, std::size_t stride, int cells, const T* out_bar, T* features_bar,
                  T* sums, T* scratch);
};

inline constexpr int kColumns = 16;  ///< columns of gradient sums are padded to a multiple of it
MG_HD int round_up(int n, int m) { return (n + m - 1) / m * m; }

}  // namespace mg::nca::chain
