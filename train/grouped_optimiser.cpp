#include "train/grouped_optimiser.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "core/error.hpp"
#include "train/parameter_cell.hpp"
#include "train/plane_ops_host.hpp"

namespace mg::train {
namespace {

template <class T>
void copy(const Exec& exec, T* to, const T* from, std::size_t size) {
  copy_bytes(exec, to, exec.backend, from, exec.backend, size * sizeof(T));
}

Shape line(std::size_t size) { return {1, 1, 1, int(size)}; }

std::vector<std::size_t> blocks_named(const Layout& layout, const std::vector<std::string>& patterns) {
  std::vector<std::size_t> found;
  for (std::size_t b = 0; b < layout.blocks().size(); ++b)
    if (names_tensor(patterns, layout.blocks()[b].name)) found.push_back(b);
  return found;
}

/// @throws std::invalid_argument for a pattern without a tensor
void require_known(const Layout& layout, const std::vector<std::string>& patterns) {
  for (const auto& pattern : patterns) {
    if (!blocks_named(layout, {pattern}).empty()) continue;
    std::string known;
    for (const Block& b : layout.blocks()) known += (known.empty() ? "" : ", ") + b.name;
    throw std::invalid_argument("no parameter is named by \"" + pattern + "\"; known: " + known);
  }
}

std::string prefix(std::size_t group) { return "group" + std::to_string(group) + "/"; }

}  // namespace

bool names_tensor(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& p) {
    return p.starts_with('*') ? name.find(p.substr(1)) != std::string::npos : name.starts_with(p);
  });
}

double Pruning::sparsity(std::int64_t update) const {
  if (update < warmup || target == 0) return 0;
  const auto last = std::max<std::int64_t>(iterations - warmup - 1, 1);
  return target * std::min(1.0, double(update - warmup) / double(last));
}

template <class T>
void prune_smallest(T* values, std::size_t size, double sparsity) {
  const auto keep = std::max<std::size_t>(1, std::size_t(std::nearbyint(double(size) * (1 - sparsity))));
  if (keep >= size) return;
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::abs(values[a]) > std::abs(values[b]); });
  for (std::size_t k = keep; k < size; ++k) values[order[k]] = T(0);
}

template <class T>
GroupedOptimiser<T>::GroupedOptimiser(GroupPlan plan, const std::vector<Config>& rules, Make make, const Layout& params,
                                      const Exec& exec)
    : plan_(std::move(plan)), layout_(params) {
  for (const auto* patterns : {&plan_.frozen, &plan_.non_negative, &plan_.bounded_gradient})
    require_known(params, *patterns);
  for (const auto& patterns : plan_.groups) require_known(params, patterns);
  groups_.resize(plan_.groups.size());
  for (std::size_t b = 0; b < params.blocks().size(); ++b) {
    const Block& block = params.blocks()[b];
    if (names_tensor(plan_.frozen, block.name)) continue;
    std::size_t g = 0;
    while (g < groups_.size() && !names_tensor(plan_.groups[g], block.name)) ++g;
    if (g == groups_.size())
      throw std::invalid_argument("the parameter \"" + block.name + "\" belongs to no group and is not frozen");
    groups_[g].blocks.push_back(b);
    groups_[g].layout.add(block.name, block.dims);
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    if (group.blocks.empty()) throw std::invalid_argument("group " + std::to_string(g) + " has no parameter left");
    group.rule = make(rules[g], group.layout, exec);
    group.theta = Buffer<T>(exec, group.layout.size());
    group.gradient = Buffer<T>(exec, group.layout.size());
  }
  non_negative_ = blocks_named(params, plan_.non_negative);
  bounded_ = blocks_named(params, plan_.bounded_gradient);
}

template <class T>
void GroupedOptimiser<T>::step(const Exec& exec, T* params, T* gradient) {
  for (std::size_t b : bounded_) {
    const Block& block = layout_.blocks()[b];
    for_plane_cells(exec, line(block.size), BoundGradient<T>{params + block.offset, gradient + block.offset});
  }
  for (Group& group : groups_) {
    for (std::size_t k = 0; k < group.blocks.size(); ++k) {
      const Block &from = layout_.blocks()[group.blocks[k]], &to = group.layout.blocks()[k];
      copy(exec, group.theta.data() + to.offset, params + from.offset, from.size);
      copy(exec, group.gradient.data() + to.offset, gradient + from.offset, from.size);
    }
    group.rule->step(exec, group.theta.data(), group.gradient.data());
    for (std::size_t k = 0; k < group.blocks.size(); ++k) {
      const Block &to = layout_.blocks()[group.blocks[k]], &from = group.layout.blocks()[k];
      copy(exec, params + to.offset, group.theta.data() + from.offset, from.size);
    }
  }
  for (std::size_t b : non_negative_) {
    const Block& block = layout_.blocks()[b];
    for_plane_cells(exec, line(block.size), KeepNonNegative<T>{params + block.offset});
  }
  prune(exec, params);
  ++updates_;
}

template <class T>
void GroupedOptimiser<T>::prune(const Exec& exec, T* params) const {
  const double sparsity = plan_.pruning.sparsity(updates_);
  if (sparsity == 0) return;
  std::vector<T> host(layout_.size());
  copy_bytes(exec, host.data(), Backend::host, params, exec.backend, host.size() * sizeof(T));
  synchronise(exec);
  for (const Block& block : layout_.blocks()) {
    if (names_tensor(plan_.frozen, block.name)) continue;
    if (!plan_.pruning.biases && block.name.find("bias") != std::string::npos) continue;
    prune_smallest(host.data() + block.offset, block.size, sparsity);
  }
  copy_bytes(exec, params, exec.backend, host.data(), Backend::host, host.size() * sizeof(T));
  synchronise(exec);
}

template <class T>
double GroupedOptimiser<T>::learning_rate() const {
  return groups_.front().rule->learning_rate();
}

template <class T>
void GroupedOptimiser<T>::scale_rate(double factor) {
  for (Group& group : groups_) group.rule->scale_rate(factor);
}

template <class T>
typename Optimiser<T>::SavedState GroupedOptimiser<T>::save() const {
  typename Optimiser<T>::SavedState all;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto own = groups_[g].rule->save();
    for (const auto& [name, values] : own.arrays) all.arrays.emplace_back(prefix(g) + name, values);
    for (const auto& [name, value] : own.counters) all.counters.emplace_back(prefix(g) + name, value);
  }
  all.counters.emplace_back("updates", updates_);
  return all;
}

template <class T>
void GroupedOptimiser<T>::restore(const typename Optimiser<T>::SavedState& state) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    typename Optimiser<T>::SavedState own;
    for (const auto& [name, values] : state.arrays)
      if (name.starts_with(prefix(g))) own.arrays.emplace_back(name.substr(prefix(g).size()), values);
    for (const auto& [name, value] : state.counters)
      if (name.starts_with(prefix(g))) own.counters.emplace_back(name.substr(prefix(g).size()), value);
    groups_[g].rule->restore(own);
  }
  for (const auto& [name, value] : state.counters)
    if (name == "updates") updates_ = value;
}

template void prune_smallest(float*, std::size_t, double);
template void prune_smallest(double*, std::size_t, double);
template class GroupedOptimiser<float>;
template class GroupedOptimiser<double>;

}  // namespace mg::train
