#include "train/class_objective.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/error.hpp"

namespace mg::train {
namespace {

/// Probabilities of the scores, and log sum exp of them.
template <class T>
double softmax(const T* scores, std::size_t classes, std::vector<double>& p) {
  const double most = double(*std::max_element(scores, scores + classes));
  double sum = 0;
  p.assign(classes, 0.0);
  for (std::size_t k = 0; k < classes; ++k) sum += p[k] = std::exp(double(scores[k]) - most);
  for (double& v : p) v /= sum;
  return most + std::log(sum);
}

}  // namespace

template <class T>
void ClassObjective<T>::bind(const Exec& exec, const ObjectiveInputs<T>& inputs) {
  if (exec.backend != Backend::host) throw DeviceError("the objective \"classes\" runs on the host only");
  inputs_ = inputs;
  losses_.resize(std::size_t(inputs.target.shape.n));
}

template <class T>
void ClassObjective<T>::begin(const Exec&, const StepIndex&, int) {
  if (inputs_.target.data == nullptr) throw std::invalid_argument("ClassObjective: begin() before bind()");
  std::fill(losses_.begin(), losses_.end(), T(0));
  wrong_ = 0;
}

template <class T>
std::size_t ClassObjective<T>::label(std::size_t n, std::size_t classes) const {
  const double value = double(inputs_.target.plane(int(n), 0)[0]);
  if (!(value >= 0 && value < double(classes)))
    throw DataError("label " + std::to_string(value) + " of a sample, but the model has " + std::to_string(classes) +
                    " classes");
  return std::size_t(value);
}

template <class T>
void ClassObjective<T>::value(const Exec&, int, int, ConstStateView<T> x) {
  const std::size_t block = x.layout->blocks().size() - 1, classes = x.layout->blocks()[block].size;
  std::vector<double> p;
  for (std::size_t n = 0; n < losses_.size(); ++n) {
    const T* scores = x.block(block) + n * classes;
    const std::size_t right = label(n, classes);
    losses_[n] = T(softmax(scores, classes, p) - double(scores[right]));
    wrong_ += std::size_t(std::max_element(scores, scores + classes) - scores) != right;
  }
}

template <class T>
void ClassObjective<T>::adjoint(const Exec&, int, int, ConstStateView<T> x, StateView<T> x_bar) {
  const std::size_t block = x.layout->blocks().size() - 1, classes = x.layout->blocks()[block].size;
  std::vector<double> p;
  for (std::size_t n = 0; n < losses_.size(); ++n) {
    softmax(x.block(block) + n * classes, classes, p);
    p[label(n, classes)] -= 1;
    for (std::size_t k = 0; k < classes; ++k) x_bar.block(block)[n * classes + k] += T(inputs_.weight * p[k]);
  }
}

template <class T>
void ClassObjective<T>::totals(const Exec&, T* out) {
  double sum = 0;
  for (T v : losses_) sum += double(v);
  out[0] = T(inputs_.weight * sum);
  out[1] = T(inputs_.weight * wrong_);
}

Schema class_objective_schema() { return Schema("classes", "Cross-entropy of the scores with the label of a picture"); }

template class ClassObjective<float>;
template class ClassObjective<double>;

}  // namespace mg::train
