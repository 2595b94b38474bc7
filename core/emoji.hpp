#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/image.hpp"

namespace mg {

/// The code point of one character ("\U0001F98E"), or of the spellings "U+1F98E" and "1F98E".
/// @throws DataError for anything else
std::uint32_t parse_code_point(std::string_view text);

/// The colour-emoji font that render_emoji uses: the environment variable MG_EMOJI_FONT, else the first file named like
/// one (NotoColorEmoji first) below the system's font directories; none when there is none.
std::optional<std::filesystem::path> find_emoji_font();

/// Draws one emoji from the bitmaps of the colour font as a square RGBA picture with straight alpha, in the font's own
/// resolution (128 x 128 for Noto Color Emoji).
/// @throws DataError telling how to install a font when there is none, or when the font lacks the character or colour
///         bitmaps, or when this build has no FreeType
Image render_emoji(std::uint32_t code_point);

}  // namespace mg
