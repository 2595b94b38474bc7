#include "core/emoji.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "core/error.hpp"

#ifdef MG_WITH_FREETYPE
#include <ft2build.h>
#include FT_FREETYPE_H
#endif

namespace mg {
namespace fs = std::filesystem;
namespace {

/// Decodes exactly one well-formed UTF-8 character; 0 when the text is anything else.
std::uint32_t decode_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty() || text.size() > 4) return 0;
  if (text.size() == 1) return byte(0) < 0x80 ? byte(0) : 0;
  constexpr unsigned kLead[] = {0, 0, 0xC0, 0xE0, 0xF0}, kMask[] = {0, 0, 0xE0, 0xF0, 0xF8};
  constexpr std::uint32_t kFirst[] = {0, 0, 0x80, 0x800, 0x10000};
  if ((byte(0) & kMask[text.size()]) != kLead[text.size()]) return 0;
  std::uint32_t code = byte(0) & ~kMask[text.size()] & 0xFF;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  return code >= kFirst[text.size()] ? code : 0;
}

bool valid(std::uint32_t code) { return code >= 0x20 && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF); }

std::string hex(std::uint32_t code) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, code, 16).ptr;
  std::transform(digits, end, digits, [](char c) { return c >= 'a' ? char(c - 'a' + 'A') : c; });
  return "U+" + std::string(digits, end);
}

/// 0 = not a colour-emoji font, else a rank: smaller is better.
int rank_of(const fs::path& file) {
  std::string name = file.filename().string();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  const auto extension = name.size() > 4 ? name.substr(name.size() - 4) : "";
  if ((extension != ".ttf" && extension != ".otf") || name.find("emoji") == name.npos) return 0;
  return name == "notocoloremoji.ttf" ? 1 : name.find("color") != name.npos ? 2 : 3;
}

}  // namespace

std::uint32_t parse_code_point(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with("U+") || digits.starts_with("u+")) digits.remove_prefix(2);
  std::uint32_t code = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.size() < 4) code = decode_utf8(text);
  if (!valid(code))
    throw DataError("'" + std::string(text.substr(0, 40)) + "' is neither one character nor a code point like U+1F98E");
  return code;
}

std::optional<fs::path> find_emoji_font() {
  if (const char* named = std::getenv("MG_EMOJI_FONT"); named != nullptr && *named != '\0') return named;
  std::vector<fs::path> roots{"/usr/share/fonts", "/usr/local/share/fonts"};
  if (const char* home = std::getenv("HOME"); home != nullptr)
    roots.insert(roots.end(), {fs::path(home) / ".local/share/fonts", fs::path(home) / ".fonts"});
  std::vector<std::pair<int, fs::path>> found;
  for (const auto& root : roots) {
    std::error_code error;
    auto it = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, error);
    for (; !error && it != fs::recursive_directory_iterator(); it.increment(error))
      if (const int rank = rank_of(it->path()); rank > 0) found.emplace_back(rank, it->path());
  }
  if (found.empty()) return std::nullopt;
  return std::min_element(found.begin(), found.end())->second;
}

#ifdef MG_WITH_FREETYPE
namespace {

class Font {
 public:
  explicit Font(const fs::path& path) : name_(path.string()) {
    if (FT_Init_FreeType(&library_) != 0) throw DataError("FreeType cannot be started");
    if (FT_New_Face(library_, path.c_str(), 0, &face_) != 0) {
      FT_Done_FreeType(library_);
      throw DataError(name_ + ": is not a readable font");
    }
  }
  ~Font() {
    FT_Done_Face(face_);
    FT_Done_FreeType(library_);
  }
  Font(const Font&) = delete;
  Font& operator=(const Font&) = delete;

  /// The largest bitmap of the character, valid until the next call.
  const FT_Bitmap& load(std::uint32_t code) {
    if (!FT_HAS_COLOR(face_) || face_->num_fixed_sizes < 1) fail("has no colour bitmaps (fonts-noto-color-emoji has)");
    int best = 0;
    for (int i = 1; i < face_->num_fixed_sizes; ++i)
      if (face_->available_sizes[i].y_ppem > face_->available_sizes[best].y_ppem) best = i;
    if (FT_Select_Size(face_, best) != 0) fail("has a damaged table of sizes");
    const FT_UInt glyph = FT_Get_Char_Index(face_, code);
    if (glyph == 0) fail("lacks the character " + hex(code));
    if (FT_Load_Glyph(face_, glyph, FT_LOAD_COLOR) != 0) fail("has a damaged bitmap for " + hex(code));
    const FT_Bitmap& bitmap = face_->glyph->bitmap;
    if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.width < 1 || bitmap.rows < 1 || bitmap.width > 4096 ||
        bitmap.rows > 4096)
      fail("has no colour bitmap for " + hex(code));
    return bitmap;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw DataError(name_ + ": " + why); }
  std::string name_;
  FT_Library library_ = nullptr;
  FT_Face face_ = nullptr;
};

/// Premultiplied BGRA to straight RGBA.
Image to_rgba(const FT_Bitmap& bitmap) {
  Image image(int(bitmap.rows), int(bitmap.width), 4);
  for (int y = 0; y < image.h; ++y)
    for (int x = 0; x < image.w; ++x) {
      const unsigned char* p = bitmap.buffer + std::ptrdiff_t(y) * bitmap.pitch + 4 * x;
      const int alpha = p[3];
      std::uint8_t* out = image.at(y, x);
      for (int k = 0; k < 3; ++k)
        out[k] = std::uint8_t(alpha ? std::min(255, (p[2 - k] * 255 + alpha / 2) / alpha) : 0);
      out[3] = std::uint8_t(alpha);
    }
  return image;
}

/// Columns at both sides beyond a square are cut when they are transparent; else the picture is padded to a square.
Image squared(const Image& image) {
  const int margin = (image.w - image.h) / 2;
  bool empty = margin > 0;
  for (int y = 0; y < image.h && empty; ++y)
    for (int x = 0; x < image.w; ++x) empty &= image.at(y, x)[3] == 0 || (x >= margin && x < margin + image.h);
  if (empty) return crop(image, 0, margin, image.h, image.h);
  const int side = std::max(image.h, image.w);
  Image out(side, side, 4);
  for (int y = 0; y < image.h; ++y)
    std::copy_n(image.at(y, 0), std::size_t(image.w) * 4, out.at(y + (side - image.h) / 2, (side - image.w) / 2));
  return out;
}

}  // namespace

Image render_emoji(std::uint32_t code_point) {
  const auto path = find_emoji_font();
  if (!path)
    throw DataError(
        "emoji: no colour-emoji font found; install one (Debian: apt install fonts-noto-color-emoji) or name a file in "
        "the environment variable MG_EMOJI_FONT");
  Font font(*path);
  return squared(to_rgba(font.load(code_point)));
}
#else
Image render_emoji(std::uint32_t) {
  throw DataError("emoji: this build has no FreeType; install libfreetype-dev and build again, or use a PNG file");
}
#endif

}  // namespace mg
