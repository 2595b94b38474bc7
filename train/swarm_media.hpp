#pragma once
#include <filesystem>
#include <vector>

#include "core/image.hpp"
#include "core/system.hpp"
#include "train/augmenter.hpp"
#include "train/media.hpp"

namespace mg::train {

/// Whether a state is a swarm: {"x" [N,2], "u" [N,2], "lattice" [C,h,w]}.
bool is_swarm(const Layout& state_layout);

/// One swarm as a picture of `zoom` pixels a node: the first channel of the lattice in colours from 0 to `high`, every
/// agent a cyan dot, unless nodes are small (zoom < 3) and there are more than one for eight of them.
/// @param state  one sample   @param high  <= 0: the largest value of the channel
Image swarm_picture(const Layout& layout, const std::vector<float>& state, double high, int zoom);

/// Start of one swarm: inside the ink of the first frame of `data`, or anywhere when there is none; an empty lattice.
template <class T>
std::vector<T> swarm_start(const Layout& layout, const Trajectory* data, std::uint64_t seed, int sample);

/// What a roll of a swarm left: states of one sample in host memory.
struct SwarmFilm {
  std::vector<std::vector<float>> states;
  std::vector<int> steps;
};
/// Rolls one sample from `start`, keeping every `every`-th state and the last; every = 0 keeps the last only.
template <class T>
SwarmFilm film_swarm(const Exec& exec, const System<T>& system, const std::vector<T>& params, const Layout& layout,
                     const std::vector<T>& start, int steps, int every, std::uint64_t seed, std::int64_t iteration);

/// Pictures of a trained swarm in `folder`: target.png, swarm.png (a strip) and swarm.gif. @throws IoError
template <class T>
void write_swarm_media(const std::filesystem::path& folder, const Exec& exec, const System<T>& system,
                       const std::vector<T>& params, const Trajectory& data, const MediaOptions& options);

}  // namespace mg::train
