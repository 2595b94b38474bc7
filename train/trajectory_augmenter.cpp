#include "train/trajectory_augmenter.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "train/plane_ops_host.hpp"
#include "train/samples.hpp"
#include "train/trajectory_cell.hpp"

namespace mg::train {
namespace {

/// Times of the frames. @throws DataError when there are not as many, or they do not increase
std::vector<double> frame_times(const Trajectory& d) {
  std::vector<double> times = d.times;
  if (times.empty())
    for (std::size_t k = 0; k < d.frames.size(); ++k) times.push_back(double(k));
  if (times.size() != d.frames.size())
    throw DataError(d.name + ": " + std::to_string(times.size()) + " times for " + std::to_string(d.frames.size()) +
                    " frames");
  for (std::size_t k = 1; k < times.size(); ++k)
    if (!(times[k] > times[k - 1]))
      throw DataError(d.name + ": the time of frame " + std::to_string(k) + ", " + std::to_string(times[k]) +
                      ", is not later than that of the frame before it");
  return times;
}

bool even(const std::vector<double>& times) {
  const double step = times[1] - times[0];
  for (std::size_t k = 1; k < times.size(); ++k)
    if (std::abs(times[k] - times[k - 1] - step) > 1e-6 * step) return false;
  return true;
}

template <class T>
void require_finite(const Trajectory& d) {
  for (std::size_t t = 0; t < d.frames.size(); ++t)
    for (float v : d.frames[t])
      if (!std::isfinite(v))
        throw DataError(d.name + ": frame " + std::to_string(t) + " holds a value that is not finite");
}

}  // namespace

template <class T>
TrajectoryAugmenter<T>::TrajectoryAugmenter(const TrajectoryAugmenterOptions& options, const AugmenterInputs<T>& inputs)
    : options_(options),
      seed_(inputs.seed),
      samples_(int(inputs.data.size())),
      observed_(observed_channels(*inputs.system, inputs.data)) {
  const Trajectory& first = inputs.data.front();
  grid_ = first.grid;
  frames_ = int(first.frames.size());
  times_ = frame_times(first);
  channels_ = inputs.system->state_layout(grid_).blocks().front().dims.at(0);
  hidden_ = channels_ - observed_;
  if (frames_ < options_.length + 1)
    throw DataError(first.name + ": windows of augment.length = " + std::to_string(options_.length) + " need " +
                    std::to_string(options_.length + 1) + " frames, there are " + std::to_string(frames_));
  std::vector<T> memory;
  for (const Trajectory& d : inputs.data) {
    if (!(d.grid == grid_) || int(d.frames.size()) != frames_ || frame_times(d) != times_)
      throw DataError(d.name + ": trajectories need one lattice and the same times, " + first.name + " has others");
    require_finite<T>(d);
    for (int t = 0; t < frames_; ++t) append_state(d, t, channels_, memory);
  }
  memory_ = uploaded(inputs.exec, memory);
  positions_.assign(std::size_t(samples_), 0);
  using Batching = TrajectoryAugmenterOptions::Batching;
  if (options_.batching == Batching::together && !even(times_))
    throw DataError("frames at uneven times need a rollout for each sample: set augment.batching to separate");
  const bool together = options_.batching != Batching::separate && even(times_);
  for (int n = 0; n < samples_; n += together ? samples_ : 1) add_group(inputs, n, together ? samples_ : 1);
  if (wants_saves())
    predictions_ = Buffer<T>(inputs.exec, std::size_t(samples_) * std::size_t(options_.length) * frame_size());
}

template <class T>
void TrajectoryAugmenter<T>::add_group(const AugmenterInputs<T>& inputs, int first, int count) {
  SampleGroup<T> group;
  group.grid = grid_;
  group.count = count;
  group.sample0 = first;
  const Block fields = inputs.system->state_layout(grid_).blocks().front();
  group.state_layout.add(fields.name, fields.dims);  // further blocks belong to the solver
  group.condition_layout = inputs.system->condition_layout(grid_);
  std::vector<T> conditions;
  for (int n = first; n < first + count; ++n)
    append_conditions(inputs.data[std::size_t(n)], group.condition_layout, 1, conditions);
  group.conditions = uploaded(inputs.exec, conditions);
  group.start = Buffer<T>(inputs.exec, frame_size() * std::size_t(count));
  group.observed = observed_;
  group.target =
      Buffer<T>(inputs.exec, std::size_t(options_.length) * std::size_t(count) * std::size_t(observed_) * plane());
  groups_.push_back(std::move(group));
  first_.push_back(first);
  set_times(groups_.back(), first, options_.length);
}

/// Samples that share a rollout see the times of the first window: what counts is how far they are apart.
template <class T>
void TrajectoryAugmenter<T>::set_times(SampleGroup<T>& group, int first, int length) {
  const std::size_t p = group.count == 1 ? std::size_t(positions_[std::size_t(first)]) : 0;
  group.t0 = times_[p];
  group.save_times.assign(times_.begin() + std::ptrdiff_t(p + 1), times_.begin() + std::ptrdiff_t(p + 1) + length);
}

template <class T>
int TrajectoryAugmenter<T>::length(std::int64_t iteration) const {
  if (!options_.random_lengths || iteration == 0 || options_.length == 1) return options_.length;
  const RandomStream stream{seed_, RandomPurpose::steps, std::uint32_t(iteration), 0, 0};
  return 1 + int(uniform_below(stream.words(0).v[0], std::uint32_t(options_.length - 1)));
}

template <class T>
TrajectoryMoves TrajectoryAugmenter<T>::drawn_moves(std::int64_t iteration) const {
  TrajectoryMoves moves;
  for (int n = 0; n < samples_; ++n) {
    const RandomStream stream{seed_, RandomPurpose::shift, std::uint32_t(iteration), 0, std::uint32_t(n)};
    const Philox4 w = stream.words(0);
    moves.reset.push_back(bernoulli(w.v[0], bernoulli_threshold(options_.reset_prob)));
    moves.increment.push_back(bernoulli(w.v[1], bernoulli_threshold(options_.increment_prob)));
  }
  return moves;
}

template <class T>
void TrajectoryAugmenter<T>::begin(const Exec& exec, std::int64_t iteration) {
  prepare(exec, iteration, length(iteration), {});
}

template <class T>
void TrajectoryAugmenter<T>::prepare(const Exec& exec, std::int64_t iteration, int length, ConstView<T> draws) {
  length_ = length;
  const std::size_t observed = std::size_t(observed_) * plane();
  const auto copy = [&](T* to, const T* from, std::size_t size) {
    copy_bytes(exec, to, exec.backend, from, exec.backend, size * sizeof(T));
  };
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    auto& group = groups_[g];
    const auto count = std::size_t(group.count);
    for (std::size_t k = 0; k < count; ++k) {
      const int n = first_[g] + int(k), p = positions_[std::size_t(n)];
      copy(group.start.data() + k * frame_size(), frame(n, p), frame_size());
      for (int m = 0; m < length; ++m)
        copy(group.target.data() + (std::size_t(m) * count + k) * observed, frame(n, p + 1 + m), observed);
    }
    set_times(group, first_[g], length);
    if (options_.noise == 0 || (iteration == 0 && draws.data == nullptr)) continue;
    const T* given = draws.data != nullptr ? draws.data + std::size_t(first_[g]) * frame_size() : nullptr;
    const RandomStream stream{seed_, RandomPurpose::noise, std::uint32_t(iteration), 0, std::uint32_t(first_[g])};
    for_plane_cells(exec, {group.count, channels_, grid_.h, grid_.w},
                    BlendNoise<T>{group.start.data(), given, plane(), channels_, observed_, options_.noise,
                                  options_.noise_channels, stream});
  }
}

