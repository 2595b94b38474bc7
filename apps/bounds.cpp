#include "apps/bounds.hpp"

#include <cmath>
#include <cstdio>

#include "core/error.hpp"
#include "train/free_memory.hpp"

namespace mg::apps {

namespace {

std::string gigabytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GB", bytes / 1e9);
  return text;
}

}  // namespace

void require_memory(const std::string& what, double bytes) {
  const auto available = double(train::free_memory({}));
  if (available > 0 && bytes > available)
    throw DeviceError(what + ": needs " + gigabytes(bytes) + " of memory, but " + gigabytes(available) + " are free");
}

void require_drawable(Grid grid, int tiles, int zoom) {
  constexpr double kMostPixels = 1 << 28;
  const double cells = double(tiles) * grid.h * grid.w;
  if (cells * zoom * zoom <= kMostPixels) return;
  const int fits = int(std::sqrt(kMostPixels / cells));
  throw Error(ExitCode::usage, "--zoom " + std::to_string(zoom) + ": the picture would have more than 2^28 pixels; " +
                                   (fits > 0 ? "at most --zoom " + std::to_string(fits) + " fits"
                                             : "write .npz, or run a smaller --size"));
}

}  // namespace mg::apps
