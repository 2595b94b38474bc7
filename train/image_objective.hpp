#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/perception.hpp"
#include "core/schema.hpp"
#include "train/loss.hpp"
#include "train/objective.hpp"

namespace mg::train {

/// What the objective must know of the model whose states it judges.
struct ImageModel {
  enum class Boundary { none, soft, hard };
  int channels = 0;           ///< C of the state block "cells" (C, h, w)
  int observed = 0;           ///< first channels, which the data show
  PerceptionSpec perception;  ///< for the features of grad_loss
  Boundary boundary = Boundary::none;
  int boundary_rows = 0;  ///< m of the condition block "boundary" (m, h, w)
};

struct ImageObjectiveOptions {
  enum class At { last, mean, random };
  enum class BoundaryOn { reference, post_boundary, pre_boundary };
  std::string loss = "euclidean";
  LossOptions loss_options = {};  ///< see make_loss
  bool grad_loss = true;          ///< compare features, not channels
  double grad_weight = 0.1;
  At at = At::last;
  int window = 1;                              ///< last states that `at` = mean, random look at
  double state_reg = 1;                        ///< weight
  int state_reg_begin = 0, state_reg_end = 0;  ///< channels; both 0 = all
  double state_reg_low = 0, state_reg_high = 1;
  double boundary_reg = 1;  ///< weight
  BoundaryOn boundary_on = BoundaryOn::reference;
  std::vector<std::vector<int>> time_channel_mask;  ///< [pairs of a batch][observed] 0/1; empty = all
};

/// The objective of growing and morphing images. With the samples n of all groups, w the weight of a sample and K steps
///   total = sum_n w (loss_n + state_reg R_n / K + boundary_reg Q_n / K)
///   loss_n  data loss of the observed channels at x_K; or its mean over the last `window` states, or at a random one
///   R_n     sum_k mean over the chosen channels and cells of |x - low| + |x - high| - (high - low)
///   Q_n     sum_k mean over all channels and cells of |x - boundary(x)|, after the step, where boundary(x) is
///             hard: x mask;   soft, post_boundary: the mask in the last m channels, so that Q = 0;
///             soft, reference: the mask (m = 1) in all channels of the last sample of every batch, and Q_n = 0 for the
///             other samples;   pre_boundary: as post_boundary, of the state block "pre_boundary"
/// The derivative of |v| at v = 0 is +1 in both regularisers (automatic differentiation of the reference): 0 at low, 2 at
/// high. Where the losses have derivative 0 is said at make_loss.
/// @source the reference implementation
template <class T>
class ImageObjective final : public Objective<T> {
 public:
  /// @throws std::invalid_argument when options and model contradict each other
  ImageObjective(const ImageModel& model, ImageObjectiveOptions options);

  void bind(const Exec& exec, const ObjectiveInputs<T>& inputs) override;
  void begin(const Exec& exec, const StepIndex& base, int steps) override;
  bool observes(int k, int steps) const override;
  void value(const Exec& exec, int k, int steps, ConstStateView<T> x) override;
  void adjoint(const Exec& exec, int k, int steps, ConstStateView<T> x, StateView<T> x_bar) override;
  std::vector<std::string> terms() const override { return {"loss", "state", "boundary"}; }
  std::vector<double> term_weights() const override { return {1, options_.state_reg, options_.boundary_reg}; }
  void totals(const Exec& exec, T* out) override;
  const T* sample_losses() const override { return sample_losses_.data(); }

 private:
  bool regularises_state() const { return options_.state_reg > 0; }
  bool regularises_boundary() const {
    return options_.boundary_reg > 0 && model_.boundary != ImageModel::Boundary::none;
  }
  double loss_share(int k, int steps) const;
  std::size_t boundary_block(const Layout& layout) const;
  ConstView<T> mask_view() const;
  void bind_mask(const Exec& exec);

  ImageModel model_;
  ImageObjectiveOptions options_;
  std::unique_ptr<Loss<T>> loss_;
  ObjectiveInputs<T> inputs_;
  Workspace workspace_;
  int random_step_ = 0;      // of this rollout, 1-based
  Buffer<double> terms_;     // [batch][kTerms]
  Buffer<T> sample_losses_;  // [batch]
  Buffer<T> mask_;           // (batch, observed, 1, 1), empty without a mask
};

/// The losses that a configuration can name, and what one says besides its name (make_loss).
Variants loss_variants();
LossOptions loss_options_of(const Config& loss);

/// The config key "objective".
Schema objective_schema();
/// @throws ConfigError at the key that contradicts another or the model
ImageObjectiveOptions objective_options(const Config& config, const ImageModel& model);
template <class T>
std::unique_ptr<Objective<T>> make_objective(const Config& config, const ImageModel& model);

}  // namespace mg::train
