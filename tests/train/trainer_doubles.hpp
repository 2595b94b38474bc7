#pragma once
#include <cmath>

#include "nca/nca_system.hpp"
#include "train/morph_augmenter.hpp"
#include "train/pool_augmenter.hpp"
#include "train/trainer.hpp"

// Small stand-ins on the host, so that the trainer is tested by itself.
namespace mg::train {

/// mean (x - y)^2 of the observed channels of the last state.
template <class T>
class SquareObjective final : public Objective<T> {
 public:
  void bind(const Exec&, const ObjectiveInputs<T>& inputs) override { inputs_ = inputs; }
  void begin(const Exec&, const StepIndex&, int) override { losses_.assign(std::size_t(inputs_.target.shape.n), T(0)); }
  bool observes(int k, int steps) const override { return k == steps; }
  void value(const Exec&, int, int, ConstStateView<T> x) override {
    each(x, [&](int n, T d, std::size_t) { losses_[std::size_t(n)] += d * d * scale(); });
  }
  void adjoint(const Exec&, int, int, ConstStateView<T> x, StateView<T> x_bar) override {
    each(x, [&](int, T d, std::size_t at) { x_bar.data[at] += T(2 * inputs_.weight) * d * scale(); });
  }
  std::vector<std::string> terms() const override { return {"loss"}; }
  std::vector<double> term_weights() const override { return {1}; }
  void totals(const Exec&, T* out) override {
    *out = 0;
    for (T l : losses_) *out += T(inputs_.weight) * l;
  }
  const T* sample_losses() const override { return losses_.data(); }

 private:
  T scale() const { return T(1) / T(inputs_.target.shape.c * inputs_.target.shape.plane()); }
  template <class F>
  void each(ConstStateView<T> x, const F& f) const {
    const auto field = x.field();
    const Shape s = inputs_.target.shape;
    for (int n = 0; n < s.n; ++n)
      for (int c = 0; c < s.c; ++c)
        for (std::size_t i = 0; i < s.plane(); ++i) {
          const T* at = field.plane(n, c) + i;
          f(n, *at - inputs_.target.plane(n, c)[i], std::size_t(at - field.data));
        }
  }
  ObjectiveInputs<T> inputs_;
  std::vector<T> losses_;
};

/// Gradient descent with momentum, so that there is a state to save.
template <class T>
class MomentumDescent final : public Optimiser<T> {
 public:
  MomentumDescent(std::size_t size, double rate) : momentum_(size, T(0)), rate_(rate) {}
  void step(const Exec&, T* params, T* gradient) override {
    for (std::size_t i = 0; i < momentum_.size(); ++i) {
      momentum_[i] = T(0.9) * momentum_[i] + gradient[i];
      params[i] -= T(learning_rate()) * momentum_[i];
    }
    ++updates_;
  }
  double learning_rate() const override { return rate_ * scale_; }
  void scale_rate(double factor) override { scale_ = factor; }
  typename Optimiser<T>::SavedState save() const override {
    return {{{"momentum", momentum_}}, {{"updates", updates_}}};
  }
  void restore(const typename Optimiser<T>::SavedState& s) override {
    momentum_ = s.arrays.at(0).second;
    updates_ = s.counters.at(0).second;
  }

 private:
  std::vector<T> momentum_;
  double rate_, scale_ = 1;
  long long updates_ = 0;
};

inline Trajectory blob(int h, int w, int frames, float shade) {
  Trajectory t;
  t.name = "blob", t.channels = 2, t.grid = {h, w};
  for (int f = 0; f < frames; ++f) {
    t.frames.emplace_back(std::size_t(2 * h * w));
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        for (int c = 0; c < 2; ++c)
          t.frames.back()[std::size_t((c * h + y) * w + x)] =
              shade * float(c + 1) * std::exp(-0.5F * float((y - 2 - f) * (y - 2 - f) + (x - 3) * (x - 3)));
  }
  return t;
}

enum class Feed { morph, pool };

/// A whole small training set-up on the host.
template <class T>
struct SmallRun {
  SmallRun(Feed feed, TrainerOptions options, double rate = 0.05, std::uint64_t seed = 3) {
    nca::NcaSpec spec;
    spec.channels = 4;
    spec.perception.grad = true;
    system = std::make_unique<nca::NcaSystem<T>>(spec);
    AugmenterInputs<T> inputs{{}, system.get(), {blob(6, 7, 3, 0.5F)}, seed};
    if (feed == Feed::morph) {
      inputs.data.push_back(blob(8, 6, 3, 0.4F));  // another lattice: two groups
      MorphOptions morph;
      morph.steps = 3, morph.duplicate = 2, morph.shift = 2;
      augmenter = std::make_unique<MorphAugmenter<T>>(morph, inputs);
    } else {
      PoolOptions pool;
      pool.regime = PoolOptions::Regime::regenerating;
      pool.size = 6, pool.batch = 4, pool.damage = 1, pool.steps_min = 2, pool.steps_max = 4;
      augmenter = std::make_unique<PoolAugmenter<T>>(pool, inputs);
    }
    std::vector<T> params(system->param_layout().size());
    system->initialise(seed, params);
    optimiser = std::make_unique<MomentumDescent<T>>(params.size(), rate);
    std::vector<std::unique_ptr<Objective<T>>> objectives;
    for (std::size_t g = 0; g < augmenter->groups().size(); ++g)
      objectives.push_back(std::make_unique<SquareObjective<T>>());
    trainer = std::make_unique<Trainer<T>>(Exec{}, *system, *augmenter, std::move(objectives), *optimiser, options,
                                           seed, params);
  }

  std::unique_ptr<nca::NcaSystem<T>> system;
  std::unique_ptr<Augmenter<T>> augmenter;
  std::unique_ptr<Optimiser<T>> optimiser;
  std::unique_ptr<Trainer<T>> trainer;
};

}  // namespace mg::train
