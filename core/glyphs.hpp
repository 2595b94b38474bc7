#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "core/image.hpp"

namespace mg {

using Rgb = std::array<std::uint8_t, 3>;

inline constexpr int kGlyphHeight = 7;
inline constexpr int kGlyphAdvance = 6;  ///< from one character to the next, the gap included

/// Width in pixels of a text drawn by draw_text.
inline int text_width(std::string_view text) { return text.empty() ? 0 : int(text.size()) * kGlyphAdvance - 1; }

/// Writes a line of text with its upper left corner at (y, x) into an RGB picture: digits, letters (all as capitals) and
/// . , : - + = / % ( ) _ ; other characters stay blank. What lies outside of the picture is cut off.
void draw_text(Image& image, int y, int x, std::string_view text, Rgb colour);

}  // namespace mg
