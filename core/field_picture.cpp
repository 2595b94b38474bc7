#include "core/field_picture.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>

#include "core/plot.hpp"

namespace mg {
namespace {

constexpr Rgb kInk{40, 40, 40}, kMissing{128, 128, 128};
constexpr int kGap = 3, kLine = kGlyphHeight + 4, kBar = 10, kBarRoom = kBar + 2 * kGap + 8 * kGlyphAdvance;

/// Polynomial of degree 6 through the magma map.  @source M. Zucker, fits of the matplotlib maps, 2019 (CC0)
Rgb magma(double t) {
  constexpr double kFit[7][3] = {{-0.002136485053939582, -0.000749655052795221, -0.005386127855323933},
                                 {0.2516605407371642, 0.6775232436837668, 2.494026599312351},
                                 {8.353717279216625, -3.577719514958484, 0.3144679030132573},
                                 {-27.66873308576866, 14.26473078096533, -13.64921318813922},
                                 {52.17613981234068, -27.94360607168351, 12.94416944238394},
                                 {-50.76852536473588, 29.04658282127291, 4.23415299384598},
                                 {18.65570506591883, -11.48977351997711, -5.601961508734096}};
  Rgb colour{};
  for (std::size_t k = 0; k < 3; ++k) {
    double v = 0;
    for (int power = 6; power >= 0; --power) v = v * t + kFit[power][k];
    colour[k] = std::uint8_t(std::lround(255 * std::clamp(v, 0.0, 1.0)));
  }
  return colour;
}

void put(Image& to, const Image& from, int y, int x) {
  for (int row = 0; row < from.h && row + y < to.h; ++row)
    std::copy_n(from.at(row, 0), std::size_t(std::min(from.w, to.w - x)) * 3, to.at(row + y, x));
}

std::string number(double v) {
  char text[24];
  std::snprintf(text, sizeof text, std::abs(v) >= 1e5 ? "%.1e" : "%.3g", v == 0 ? 0.0 : v);
  return text;
}

void draw_bar(Image& to, int y, int x, int h, ValueRange range, ColourMap map) {
  for (int row = 0; row < h; ++row) {
    const Rgb colour = map_colour(map, h > 1 ? 1 - double(row) / (h - 1) : 0.5);
    for (int column = 0; column < kBar; ++column) std::copy(colour.begin(), colour.end(), to.at(y + row, x + column));
  }
  draw_text(to, y, x + kBar + kGap, number(range.high), kInk);
  if (h >= 2 * kGlyphHeight + 2) draw_text(to, y + h - kGlyphHeight, x + kBar + kGap, number(range.low), kInk);
}

}  // namespace

Rgb map_colour(ColourMap map, double t) {
  if (std::isnan(t)) return kMissing;
  t = std::clamp(t, 0.0, 1.0);
  switch (map) {
    case ColourMap::viridis:
      return sequential_colour(t);
    case ColourMap::magma:
      return magma(t);
    case ColourMap::grey: {
      const auto v = std::uint8_t(std::lround(255 * t));
      return {v, v, v};
    }
    case ColourMap::diverging:
      return diverging_colour(2 * t - 1);
  }
  return kMissing;
}

ValueRange value_range(const std::vector<Planes>& states, int channel, ColourMap map) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const auto& state : states)
    for (std::size_t k = 0, size = std::size_t(state.h) * state.w; k < size; ++k)
      if (const double v = state.plane(channel)[k]; std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  if (!(low <= high)) return {};
  if (map == ColourMap::diverging) {
    high = std::max(std::abs(low), std::abs(high));
    low = -high;
  }
  const double least = 1e-6 * std::max(std::abs(low), std::abs(high)) + 1e-30;
  if (high - low < least) low -= least, high += least;
  return {low, high};
}

Image field_picture(const Planes& state, int channel, ValueRange range, ColourMap map, int zoom) {
  Image image(state.h, state.w, 3);
  for (int y = 0; y < state.h; ++y)
    for (int x = 0; x < state.w; ++x) {
      const Rgb colour = map_colour(map, (double(state.at(channel, y, x)) - range.low) / (range.high - range.low));
      std::copy(colour.begin(), colour.end(), image.at(y, x));
    }
  return enlarge(image, zoom);
}

Image field_table(const std::vector<Planes>& states, const std::vector<int>& channels, const FieldStyle& style) {
  if (states.empty() || channels.empty()) throw std::invalid_argument("field_table: nothing to draw");
  for (const auto& state : states)
    for (const int c : channels)
      if (c < 0 || c >= state.c || state.h != states.front().h || state.w != states.front().w)
        throw std::invalid_argument("field_table: states of unequal shape, or no channel " + std::to_string(c));
  const int h = states.front().h * style.zoom, w = states.front().w * style.zoom, columns = int(states.size());
  const int notes = style.notes.empty() ? 0 : kLine;
  Image table(int(channels.size()) * (kLine + h) + notes + 2 * kGap, kGap + columns * (w + kGap) + kBarRoom, 3, 255);
  int y = kGap;
  for (const int c : channels) {
    const auto index = std::size_t(c);
    const ValueRange range = index < style.ranges.size() ? style.ranges[index] : value_range(states, c, style.map);
    draw_text(table, y + 1, kGap, index < style.names.size() ? style.names[index] : "channel " + std::to_string(c),
              kInk);
    y += kLine;
    for (int k = 0; k < columns; ++k)
      put(table, field_picture(states[std::size_t(k)], c, range, style.map, style.zoom), y, kGap + k * (w + kGap));
    draw_bar(table, y, kGap + columns * (w + kGap), h, range, style.map);
    y += h;
  }
  for (int k = 0; k < columns && k < int(style.notes.size()); ++k) {
    const auto& note = style.notes[std::size_t(k)];
    draw_text(table, y + 3, kGap + k * (w + kGap) + std::max(0, (w - text_width(note)) / 2), note, kInk);
  }
  return table;
}

Image kymograph(const std::vector<std::vector<float>>& rows, const std::string& title, const std::string& note,
                ValueRange range, ColourMap map, int zoom) {
  Planes planes(1, int(rows.size()), rows.empty() ? 0 : int(rows.front().size()));
  if (planes.values.empty()) throw std::invalid_argument("kymograph: nothing to draw");
  for (std::size_t k = 0; k < rows.size(); ++k) {
    if (rows[k].size() != rows.front().size()) throw std::invalid_argument("kymograph: rows of unequal length");
    std::copy(rows[k].begin(), rows[k].end(), planes.plane(0) + k * rows[k].size());
  }
  FieldStyle style{map, zoom, {title}, {range}, {note}};
  const Image table = field_table({planes}, {0}, style);
  return table;
}

Planes reduced(const Planes& state, int side) {
  const int f = std::max((state.h + side - 1) / side, (state.w + side - 1) / side);
  if (f <= 1) return state;
  const int fy = std::min(f, state.h), fx = std::min(f, state.w);
  Planes out(state.c, state.h / fy, state.w / fx);
  for (int c = 0; c < out.c; ++c)
    for (int y = 0; y < out.h; ++y)
      for (int x = 0; x < out.w; ++x) {
        double sum = 0;
        for (int b = 0; b < fy; ++b)
          for (int a = 0; a < fx; ++a) sum += double(state.at(c, y * fy + b, x * fx + a));
        out.plane(c)[std::size_t(y) * out.w + x] = float(sum / (double(fy) * fx));
      }
  return out;
}

}  // namespace mg
