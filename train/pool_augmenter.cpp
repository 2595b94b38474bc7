#include "train/pool_augmenter.hpp"

#include "core/error.hpp"
#include "train/augment_ops.hpp"
#include "train/samples.hpp"

namespace mg::train {

template <class T>
PoolAugmenter<T>::PoolAugmenter(const PoolOptions& options, const AugmenterInputs<T>& inputs)
    : options_(options),
      seed_(inputs.seed),
      trajectories_(int(inputs.data.size())),
      observed_(observed_channels(*inputs.system, inputs.data)),
      slots_(options.regime == PoolOptions::Regime::growing ? trajectories_ : options.size) {
  grid_ = inputs.data.front().grid;
  if (const bool growing = options.regime == PoolOptions::Regime::growing;
      trajectories_ > (growing ? options.batch : options.size))
    throw DataError(std::to_string(trajectories_) + " targets need at least as many samples: raise augment." +
                    (growing ? "batch" : "size"));
  std::vector<T> seeds, targets, conditions;
  SampleGroup<T> group;
  group.grid = grid_;
  group.count = options_.batch;
  group.state_layout = inputs.system->state_layout(grid_);
  group.condition_layout = inputs.system->condition_layout(grid_);
  channels_ = group.state_layout.blocks().front().dims.at(0);
  for (const auto& d : inputs.data) {
    if (!(d.grid == grid_))
      throw DataError(d.name + ": a pool needs targets of one size, " + inputs.data.front().name + " has another");
    if (d.frames.size() < 2) throw DataError(d.name + ": a pool needs a seed and a target; set data.seed");
    append_state(d, 0, channels_, seeds);
    targets.insert(targets.end(), d.frames.back().begin(), d.frames.back().end());
  }
  append_conditions(inputs.data.front(), group.condition_layout, options_.batch, conditions);
  for (const auto& d : inputs.data)
    if (d.boundary != inputs.data.front().boundary)
      throw DataError(d.name + ": a pool needs one boundary mask for all targets");
  seeds_ = uploaded(inputs.exec, seeds);
  targets_ = uploaded(inputs.exec, targets);
  group.conditions = uploaded(inputs.exec, conditions);
  const std::size_t state = seeds.size() / std::size_t(trajectories_);
  group.start = Buffer<T>(inputs.exec, state * std::size_t(options_.batch));
  group.target = Buffer<T>(inputs.exec, targets.size() / std::size_t(trajectories_) * std::size_t(options_.batch));
  groups_.push_back(std::move(group));
  pool_ = Buffer<T>(inputs.exec, state * std::size_t(slots_));
  for (int p = 0; p < slots_; ++p)
    copy_bytes(inputs.exec, pool_.data() + std::size_t(p) * state, inputs.exec.backend,
               seeds_.data() + std::size_t(p % trajectories_) * state, inputs.exec.backend, state * sizeof(T));
  scores_ = Buffer<double>(inputs.exec, std::size_t(options_.batch));
  order_ = Buffer<int>(inputs.exec, std::size_t(options_.batch));
}

template <class T>
int PoolAugmenter<T>::steps(std::int64_t iteration) const {
  const RandomStream stream{seed_, RandomPurpose::steps, std::uint32_t(iteration), 0, 0};
  const auto range = std::uint32_t(options_.steps_max - options_.steps_min + 1);
  return options_.steps_min + int(uniform_below(stream.words(0).v[0], range));
}

template <class T>
std::vector<int> PoolAugmenter<T>::drawn_slots(std::int64_t iteration) const {
  std::vector<int> drawn(std::size_t(options_.batch));
  draw_slots(iteration, drawn.data());
  return drawn;
}

template <class T>
void PoolAugmenter<T>::draw_slots(std::int64_t iteration, int* drawn) const {
  const RandomStream stream{seed_, RandomPurpose::pool, std::uint32_t(iteration), 0, 0};
  // The shuffled sequence holds k at place k, but for the places that a draw has written to; the latest one counts.
  int place[kMaxPoolBatch], held[kMaxPoolBatch];
  for (int k = 0; k < options_.batch; ++k) {
    const auto at = [&](int wanted) {
      for (int i = k; i-- > 0;)
        if (place[i] == wanted) return held[i];
      return wanted;
    };
    const int other = k + int(uniform_below(stream.words(std::uint32_t(k)).v[0], std::uint32_t(slots_ - k)));
    drawn[k] = at(other);
    held[k] = at(k);
    place[k] = other;
  }
}

template <class T>
PoolBatch PoolAugmenter<T>::batch(std::int64_t iteration) const {
  using Regime = PoolOptions::Regime;
  PoolBatch b{};
  b.shape = {options_.batch, channels_, grid_.h, grid_.w};
  b.observed = observed_;
  b.targets = trajectories_;
  b.reseed = options_.regime != Regime::growing;
  b.damaged = options_.regime == Regime::regenerating ? options_.damage : 0;
  b.stream = {seed_, RandomPurpose::circle, std::uint32_t(iteration), 0, 0};
  if (options_.regime == Regime::growing)
    for (int k = 0; k < options_.batch; ++k)
      b.slots[k] = k % trajectories_;  // nothing comes back: the seeds are all the pool
  else
    draw_slots(iteration, b.slots);
  return b;
}

template <class T>
void PoolAugmenter<T>::begin(const Exec& exec, std::int64_t iteration) {
  const PoolBatch b = batch(iteration);
  auto& group = groups_.front();
  rank_pool<T>(exec, b, pool_view(), targets(), scores_.data(), order_.data());
  gather_pool<T>(exec, b, pool_view(), seeds(), targets(), order_.data(), group.start_view().field(),
                 {group.target.data(), {group.count, observed_, grid_.h, grid_.w}});
}

template <class T>
void PoolAugmenter<T>::finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
                              const std::vector<const T*>&, bool accepted) {
  if (!accepted || options_.regime == PoolOptions::Regime::growing) return;
  scatter_pool<T>(exec, batch(iteration), finals.at(0).field(), order_.data(), pool_view());
}

template <class T>
void PoolAugmenter<T>::save(TensorFile& file) const {
  if (options_.regime == PoolOptions::Regime::growing) return;
  file.add("augmenter/pool", {std::size_t(slots_), pool_.size() / std::size_t(slots_)}, pool_.to_vector().data());
}

template <class T>
void PoolAugmenter<T>::restore(const Exec&, const TensorFile& file) {
  if (options_.regime == PoolOptions::Regime::growing) return;
  restore_buffer(file.at("augmenter/pool"), "augmenter/pool", pool_);
}

template class PoolAugmenter<float>;
template class PoolAugmenter<double>;

}  // namespace mg::train
