#include "train/samples.hpp"

#include "core/error.hpp"

namespace mg::train {

std::vector<LatticeGroup> group_by_lattice(const std::vector<Trajectory>& data, const std::vector<int>& order) {
  std::vector<LatticeGroup> groups;
  for (int index : order) {
    const Trajectory& d = data.at(std::size_t(index));
    const int frames = int(d.frames.size());
    LatticeGroup* home = nullptr;
    for (auto& g : groups)
      if (g.grid == d.grid && g.frames == frames) home = &g;
    if (home == nullptr) home = &groups.emplace_back(LatticeGroup{d.grid, frames, {}});
    home->members.push_back(index);
  }
  return groups;
}

template <class T>
int observed_channels(const System<T>& system, const std::vector<Trajectory>& data) {
  if (data.empty()) throw DataError("no trajectories to train on");
  const int observed = data.front().channels;
  for (const auto& d : data) {
    if (d.channels != observed)
      throw DataError(d.name + ": " + std::to_string(d.channels) + " channels, but " + data.front().name + " has " +
                      std::to_string(observed));
    const auto dims = system.state_layout(d.grid).blocks().front().dims;
    if (dims.at(0) < observed)
      throw DataError(d.name + ": " + std::to_string(observed) + " channels, but the model has only " +
                      std::to_string(dims[0]) + "; raise model.channels");
  }
  return observed;
}

template <class T>
void append_state(const Trajectory& data, int t, int channels, std::vector<T>& out) {
  const std::size_t plane = std::size_t(data.grid.h) * data.grid.w;
  const auto& frame = data.frames.at(std::size_t(t));
  out.insert(out.end(), frame.begin(), frame.end());
  const std::size_t hidden = out.size();
  out.resize(hidden + std::size_t(channels - data.channels) * plane, T(0));
  if (!data.seed_cell || t != 0) return;
  const std::size_t centre = std::size_t(data.grid.h / 2) * data.grid.w + data.grid.w / 2;
  for (std::size_t at = hidden + centre; at < out.size(); at += plane) out[at] = T(1);
}

template <class T>
void append_conditions(const Trajectory& data, const Layout& condition_layout, int copies, std::vector<T>& out) {
  if (condition_layout.empty()) {
    if (!data.boundary.empty())
      throw DataError(data.name + ": a boundary mask is given, but the model has no boundary; set model.boundary");
    return;
  }
  const auto& block = condition_layout.blocks().front();
  if (data.boundary.size() != block.size)
    throw DataError(data.name + ": the boundary mask has " + std::to_string(data.boundary.size()) +
                    " values, the model needs " + std::to_string(block.dims.at(0)) + " planes of " +
                    std::to_string(data.grid.h) + " x " + std::to_string(data.grid.w) + " cells");
  for (int k = 0; k < copies; ++k) out.insert(out.end(), data.boundary.begin(), data.boundary.end());
}

#define MG_INSTANTIATE(T)                                                              \
  template int observed_channels<T>(const System<T>&, const std::vector<Trajectory>&); \
  template void append_state<T>(const Trajectory&, int, int, std::vector<T>&);         \
  template void append_conditions<T>(const Trajectory&, const Layout&, int, std::vector<T>&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train
