#pragma once
#include <cstring>

#include "core/error.hpp"
#include "train/augmenter.hpp"

namespace mg::train {

/// Trajectories that share a lattice and a length, by position in the data.
struct LatticeGroup {
  Grid grid;
  int frames = 0;
  std::vector<int> members;
};
std::vector<LatticeGroup> group_by_lattice(const std::vector<Trajectory>& data, const std::vector<int>& order);

/// Channels that all trajectories observe. @throws DataError when they disagree or the state of `system` has fewer
template <class T>
int observed_channels(const System<T>& system, const std::vector<Trajectory>& data);

/// Frame `t` as a whole state (C, h, w): the data, then hidden channels of 0, or 1 at the cell of a seed.
template <class T>
void append_state(const Trajectory& data, int t, int channels, std::vector<T>& out);

/// Copies of the boundary mask for `copies` samples of one trajectory, appended to `out`.
/// @throws DataError when the mask does not have `rows` planes of the lattice
template <class T>
void append_conditions(const Trajectory& data, const Layout& condition_layout, int copies, std::vector<T>& out);

template <class T>
Buffer<T> uploaded(const Exec& exec, const std::vector<T>& host) {
  Buffer<T> buffer(exec, host.size());
  buffer.upload(host);
  return buffer;
}

/// Bits of a saved array back into a buffer of the same size.
/// @throws CheckpointError when type or size differ
template <class T>
void restore_buffer(const Tensor& saved, const std::string& name, Buffer<T>& buffer) {
  const std::string dtype = sizeof(T) == 4 ? "F32" : "F64";
  if (saved.dtype != dtype || saved.size() != buffer.size())
    throw CheckpointError(name + ": holds " + std::to_string(saved.size()) + " " + saved.dtype +
                          " values, this configuration needs " + std::to_string(buffer.size()) + " " + dtype);
  std::vector<T> host(buffer.size());
  std::memcpy(host.data(), saved.bytes.data(), saved.bytes.size());
  buffer.upload(host);
}

}  // namespace mg::train
