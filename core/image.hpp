#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace mg {

/// Picture of 8-bit samples with interleaved channels, rows from the top. c = 1 grey, 3 RGB, 4 RGBA with straight
/// (not premultiplied) alpha.
struct Image {
  int h = 0, w = 0, c = 0;
  std::vector<std::uint8_t> pixels;  // [h][w][c]

  Image() = default;
  /// Filled with `value`. @throws std::invalid_argument on a negative or absurd extent
  Image(int rows, int columns, int channels, std::uint8_t value = 0);
  std::uint8_t* at(int y, int x) { return pixels.data() + (std::size_t(y) * w + x) * c; }
  const std::uint8_t* at(int y, int x) const { return pixels.data() + (std::size_t(y) * w + x) * c; }
  friend bool operator==(const Image&, const Image&) = default;
};

/// Planes of one float picture or state; values of a picture lie in [0, 1].
struct Planes {
  int c = 0, h = 0, w = 0;
  std::vector<float> values;  // [c][h][w]

  Planes() = default;
  Planes(int channels, int rows, int columns);  ///< zeros
  float* plane(int k) { return values.data() + std::size_t(k) * h * w; }
  const float* plane(int k) const { return values.data() + std::size_t(k) * h * w; }
  float at(int k, int y, int x) const { return values[(std::size_t(k) * h + y) * w + x]; }
};

// Every function below throws std::invalid_argument when a size does not fit.

/// Every d-th row and column from the first on: [::d, ::d].
Image subsample(const Image& image, int d);
/// The rectangle of extent (h, w) with its first corner at (y, x), which must lie inside.
Image crop(const Image& image, int y, int x, int h, int w);
/// Shrinks by averaging the covered area, exactly weighted; RGBA colours are weighted by alpha, so that invisible
/// pixels lend no colour.
Image shrink(const Image& image, int h, int w);
/// shrink() such that the longer side has `side` pixels; never enlarges.
Image thumbnail(const Image& image, int side);
/// Each pixel becomes k x k.
Image enlarge(const Image& image, int k);
/// RGB of a grey, RGB or RGBA picture over a white ground.
Image over_white(const Image& image);
/// Pictures of equal channels in rows of `columns`, centred in cells of the largest extent, `gap` white pixels between
/// and around.
Image tile(const std::vector<Image>& images, int columns, int gap);

/// Samples / 255, planar.
Planes to_planes(const Image& image);
/// round(255 clamp(v, 0, 1)); NaN gives 0.
Image to_image(const Planes& planes);
/// RGB of RGBA planes multiplied by alpha.
void premultiply(Planes& planes);
/// `amount` zeros on each side of both axes.
Planes pad(const Planes& planes, int amount);

}  // namespace mg
