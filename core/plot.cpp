#include "core/plot.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace mg {
namespace {

constexpr Rgb kInk{40, 40, 40}, kGrid{225, 225, 225}, kMissing{128, 128, 128};
constexpr Rgb kCurves[] = {{31, 90, 180}, {214, 80, 30}, {40, 140, 60}, {150, 60, 150}, {190, 150, 20}, {60, 160, 170}};
constexpr int kLeft = 62, kRight = 14, kTop = 24, kBottom = 34;  // margins [pixels]
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void put(Image& image, int y, int x, Rgb colour) {
  if (y < 0 || x < 0 || y >= image.h || x >= image.w) return;
  std::copy(colour.begin(), colour.end(), image.at(y, x));
}

void line(Image& image, double y0, double x0, double y1, double x1, Rgb colour) {
  const int steps = std::max(1, int(std::ceil(std::max(std::abs(y1 - y0), std::abs(x1 - x0)))));
  for (int i = 0; i <= steps; ++i) {
    const int y = int(std::lround(y0 + (y1 - y0) * i / steps)), x = int(std::lround(x0 + (x1 - x0) * i / steps));
    put(image, y, x, colour);
    put(image, y + 1, x, colour);
  }
}

std::string number(double v) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::general, 6).ptr;
  return {text, end};
}

/// Maps values of one direction to pixels and knows its ticks.
class Axis {
 public:
  Axis(double low, double high, bool log, double from, double to) : log_(log), from_(from), to_(to) {
    if (!(low <= high)) low = log ? 0.1 : 0, high = 1;
    low_ = log ? std::log10(low) : low;
    high_ = log ? std::log10(high) : high;
    const double margin = std::max((high_ - low_) * 0.03, high_ > low_ ? 0 : std::max(std::abs(high_) * 0.05, 0.05));
    low_ -= log ? margin : high_ > low_ ? 0 : margin;
    high_ += log ? margin : high_ > low_ ? 0 : margin;
  }
  bool shows(double v) const { return std::isfinite(v) && (!log_ || v > 0); }
  double pixel(double v) const { return from_ + ((log_ ? std::log10(v) : v) - low_) / (high_ - low_) * (to_ - from_); }
  std::vector<double> ticks() const { return log_ && high_ - low_ > 0.7 ? decades() : even(); }

 private:
  std::vector<double> decades() const {
    std::vector<double> out;
    const int every = std::max(1, int((high_ - low_) / 8));
    for (int e = int(std::floor(low_)); e <= high_; ++e)
      for (const double m : {1.0, 2.0, 5.0}) {
        if ((m > 1 && high_ - low_ > 2) || e % every != 0) continue;
        if (const double at = e + std::log10(m); at >= low_ && at <= high_) out.push_back(m * std::pow(10.0, e));
      }
    return out;
  }
  std::vector<double> even() const {
    const double low = log_ ? std::pow(10.0, low_) : low_, high = log_ ? std::pow(10.0, high_) : high_;
    const double rough = (high - low) / 6, power = std::pow(10.0, std::floor(std::log10(rough)));
    const double step = power * (rough < 1.5 * power ? 1 : rough < 3.5 * power ? 2 : rough < 7.5 * power ? 5 : 10);
    std::vector<double> out;
    for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && out.size() < 20; ++k)
      out.push_back(k * step + 0.0);  // + 0.0 turns -0 into 0
    return out;
  }
  bool log_;
  double from_, to_, low_ = 0, high_ = 1;
};

struct Range {
  double low = kInfinity, high = -kInfinity;
  void add(double v) { low = std::min(low, v), high = std::max(high, v); }
};

void draw_axes(Image& image, const Axis& horizontal, const Axis& vertical, const PlotOptions& options) {
  const int bottom = image.h - kBottom, right = image.w - kRight;
  for (const double v : horizontal.ticks()) {
    const int x = int(std::lround(horizontal.pixel(v)));
    for (int y = kTop; y < bottom; ++y) put(image, y, x, kGrid);
    draw_text(image, bottom + 5, x - text_width(number(v)) / 2, number(v), kInk);
  }
  for (const double v : vertical.ticks()) {
    const int y = int(std::lround(vertical.pixel(v)));
    for (int x = kLeft; x < right; ++x) put(image, y, x, kGrid);
    draw_text(image, y - kGlyphHeight / 2, kLeft - 5 - text_width(number(v)), number(v), kInk);
  }
  for (int x = kLeft; x <= right; ++x) put(image, bottom, x, kInk);
  for (int y = kTop; y <= bottom; ++y) put(image, y, kLeft, kInk);
  draw_text(image, 8, kLeft, options.title, kInk);
  draw_text(image, image.h - 12, (kLeft + right - text_width(options.x_label)) / 2, options.x_label, kInk);
}

void draw_curve(Image& image, const Series& s, const Axis& horizontal, const Axis& vertical, Rgb colour) {
  bool connected = false;
  double py = 0, px = 0;
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (!horizontal.shows(s.x[i]) || !vertical.shows(s.y[i])) {
      connected = false;
      continue;
    }
    const double y = vertical.pixel(s.y[i]), x = horizontal.pixel(s.x[i]);
    line(image, connected ? py : y, connected ? px : x, y, x, colour);
    py = y, px = x, connected = true;
  }
}

double between(double a, double b, double t) { return a + (b - a) * t; }

