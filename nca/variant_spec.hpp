#pragma once
#include <vector>

#include "nca/chain.hpp"
#include "nca/nca_spec.hpp"

namespace mg::nca {

enum class Update { mlp, kan, attention };  ///< the network of a cell
/// What a cell perceives: the blocks of PerceptionSpec, or kernels of its own that act on every channel alone.
enum class Bank { stencils, legacy, wavelet, learned };

/// Every relative of the plain automaton. With S scales (mNCA), sub-model i sees all channels averaged over blocks of
/// scales[i]^2 cells and changes channels [i C/S, (i+1) C/S) of the whole block. Step:
///   e = monomials of degree 1 ... order of the (pooled) channels;  P = perceive(e), goal channels behind it
///   U = network(P):  mlp W1 act(W0 P + b0) + b1;  kan KAN1(KAN0(P));  attention in every cell, then act, then W b
///   y = x + rate M D,  D = U, or U[0:C] sigmoid(U[C:2C]) when gated;  M as in nca_step, drawn per coarse cell
///   bounded: channels < observed are clipped to [0, 1], the others to [-1, 1];  boundary as in nca_step
struct VariantSpec {
  NcaSpec base;  ///< without alive masking
  Update update = Update::mlp;
  Bank bank = Bank::stencils;
  int wavelets = 1;  ///< wavelengths of a wavelet bank, 8 pi, 4 pi, 2 pi, pi in turn
  int kernels = 4;   ///< of a learned bank
  bool bounded = false;
  int observed = 4;
  int order = 1;
  std::vector<int> scales{1};
  BasisRule basis;          ///< of kan
  double init_scale = 0.1;  ///< of the first layer of kan
  int heads = 4;
  int goals = 0;    ///< channels of the condition "goal"
  double rate = 1;  ///< length of a step

  int sub_channels() const { return base.channels / int(scales.size()); }
  /// Channels that are perceived: monomials of the state's.
  int expanded() const;
  int bank_kernels() const;
  int perceived() const;  ///< rows of P without goals
  int features() const { return perceived() + goals; }
  int outputs() const { return base.gated ? 2 * sub_channels() : sub_channels(); }
};

inline constexpr int kMaxOrder = 8, kMaxScales = 8, kMaxBankScale = 8, kMaxFeatures = 1 << 16;

/// Number of monomials of degree 1 ... order in n variables; at most kMaxFeatures + 1.
int monomials(int n, int order);

/// @throws std::invalid_argument naming the first part that contradicts another or is out of range
void check(const VariantSpec& spec);

/// The tensors of sub-model i carry the prefix "scale<i>." when there are several:
///   mlp        as nca_param_layout
///   kan        "kan0.weight" [F, H, terms], "kan1.weight" [H, O, terms]
///   attention  "query_in.weight", "key_in.", "value_in." [C C, F], "*_in.bias" [C C], "attention.query.", "key.", "value."
///              [heads d, C], "attention.output.weight" [C, heads d], "output.weight" [O, C C], "output.bias" [O]
/// and a learned bank comes first, "kernels" [kernels, 2 s + 1, 2 s + 1].
Layout variant_param_layout(const VariantSpec& spec);

/// The network of sub-model i; its places count from the start of the whole parameter buffer.
chain::Chain variant_chain(const VariantSpec& spec, const Layout& params, int i);

/// The kernels of a fixed bank, [bank_kernels][(2 s + 1)^2], row-major.
/// @source the reference implementation
std::vector<double> bank_taps(const VariantSpec& spec);

template <class T>
struct VariantInputs {
  StepIndex index;
  View<const T> boundary{};       ///< (n, mask_rows, h, w)
  View<const T> goal{};           ///< (n, goals, h, w)
  View<const T> fire_override{};  ///< (n, C, h, w), read at the first cell of every block; null data = draw
};

/// @param x, next  (n, C, h, w); next is overwritten, no alias
/// @throws std::invalid_argument on shapes that do not fit, such as a lattice that a scale does not divide
/// @adjoint variant_step_adjoint   @source the reference implementation
template <class T>
void variant_step(const Exec& exec, const VariantSpec& spec, const Layout& layout, const T* params,
                  const VariantInputs<T>& inputs, ConstView<T> x, View<T> next, Workspace& workspace);

/// @param x_bar       (n, C, h, w) overwritten, no alias
/// @param params_bar  accumulated, in an order that depends only on the shapes
template <class T>
void variant_step_adjoint(const Exec& exec, const VariantSpec& spec, const Layout& layout, const T* params,
                          const VariantInputs<T>& inputs, ConstView<T> x, ConstView<T> next_bar, View<T> x_bar,
                          T* params_bar, Workspace& workspace);

namespace host {  // nca/variant_host.cpp
template <class T>
void variant_step(const VariantSpec&, const Layout&, const T*, const VariantInputs<T>&, View<const T> x, View<T> next,
                  Workspace&);
template <class T>
void variant_step_adjoint(const VariantSpec&, const Layout&, const T*, const VariantInputs<T>&, View<const T> x,
                          View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace&);
}  // namespace host
namespace cuda {  // cuda/nca/variant.cu
template <class T>
void variant_step(CUstream_st*, const VariantSpec&, const Layout&, const T*, const VariantInputs<T>&, View<const T> x,
                  View<T> next, Workspace&);
template <class T>
void variant_step_adjoint(CUstream_st*, const VariantSpec&, const Layout&, const T*, const VariantInputs<T>&,
                          View<const T> x, View<const T> next_bar, View<T> x_bar, T* params_bar, Workspace&);
}  // namespace cuda

}  // namespace mg::nca
