#pragma once
#include <string>
#include <vector>

#include "core/glyphs.hpp"
#include "core/image.hpp"

namespace mg {

/// How numbers become colours. `viridis` and `magma` are perceptually even, `diverging` is white at 0.
enum class ColourMap { viridis, magma, grey, diverging };
inline constexpr const char* kColourMapNames[] = {"viridis", "magma", "grey", "diverging"};

/// Colour of a map at t in [0, 1], clamped; NaN is grey.
Rgb map_colour(ColourMap map, double t);

/// The values that the ends of a colour map stand for.
struct ValueRange {
  double low = 0, high = 1;
};

/// Smallest and largest finite value of one channel of all `states`, moved apart when they are equal; symmetric about 0
/// for `diverging`.
ValueRange value_range(const std::vector<Planes>& states, int channel, ColourMap map = ColourMap::viridis);

/// One channel as an RGB picture, each cell `zoom` pixels wide.
Image field_picture(const Planes& state, int channel, ValueRange range, ColourMap map, int zoom);

/// What a table of pictures looks like.
struct FieldStyle {
  ColourMap map = ColourMap::viridis;
  int zoom = 1;
  std::vector<std::string> names;  ///< of channels; "channel k" for those beyond
  std::vector<ValueRange> ranges;  ///< of channels; value_range() of all states for those beyond
  std::vector<std::string> notes;  ///< below the columns, one for each state; may be empty
};

/// States side by side, one row for each of `channels`, with a title, a colour bar with its range, and notes below.
/// @throws std::invalid_argument without states, or for a channel they do not have
Image field_table(const std::vector<Planes>& states, const std::vector<int>& channels, const FieldStyle& style);

/// Space-time picture of one channel: row k is `rows[k]`, the values along a line of the lattice at save k.
/// @param note  below, as in "time 0 to 1000 downwards, columns across"
/// @throws std::invalid_argument for rows of unequal or no length
Image kymograph(const std::vector<std::vector<float>>& rows, const std::string& title, const std::string& note,
                ValueRange range, ColourMap map, int zoom);

/// The means of blocks of f x f cells (f the smallest factor that brings both sides to `side` at most), fewer on an axis
/// that is shorter than f; a rest at the end is left out.
Planes reduced(const Planes& state, int side);

}  // namespace mg
