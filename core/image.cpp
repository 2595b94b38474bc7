#include "core/image.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace mg {
namespace {

constexpr std::int64_t kMaxSamples = std::int64_t(1) << 32;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("image: " + what); }

std::size_t samples(std::int64_t a, std::int64_t b, std::int64_t c) {
  if (a < 0 || b < 0 || c < 0 || c > (1 << 20) || (a > 0 && b > kMaxSamples / a) ||
      (a * b > 0 && c > kMaxSamples / (a * b)))
    refuse("extent " + std::to_string(a) + " x " + std::to_string(b) + " x " + std::to_string(c));
  return std::size_t(a * b * c);
}

/// Weighted source interval of every target index when `from` cells shrink to `to`.
struct Span {
  int first = 0;
  std::vector<double> weights;
};
std::vector<Span> area_spans(int from, int to) {
  std::vector<Span> spans(static_cast<std::size_t>(to));
  const double step = double(from) / to;
  for (int i = 0; i < to; ++i) {
    const double begin = i * step, end = i + 1 == to ? from : (i + 1) * step;
    Span& s = spans[std::size_t(i)];
    s.first = std::min(int(begin), from - 1);
    for (int k = s.first; k < end && k < from; ++k)
      s.weights.push_back(std::min(end, k + 1.0) - std::max(begin, double(k)));
  }
  return spans;
}

void shrink_pixel(const Image& image, const Span& rows, const Span& columns, std::uint8_t* out) {
  const int colours = image.c == 4 ? 3 : image.c;
  double sum[4] = {}, weight = 0, covered = 0;
  for (std::size_t j = 0; j < rows.weights.size(); ++j)
    for (std::size_t i = 0; i < columns.weights.size(); ++i) {
      const std::uint8_t* p = image.at(rows.first + int(j), columns.first + int(i));
      const double area = rows.weights[j] * columns.weights[i], wgt = image.c == 4 ? area * p[3] : area;
      for (int k = 0; k < colours; ++k) sum[k] += wgt * p[k];
      weight += wgt;
      covered += area;
    }
  for (int k = 0; k < colours; ++k) out[k] = std::uint8_t(weight > 0 ? std::lround(sum[k] / weight) : 0);
  if (image.c == 4) out[3] = std::uint8_t(std::lround(weight / covered));
}

}  // namespace

Image::Image(int rows, int columns, int channels, std::uint8_t value)
    : h(rows), w(columns), c(channels), pixels(samples(rows, columns, channels), value) {}

Planes::Planes(int channels, int rows, int columns)
    : c(channels), h(rows), w(columns), values(samples(rows, columns, channels), 0.F) {}

Image subsample(const Image& image, int d) {
  if (d < 1) refuse("subsampling by " + std::to_string(d));
  Image out((image.h + d - 1) / d, (image.w + d - 1) / d, image.c);
  for (int y = 0; y < out.h; ++y)
    for (int x = 0; x < out.w; ++x) std::copy_n(image.at(y * d, x * d), image.c, out.at(y, x));
  return out;
}

Image crop(const Image& image, int y, int x, int h, int w) {
  if (y < 0 || x < 0 || h < 0 || w < 0 || h > image.h - y || w > image.w - x) refuse("crop outside of the picture");
  Image out(h, w, image.c);
  for (int row = 0; row < h && w > 0; ++row)
    std::copy_n(image.at(y + row, x), std::size_t(w) * std::size_t(image.c), out.at(row, 0));
  return out;
}

Image shrink(const Image& image, int h, int w) {
  if (h < 1 || w < 1 || h > image.h || w > image.w || image.c > 4) refuse("shrink() to a larger or empty picture");
  Image out(h, w, image.c);
  const auto rows = area_spans(image.h, h), columns = area_spans(image.w, w);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) shrink_pixel(image, rows[std::size_t(y)], columns[std::size_t(x)], out.at(y, x));
  return out;
}

Image thumbnail(const Image& image, int side) {
  const int longer = std::max(image.h, image.w);
  if (side < 1 || longer < 1) refuse("empty thumbnail");
  if (longer <= side) return image;
  const auto fit = [&](int n) { return std::max(1, int(std::lround(double(n) * side / longer))); };
  return shrink(image, fit(image.h), fit(image.w));
}

