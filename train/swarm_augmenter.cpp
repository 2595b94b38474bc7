#include "train/swarm_augmenter.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "train/plane_ops_host.hpp"
#include "train/samples.hpp"
#include "train/swarm_cell.hpp"

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

namespace {
std::vector<double> running_sum(const std::vector<float>& ink) {
  std::vector<double> below(ink.size());
  double sum = 0;
  for (std::size_t i = 0; i < ink.size(); ++i) below[i] = sum += double(ink[i]);
  return below;
}
}  // namespace

template <class T>
void scatter_agents(const std::vector<float>& ink, Grid grid, RandomStream stream, int agents, T* x, T* u) {
  const auto below = running_sum(ink);
  for_plane_cells(Exec{}, {1, 1, 1, agents}, ScatterAgents<T>{below.data(), grid, stream, agents, x, u});
}

template <class T>
SwarmAugmenter<T>::SwarmAugmenter(const SwarmOptions& options, const AugmenterInputs<T>& inputs)
    : options_(options), seed_(inputs.seed) {
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
    std::vector<std::vector<float>> inks;
    for (std::size_t t = 0; t < d.frames.size(); ++t)
      inks.push_back(options.anywhere && t == 0
                         ? std::vector<float>(std::size_t(d.grid.h) * std::size_t(d.grid.w), 1.0F)
                         : ink_of(d.frames[t], d.channels, d.name + " frame " + std::to_string(t)));
    std::vector<T> targets;
    for (int b = 0; b < options.batch; ++b)
      for (int n = 0; n < group.per_batch; ++n) {
        const auto& ink = inks[std::size_t(n) + 1];
        targets.insert(targets.end(), ink.begin(), ink.end());
      }
    group.start = Buffer<T>(inputs.exec, std::size_t(group.count) * group.state_layout.size());
    group.target = uploaded(inputs.exec, targets);
    sample0 += group.count;
    groups_.push_back(std::move(group));
    below_.emplace_back();
    for (const auto& ink : inks) below_.back().push_back(uploaded(inputs.exec, running_sum(ink)));
  }
  carried_.resize(groups_.size());
}

template <class T>
void SwarmAugmenter<T>::begin(const Exec& exec, std::int64_t iteration) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    SampleGroup<T>& group = groups_[g];
    const StateView<T> start = group.start_view();
    const int agents = group.state_layout.at("x").dims[0];
    const bool goes_on = carried_[g].size() > 0;
    if (goes_on)
      copy_bytes(exec, start.data, exec.backend, carried_[g].data(), exec.backend, start.size() * sizeof(T));
    else
      group.start.zero();
    for (int s = 0; s < group.count; ++s) {
      const int pair = s % group.per_batch;
      if (pair > 0 && goes_on) continue;  // where the pair before it ended
      const RandomStream stream{seed_, RandomPurpose::pool, std::uint32_t(options_.redraw ? iteration : 0), 0,
                                std::uint32_t(group.sample0 + s)};
      const auto at = 2 * std::size_t(agents) * std::size_t(s);
      for_plane_cells(exec, {1, 1, 1, agents},
                      ScatterAgents<T>{below_[g][std::size_t(pair)].data(), group.grid, stream, agents,
                                       start.block(0) + at, start.block(1) + at});
      const auto lattice = group.state_layout.at("lattice").size;
      zero_bytes(exec, start.block(2) + lattice * std::size_t(s), lattice * sizeof(T));
    }
  }
}

template <class T>
void SwarmAugmenter<T>::finish(const Exec& exec, std::int64_t, const std::vector<ConstStateView<T>>& finals,
                               const std::vector<const T*>&, bool accepted) {
  if (!accepted || !options_.propagate) return;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const SampleGroup<T>& group = groups_[g];
    if (group.per_batch < 2) continue;
    if (carried_[g].size() == 0) {
      carried_[g] = Buffer<T>(exec, finals[g].size());
      carried_[g].zero();
    }
    for (const Block& block : group.state_layout.blocks()) {
      const std::size_t first = std::size_t(group.count) * block.offset;
      for (int s = 0; s < group.count; ++s) {
        if (s % group.per_batch == 0) continue;  // always starts from the data
        copy_bytes(exec, carried_[g].data() + first + block.size * std::size_t(s), exec.backend,
                   finals[g].data + first + block.size * std::size_t(s - 1), exec.backend, block.size * sizeof(T));
      }
    }
  }
}

template <class T>
void SwarmAugmenter<T>::save(TensorFile& file) const {
  for (std::size_t g = 0; g < groups_.size(); ++g)
    file.add("augmenter/group" + std::to_string(g) + ".carried", {carried_[g].size()}, carried_[g].to_vector().data());
}

template <class T>
void SwarmAugmenter<T>::restore(const Exec& exec, const TensorFile& file) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::string name = "augmenter/group" + std::to_string(g) + ".carried";
    const Tensor& saved = file.at(name);
    carried_[g] = saved.size() == 0 ? Buffer<T>() : Buffer<T>(exec, groups_[g].start.size());
    if (saved.size() != 0) restore_buffer(saved, name, carried_[g]);
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
      .choice("start", "ink", {"ink", "anywhere"},
              "where agents of the first pair of frames start: inside the ink of the first frame, or anywhere")
      .boolean("redraw", d.redraw, "new positions and headings at every iteration")
      .boolean("propagate", d.propagate, "a pair of frames starts where the pair before it ended");
}

SwarmOptions swarm_options(const Config& c) {
  SwarmOptions o;
  o.steps = c.get<int>("steps");
  o.batch = c.get<int>("batch");
  o.anywhere = c.get<std::string>("start") == "anywhere";
  o.redraw = c.get<bool>("redraw");
  o.propagate = c.get<bool>("propagate");
  return o;
}

}  // namespace mg::train
