#include "train/window_augmenter.hpp"

#include "core/error.hpp"
#include "train/plane_ops_host.hpp"
#include "train/samples.hpp"
#include "train/trajectory_cell.hpp"

namespace mg::train {

template <class T>
WindowAugmenter<T>::WindowAugmenter(const WindowOptions& options, const AugmenterInputs<T>& inputs)
    : options_(options),
      seed_(inputs.seed),
      trajectories_(int(inputs.data.size())),
      batches_(trajectories_ * options.duplicate),
      observed_(observed_channels(*inputs.system, inputs.data)) {
  const Trajectory& first = inputs.data.front();
  frames_ = int(first.frames.size());
  if (frames_ < options_.frames + 1)
    throw DataError(first.name + ": windows of augment.frames = " + std::to_string(options_.frames) + " pairs need " +
                    std::to_string(options_.frames + 1) + " frames, there are " + std::to_string(frames_));
  SampleGroup<T> group;
  group.grid = first.grid;
  group.per_batch = options_.frames;
  group.count = batches_ * options_.frames;
  group.state_layout = inputs.system->state_layout(group.grid);
  group.condition_layout = inputs.system->condition_layout(group.grid);
  channels_ = group.state_layout.blocks().front().dims.at(0);
  std::vector<T> truth, conditions;
  for (const Trajectory& d : inputs.data) {
    if (!(d.grid == group.grid) || int(d.frames.size()) != frames_)
      throw DataError(d.name + ": windows need trajectories of one lattice and length, " + first.name + " has another");
    for (int t = 0; t < frames_; ++t) append_state(d, t, channels_, truth);
  }
  for (int b = 0; b < batches_; ++b)
    append_conditions(inputs.data[std::size_t(b % trajectories_)], group.condition_layout, options_.frames, conditions);
  truth_ = uploaded(inputs.exec, truth);
  group.conditions = uploaded(inputs.exec, conditions);
  const std::size_t plane = std::size_t(group.grid.h) * std::size_t(group.grid.w);
  group.start = Buffer<T>(inputs.exec, std::size_t(group.count) * std::size_t(channels_) * plane);
  group.target = Buffer<T>(inputs.exec, std::size_t(group.count) * std::size_t(observed_) * plane);
  group.observed = observed_;
  groups_.push_back(std::move(group));
  positions_.assign(std::size_t(batches_), 0);
}

template <class T>
const T* WindowAugmenter<T>::frame(int batch, int t) const {
  return truth_.data() + (std::size_t(batch % trajectories_) * std::size_t(frames_) + std::size_t(t)) * frame_size();
}

template <class T>
std::vector<int> WindowAugmenter<T>::drawn_positions(std::int64_t iteration) const {
  std::vector<int> positions;
  for (int b = 0; b < batches_; ++b) {
    const RandomStream stream{seed_, RandomPurpose::shift, std::uint32_t(iteration), 0, std::uint32_t(b)};
    positions.push_back(int(uniform_below(stream.words(0).v[0], std::uint32_t(frames_ - options_.frames))));
  }
  return positions;
}

template <class T>
void WindowAugmenter<T>::set_targets(const Exec& exec) {
  T* to = groups_.front().target.data();
  for (int b = 0; b < batches_; ++b)
    for (int m = 0; m < options_.frames; ++m, to += observed_size())
      copy_bytes(exec, to, exec.backend, frame(b, positions_[std::size_t(b)] + m + 1), exec.backend,
                 observed_size() * sizeof(T));
}

template <class T>
void WindowAugmenter<T>::renew(const Exec& exec, std::int64_t call, std::vector<int> positions) {
  positions_ = std::move(positions);
  auto& group = groups_.front();
  const std::size_t window = std::size_t(options_.frames) * frame_size();
  for (int b = 0; b < batches_; ++b)
    copy_bytes(exec, group.start.data() + std::size_t(b) * window, exec.backend, frame(b, positions_[std::size_t(b)]),
               exec.backend, window * sizeof(T));
  set_targets(exec);
  if (options_.noise == 0) return;
  const RandomStream stream{seed_, RandomPurpose::noise, std::uint32_t(call), 0, 0};
  for_plane_cells(exec, {group.count, channels_, group.grid.h, group.grid.w},
                  BlendNoise<T>{group.start.data(), nullptr, frame_size() / std::size_t(channels_), channels_,
                                observed_, options_.noise, options_.noise_channels, stream});
}

template <class T>
void WindowAugmenter<T>::move_on(const Exec& exec, ConstStateView<T> finals) {
  auto& group = groups_.front();
  const std::size_t size = frame_size(), window = std::size_t(options_.frames) * size;
  for (int b = 0; b < batches_; ++b) {
    T* to = group.start.data() + std::size_t(b) * window;
    const T* from = finals.data + std::size_t(b) * window;
    copy_bytes(exec, to + size, exec.backend, from, exec.backend, (window - size) * sizeof(T));
    copy_bytes(exec, to, exec.backend, from, exec.backend, size * sizeof(T));
    copy_bytes(exec, to, exec.backend, frame(b, positions_[std::size_t(b)]), exec.backend, observed_size() * sizeof(T));
  }
}

template <class T>
void WindowAugmenter<T>::begin(const Exec& exec, std::int64_t) {
  if (loaded_) return;
  renew(exec, 0, drawn_positions(0));
  loaded_ = true;
}

template <class T>
void WindowAugmenter<T>::finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
                                const std::vector<const T*>&, bool accepted) {
  if (!accepted) return;
  if ((iteration + 1) % options_.frames == 0)
    renew(exec, iteration + 1, drawn_positions(iteration + 1));
  else
    move_on(exec, finals.at(0));
}

template <class T>
void WindowAugmenter<T>::save(TensorFile& file) const {
  const std::int64_t loaded = loaded_;
  const std::vector<std::int64_t> positions(positions_.begin(), positions_.end());
  file.add("augmenter/loaded", {}, &loaded);
  file.add("augmenter/positions", {positions.size()}, positions.data());
  file.add("augmenter/start", {groups_.front().start.size()}, groups_.front().start.to_vector().data());
}

template <class T>
void WindowAugmenter<T>::restore(const Exec& exec, const TensorFile& file) {
  loaded_ = file.at("augmenter/loaded").as_double().at(0) != 0;
  const auto positions = file.at("augmenter/positions").as_double();
  if (positions.size() != positions_.size())
    throw CheckpointError("augmenter/positions: holds " + std::to_string(positions.size()) + " windows, there are " +
                          std::to_string(positions_.size()));
  for (std::size_t b = 0; b < positions.size(); ++b) {
    if (!(positions[b] >= 0 && positions[b] < frames_ - options_.frames))
      throw CheckpointError("augmenter/positions: a window lies outside the data");
    positions_[b] = int(positions[b]);
  }
  restore_buffer(file.at("augmenter/start"), "augmenter/start", groups_.front().start);
  set_targets(exec);
}

template class WindowAugmenter<float>;
template class WindowAugmenter<double>;

}  // namespace mg::train
