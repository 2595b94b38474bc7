#include "train/image_objective.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "core/philox.hpp"
#include "train/feature_loss.hpp"
#include "train/image_cell.hpp"
#include "train/plane_ops_host.hpp"

namespace mg::train {
namespace {

using At = ImageObjectiveOptions::At;
using BoundaryOn = ImageObjectiveOptions::BoundaryOn;
using Boundary = ImageModel::Boundary;

template <class T>
StateBand<T> state_band(const ImageModel& model, const ImageObjectiveOptions& o) {
  const bool all = o.state_reg_begin == 0 && o.state_reg_end == 0;
  return {model.channels, o.state_reg_begin, all ? model.channels : o.state_reg_end, T(o.state_reg_low),
          T(o.state_reg_high)};
}

template <class T>
BoundaryDifference<T> boundary_difference(const ImageModel& model, const ImageObjectiveOptions& options,
                                          View<const T> x, const ObjectiveInputs<T>& inputs) {
  const auto term = model.boundary == Boundary::hard               ? BoundaryTerm::hard
                    : options.boundary_on == BoundaryOn::reference ? BoundaryTerm::soft_frames
                                                                   : BoundaryTerm::soft;
  return {term, x.data, inputs.conditions.block(0), x.shape.plane(), x.shape.c, model.boundary_rows, inputs.per_batch};
}

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument("ImageObjective: " + message); }
void require(bool holds, const std::string& message) {
  if (!holds) refuse(message);
}

}  // namespace

template <class T>
ImageObjective<T>::ImageObjective(const ImageModel& model, ImageObjectiveOptions options)
    : model_(model), options_(std::move(options)) {
  const auto& o = options_;
  require(model_.observed >= 1 && model_.observed <= model_.channels,
          std::to_string(model_.observed) + " observed of " + std::to_string(model_.channels) + " channels");
  require(o.window >= 1, "window must be at least 1");
  require(o.state_reg_low <= o.state_reg_high, "the state range is empty");
  const auto band = state_band<T>(model_, o);
  require(band.begin >= 0 && band.begin < band.end && band.end <= model_.channels,
          "state channels [" + std::to_string(band.begin) + ", " + std::to_string(band.end) + ") of " +
              std::to_string(model_.channels));
  if (regularises_boundary() && model_.boundary == Boundary::soft)
    require(o.boundary_on != BoundaryOn::reference || model_.boundary_rows == 1,
            "boundary_reg_on = reference is defined for soft masks of one channel only; use post_boundary");
  for (const auto& row : o.time_channel_mask)
    require(int(row.size()) == model_.observed, "a row of the time-channel mask has " + std::to_string(row.size()) +
                                                    " entries, expected " + std::to_string(model_.observed));
  std::optional<PerceptionSpec> perception;
  if (o.grad_loss) perception = model_.perception;
  loss_ = std::make_unique<FeatureLoss<T>>(make_loss<T>(o.loss, o.loss_options), model_.observed, perception,
                                           o.grad_weight);
}

template <class T>
void ImageObjective<T>::bind(const Exec& exec, const ObjectiveInputs<T>& inputs) {
  const Shape t = inputs.target.shape;
  if (inputs.target.data == nullptr || t.c < model_.observed)
    refuse("the target has " + std::to_string(t.c) + " channels, expected " + std::to_string(model_.observed));
  if (inputs.per_batch < 1 || t.n % inputs.per_batch != 0)
    refuse(std::to_string(t.n) + " samples are no whole batches of " + std::to_string(inputs.per_batch));
  if (regularises_boundary() &&
      (inputs.conditions.layout == nullptr || inputs.conditions.batch != t.n ||
       inputs.conditions.size() != std::size_t(t.n) * std::size_t(model_.boundary_rows) * t.plane()))
    refuse("the boundary masks do not fit the target");
  const bool resized = terms_.size() != std::size_t(t.n) * kTerms || inputs.per_batch != inputs_.per_batch;
  inputs_ = inputs;
  if (!resized) return;
  terms_ = Buffer<double>(exec, std::size_t(t.n) * kTerms);
  sample_losses_ = Buffer<T>(exec, std::size_t(t.n));
  terms_.zero();
  sample_losses_.zero();
  bind_mask(exec);
}

/// Sample n follows row n modulo the pairs of a batch.
template <class T>
void ImageObjective<T>::bind_mask(const Exec& exec) {
  const auto& rows = options_.time_channel_mask;
  if (rows.empty()) return;
  require(int(rows.size()) == inputs_.per_batch, "the time-channel mask has " + std::to_string(rows.size()) +
                                                     " rows, a batch has " + std::to_string(inputs_.per_batch) +
                                                     " samples");
  std::vector<T> mask;
  for (int n = 0; n < inputs_.target.shape.n; ++n)
    for (int v : rows[std::size_t(n % inputs_.per_batch)]) mask.push_back(T(v != 0));
  mask_ = Buffer<T>(exec, mask.size());
  mask_.upload(mask);
}

