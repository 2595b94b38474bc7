#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "nca/nca_spec.hpp"

/// A sparse auto-encoder on one layer of an automaton: analysis, in double on the host.
namespace mg::nca {

/// The layers of a cell in order; gate_func of gated automata only.
enum class CellLayer { perception, linear_hidden, activation, linear_output, gate_func };
inline constexpr std::string_view kCellLayerNames[] = {"perception", "linear_hidden", "activation", "linear_output",
                                                       "gate_func"};
enum class SparseCode { topk, relu, identity };
inline constexpr std::string_view kSparseCodeNames[] = {"topk", "relu", "identity"};

/// encode(v) = a(We (v - b0) + b1), decode(z) = Wd z + b2; topk keeps the `keep` largest values, signs and all.
struct SparseAutoencoder {
  CellLayer layer = CellLayer::activation;
  SparseCode code = SparseCode::topk;
  int inputs = 0, latents = 0, keep = 0;
  /// "encoder" [latents, inputs], "decoder" [inputs, latents], "b0" [inputs], "b1" [latents], "b2" [inputs]
  Layout layout() const;
  /// @throws std::invalid_argument
  void check() const;
};

/// Numbers in a layer of the automaton. @throws std::invalid_argument for gate_func of one without a gate
int layer_width(const NcaSpec& spec, CellLayer layer);

/// A change of latents: the ones at ranks `positions` (0 = largest) times `values`, or those with indices `positions`
/// become `values`.
struct SparseEdit {
  enum class Kind { none, mult_top_k, set_absolute } kind = Kind::none;
  std::vector<int> positions;
  std::vector<double> values;
};

/// z [latents] of one vector v [inputs].
std::vector<double> sparse_encode(const SparseAutoencoder& sae, const double* params, std::span<const double> v);
/// v [inputs] of z [latents].
std::vector<double> sparse_decode(const SparseAutoencoder& sae, const double* params, std::span<const double> z);
/// v_bar of sparse_encode, overwritten; params_bar is accumulated. The latents that are cut off have derivative 0.
std::vector<double> sparse_encode_adjoint(const SparseAutoencoder& sae, const double* params, std::span<const double> v,
                                          std::span<const double> z_bar, double* params_bar);
/// z_bar of sparse_decode; params_bar is accumulated.
std::vector<double> sparse_decode_adjoint(const SparseAutoencoder& sae, const double* params, std::span<const double> z,
                                          std::span<const double> v_bar, double* params_bar);

/// Indices of the `keep` largest latents, largest first; of equal ones the first.
std::vector<int> sparse_ranks(const SparseAutoencoder& sae, std::span<const double> z);
/// @throws std::invalid_argument on positions that do not exist
void sparse_edit(const SparseAutoencoder& sae, const SparseEdit& edit, std::vector<double>& z);

/// What a step with an auto-encoder saw, per sample and cell.
struct SparseRecord {
  std::vector<double> latents;     ///< (n, latents, h, w) before the edit
  std::vector<double> top_values;  ///< (n, keep, h, w) largest first
  std::vector<int> top_positions;  ///< (n, keep, h, w)
};

/// nca_step with the output of `sae.layer` replaced by decode(edit(encode(.))). Without alive masking.
/// @throws std::invalid_argument when sizes do not fit
SparseRecord sparse_step(const NcaSpec& spec, const double* params, const SparseAutoencoder& sae,
                         const double* sae_params, const SparseEdit& edit, const NcaInputs<double>& inputs,
                         View<const double> x, View<double> next);

}  // namespace mg::nca
