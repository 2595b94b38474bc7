#include "train/morph_augmenter.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "train/augment_ops.hpp"
#include "train/samples.hpp"

namespace mg::train {
namespace {

/// Trajectory of every batch, in batch order.
std::vector<int> batch_order(int trajectories, const MorphOptions& o) {
  std::vector<int> order;
  for (int k = 0; k < trajectories * o.duplicate; ++k)
    order.push_back(o.repeat_order ? k / o.duplicate : k % trajectories);
  return order;
}

}  // namespace

template <class T>
MorphAugmenter<T>::MorphAugmenter(const MorphOptions& options, const AugmenterInputs<T>& inputs)
    : options_(options), seed_(inputs.seed), observed_(observed_channels(*inputs.system, inputs.data)) {
  for (const auto& d : inputs.data)
    if (d.frames.size() < 2)
      throw DataError(d.name + ": a trajectory needs at least two frames, a start and a target; add frames or a seed");
  const auto order = batch_order(int(inputs.data.size()), options_);
  batches_ = int(order.size());
  std::int64_t sample0 = 0;
  for (const auto& lattice : group_by_lattice(inputs.data, order)) {
    SampleGroup<T> group;
    Truth truth;
    group.grid = lattice.grid;
    group.per_batch = lattice.frames - 1;
    group.count = int(lattice.members.size()) * group.per_batch;
    group.sample0 = sample0;
    group.state_layout = inputs.system->state_layout(lattice.grid);
    group.condition_layout = inputs.system->condition_layout(lattice.grid);
    const int channels = group.state_layout.blocks().front().dims.at(0);
    std::vector<T> starts, targets, conditions;
    for (int b = 0; b < batches_; ++b) {
      const Trajectory& d = inputs.data[std::size_t(order[std::size_t(b)])];
      if (!(d.grid == lattice.grid) || int(d.frames.size()) != lattice.frames) continue;
      truth.batches.push_back({b, {}});
      for (int n = 0; n < group.per_batch; ++n) {
        append_state(d, n, channels, starts);
        const auto& next = d.frames[std::size_t(n) + 1];
        targets.insert(targets.end(), next.begin(), next.end());
      }
      append_conditions(d, group.condition_layout, group.per_batch, conditions);
    }
    truth.inputs = uploaded(inputs.exec, starts);
    truth.targets = uploaded(inputs.exec, targets);
    group.conditions = uploaded(inputs.exec, conditions);
    group.start = Buffer<T>(inputs.exec, starts.size());
    group.target = Buffer<T>(inputs.exec, targets.size());
    sample0 += group.count;
    groups_.push_back(std::move(group));
    truth_.push_back(std::move(truth));
  }
}

template <class T>
bool MorphAugmenter<T>::resets(int b) const {
  if (options_.reset_even) return b % 2 == 0 && b < 2 * (batches_ / 2);
  return std::ceil((b + 1) * options_.reset_fraction) > std::ceil(b * options_.reset_fraction);
}

template <class T>
MorphDraw MorphAugmenter<T>::draw(std::int64_t call, int b, Grid grid) const {
  const RandomStream shifts{seed_, RandomPurpose::shift, std::uint32_t(call), 0, std::uint32_t(b)};
  const RandomStream circles{seed_, RandomPurpose::circle, std::uint32_t(call), 0, std::uint32_t(b)};
  const Philox4 s = shifts.words(0), c = circles.words(0);
  const auto range = std::uint32_t(2 * options_.shift + int(options_.shift_inclusive));
  MorphDraw d;
  for (int k = 0; k < 2; ++k)
    if (options_.shift > 0) d.shift[k] = int(uniform_below(s.v[k], range)) - options_.shift;
  const std::int64_t iteration = std::max<std::int64_t>(call - 1, 0);
  if (iteration >= options_.damage_until) return d;
  const int cx = int(uniform_below(c.v[0], std::uint32_t(grid.w)));
  const int cy = int(uniform_below(c.v[1], std::uint32_t(grid.h)));
  const int reach = std::max(1, std::min({cx, grid.w - cx, cy, grid.h - cy}));
  d.circle[0] = cx, d.circle[1] = cy, d.circle[2] = 1 + int(uniform_below(c.v[2], std::uint32_t(reach)));
  return d;
}

template <class T>
const T* MorphAugmenter<T>::given_noise(std::int64_t, int) const {
  return nullptr;
}

template <class T>
void MorphAugmenter<T>::callback(const Exec& exec, std::int64_t call, std::size_t g, const T* previous,
                                 bool propagate) {
  auto& group = groups_[g];
  auto& truth = truth_[g];
  const int channels = group.state_layout.blocks().front().dims[0];
  const Shape shape{group.per_batch, channels, group.grid.h, group.grid.w};
  for (std::size_t k = 0; k < truth.batches.size(); ++k) {
    Batch& batch = truth.batches[k];
    const MorphDraw now = draw(call, batch.index, group.grid);
    MorphBatch m;
    m.shape = shape;
    m.observed = observed_;
    std::copy_n(now.shift, 2, m.shift);
    std::copy_n(batch.last.shift, 2, m.unshift);
    std::copy_n(now.circle, 3, m.circle);
    m.propagate = propagate;
    m.reset = resets(batch.index);
    m.noise = options_.noise;
    m.uniform = options_.uniform_noise;
    m.noisy = options_.noise_channels;
    m.stream = {seed_, RandomPurpose::noise, std::uint32_t(call), 0,
                std::uint32_t(group.sample0 + std::int64_t(k) * group.per_batch)};
    const std::size_t at = k * shape.size();
    morph_batch<T>(exec, m, {previous + at, shape}, {truth.inputs.data() + at, shape},
                   {given_noise(call, batch.index), shape}, {group.start.data() + at, shape});
    batch.last = now;
  }
  roll_targets(exec, g);
}

template <class T>
void MorphAugmenter<T>::roll_targets(const Exec& exec, std::size_t g) {
  const Shape shape{groups_[g].per_batch, observed_, groups_[g].grid.h, groups_[g].grid.w};
  for (std::size_t k = 0; k < truth_[g].batches.size(); ++k)
    roll_batch<T>(exec, truth_[g].batches[k].last.shift, {truth_[g].targets.data() + k * shape.size(), shape},
                  {groups_[g].target.data() + k * shape.size(), shape});
}

template <class T>
void MorphAugmenter<T>::begin(const Exec& exec, std::int64_t) {
  if (loaded_) return;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    callback(exec, 0, g, truth_[g].inputs.data(), options_.propagate_on_load);
  loaded_ = true;
}

template <class T>
void MorphAugmenter<T>::finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
                               const std::vector<const T*>&, bool accepted) {
  if (!accepted) return;
  for (std::size_t g = 0; g < groups_.size(); ++g) callback(exec, iteration + 1, g, finals.at(g).data, true);
}

