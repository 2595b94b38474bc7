#include "core/png.hpp"

#include <png.h>

#include <csetjmp>
#include <cstring>
#include <stdexcept>

#include "core/error.hpp"
#include "core/file.hpp"

namespace mg {
namespace {

constexpr png_uint_32 kMaxSide = 16384;
constexpr std::uint64_t kMaxPixels = 32'000'000;
constexpr std::uint64_t kMaxFile = std::uint64_t(256) << 20;
constexpr std::uint64_t kMaxDeflateRatio = 1032;

/// What the callbacks of libpng see. Errors leave by longjmp, so nothing with a destructor lives in the jumped frames.
struct Session {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string_view input;
  std::string output;
  char message[128] = {};
};

void on_error(png_structp png, png_const_charp message) {
  auto* session = static_cast<Session*>(png_get_error_ptr(png));
  std::strncpy(session->message, message, sizeof session->message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, std::size_t n) {
  auto* session = static_cast<Session*>(png_get_io_ptr(png));
  if (n > session->input.size()) png_error(png, "the file is truncated");
  std::memcpy(to, session->input.data(), n);
  session->input.remove_prefix(n);
}

void on_write(png_structp png, png_bytep from, std::size_t n) {
  auto* session = static_cast<Session*>(png_get_io_ptr(png));
  bool failed = false;
  try {
    session->output.append(reinterpret_cast<const char*>(from), n);
  } catch (...) {  // must not pass through C
    failed = true;
  }
  if (failed) png_error(png, "out of memory");
}

void on_flush(png_structp) {}

/// Runs one stage; false when libpng reported an error.
bool run(Session& session, void (*stage)(Session&, void*), void* argument) {
  if (setjmp(png_jmpbuf(session.png)) != 0) return false;
  stage(session, argument);
  return true;
}

void read_header(Session& s, void*) {
  png_set_user_limits(s.png, kMaxSide, kMaxSide);
  png_set_chunk_malloc_max(s.png, 8'000'000);
  png_set_chunk_cache_max(s.png, 128);
  png_set_read_fn(s.png, &s, on_read);
  png_read_info(s.png, s.info);
}

void set_rgba(Session& s, void*) {
  png_set_expand(s.png);
  png_set_scale_16(s.png);
  png_set_gray_to_rgb(s.png);
  png_set_add_alpha(s.png, 0xFF, PNG_FILLER_AFTER);
  png_set_interlace_handling(s.png);
  png_read_update_info(s.png, s.info);
}

void read_rows(Session& s, void* rows) {
  png_read_image(s.png, static_cast<png_bytepp>(rows));
  png_read_end(s.png, nullptr);
}

std::vector<png_bytep> rows_of(Image& image) {
  std::vector<png_bytep> rows;
  for (int y = 0; y < image.h; ++y) rows.push_back(image.at(y, 0));
  return rows;
}

struct WriteJob {
  const Image* image;
  png_bytepp rows;
};

void write_image(Session& s, void* argument) {
  const auto& job = *static_cast<WriteJob*>(argument);
  const Image& image = *job.image;
  png_set_write_fn(s.png, &s, on_write, on_flush);
  const int type = image.c == 1 ? PNG_COLOR_TYPE_GRAY : image.c == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA;
  png_set_compression_level(s.png, 9);
  png_set_IHDR(s.png, s.info, png_uint_32(image.w), png_uint_32(image.h), 8, type, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(s.png, s.info);
  png_write_image(s.png, job.rows);
  png_write_end(s.png, nullptr);
}

class ReadSession : public Session {
 public:
  ReadSession() {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, static_cast<Session*>(this), on_error, on_warning);
    info = png ? png_create_info_struct(png) : nullptr;
    if (info == nullptr) throw std::bad_alloc();
  }
  ~ReadSession() { png_destroy_read_struct(&png, &info, nullptr); }
};

class WriteSession : public Session {
 public:
  WriteSession() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, static_cast<Session*>(this), on_error, on_warning);
    info = png ? png_create_info_struct(png) : nullptr;
    if (info == nullptr) throw std::bad_alloc();
  }
  ~WriteSession() { png_destroy_write_struct(&png, &info); }
};

}  // namespace

Image decode_png(std::string_view bytes, const std::string& where) {
  ReadSession session;
  session.input = bytes;
  const auto fail = [&](const std::string& why) { throw DataError(where + ": not a readable PNG: " + why); };
  if (!bytes.starts_with("\x89PNG\r\n\x1a\n")) fail("it does not start like one");
  if (!run(session, read_header, nullptr)) fail(session.message);
  const std::uint64_t w = png_get_image_width(session.png, session.info);
  const std::uint64_t h = png_get_image_height(session.png, session.info);
  const std::string extent = std::to_string(w) + " x " + std::to_string(h) + " pixels";
  if (w * h > kMaxPixels) fail(extent + " are more than the " + std::to_string(kMaxPixels) + " allowed");
  if (h * (png_get_rowbytes(session.png, session.info) + 1) > kMaxDeflateRatio * bytes.size())
    fail("the file is too short for " + extent);
  if (!run(session, set_rgba, nullptr)) fail(session.message);
  if (png_get_rowbytes(session.png, session.info) != 4 * w) fail("unexpected layout of samples");
  Image image(int(h), int(w), 4);
  std::vector<png_bytep> rows = rows_of(image);
  if (!run(session, read_rows, rows.data())) fail(session.message);
  return image;
}

Image read_png(const std::filesystem::path& path) { return decode_png(read_file(path, kMaxFile), path.string()); }

std::string png_bytes(const Image& image) {
  if (image.h < 1 || image.w < 1 || (image.c != 1 && image.c != 3 && image.c != 4))
    throw std::invalid_argument("png: a picture of " + std::to_string(image.h) + " x " + std::to_string(image.w) +
                                " x " + std::to_string(image.c));
  WriteSession session;
  Image copy = image;  // libpng takes rows of mutable bytes
  std::vector<png_bytep> rows = rows_of(copy);
  WriteJob job{&image, rows.data()};
  if (!run(session, write_image, &job)) throw std::runtime_error(std::string("png: ") + session.message);
  return std::move(session.output);
}

void write_png(const std::filesystem::path& path, const Image& image) { write_file(path, png_bytes(image), false); }

}  // namespace mg
