#include "train/sharded_augmenter.hpp"

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "core/log.hpp"

namespace mg::train {
namespace {

/// Block-major copy of samples between two batches of one layout.
template <class T>
void copy_samples(const Exec& exec, const Layout& layout, const T* from, int from_count, int from_first, T* to,
                  int to_count, int to_first, int count) {
  for (const auto& block : layout.blocks())
    copy_bytes(exec, to + block.offset * std::size_t(to_count) + block.size * std::size_t(to_first), exec.backend,
               from + block.offset * std::size_t(from_count) + block.size * std::size_t(from_first), exec.backend,
               block.size * std::size_t(count) * sizeof(T));
}

template <class T>
void append(const Exec& exec, const T* data, std::size_t count, std::string& bytes) {
  const std::size_t at = bytes.size();
  bytes.resize(at + count * sizeof(T));
  copy_bytes(exec, bytes.data() + at, Backend::host, data, exec.backend, count * sizeof(T));
}

}  // namespace

ShardRange shard_of(int batches, int ranks, int rank) {
  const auto edge = [&](int r) { return int(std::int64_t(batches) * r / ranks); };
  return {edge(rank), edge(rank + 1)};
}

template <class T>
ShardedAugmenter<T>::ShardedAugmenter(const Exec& exec, std::unique_ptr<Augmenter<T>> inner, Communicator& comm)
    : inner_(std::move(inner)), comm_(comm) {
  int batches = 0;
  for (const auto& g : inner_->groups()) batches += g.count / g.per_batch;
  if (batches < comm.size())
    throw ConfigError(std::to_string(comm.size()) + " ranks for " + std::to_string(batches) +
                      (batches == 1 ? " batch" : " batches") + " of samples: a rank needs at least one; use at most " +
                      std::to_string(batches) + " ranks, or raise the number of samples (augment)");
  if (batches % comm.size() != 0 && comm.root())
    log::warn("{} batches do not divide by {} ranks: some work on {}, some on {}, and those wait", batches, comm.size(),
              batches / comm.size() + 1, batches / comm.size());
  for (int r = 0; r < comm.size(); ++r) {
    shards_.push_back(shard_of(batches, comm.size(), r));
    all_parts_.push_back(parts_of(shards_.back()));
  }
  parts_ = all_parts_[std::size_t(comm.rank())];
  for (const Part& part : parts_) add_group(exec, part);
  yields_.resize(groups_.size());
  wholes_.resize(inner_->groups().size());
}

template <class T>
std::vector<typename ShardedAugmenter<T>::Part> ShardedAugmenter<T>::parts_of(const ShardRange& shard) {
  std::vector<Part> parts;
  int before = 0;
  for (std::size_t g = 0; g < inner_->groups().size(); ++g) {
    const auto& group = inner_->groups()[g];
    const int batches = group.count / group.per_batch;
    const int first = std::clamp(shard.first - before, 0, batches), last = std::clamp(shard.last - before, 0, batches);
    if (first < last) parts.push_back({g, first * group.per_batch, (last - first) * group.per_batch});
    before += batches;
  }
  return parts;
}

template <class T>
void ShardedAugmenter<T>::add_group(const Exec& exec, const Part& part) {
  const auto& from = inner_->groups()[part.group];
  SampleGroup<T> to;
  to.grid = from.grid;
  to.count = part.count;
  to.per_batch = from.per_batch;
  to.sample0 = from.sample0 + part.first;
  to.state_layout = from.state_layout;
  to.condition_layout = from.condition_layout;
  to.observed = from.observed;
  to.start = Buffer<T>(exec, from.state_layout.size() * std::size_t(part.count));
  to.conditions = Buffer<T>(exec, from.condition_layout.size() * std::size_t(part.count));
  to.target = Buffer<T>(exec, from.target.size() / std::size_t(from.count) * std::size_t(part.count));
  copy_part(exec, part, to);
  groups_.push_back(std::move(to));
}

/// Start, conditions, target and times as the inner augmenter has them now.
template <class T>
void ShardedAugmenter<T>::copy_part(const Exec& exec, const Part& part, SampleGroup<T>& to) {
  const auto& from = inner_->groups()[part.group];
  to.t0 = from.t0;
  to.save_times = from.save_times;
  copy_samples(exec, from.condition_layout, from.conditions.data(), from.count, part.first, to.conditions.data(),
               part.count, 0, part.count);
  copy_samples(exec, from.state_layout, from.start.data(), from.count, part.first, to.start.data(), part.count, 0,
               part.count);
  const std::size_t sample =
      from.save_times.empty() ? from.target.size() / std::size_t(from.count)
                              : from.target_view().shape.size() / std::size_t(from.count) / std::size_t(from.saves());
  for (std::size_t m = 0; m < std::size_t(from.saves()); ++m)
    copy_bytes(exec, to.target.data() + m * sample * std::size_t(part.count), exec.backend,
               from.target.data() + (m * std::size_t(from.count) + std::size_t(part.first)) * sample, exec.backend,
               sample * std::size_t(part.count) * sizeof(T));
}

template <class T>
void ShardedAugmenter<T>::begin(const Exec& exec, std::int64_t iteration) {
  inner_->begin(exec, iteration);
  for (std::size_t g = 0; g < groups_.size(); ++g) copy_part(exec, parts_[g], groups_[g]);
}

template <class T>
void ShardedAugmenter<T>::learn(const Exec&, std::size_t g, const RolloutYield<T>& yield) {
  yields_[g] = yield;
}

/// The shares of all ranks into wholes_.
template <class T>
void ShardedAugmenter<T>::gather(const Exec& exec, const std::vector<ConstStateView<T>>& finals,
                                 const std::vector<const T*>& losses) {
  std::string mine;
  const auto put = [&](std::uint64_t n) { mine.append(reinterpret_cast<const char*>(&n), sizeof n); };
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::uint64_t saves = yields_[g].saves.size(), bar = yields_[g].start_bar.data != nullptr;
    const std::uint64_t blocks = finals[g].layout->blocks().size();
    for (const std::uint64_t n : {saves, bar, blocks}) put(n);
    for (const auto& block : finals[g].layout->blocks()) {
      put(block.dims.size());
      for (int d : block.dims) put(std::uint64_t(d));
    }
    for (const auto& x : yields_[g].saves) append(exec, x.data, x.size(), mine);
    if (bar) append(exec, yields_[g].start_bar.data, yields_[g].start_bar.size(), mine);
    if (inner_->wants_finals()) append(exec, finals[g].data, finals[g].size(), mine);
    append(exec, losses[g], std::size_t(groups_[g].count), mine);
  }
  synchronise(exec);
  const auto all = comm_.all_gather(mine);
  for (std::size_t r = 0; r < all.size(); ++r) {
    std::size_t at = 0;
    for (const Part& part : all_parts_[r]) take(exec, part, all[r], at);
  }
  synchronise(exec);
}

