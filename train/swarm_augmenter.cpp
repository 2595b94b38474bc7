#include "train/swarm_augmenter.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "train/samples.hpp"

namespace mg::train {

std::vector<float> ink_of(const std::vector<float>& frame, int channels, const std::string& name) {
  const std::size_t plane = frame.size() / std::size_t(channels);
  std::vector<float> ink(plane);
  float most = 0;
  for (std::size_t i = 0; i < plane; ++i) {
    float sum = 0;
    for (int c = 0; c < channels; ++c) sum += frame[std::size_t(c) * plane + i];
    ink[i] = std::max(0.0F, channels == 4 ? frame[3 * plane + i] : sum / float(channels));
    most = std::max(most, ink[i]);
  }
  if (!(most > 0)) throw DataError(name + ": has no ink: nothing for agents to start from or to cover");
  for (float& v : ink) v /= most;
  return ink;
}

template <class T>
void scatter_agents(const std::vector<float>& ink, Grid grid, RandomStream stream, int agents, T* x, T* u) {
  std::vector<double> below(ink.size());  // ink of all nodes up to this one
  double sum = 0;
  for (std::size_t i = 0; i < ink.size(); ++i) below[i] = sum += double(ink[i]);
  for (int a = 0; a < agents; ++a) {
    const Philox4 words = stream.words(std::uint32_t(a));
    // Stratified: agent a takes a random place in the a-th share of the ink.
    const double place = (a + uniform01<double>(words.v[0])) / agents * sum;
    const auto node =
        std::min(std::size_t(std::upper_bound(below.begin(), below.end(), place) - below.begin()), ink.size() - 1);
    const double size[2] = {double(grid.h), double(grid.w)};
    const double at[2] = {double(node / std::size_t(grid.w)) + uniform01<double>(words.v[1]) - 0.5,
                          double(node % std::size_t(grid.w)) + uniform01<double>(words.v[2]) - 0.5};
    for (int d = 0; d < 2; ++d) x[2 * a + d] = T(std::clamp(at[d], 0.0, size[d] - 0.5));  // inside torus and box
    const double angle = 6.283185307179586 * uniform01<double>(words.v[3]);
    u[2 * a] = T(std::cos(angle)), u[2 * a + 1] = T(std::sin(angle));
  }
}

template <class T>
SwarmAugmenter<T>::SwarmAugmenter(const SwarmOptions& options, const AugmenterInputs<T>& inputs)
    : options_(options), seed_(inputs.seed) {
  if (inputs.exec.backend != Backend::host) throw DeviceError("swarms train on backend 'host' only");
  std::int64_t sample0 = 0;
  for (const Trajectory& d : inputs.data) {
    if (d.frames.size() < 2)
      throw DataError(d.name + ": a trajectory needs at least two frames, where the swarm starts and what it becomes");
    SampleGroup<T> group;
    group.grid = d.grid;
    group.per_batch = int(d.frames.size()) - 1;
    group.count = options.batch * group.per_batch;
    group.sample0 = sample0;
    group.state_layout = inputs.system->state_layout(d.grid);
    group.condition_layout = inputs.system->condition_layout(d.grid);
    if (!group.state_layout.contains("x") || !group.state_layout.contains("u") ||
        !group.state_layout.contains("lattice"))
      throw ConfigError("augment: \"swarm\" needs a model of agents, not \"" + std::string(inputs.system->type()) +
                        "\"");
    Source source;
    for (std::size_t t = 0; t < d.frames.size(); ++t)
      source.ink.push_back(ink_of(d.frames[t], d.channels, d.name + " frame " + std::to_string(t)));
    std::vector<T> targets;
    for (int b = 0; b < options.batch; ++b)
      for (int n = 0; n < group.per_batch; ++n) {
        const auto& ink = source.ink[std::size_t(n) + 1];
        targets.insert(targets.end(), ink.begin(), ink.end());
      }
    group.start = Buffer<T>(inputs.exec, std::size_t(group.count) * group.state_layout.size());
    group.target = uploaded(inputs.exec, targets);
    sample0 += group.count;
    groups_.push_back(std::move(group));
    sources_.push_back(std::move(source));
  }
  carried_.resize(groups_.size());
}

template <class T>
void SwarmAugmenter<T>::begin(const Exec&, std::int64_t iteration) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    SampleGroup<T>& group = groups_[g];
    const StateView<T> start = group.start_view();
    const std::size_t agents = std::size_t(group.state_layout.at("x").dims[0]);
    if (carried_[g].empty())
      std::fill_n(start.data, start.size(), T(0));
    else
      std::copy(carried_[g].begin(), carried_[g].end(), start.data);
    for (int s = 0; s < group.count; ++s) {
      const int pair = s % group.per_batch;
      if (pair > 0 && !carried_[g].empty()) continue;  // goes on where the pair before it ended
      RandomStream stream{seed_, RandomPurpose::pool, std::uint32_t(options_.redraw ? iteration : 0), 0,
                          std::uint32_t(group.sample0 + s)};
      const auto at = 2 * agents * std::size_t(s);
      scatter_agents(sources_[g].ink[std::size_t(pair)], group.grid, stream, int(agents), start.block(0) + at,
                     start.block(1) + at);
      const auto lattice = group.state_layout.at("lattice").size;
      std::fill_n(start.block(2) + lattice * std::size_t(s), lattice, T(0));
    }
  }
}