Image with_captions(const std::vector<Image>& tiles, const std::vector<std::string>& captions, int columns) {
  std::vector<Image> cells;
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    const std::string& caption = captions[i];
    Image cell(tiles[i].h + kGlyphHeight + 3, std::max(tiles[i].w, text_width(caption)), 3, 255);
    const int x0 = (cell.w - tiles[i].w) / 2;
    for (int y = 0; y < tiles[i].h; ++y) std::copy_n(tiles[i].at(y, 0), std::size_t(tiles[i].w) * 3, cell.at(y, x0));
    draw_text(cell, tiles[i].h + 2, (cell.w - text_width(caption)) / 2, caption, kInk);
    cells.push_back(std::move(cell));
  }
  return tile(cells, columns, 3);
}

}  // namespace

Image plot_lines(const std::vector<Series>& series, const PlotOptions& options) {
  if (options.width < 160 || options.height < 120 || options.width > 16384 || options.height > 16384)
    throw std::invalid_argument("plot: bad extent");
  Range xs, ys;
  for (const auto& s : series) {
    if (s.x.size() != s.y.size()) throw std::invalid_argument("plot: series '" + s.name + "' has unequal lengths");
    for (std::size_t i = 0; i < s.x.size(); ++i)
      if (std::isfinite(s.x[i]) && std::isfinite(s.y[i]) && (!options.log_y || s.y[i] > 0))
        xs.add(s.x[i]), ys.add(s.y[i]);
  }
  Image image(options.height, options.width, 3, 255);
  const Axis horizontal(xs.low, xs.high, false, kLeft, image.w - kRight);
  const Axis vertical(ys.low, ys.high, options.log_y, image.h - kBottom, kTop);
  draw_axes(image, horizontal, vertical, options);
  int legend = image.w - kRight;
  for (std::size_t i = series.size(); i-- > 0;) {
    const Rgb colour = kCurves[i % std::size(kCurves)];
    draw_curve(image, series[i], horizontal, vertical, colour);
    legend -= text_width(series[i].name) + 12;
    draw_text(image, 8, legend, series[i].name, colour);
  }
  return image;
}

Rgb sequential_colour(double t) {
  constexpr Rgb kAnchors[] = {{68, 1, 84},    {71, 44, 122}, {59, 81, 139},  {44, 113, 142}, {33, 144, 141},
                              {39, 173, 129}, {92, 200, 99}, {170, 220, 50}, {253, 231, 37}};
  if (std::isnan(t)) return kMissing;
  const double at = std::clamp(t, 0.0, 1.0) * (std::size(kAnchors) - 1);
  const auto i = std::min(std::size_t(at), std::size(kAnchors) - 2);
  Rgb out{};
  for (std::size_t k = 0; k < 3; ++k)
    out[k] = std::uint8_t(std::lround(between(kAnchors[i][k], kAnchors[i + 1][k], at - double(i))));
  return out;
}

Rgb diverging_colour(double t) {
  constexpr Rgb kNegative{33, 80, 170}, kPositive{180, 30, 40};
  if (std::isnan(t)) return kMissing;
  const Rgb& end = t < 0 ? kNegative : kPositive;
  Rgb out{};
  for (std::size_t k = 0; k < 3; ++k)
    out[k] = std::uint8_t(std::lround(between(255, end[k], std::min(std::abs(t), 1.0))));
  return out;
}

Image state_picture(const Planes& state, int observed, bool premultiplied) {
  if (observed < 1 || observed > state.c) throw std::invalid_argument("state_picture: bad number of observed channels");
  Image image(state.h, state.w, 3);
  const auto unit = [](double v) { return v > 0 ? std::min(v, 1.0) : 0.0; };
  for (int y = 0; y < state.h; ++y)
    for (int x = 0; x < state.w; ++x) {
      if (observed == 1) {
        put(image, y, x, sequential_colour(state.at(0, y, x)));
        continue;
      }
      const double alpha = observed >= 4 ? unit(state.at(3, y, x)) : 1;
      for (int k = 0; k < std::min(observed, 3); ++k) {
        const double v = state.at(k, y, x);
        const double over = premultiplied ? unit(unit(v) + 1 - alpha) : unit(v) * alpha + 1 - alpha;
        image.at(y, x)[k] = std::uint8_t(std::lround(255 * over));
      }
    }
  return image;
}

Image growth_strip(const std::vector<Planes>& states, const std::vector<int>& times, int observed, bool premultiplied,
                   int scale) {
  if (!times.empty() && times.size() != states.size()) throw std::invalid_argument("growth_strip: unequal lengths");
  std::vector<Image> tiles;
  std::vector<std::string> captions;
  for (const auto& s : states) tiles.push_back(enlarge(state_picture(s, observed, premultiplied), scale));
  for (const int t : times) captions.push_back(std::to_string(t));
  const int columns = std::max(1, int(tiles.size()));
  return captions.empty() ? tile(tiles, columns, 3) : with_captions(tiles, captions, columns);
}

Image channel_tiles(const Planes& state, int first, int scale) {
  if (first < 0 || first >= state.c) throw std::invalid_argument("channel_tiles: no such channel");
  double range = 0;
  for (int k = first; k < state.c; ++k)
    for (int p = 0; p < state.h * state.w; ++p)
      if (const double v = std::abs(double(state.plane(k)[p])); std::isfinite(v)) range = std::max(range, v);
  std::vector<Image> tiles;
  std::vector<std::string> captions;
  for (int k = first; k < state.c; ++k) {
    Image image(state.h, state.w, 3);
    for (int y = 0; y < state.h; ++y)
      for (int x = 0; x < state.w; ++x) put(image, y, x, diverging_colour(state.at(k, y, x) / (range > 0 ? range : 1)));
    tiles.push_back(enlarge(image, scale));
    captions.push_back(std::to_string(k));
  }
  return with_captions(tiles, captions, int(std::ceil(std::sqrt(double(tiles.size())))));
}

}  // namespace mg