/// Puts the share of one rank in its place.
template <class T>
void ShardedAugmenter<T>::take(const Exec& exec, const Part& part, const std::string& bytes, std::size_t& at) {
  const int total = inner_->groups()[part.group].count;
  Whole& whole = wholes_[part.group];
  const auto number = [&] {
    std::uint64_t n = 0;
    std::memcpy(&n, bytes.data() + at, sizeof n);
    at += sizeof n;
    return n;
  };
  const auto saves = std::size_t(number());
  const bool bar = number() != 0;
  Layout layout;
  for (auto blocks = number(); blocks-- > 0;) {
    std::vector<int> dims(number());
    for (int& d : dims) d = int(number());
    layout.add("b" + std::to_string(blocks), dims);
  }
  if (layout.size() != whole.layout.size()) whole.layout = layout;
  const auto place = [&](Buffer<T>& to) {
    if (to.size() != whole.layout.size() * std::size_t(total))
      to = Buffer<T>(exec, whole.layout.size() * std::size_t(total));
    for (const auto& block : whole.layout.blocks()) {
      const std::size_t size = block.size * std::size_t(part.count) * sizeof(T);
      copy_bytes(exec, to.data() + block.offset * std::size_t(total) + block.size * std::size_t(part.first),
                 exec.backend, bytes.data() + at, Backend::host, size);
      at += size;
    }
  };
  whole.saves.resize(saves);
  for (auto& save : whole.saves) place(save);
  if (bar) place(whole.start_bar);
  if (inner_->wants_finals()) place(whole.final);
  if (whole.losses.size() != std::size_t(total)) whole.losses = Buffer<T>(exec, std::size_t(total));
  copy_bytes(exec, whole.losses.data() + part.first, exec.backend, bytes.data() + at, Backend::host,
             std::size_t(part.count) * sizeof(T));
  at += std::size_t(part.count) * sizeof(T);
}

template <class T>
void ShardedAugmenter<T>::finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
                                 const std::vector<const T*>& losses, bool accepted) {
  if (!accepted) {
    inner_->finish(exec, iteration, {}, {}, false);
    return;
  }
  gather(exec, finals, losses);
  std::vector<ConstStateView<T>> whole_finals;
  std::vector<const T*> whole_losses;
  for (std::size_t g = 0; g < wholes_.size(); ++g) {
    Whole& w = wholes_[g];
    const auto view = [&](const Buffer<T>& b) {
      return ConstStateView<T>{b.data(), &w.layout, inner_->groups()[g].count};
    };
    RolloutYield<T> yield;
    for (const auto& save : w.saves) yield.saves.push_back(view(save));
    if (w.start_bar.size() > 0) yield.start_bar = view(w.start_bar);
    if (wants_saves() || wants_start_bar()) inner_->learn(exec, g, yield);
    whole_finals.push_back(view(w.final));
    whole_losses.push_back(w.losses.data());
  }
  inner_->finish(exec, iteration, whole_finals, whole_losses, true);
}

template class ShardedAugmenter<float>;
template class ShardedAugmenter<double>;

}  // namespace mg::train