template <class T>
void MorphAugmenter<T>::save(TensorFile& file) const {
  const std::int64_t loaded = loaded_;
  file.add("augmenter/loaded", {}, &loaded);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::string name = "augmenter/group" + std::to_string(g);
    file.add(name + ".start", {groups_[g].start.size()}, groups_[g].start.to_vector().data());
    std::vector<std::int64_t> shifts;
    for (const auto& b : truth_[g].batches) shifts.insert(shifts.end(), b.last.shift, b.last.shift + 2);
    file.add(name + ".shift", {truth_[g].batches.size(), 2}, shifts.data());
  }
}

template <class T>
void MorphAugmenter<T>::restore(const Exec& exec, const TensorFile& file) {
  loaded_ = file.at("augmenter/loaded").as_double().at(0) != 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::string name = "augmenter/group" + std::to_string(g);
    restore_buffer(file.at(name + ".start"), name + ".start", groups_[g].start);
    const auto shifts = file.at(name + ".shift").as_double();
    if (shifts.size() != 2 * truth_[g].batches.size())
      throw CheckpointError(name + ".shift: wrong number of batches for this configuration");
    for (std::size_t k = 0; k < shifts.size(); ++k) truth_[g].batches[k / 2].last.shift[k % 2] = int(shifts[k]);
    if (loaded_) roll_targets(exec, g);
  }
}

template class MorphAugmenter<float>;
template class MorphAugmenter<double>;

}  // namespace mg::train
