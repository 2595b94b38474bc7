#include "train/rollout.hpp"

#include <stdexcept>
#include <utility>

namespace mg::train {
namespace {

/// Whether the blocks of `first` are the first ones of `all`: then so are the elements of any batch.
bool starts_with(const Layout& all, const Layout& first) {
  if (first.blocks().size() > all.blocks().size()) return false;
  for (std::size_t i = 0; i < first.blocks().size(); ++i)
    if (first.blocks()[i].dims != all.blocks()[i].dims) return false;
  return true;
}

}  // namespace

template <class T>
Rollout<T>::Rollout(const Exec& exec, const System<T>& system, Layout state_layout, int batch)
    : exec_(exec), system_(system), layout_(std::move(state_layout)), batch_(batch) {
  if (batch < 1 || layout_.size() == 0)
    throw std::invalid_argument("Rollout: needs at least one sample and a state, got batch " + std::to_string(batch) +
                                " of " + std::to_string(layout_.size()) + " elements");
}

template <class T>
StepIndex Rollout<T>::index_of(int k) const {
  StepIndex index = base_;
  index.step += k;
  index.t += k * base_.h;
  return index;
}

template <class T>
void Rollout<T>::prepare(const MemoryPlan& plan) {
  if (program_ == nullptr || plan.kind != plan_.kind || plan.steps != plan_.steps || plan.slots != plan_.slots) {
    const auto [it, fresh] = programs_.try_emplace({int(plan.kind), plan.steps, plan.slots});
    if (fresh) it->second = rollout_program(plan);
    program_ = &it->second;
  }
  plan_ = plan;
  const std::size_t size = layout_.size() * std::size_t(batch_);
  while (states_.size() < std::size_t(program_->buffers)) states_.emplace_back(exec_, size);
}

template <class T>
void Rollout<T>::run_step(const Op& op, const T* params, ConstStateView<T> conditions) {
  system_.step(exec_, index_of(op.k), params, conditions, state(op.from), state(op.to), workspace_);
}

template <class T>
void Rollout<T>::forward(const T* params, ConstStateView<T> conditions, ConstStateView<T> start, const StepIndex& base,
                         const MemoryPlan& plan, Objective<T>* objective) {
  const std::size_t size = layout_.size() * std::size_t(batch_);
  if (start.data == nullptr || start.layout == nullptr || start.batch != batch_ || start.size() > size ||
      !starts_with(layout_, *start.layout))
    throw std::invalid_argument("Rollout: start has " + std::to_string(start.size()) + " elements in a batch of " +
                                std::to_string(start.batch) + ", expected the first blocks of " + std::to_string(size) +
                                " in " + std::to_string(batch_));
  prepare(plan);
  base_ = base;
  copy_bytes(exec_, state(0).data, exec_.backend, start.data, exec_.backend, start.size() * sizeof(T));
  zero_bytes(exec_, state(0).data + start.size(), (size - start.size()) * sizeof(T));
  if (objective != nullptr) objective->begin(exec_, base_, plan_.steps);
  for (const Op& op : program_->forward) {
    run_step(op, params, conditions);
    if (objective != nullptr && objective->observes(op.k + 1, plan_.steps))
      objective->value(exec_, op.k + 1, plan_.steps, state(op.to));
  }
  ready_ = true;
}

template <class T>
void Rollout<T>::backward(const T* params, ConstStateView<T> conditions, Objective<T>& objective, T* params_bar,
                          StateView<T> start_bar) {
  if (!ready_) throw std::logic_error("Rollout: backward() without a forward() before it");
  ready_ = false;  // the sweep overwrites the kept states
  const std::size_t size = layout_.size() * std::size_t(batch_);
  if (start_bar.data != nullptr && start_bar.size() != size)
    throw std::invalid_argument("Rollout: start_bar has " + std::to_string(start_bar.size()) + " elements, expected " +
                                std::to_string(size));
  for (Buffer<T>& bar : bars_)
    if (bar.size() != size) bar = Buffer<T>(exec_, size);

  StateView<T> next_bar{bars_[0].data(), &layout_, batch_}, bar{bars_[1].data(), &layout_, batch_};
  bars_[0].zero();
  if (objective.observes(plan_.steps, plan_.steps))
    objective.adjoint(exec_, plan_.steps, plan_.steps, final_state(), next_bar);
  for (const Op& op : program_->backward) {
    if (op.kind == Op::Kind::step) {
      run_step(op, params, conditions);
      continue;
    }
    system_.step_adjoint(exec_, index_of(op.k), params, conditions, state(op.from), next_bar, bar, params_bar,
                         workspace_);
    if (op.k > 0 && objective.observes(op.k, plan_.steps))
      objective.adjoint(exec_, op.k, plan_.steps, state(op.from), bar);
    std::swap(bar, next_bar);
  }
  if (start_bar.data != nullptr)
    copy_bytes(exec_, start_bar.data, exec_.backend, next_bar.data, exec_.backend, size * sizeof(T));
}

template <class T>
ConstStateView<T> Rollout<T>::final_state() const {
  if (program_ == nullptr) throw std::logic_error("Rollout: final_state() without a forward() before it");
  return state(program_->final_buffer());
}

template <class T>
std::size_t Rollout<T>::state_bytes() const {
  std::size_t bytes = (bars_[0].size() + bars_[1].size()) * sizeof(T);
  for (const Buffer<T>& s : states_) bytes += s.size() * sizeof(T);
  return bytes;
}

template class Rollout<float>;
template class Rollout<double>;

}  // namespace mg::train
