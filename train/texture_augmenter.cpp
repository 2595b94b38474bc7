#include "train/texture_augmenter.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/perlin.hpp"
#include "core/philox.hpp"
#include "train/samples.hpp"

namespace mg::train {
namespace {

// Noise of a slot that is filled at the start and of one that is filled later never share a key.
constexpr std::uint32_t kStartNoise = 0xFFFFFFFFU;

}  // namespace

template <class T>
TextureAugmenter<T>::TextureAugmenter(const TextureOptions& options, const AugmenterInputs<T>& inputs)
    : options_(options),
      seed_(inputs.seed),
      observed_(observed_channels(*inputs.system, inputs.data)),
      slots_(options.batch * options.pool_factor) {
  SampleGroup<T> group;
  group.grid = inputs.data.front().grid;
  group.count = options_.batch;
  group.observed = observed_;
  const Block fields = inputs.system->state_layout(group.grid).blocks().front();
  group.state_layout.add(fields.name, fields.dims);  // further blocks belong to the solver
  group.condition_layout = inputs.system->condition_layout(group.grid);
  channels_ = fields.dims.at(0);
  std::vector<T> conditions, targets;
  for (const Trajectory& d : inputs.data) {
    if (!(d.grid == group.grid))
      throw DataError(d.name + ": pictures need one size, " + inputs.data.front().name + " has another");
    pictures_.push_back(d.frames.back());
  }
  for (int m = 1; m <= options_.saves; ++m) {
    group.save_times.push_back(options_.time * m / options_.saves);
    for (int n = 0; n < options_.batch; ++n) {
      const auto& picture = pictures_[std::size_t(n) % pictures_.size()];
      targets.insert(targets.end(), picture.begin(), picture.end());
    }
  }
  for (int n = 0; n < options_.batch; ++n)
    append_conditions(inputs.data[std::size_t(n) % inputs.data.size()], group.condition_layout, 1, conditions);
  group.conditions = uploaded(inputs.exec, conditions);
  group.target = uploaded(inputs.exec, targets);
  groups_.push_back(std::move(group));
  groups_[0].start = Buffer<T>(inputs.exec, std::size_t(options_.batch) * state_size());
  std::vector<T> pool;
  for (int k = 0; k < slots_; ++k) {
    const auto fresh = noise(kStartNoise, k, channels_);
    pool.insert(pool.end(), fresh.begin(), fresh.end());
  }
  pool_ = uploaded(inputs.exec, pool);
  for (int k = 0; k < slots_ / 4; ++k) seed_slot(inputs.exec, kStartNoise, slots_ + k, k);
}

/// Smooth noise of some channels, (channels, h, w).
template <class T>
std::vector<T> TextureAugmenter<T>::noise(std::uint32_t iteration, int sample, int channels) const {
  const Grid grid = groups_[0].grid;
  const int octaves = perlin_octaves(grid.h, grid.w, options_.octaves);
  std::vector<T> all;
  for (int c = 0; c < channels; ++c) {
    const auto field = perlin(grid.h, grid.w,
                              perlin_permutations(octaves, std::max(grid.h, grid.w), seed_, iteration,
                                                  std::uint32_t(sample * channels_ + c)));
    all.insert(all.end(), field.begin(), field.end());
  }
  return all;
}

/// The observed channels of slot k become its picture with some noise.
template <class T>
void TextureAugmenter<T>::seed_slot(const Exec& exec, std::uint32_t iteration, int noise_sample, int k) {
  std::vector<T> mixed = noise(iteration, noise_sample, observed_);
  const auto& picture = pictures_[std::size_t(k) % pictures_.size()];
  for (std::size_t i = 0; i < mixed.size(); ++i)
    mixed[i] = T(options_.seeded * double(picture[i]) + (1 - options_.seeded) * double(mixed[i]));
  copy_bytes(exec, slot(k), exec.backend, mixed.data(), Backend::host, mixed.size() * sizeof(T));
  synchronise(exec);
}

template <class T>
TextureSlots TextureAugmenter<T>::drawn_slots(std::int64_t iteration, int sample) const {
  const RandomStream stream{seed_, RandomPurpose::pool, std::uint32_t(iteration), 0, std::uint32_t(sample)};
  const Philox4 w = stream.words(0);
  const auto draw = [&](int k) { return int(uniform_below(w.v[k], std::uint32_t(slots_))); };
  return {draw(0), draw(1), draw(2)};
}

template <class T>
void TextureAugmenter<T>::begin(const Exec& exec, std::int64_t iteration) {
  auto& group = groups_.front();
  const std::size_t bytes = state_size() * sizeof(T);
  for (int n = 0; n < options_.batch; ++n) {
    T* to = group.start.data() + std::size_t(n) * state_size();
    if (n < options_.batch / 2) {
      copy_bytes(exec, to, exec.backend, slot(drawn_slots(iteration, n).drawn), exec.backend, bytes);
      continue;
    }
    const auto fresh = noise(std::uint32_t(iteration), n, channels_);
    copy_bytes(exec, to, exec.backend, fresh.data(), Backend::host, bytes);
    synchronise(exec);
  }
}

template <class T>
void TextureAugmenter<T>::finish(const Exec& exec, std::int64_t iteration, const std::vector<ConstStateView<T>>& finals,
                                 const std::vector<const T*>&, bool accepted) {
  if (!accepted) return;
  for (int n = 0; n < options_.batch; ++n) {
    const TextureSlots slots = drawn_slots(iteration, n);
    seed_slot(exec, std::uint32_t(iteration), options_.batch + n, slots.reset);
    copy_bytes(exec, slot(slots.stored), exec.backend, finals.at(0).data + std::size_t(n) * state_size(), exec.backend,
               state_size() * sizeof(T));
  }
}

template <class T>
void TextureAugmenter<T>::save(TensorFile& file) const {
  file.add("augmenter/pool", {std::size_t(slots_), state_size()}, pool_.to_vector().data());
}

template <class T>
void TextureAugmenter<T>::restore(const Exec&, const TensorFile& file) {
  restore_buffer(file.at("augmenter/pool"), "augmenter/pool", pool_);
}

template class TextureAugmenter<float>;
template class TextureAugmenter<double>;

}  // namespace mg::train
