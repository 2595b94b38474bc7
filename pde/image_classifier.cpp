#include "pde/image_classifier.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/error.hpp"
#include "core/philox.hpp"

namespace mg::pde {
namespace {

// TimeStep::stages of the two maps; those of solvers are 0 and more.
constexpr int kEncode = -1, kReadOut = -2;

/// The perceptron of the head at one cell, and what its adjoint needs.
template <class T>
struct Head {
  const T *w0, *b0, *w1, *b1;
  int channels, classes;
  Head(const T* p, int c, int k) : w0(p), b0(w0 + c * k), w1(b0 + k), b1(w1 + k * k), channels(c), classes(k) {}
  /// hidden[k] = max(W0 x + b0, 0) with x[c] = field[c plane].
  void hidden(const T* field, std::size_t plane, T* out) const {
    for (int k = 0; k < classes; ++k) {
      T sum = b0[k];
      for (int c = 0; c < channels; ++c) sum += w0[k * channels + c] * field[std::size_t(c) * plane];
      out[k] = std::max(sum, T(0));
    }
  }
};

void require_host(const Exec& exec) {
  if (exec.backend != Backend::host) throw DeviceError("image_classifier runs on the host only");
}

}  // namespace

template <class T>
ImageClassifier<T>::ImageClassifier(std::unique_ptr<System<T>> equation, int classes)
    : equation_(std::move(equation)),
      channels_(equation_->state_layout({4, 4}).blocks().front().dims.at(0)),
      classes_(classes) {
  if (!equation_->condition_layout({4, 4}).empty())
    throw std::invalid_argument("image_classifier: the equation needs conditions");
  params_.add("encoder.weight", {channels_, 1}).add("encoder.bias", {channels_});
  inner_ = params_.size();
  for (const Block& b : equation_->param_layout().blocks()) params_.add("equation." + b.name, b.dims);
  head_ = params_.size();
  params_.add("head.0.weight", {classes_, channels_}).add("head.0.bias", {classes_});
  params_.add("head.1.weight", {classes_, classes_}).add("head.1.bias", {classes_});
}

template <class T>
Layout ImageClassifier<T>::state_layout(Grid grid) const {
  Layout layout = equation_->state_layout(grid);
  layout.add("scores", {classes_, 1, 1});
  return layout;
}

template <class T>
void ImageClassifier<T>::initialise(std::uint64_t seed, std::span<T> params) const {
  equation_->initialise(seed, params.subspan(inner_, equation_->param_layout().size()));
  std::uint32_t number = 0;
  for (const Block& b : params_.blocks()) {
    ++number;
    if (b.name.starts_with("equation.")) continue;
    const int inputs = b.name.starts_with("encoder") ? 1 : b.name.starts_with("head.0") ? channels_ : classes_;
    const RandomStream stream{seed, RandomPurpose::init, 1, 0, number};
    for (std::size_t k = 0; k < b.size; ++k)
      params[b.offset + k] =
          T((2 * uniform01<double>(stream.words(std::uint32_t(k)).v[0]) - 1) / std::sqrt(double(inputs)));
  }
}

template <class T>
TimeGrid ImageClassifier<T>::time_grid(const Exec& exec, const StepIndex& index, const T* params,
                                       ConstStateView<T> conditions, ConstStateView<T> state,
                                       std::span<const double> save_times, Workspace& workspace) const {
  if (save_times.size() != 1) throw std::invalid_argument("image_classifier: one time, that of the scores, is wanted");
  const Layout inner = equation_->state_layout({state.field().shape.h, state.field().shape.w});
  T* const encoded = workspace.get<T>(exec, "classifier.encoded", state.size());
  StepIndex first = index;
  first.stages = kEncode;
  step(exec, first, params, conditions, state, {encoded, state.layout, state.batch}, workspace);
  TimeGrid grid =
      equation_->time_grid(exec, index, params + inner_, {}, {encoded, &inner, state.batch}, save_times, workspace);
  grid.steps.insert(grid.steps.begin(), {index.t, 0, kEncode});
  grid.steps.push_back({save_times.back(), 0, kReadOut});
  grid.saves = {{int(grid.steps.size()) - 1, 1, true}};
  return grid;
}

template <class T>
void ImageClassifier<T>::step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T>,
                              ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  require_host(exec);
  const Shape shape = state.field().shape;
  const std::size_t plane = shape.plane(), sample = std::size_t(channels_) * plane;
  const std::size_t scores = state.layout->blocks().size() - 1;
  if (index.stages >= 0) {
    const Layout inner = equation_->state_layout({shape.h, shape.w});
    StepIndex own = index;
    own.step = index.step - 1;  // the encoder was a step of this system only
    equation_->step(exec, own, params + inner_, {}, {state.data, &inner, state.batch}, {next.data, &inner, next.batch},
                    workspace);
    std::copy_n(state.block(scores), std::size_t(state.batch * classes_), next.block(scores));
    return;
  }
  std::copy_n(state.data, state.size(), next.data);
  for (std::size_t n = 0; n < std::size_t(state.batch); ++n) {
    const T* x = state.data + n * sample;
    if (index.stages == kEncode) {
      for (std::size_t c = 0; c < std::size_t(channels_); ++c)
        for (std::size_t i = 0; i < plane; ++i)
          next.data[n * sample + c * plane + i] = params[c] * x[i] + params[std::size_t(channels_) + c];
      continue;
    }
    const Head<T> head(params + head_, channels_, classes_);
    std::vector<T> hidden(std::size_t(classes_), T(0));
    std::vector<double> mean(std::size_t(classes_), 0.0);
    for (std::size_t i = 0; i < plane; ++i) {
      head.hidden(x + i, plane, hidden.data());
      for (int k = 0; k < classes_; ++k) mean[std::size_t(k)] += double(hidden[std::size_t(k)]) / double(plane);
    }
    for (int k = 0; k < classes_; ++k) {
      double score = double(head.b1[k]);
      for (int j = 0; j < classes_; ++j) score += double(head.w1[k * classes_ + j]) * mean[std::size_t(j)];
      next.block(scores)[n * std::size_t(classes_) + std::size_t(k)] = T(score);
    }
  }
}