Image enlarge(const Image& image, int k) {
  if (k < 1) refuse("enlarging by " + std::to_string(k));
  samples(std::int64_t(image.h) * k, std::int64_t(image.w) * k, image.c);
  Image out(image.h * k, image.w * k, image.c);
  for (int y = 0; y < out.h; ++y)
    for (int x = 0; x < out.w; ++x) std::copy_n(image.at(y / k, x / k), image.c, out.at(y, x));
  return out;
}

Image over_white(const Image& image) {
  if (image.c != 1 && image.c != 3 && image.c != 4) refuse("over_white() of " + std::to_string(image.c) + " channels");
  Image out(image.h, image.w, 3);
  for (int y = 0; y < image.h; ++y)
    for (int x = 0; x < image.w; ++x) {
      const std::uint8_t* p = image.at(y, x);
      const int alpha = image.c == 4 ? p[3] : 255;
      for (int k = 0; k < 3; ++k)
        out.at(y, x)[k] = std::uint8_t((p[image.c == 1 ? 0 : k] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  return out;
}

Image tile(const std::vector<Image>& images, int columns, int gap) {
  if (images.empty() || columns < 1 || gap < 0) refuse("tile() of nothing");
  int h = 0, w = 0;
  for (const auto& i : images) {
    if (i.c != images[0].c) refuse("tile() of unequal channels");
    h = std::max(h, i.h), w = std::max(w, i.w);
  }
  const int count = int(images.size()), across = std::min(columns, count), down = (count + across - 1) / across;
  Image out(down * (h + gap) + gap, across * (w + gap) + gap, images[0].c, 255);
  for (int n = 0; n < count; ++n) {
    const Image& i = images[std::size_t(n)];
    const int y0 = gap + n / across * (h + gap) + (h - i.h) / 2, x0 = gap + n % across * (w + gap) + (w - i.w) / 2;
    for (int y = 0; y < i.h && i.w > 0; ++y)
      std::copy_n(i.at(y, 0), std::size_t(i.w) * std::size_t(i.c), out.at(y0 + y, x0));
  }
  return out;
}

Planes to_planes(const Image& image) {
  Planes out(image.c, image.h, image.w);
  const std::size_t plane = std::size_t(image.h) * std::size_t(image.w);
  for (std::size_t p = 0; p < plane; ++p)
    for (int k = 0; k < image.c; ++k)
      out.values[std::size_t(k) * plane + p] = float(image.pixels[p * std::size_t(image.c) + std::size_t(k)]) / 255.F;
  return out;
}

Image to_image(const Planes& planes) {
  Image out(planes.h, planes.w, planes.c);
  const std::size_t plane = std::size_t(planes.h) * std::size_t(planes.w);
  for (std::size_t p = 0; p < plane; ++p)
    for (int k = 0; k < planes.c; ++k) {
      const float v = planes.values[std::size_t(k) * plane + p];
      out.pixels[p * std::size_t(planes.c) + std::size_t(k)] =
          v > 0 ? std::uint8_t(std::lround(255.F * std::min(v, 1.F))) : std::uint8_t(0);
    }
  return out;
}

void premultiply(Planes& planes) {
  if (planes.c != 4) refuse("premultiply() needs four planes, has " + std::to_string(planes.c));
  const std::size_t plane = std::size_t(planes.h) * std::size_t(planes.w);
  for (int k = 0; k < 3; ++k)
    for (std::size_t p = 0; p < plane; ++p) planes.plane(k)[p] *= planes.plane(3)[p];
}

Planes pad(const Planes& planes, int amount) {
  if (amount < 0 || amount > (1 << 20)) refuse("padding by " + std::to_string(amount));
  Planes out(planes.c, planes.h + 2 * amount, planes.w + 2 * amount);
  for (int k = 0; k < planes.c; ++k)
    for (int y = 0; y < planes.h; ++y)
      std::copy_n(planes.plane(k) + std::size_t(y) * std::size_t(planes.w), planes.w,
                  out.plane(k) + std::size_t(y + amount) * std::size_t(out.w) + amount);
  return out;
}

}  // namespace mg
