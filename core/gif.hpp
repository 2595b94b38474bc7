#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/image.hpp"

namespace mg {

/// Times of an animation [1/100 s].
struct GifTiming {
  int delay = 5;         ///< of every frame
  int last_delay = 100;  ///< of the last frame, before the animation starts again
};

/// An animation that repeats for ever, with one palette of at most 256 colours for all frames: the exact colours when
/// they suffice, else a median cut. Transparent pixels lie over white. The same frames give the same bytes.
/// @throws std::invalid_argument when there is no frame, extents differ or exceed 65535
std::string gif_bytes(const std::vector<Image>& frames, const GifTiming& timing = {});
void write_gif(const std::filesystem::path& path, const std::vector<Image>& frames, const GifTiming& timing = {});

}  // namespace mg