template <class T>
void ImageClassifier<T>::step_adjoint(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T>,
                                      ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar,
                                      T* params_bar, Workspace& workspace) const {
  require_host(exec);
  const Shape shape = state.field().shape;
  const std::size_t plane = shape.plane(), C = std::size_t(channels_), K = std::size_t(classes_), sample = C * plane;
  const std::size_t scores = state.layout->blocks().size() - 1;
  if (index.stages >= 0) {
    const Layout inner = equation_->state_layout({shape.h, shape.w});
    StepIndex own = index;
    own.step = index.step - 1;
    equation_->step_adjoint(exec, own, params + inner_, {}, {state.data, &inner, state.batch},
                            {next_bar.data, &inner, next_bar.batch}, {state_bar.data, &inner, state_bar.batch},
                            params_bar + inner_, workspace);
    std::copy_n(next_bar.block(scores), std::size_t(state.batch) * K, state_bar.block(scores));
    return;
  }
  std::copy_n(next_bar.data, next_bar.size(), state_bar.data);
  for (std::size_t n = 0; n < std::size_t(state.batch); ++n) {
    const T* x = state.data + n * sample;
    T* x_bar = state_bar.data + n * sample;
    if (index.stages == kEncode) {  // reads channel 0 alone
      std::vector<double> picture(plane, 0.0);
      for (std::size_t c = 0; c < C; ++c) {
        double weight = 0, bias = 0;
        for (std::size_t i = 0; i < plane; ++i) {
          const double bar = double(x_bar[c * plane + i]);
          weight += bar * double(x[i]);
          bias += bar;
          picture[i] += double(params[c]) * bar;
        }
        params_bar[c] += T(weight);
        params_bar[C + c] += T(bias);
      }
      std::fill_n(x_bar, sample, T(0));
      std::copy(picture.begin(), picture.end(), x_bar);
      continue;
    }
    const Head<T> head(params + head_, channels_, classes_);
    T* const w0_bar = params_bar + head_;
    T *const b0_bar = w0_bar + C * K, *const w1_bar = b0_bar + K, *const b1_bar = w1_bar + K * K;
    const T* score_bar = next_bar.block(scores) + n * K;
    std::vector<T> hidden(K);
    std::vector<double> mean(K, 0.0), hidden_bar(K, 0.0), w0_sum(C * K, 0.0), b0_sum(K, 0.0);
    for (std::size_t k = 0; k < K; ++k)
      for (std::size_t j = 0; j < K; ++j)
        hidden_bar[j] += double(head.w1[k * K + j]) * double(score_bar[k]) / double(plane);
    for (std::size_t i = 0; i < plane; ++i) {
      head.hidden(x + i, plane, hidden.data());
      for (std::size_t k = 0; k < K; ++k) {
        mean[k] += double(hidden[k]) / double(plane);
        if (!(hidden[k] > T(0))) continue;
        b0_sum[k] += hidden_bar[k];
        for (std::size_t c = 0; c < C; ++c) {
          w0_sum[k * C + c] += hidden_bar[k] * double(x[c * plane + i]);
          x_bar[c * plane + i] += T(hidden_bar[k] * double(head.w0[k * C + c]));
        }
      }
    }
    for (std::size_t k = 0; k < C * K; ++k) w0_bar[k] += T(w0_sum[k]);
    for (std::size_t k = 0; k < K; ++k) {
      b0_bar[k] += T(b0_sum[k]);
      b1_bar[k] += score_bar[k];
      for (std::size_t j = 0; j < K; ++j) w1_bar[k * K + j] += T(double(score_bar[k]) * mean[j]);
    }
    std::fill_n(state_bar.block(scores) + n * K, K, T(0));  // the read-out overwrites them
  }
}

template <class T>
void ImageClassifier<T>::step_tapped(const Exec& exec, const StepIndex& index, const T* params,
                                     ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                                     std::span<const Tap<T>> taps, Workspace& workspace) const {
  if (!taps.empty()) throw std::logic_error("image_classifier: its time grid has no saves inside steps");
  step(exec, index, params, conditions, state, next, workspace);
}

template <class T>
void register_image_classifier(Registry<System<T>>& registry, const Variants& equations,
                               std::function<std::unique_ptr<System<T>>(const Config&)> make) {
  Schema schema("image_classifier", "A learned equation between two per-cell maps that sorts pictures into classes");
  schema.variant("equation", equations, std::nullopt, "what happens between the maps")
      .integer("classes", 10, {2, 1000}, "classes of pictures");
  registry.add("image_classifier", schema, [make](const Config& config) {
    return std::make_unique<ImageClassifier<T>>(make(config.at("equation")), config.get<int>("classes"));
  });
}

template class ImageClassifier<float>;
template class ImageClassifier<double>;
template void register_image_classifier(Registry<System<float>>&, const Variants&,
                                        std::function<std::unique_ptr<System<float>>(const Config&)>);
template void register_image_classifier(Registry<System<double>>&, const Variants&,
                                        std::function<std::unique_ptr<System<double>>(const Config&)>);

}  // namespace mg::pde