template <class T>
ConstView<T> ImageObjective<T>::mask_view() const {
  return {mask_.data(), {inputs_.target.shape.n, model_.observed, 1, 1}};
}

template <class T>
void ImageObjective<T>::begin(const Exec&, const StepIndex& base, int steps) {
  if (inputs_.target.data == nullptr) refuse("begin() before bind()");
  const RandomStream stream{base.seed, RandomPurpose::loss_samples, std::uint32_t(base.iteration)};
  const int window = std::min(options_.window, steps);
  random_step_ = steps - int(uniform_below(stream.words(0).v[0], std::uint32_t(window)));
  terms_.zero();
  sample_losses_.zero();
}

/// Weight of the data loss at x_k in that of the rollout.
template <class T>
double ImageObjective<T>::loss_share(int k, int steps) const {
  const int window = std::min(options_.window, steps);
  switch (options_.at) {
    case At::last:
      return k == steps ? 1 : 0;
    case At::mean:
      return k > steps - window ? 1.0 / window : 0;
    case At::random:
      return k == random_step_ ? 1 : 0;
  }
  return 0;
}

template <class T>
bool ImageObjective<T>::observes(int k, int steps) const {
  return regularises_state() || regularises_boundary() || loss_share(k, steps) > 0;
}

/// Index of the state block that the boundary regulariser looks at.
template <class T>
std::size_t ImageObjective<T>::boundary_block(const Layout& layout) const {
  if (options_.boundary_on != BoundaryOn::pre_boundary) return 0;
  for (std::size_t i = 0; i < layout.blocks().size(); ++i)
    if (layout.blocks()[i].name == "pre_boundary") return i;
  throw std::invalid_argument(
      "ImageObjective: boundary_reg_on = pre_boundary needs a model that keeps the state before "
      "its boundary in a block \"pre_boundary\"");
}

template <class T>
void ImageObjective<T>::value(const Exec& exec, int k, int steps, ConstStateView<T> state) {
  const View<const T> x = state.field(0);
  const int n = x.shape.n;
  double* sums = workspace_.get<double>(exec, "objective.sums", std::size_t(n));
  if (const double weight = loss_share(k, steps); weight > 0) {
    T* losses = workspace_.get<T>(exec, "objective.losses", std::size_t(n));
    loss_->value(exec, x, inputs_.target, mask_view(), losses, workspace_);
    for_samples(exec, n, AddLoss<T>{losses, terms_.data(), sample_losses_.data(), weight});
  }
  const double cells = double(x.shape.plane());
  if (regularises_state()) {
    const auto band = state_band<T>(model_, options_);
    sample_sums(exec, x.shape, StateSums<T>{x.data, x.shape.plane(), band}, sums, workspace_);
    for_samples(exec, n, AddTerm{sums, terms_.data(), 1, 1 / (cells * (band.end - band.begin) * steps)});
  }
  if (regularises_boundary()) {
    const View<const T> y = state.field(boundary_block(*state.layout));
    sample_sums(exec, y.shape, BoundarySums<T>{boundary_difference<T>(model_, options_, y, inputs_)}, sums, workspace_);
    for_samples(exec, n, AddTerm{sums, terms_.data(), 2, 1 / (cells * y.shape.c * steps)});
  }
}

template <class T>
void ImageObjective<T>::adjoint(const Exec& exec, int k, int steps, ConstStateView<T> state, StateView<T> state_bar) {
  const View<const T> x = state.field(0);
  const View<T> x_bar = state_bar.field(0);
  if (const double weight = loss_share(k, steps); weight > 0) {
    T* losses_bar = workspace_.get<T>(exec, "objective.losses_bar", std::size_t(x.shape.n));
    for_samples(exec, x.shape.n, FillSamples<T>{losses_bar, T(weight * inputs_.weight)});
    loss_->adjoint(exec, x, inputs_.target, mask_view(), losses_bar, x_bar, workspace_);
  }
  const double cells = double(x.shape.plane());
  if (regularises_state()) {
    const auto band = state_band<T>(model_, options_);
    const double factor = options_.state_reg * inputs_.weight / (cells * (band.end - band.begin) * steps);
    for_plane_cells(exec, x.shape, StatePull<T>{x.data, x.shape.plane(), band, T(factor), x_bar.data});
  }
  if (regularises_boundary()) {
    const std::size_t block = boundary_block(*state.layout);
    const View<const T> y = state.field(block);
    const double factor = options_.boundary_reg * inputs_.weight / (cells * y.shape.c * steps);
    for_plane_cells(
        exec, y.shape,
        BoundaryPull<T>{boundary_difference<T>(model_, options_, y, inputs_), T(factor), state_bar.field(block).data});
  }
}

template <class T>
void ImageObjective<T>::totals(const Exec& exec, T* out) {
  for_samples(exec, kTerms, SumTerms<T>{terms_.data(), inputs_.target.shape.n, inputs_.weight, out});
}

template class ImageObjective<float>;
template class ImageObjective<double>;

}  // namespace mg::train
