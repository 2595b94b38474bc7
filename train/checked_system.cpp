#include "train/checked_system.hpp"

#include <cmath>
#include <vector>

namespace mg::train {
namespace {

template <class T>
std::vector<T> to_host(const Exec& exec, const T* data, std::size_t size) {
  std::vector<T> host(size);
  copy_bytes(exec, host.data(), Backend::host, data, exec.backend, size * sizeof(T));
  synchronise(exec);
  return host;
}

template <class T>
void require_equal(const char* what, const StepIndex& index, const std::vector<T>& device, const std::vector<T>& host,
                   double tolerance) {
  double error = 0, norm = 0, worst = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < host.size(); ++i) {
    const double difference = std::abs(double(device[i]) - double(host[i]));
    if (!(difference <= worst)) worst = difference, at = i;  // also takes a NaN
    error += difference * difference;
    norm += double(host[i]) * double(host[i]);
  }
  if (std::sqrt(error) <= tolerance * std::max(std::sqrt(norm), 1e-6)) return;
  throw DivergedError(std::string("backend check: ") + what + " of step " + std::to_string(index.step) +
                      " in iteration " + std::to_string(index.iteration) + " differs between cuda and host, worst at " +
                      std::to_string(at) + ": " + std::to_string(double(device[at])) + " and " +
                      std::to_string(double(host[at])) + " (relative L2 " +
                      std::to_string(std::sqrt(error) / std::max(std::sqrt(norm), 1e-6)) + ", allowed " +
                      std::to_string(tolerance) + ")");
}

}  // namespace

template <class T>
CheckedSystem<T>::CheckedSystem(std::unique_ptr<System<T>> inner, int every, CheckTolerance tolerance)
    : inner_(std::move(inner)), every_(every), tolerance_(tolerance) {
  if (inner_ == nullptr || every_ < 1) throw std::invalid_argument("CheckedSystem: needs a system and every >= 1");
}

template <class T>
void CheckedSystem<T>::step_tapped(const Exec& exec, const StepIndex& index, const T* params,
                                   ConstStateView<T> conditions, ConstStateView<T> state, StateView<T> next,
                                   std::span<const Tap<T>> taps, Workspace& workspace) const {
  inner_->step_tapped(exec, index, params, conditions, state, next, taps, workspace);
  if (!due(exec)) return;
  ++comparisons_;
  const auto p = to_host(exec, params, param_layout().size());
  const auto c = to_host(exec, conditions.data, conditions.size());
  const auto x = to_host(exec, state.data, state.size());
  const auto device = to_host(exec, static_cast<const T*>(next.data), next.size());
  std::vector<T> host(device.size());
  inner_->step(Exec{}, index, p.data(), {c.data(), conditions.layout, conditions.batch},
               {x.data(), state.layout, state.batch}, {host.data(), next.layout, next.batch}, host_workspace_);
  require_equal("the next state", index, device, host, tolerance_.state);
}

template <class T>
void CheckedSystem<T>::step_tapped_adjoint(const Exec& exec, const StepIndex& index, const T* params,
                                           ConstStateView<T> conditions, ConstStateView<T> state,
                                           ConstStateView<T> next_bar, std::span<const Tap<const T>> tap_bars,
                                           StateView<T> state_bar, T* params_bar, Workspace& workspace) const {
  const bool compare = due(exec);
  const std::size_t size = param_layout().size();
  std::vector<T> before;
  if (compare) before = to_host(exec, static_cast<const T*>(params_bar), size);
  inner_->step_tapped_adjoint(exec, index, params, conditions, state, next_bar, tap_bars, state_bar, params_bar,
                              workspace);
  if (!compare) return;
  ++comparisons_;
  const auto p = to_host(exec, params, size);
  const auto c = to_host(exec, conditions.data, conditions.size());
  const auto x = to_host(exec, state.data, state.size());
  const auto y = to_host(exec, next_bar.data, next_bar.size());
  std::vector<std::vector<T>> bars;
  std::vector<Tap<const T>> host_bars;
  for (const auto& tap : tap_bars) bars.push_back(to_host(exec, tap.value.data, tap.value.size()));
  for (std::size_t k = 0; k < bars.size(); ++k)
    host_bars.push_back({tap_bars[k].theta, {bars[k].data(), tap_bars[k].value.layout, tap_bars[k].value.batch}});
  const auto device = to_host(exec, static_cast<const T*>(state_bar.data), state_bar.size());
  const auto device_params = to_host(exec, static_cast<const T*>(params_bar), size);
  std::vector<T> host(device.size()), host_params = before;
  inner_->step_tapped_adjoint(Exec{}, index, p.data(), {c.data(), conditions.layout, conditions.batch},
                              {x.data(), state.layout, state.batch}, {y.data(), next_bar.layout, next_bar.batch},
                              host_bars, {host.data(), state_bar.layout, state_bar.batch}, host_params.data(),
                              host_workspace_);
  require_equal("the state cotangent", index, device, host, tolerance_.state);
  require_equal("the parameter gradient", index, device_params, host_params, tolerance_.gradient);
}

template class CheckedSystem<float>;
template class CheckedSystem<double>;

}  // namespace mg::train
