#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "core/image.hpp"

namespace mg {

/// Decodes any PNG to 8-bit RGBA as stored (no gamma correction; 16-bit samples are rounded).
/// Bounds, all checked before pixels are allocated: 16384 per side, 32 million pixels, 8 MB per text chunk, and no more
/// pixels than the file can hold at the best possible compression.
/// @throws DataError naming `where`
Image decode_png(std::string_view bytes, const std::string& where);
Image read_png(const std::filesystem::path& path);

/// A PNG of 1 (grey), 3 or 4 channels; the same picture gives the same bytes.
std::string png_bytes(const Image& image);
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace mg
