#include "train/trajectory_objective.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/philox.hpp"
#include "train/plane_ops_host.hpp"
#include "train/trajectory_cell.hpp"

namespace mg::train {
namespace {

void require(bool holds, const std::string& message) {
  if (!holds) throw std::invalid_argument("TrajectoryObjective: " + message);
}

PerceptionSpec derivatives_of(const TrajectoryModel& model) {
  PerceptionSpec p;
  p.id = false;
  p.grad = p.lap = true;
  p.padding = model.padding;
  p.dx = model.dx;
  return p;
}

}  // namespace

template <class T>
TrajectoryObjective<T>::TrajectoryObjective(const TrajectoryModel& model, TrajectoryObjectiveOptions options)
    : model_(model), options_(std::move(options)) {
  require(model_.observed >= 1, "needs at least one observed channel");
  require(options_.sampling >= 1 && options_.skip >= 0, "needs sampling >= 1 and skip >= 0");
  require(
      options_.random_samples == 0 || options_.loss == "euclidean" || options_.loss == "l1" || options_.loss == "l2",
      "random samples have no meaning for the loss " + options_.loss);
  require(!(options_.loss == "cosine" && options_.loss_options.compat),
          "the cosine with lengths over all times cannot be seen save by save");
  const auto base = [&] { return make_loss<T>(options_.loss, options_.loss_options); };
  loss_ = std::make_unique<FeatureLoss<T>>(base(), model_.observed, std::nullopt);
  if (options_.grad_weight != 0)
    derivatives_ = std::make_unique<FeatureLoss<T>>(base(), model_.observed, derivatives_of(model_), 1.0);
}

template <class T>
void TrajectoryObjective<T>::bind(const Exec& exec, const ObjectiveInputs<T>& inputs) {
  const Shape t = inputs.target.shape;
  require(inputs.target.data != nullptr && t.c >= model_.observed,
          "the target has " + std::to_string(t.c) + " channels, expected " + std::to_string(model_.observed));
  require(inputs.saves >= 1 && t.n % inputs.saves == 0,
          "a target of " + std::to_string(t.n) + " frames for " + std::to_string(inputs.saves) + " saves");
  inputs_ = inputs;
  batch_ = t.n / inputs.saves;
  saves_ = inputs.saves;
  if (sample_losses_.size() == std::size_t(batch_)) return;
  terms_ = Buffer<double>(exec, std::size_t(batch_) * kTerms);
  sample_losses_ = Buffer<T>(exec, std::size_t(batch_));
}

/// The chosen (channel, cell) are drawn without replacement, the same for all samples and times.
template <class T>
void TrajectoryObjective<T>::draw_mask(const Exec& exec, const StepIndex& base) {
  const Shape s{batch_, model_.observed, inputs_.target.shape.h, inputs_.target.shape.w};
  const std::size_t places = s.size() / std::size_t(batch_);
  host_mask_.assign(s.size(), T(0));
  const RandomStream stream{base.seed, RandomPurpose::loss_samples, std::uint32_t(base.iteration)};
  const auto wanted = std::min(std::size_t(options_.random_samples), places);
  std::uint32_t site = 0;
  for (std::size_t k = 0; k < wanted;) {
    T& place = host_mask_[uniform_below(stream.words(site++).v[0], std::uint32_t(places))];
    k += place == T(0);
    place = T(1);
  }
  for (std::size_t n = 1; n < std::size_t(batch_); ++n)
    std::copy_n(host_mask_.begin(), places, host_mask_.begin() + std::ptrdiff_t(n * places));
  if (mask_.size() != s.size()) mask_ = Buffer<T>(exec, s.size());
  mask_.upload(host_mask_);
}

template <class T>
void TrajectoryObjective<T>::begin(const Exec& exec, const StepIndex& base, int saves) {
  require(inputs_.target.data != nullptr, "begin() before bind()");
  require(saves_ == 1 || saves == saves_,
          "a rollout of " + std::to_string(saves) + " saves, bound to a target of " + std::to_string(saves_));
  terms_.zero();
  sample_losses_.zero();
  if (options_.random_samples > 0) draw_mask(exec, base);
}

template <class T>
bool TrajectoryObjective<T>::observes(int m, int saves) const {
  if (!options_.all_times) return m == saves;
  return m > options_.skip && (m - 1 - options_.skip) % options_.sampling == 0;
}

template <class T>
double TrajectoryObjective<T>::share(int, int saves) const {
  if (!options_.all_times) return 1;
  return 1.0 / ((saves - options_.skip - 1) / options_.sampling + 1);
}

template <class T>
ConstView<T> TrajectoryObjective<T>::target(int m) const {
  Shape s = inputs_.target.shape;
  s.n = batch_;
  return {inputs_.target.data + (saves_ > 1 ? std::size_t(m - 1) * s.size() : 0), s};
}

template <class T>
ConstView<T> TrajectoryObjective<T>::mask() const {
  return {mask_.data(), {batch_, model_.observed, inputs_.target.shape.h, inputs_.target.shape.w}};
}

template <class T>
void TrajectoryObjective<T>::value(const Exec& exec, int m, int saves, ConstStateView<T> state) {
  const View<const T> x = state.field(0);
  T* losses = workspace_.get<T>(exec, "objective.losses", std::size_t(batch_));
  loss_->value(exec, x, target(m), mask(), losses, workspace_);
  for_samples(exec, batch_, AddLoss<T>{losses, terms_.data(), sample_losses_.data(), share(m, saves)});
  if (derivatives_ == nullptr) return;
  derivatives_->value(exec, x, target(m), mask(), losses, workspace_);
  for_samples(exec, batch_, AddLossTerm<T>{losses, terms_.data(), 1, share(m, saves)});
}

template <class T>
void TrajectoryObjective<T>::adjoint(const Exec& exec, int m, int saves, ConstStateView<T> state,
                                     StateView<T> state_bar) {
  const View<const T> x = state.field(0);
  const View<T> x_bar = state_bar.field(0);
  T* losses_bar = workspace_.get<T>(exec, "objective.losses_bar", std::size_t(batch_));
  const double weight = share(m, saves) * inputs_.weight;
  for_samples(exec, batch_, FillSamples<T>{losses_bar, T(weight)});
  loss_->adjoint(exec, x, target(m), mask(), losses_bar, x_bar, workspace_);
  if (derivatives_ == nullptr) return;
  for_samples(exec, batch_, FillSamples<T>{losses_bar, T(weight * options_.grad_weight)});
  derivatives_->adjoint(exec, x, target(m), mask(), losses_bar, x_bar, workspace_);
}

template <class T>
void TrajectoryObjective<T>::totals(const Exec& exec, T* out) {
  for_samples(exec, int(terms().size()), SumTerms<T>{terms_.data(), batch_, inputs_.weight, out});
}

template class TrajectoryObjective<float>;
template class TrajectoryObjective<double>;

}  // namespace mg::train
