#pragma once
#include <string>
#include <vector>

#include "core/glyphs.hpp"
#include "core/image.hpp"

namespace mg {

/// One curve; points that are not finite (or not positive on a logarithmic axis) interrupt it.
struct Series {
  std::string name;
  std::vector<double> x, y;  // [n], [n]
};

struct PlotOptions {
  std::string title, x_label = "step";
  bool log_y = true;
  int width = 720, height = 420;  ///< [pixels], at least 160 x 120
};

/// Curves over a white ground with ticks, grid and legend. @throws std::invalid_argument on unequal lengths
Image plot_lines(const std::vector<Series>& series, const PlotOptions& options = {});

/// Dark blue to yellow for t in [0, 1], clamped; even steps look even. NaN is grey.
Rgb sequential_colour(double t);
/// Blue, white at 0, red for t in [-1, 1], clamped. NaN is grey.
Rgb diverging_colour(double t);

/// RGB picture of the observed channels of a state, clamped to [0, 1]: one channel through sequential_colour, two as red
/// and green, three as RGB, four and more as RGBA over white.
/// @param premultiplied  the colours of the state are already multiplied by alpha
Image state_picture(const Planes& state, int observed, bool premultiplied);

/// States side by side, each pixel enlarged `scale` times, with their times below when given.
Image growth_strip(const std::vector<Planes>& states, const std::vector<int>& times, int observed, bool premultiplied,
                   int scale);

/// Channels `first` and up as numbered tiles through diverging_colour with one common range +-max |v|.
Image channel_tiles(const Planes& state, int first, int scale);

}  // namespace mg