template <class T>
void SwarmAugmenter<T>::finish(const Exec&, std::int64_t, const std::vector<ConstStateView<T>>& finals,
                               const std::vector<const T*>&, bool accepted) {
  if (!accepted || !options_.propagate) return;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const SampleGroup<T>& group = groups_[g];
    if (group.per_batch < 2) continue;
    carried_[g].resize(finals[g].size());
    for (std::size_t k = 0; k < group.state_layout.blocks().size(); ++k) {
      const std::size_t size = group.state_layout.blocks()[k].size;
      const std::size_t block = std::size_t(group.count) * group.state_layout.blocks()[k].offset;
      for (int s = 0; s < group.count; ++s) {
        if (s % group.per_batch == 0) continue;  // always starts from the data
        std::copy_n(finals[g].data + block + size * std::size_t(s - 1), size,
                    carried_[g].data() + block + size * std::size_t(s));
      }
    }
  }
}

template <class T>
void SwarmAugmenter<T>::save(TensorFile& file) const {
  for (std::size_t g = 0; g < groups_.size(); ++g)
    file.add("augmenter/group" + std::to_string(g) + ".carried", {carried_[g].size()}, carried_[g].data());
}

template <class T>
void SwarmAugmenter<T>::restore(const Exec&, const TensorFile& file) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::string name = "augmenter/group" + std::to_string(g) + ".carried";
    const Tensor& saved = file.at(name);
    if (saved.size() != 0 && saved.size() != groups_[g].start.size())
      throw CheckpointError(name + ": holds " + std::to_string(saved.size()) + " values, this configuration needs " +
                            std::to_string(groups_[g].start.size()));
    carried_[g].resize(saved.size());
    std::memcpy(carried_[g].data(), saved.bytes.data(), saved.size() * sizeof(T));
  }
}

template class SwarmAugmenter<float>;
template class SwarmAugmenter<double>;
template void scatter_agents(const std::vector<float>&, Grid, RandomStream, int, float*, float*);
template void scatter_agents(const std::vector<float>&, Grid, RandomStream, int, double*, double*);

Schema swarm_schema() {
  const SwarmOptions d;
  return Schema("swarm", "Swarms: agents start inside the ink of one frame and shall take the shape of the next")
      .integer("steps", d.steps, {1, 1000000}, "steps of a rollout")
      .integer("batch", d.batch, {1, 4096}, "swarms per pair of frames")
      .boolean("redraw", d.redraw, "new positions and headings at every iteration")
      .boolean("propagate", d.propagate, "a pair of frames starts where the pair before it ended");
}

SwarmOptions swarm_options(const Config& c) {
  SwarmOptions o;
  o.steps = c.get<int>("steps");
  o.batch = c.get<int>("batch");
  o.redraw = c.get<bool>("redraw");
  o.propagate = c.get<bool>("propagate");
  return o;
}

}  // namespace mg::train