template <class T>
void TrajectoryAugmenter<T>::learn_initial(const std::function<std::unique_ptr<Optimiser<T>>(const Layout&)>& make) {
  const Layout layout = Layout().add("start", {channels_, grid_.h, grid_.w});
  initial_.clear();
  for (int n = 0; n < samples_; ++n) initial_.push_back(make(layout));
}

/// Keeps the predictions for the move; steps the first frames along their gradient.
template <class T>
void TrajectoryAugmenter<T>::learn(const Exec& exec, std::size_t g, const RolloutYield<T>& yield) {
  const auto count = std::size_t(groups_[g].count);
  for (std::size_t m = 0; m < yield.saves.size(); ++m)
    for (std::size_t k = 0; k < count; ++k)
      copy_bytes(exec,
                 predictions_.data() + ((std::size_t(first_[g]) + k) * std::size_t(options_.length) + m) * frame_size(),
                 exec.backend, yield.saves[m].data + k * frame_size(), exec.backend, frame_size() * sizeof(T));
  if (initial_.empty()) return;
  const Shape one{1, channels_, grid_.h, grid_.w};
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t n = std::size_t(first_[g]) + k;
    if (positions_[n] != 0) continue;
    T* bar = const_cast<T*>(yield.start_bar.data) + k * frame_size();
    const auto fitted = options_.fit_initial;
    if (fitted != NoiseChannels::all)
      for_plane_cells(exec, one, KeepChannels<T>{bar, plane(), observed_, fitted == NoiseChannels::observed});
    initial_[n]->step(exec, frame(int(n), 0), bar);
  }
}

