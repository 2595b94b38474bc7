#pragma once
#include <functional>
#include <memory>

#include "core/registry.hpp"
#include "core/system.hpp"

namespace mg::pde {

/// A learned equation between two per-cell maps: it sorts pictures into classes. Channel 0 of the start is the picture p;
///   x(0) = E p + e;   x(T) by the equation;   scores = mean over cells of W1 max(W0 x(T) + b0, 0) + b1
/// State: that of the equation, then {"scores" [classes, 1, 1]}, which the last step fills. The first and the last step of
/// a time grid are the maps; one save, the end. Parameters: encoder.weight [C, 1], encoder.bias [C], those of the
/// equation, head.0.weight [K, C], head.0.bias [K], head.1.weight [K, K], head.1.bias [K]. Host only.
/// @source the reference implementation (its demo of picture classification)
template <class T>
class ImageClassifier final : public System<T> {
 public:
  /// Weights and biases of the maps start as uniform on +-1 / sqrt(inputs).
  ImageClassifier(std::unique_ptr<System<T>> equation, int classes);

  std::string_view type() const override { return "image_classifier"; }
  Layout state_layout(Grid grid) const override;
  const Layout& param_layout() const override { return params_; }
  void initialise(std::uint64_t seed, std::span<T> params) const override;
  TimeGrid time_grid(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                     ConstStateView<T> state, std::span<const double> save_times, Workspace& workspace) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;
  void step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                    ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar, T* params_bar,
                    Workspace& workspace) const override;
  void step_tapped(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
                   ConstStateView<T> state, StateView<T> next, std::span<const Tap<T>> taps,
                   Workspace& workspace) const override;

 private:
  std::unique_ptr<System<T>> equation_;
  int channels_, classes_;
  Layout params_;
  std::size_t inner_ = 0, head_ = 0;  // offsets of the equation's parameters and of the head's
};

/// Adds "image_classifier" with the key "equation", one of `equations`, which `make` builds.
template <class T>
void register_image_classifier(Registry<System<T>>& registry, const Variants& equations,
                               std::function<std::unique_ptr<System<T>>(const Config&)> make);

}  // namespace mg::pde