template <class T>
void TrajectoryAugmenter<T>::store_hidden(const Exec& exec) {
  if (hidden_ == 0) return;
  const std::size_t skip = std::size_t(observed_) * plane(), size = std::size_t(hidden_) * plane();
  for (int n = 0; n < samples_; ++n)
    for (int m = 0; m < length_; ++m)
      copy_bytes(
          exec, frame(n, positions_[std::size_t(n)] + 1 + m) + skip, exec.backend,
          predictions_.data() + (std::size_t(n) * std::size_t(options_.length) + std::size_t(m)) * frame_size() + skip,
          exec.backend, size * sizeof(T));
}

/// Every other trajectory becomes increment (itself with the window's observed channels predicted + itself).
template <class T>
void TrajectoryAugmenter<T>::overwrite(const Exec& exec, const TrajectoryMoves& moves) {
  const Shape frames{frames_, channels_, grid_.h, grid_.w};
  for (int n = 0; n < samples_ / 2 * 2; n += 2) {
    const int begin = positions_[std::size_t(n)] + 1;
    const T* predicted = predictions_.data() + std::size_t(n) * std::size_t(options_.length) * frame_size();
    for_plane_cells(exec, frames,
                    OverwriteFrames<T>{frame(n, 0), predicted, plane(), channels_, observed_, begin, begin + length_,
                                       T(moves.increment[std::size_t(n)])});
  }
}

template <class T>
void TrajectoryAugmenter<T>::move(const Exec& exec, const TrajectoryMoves& moves) {
  if (!options_.shifted_hidden) store_hidden(exec);
  const int last = last_position();
  for (std::size_t n = 0; n < positions_.size(); ++n) {
    int& p = positions_[n];
    p += moves.increment[n];
    if (moves.reset[n] || p > last || (options_.skip_last && p == last)) p = 0;
  }
  if (options_.shifted_hidden) store_hidden(exec);
  if (options_.overwrite_observed) overwrite(exec, moves);
}

template <class T>
void TrajectoryAugmenter<T>::finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>&,
                                    const std::vector<const T*>&, bool accepted) {
  if (accepted) move(exec, drawn_moves(iteration));
}

template <class T>
void TrajectoryAugmenter<T>::save(TensorFile& file) const {
  const std::vector<std::int64_t> positions(positions_.begin(), positions_.end());
  file.add("augmenter/positions", {positions.size()}, positions.data());
  file.add("augmenter/memory", {std::size_t(samples_), memory_.size() / std::size_t(samples_)},
           memory_.to_vector().data());
  for (std::size_t n = 0; n < initial_.size(); ++n) {
    const auto saved = initial_[n]->save();
    const std::string prefix = "augmenter/initial/" + std::to_string(n) + "/";
    for (const auto& [name, values] : saved.arrays) file.add(prefix + name, {values.size()}, values.data());
    for (const auto& [name, value] : saved.counters) {
      const auto v = std::int64_t(value);
      file.add(prefix + "counter/" + name, {}, &v);
    }
  }
}

template <class T>
void TrajectoryAugmenter<T>::restore(const Exec&, const TensorFile& file) {
  const auto positions = file.at("augmenter/positions").as_double();
  if (positions.size() != positions_.size())
    throw CheckpointError("augmenter/positions: holds " + std::to_string(positions.size()) +
                          " samples, the data have " + std::to_string(positions_.size()));
  for (std::size_t n = 0; n < positions.size(); ++n) {
    if (!(positions[n] >= 0 && positions[n] <= last_position()))
      throw CheckpointError("augmenter/positions: a window lies outside the data");
    positions_[n] = int(positions[n]);
  }
  restore_buffer(file.at("augmenter/memory"), "augmenter/memory", memory_);
  for (std::size_t n = 0; n < initial_.size(); ++n) {
    auto saved = initial_[n]->save();
    const std::string prefix = "augmenter/initial/" + std::to_string(n) + "/";
    for (auto& [name, values] : saved.arrays) {
      const Tensor& t = file.at(prefix + name);
      if (t.bytes.size() != values.size() * sizeof(T)) throw CheckpointError(prefix + name + ": another size");
      std::memcpy(values.data(), t.bytes.data(), t.bytes.size());
    }
    for (auto& [name, value] : saved.counters)
      value = static_cast<long long>(file.at(prefix + "counter/" + name).as_double().at(0));
    initial_[n]->restore(saved);
  }
}

template class TrajectoryAugmenter<float>;
template class TrajectoryAugmenter<double>;

}  // namespace mg::train
