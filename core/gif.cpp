#include "core/gif.hpp"

#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

#include "core/file.hpp"

namespace mg {
namespace {

using Colour = std::array<std::uint8_t, 3>;
constexpr std::size_t kColours = 256;

/// Colours of a palette, and which of them stands for a colour of the frames.
class Palette {
 public:
  explicit Palette(const std::vector<Image>& frames) {
    if (!exact(frames)) cut(frames);
  }
  std::vector<Colour> colours;
  std::uint8_t index(const std::uint8_t* rgb) const {
    return bins_.empty() ? exact_.at({rgb[0], rgb[1], rgb[2]}) : bins_[bin(rgb)];
  }

 private:
  struct Cell {
    Colour mean;
    std::uint64_t count;
    std::uint16_t bin;
  };
  static std::uint16_t bin(const std::uint8_t* p) {
    return std::uint16_t((p[0] >> 3) << 10 | (p[1] >> 3) << 5 | p[2] >> 3);
  }
  bool exact(const std::vector<Image>& frames) {
    for (const auto& f : frames)
      for (std::size_t i = 0; i < f.pixels.size(); i += 3) {
        exact_.try_emplace({f.pixels[i], f.pixels[i + 1], f.pixels[i + 2]}, std::uint8_t(0));
        if (exact_.size() > kColours) return exact_.clear(), false;
      }
    for (auto& [colour, number] : exact_) number = std::uint8_t(colours.size()), colours.push_back(colour);
    return true;
  }
  static std::vector<Cell> histogram(const std::vector<Image>& frames) {
    std::vector<std::array<std::uint64_t, 4>> sums(1 << 15);
    for (const auto& f : frames)
      for (std::size_t i = 0; i < f.pixels.size(); i += 3) {
        auto& s = sums[bin(&f.pixels[i])];
        for (std::size_t k = 0; k < 3; ++k) s[k] += f.pixels[i + k];
        ++s[3];
      }
    std::vector<Cell> cells;
    for (std::size_t b = 0; b < sums.size(); ++b)
      if (const auto& s = sums[b]; s[3] > 0)
        cells.push_back({{std::uint8_t(s[0] / s[3]), std::uint8_t(s[1] / s[3]), std::uint8_t(s[2] / s[3])},
                         s[3],
                         std::uint16_t(b)});
    return cells;
  }

  struct Box {
    std::size_t begin, end;
    int axis = 0, extent = 0;
    std::uint64_t count = 0;
  };
  static Box box_of(const std::vector<Cell>& cells, std::size_t begin, std::size_t end) {
    Box box{begin, end};
    for (std::size_t k = 0; k < 3; ++k) {
      int low = 255, high = 0;
      for (std::size_t i = begin; i < end; ++i)
        low = std::min<int>(low, cells[i].mean[k]), high = std::max<int>(high, cells[i].mean[k]);
      if (high - low > box.extent) box.extent = high - low, box.axis = int(k);
    }
    for (std::size_t i = begin; i < end; ++i) box.count += cells[i].count;
    return box;
  }
  /// Splits the box of the largest count x extent at its median until there are enough.
  void cut(const std::vector<Image>& frames) {
    std::vector<Cell> cells = histogram(frames);
    std::vector<Box> boxes{box_of(cells, 0, cells.size())};
    while (boxes.size() < kColours) {
      const auto worst = std::max_element(boxes.begin(), boxes.end(), [](const Box& a, const Box& b) {
        return a.count * std::uint64_t(a.extent) < b.count * std::uint64_t(b.extent);
      });
      if (worst->extent == 0) break;
      const Box box = *worst;
      const auto axis = std::size_t(box.axis);
      std::sort(cells.begin() + std::ptrdiff_t(box.begin), cells.begin() + std::ptrdiff_t(box.end),
                [&](const Cell& a, const Cell& b) {
                  return std::pair(a.mean[axis], a.bin) < std::pair(b.mean[axis], b.bin);
                });
      std::size_t middle = box.begin;
      for (std::uint64_t seen = 0; middle < box.end - 1 && seen < (box.count + 1) / 2; ++middle)
        seen += cells[middle].count;
      *worst = box_of(cells, box.begin, middle);
      boxes.push_back(box_of(cells, middle, box.end));
    }
    bins_.assign(1 << 15, 0);
    for (const Box& box : boxes) {
      std::array<std::uint64_t, 3> sum{};
      for (std::size_t i = box.begin; i < box.end; ++i) {
        for (std::size_t k = 0; k < 3; ++k) sum[k] += cells[i].count * cells[i].mean[k];
        bins_[cells[i].bin] = std::uint8_t(colours.size());
      }
      Colour mean{};
      for (std::size_t k = 0; k < 3; ++k) mean[k] = std::uint8_t((sum[k] + box.count / 2) / box.count);
      colours.push_back(mean);
    }
  }

  std::map<Colour, std::uint8_t> exact_;
  std::vector<std::uint8_t> bins_;
};

int append(GifFileType* gif, const GifByteType* bytes, int n) {
  try {
    static_cast<std::string*>(gif->UserData)->append(reinterpret_cast<const char*>(bytes), std::size_t(n));
    return n;
  } catch (...) {  // must not pass through C
    return 0;
  }
}

struct MapDeleter {
  void operator()(ColorMapObject* map) const { GifFreeMapObject(map); }
};

/// Closes the encoder, so that its memory is freed on every path.
class Encoder {
 public:
  explicit Encoder(std::string& out) : gif_(EGifOpen(&out, append, nullptr)) {
    if (gif_ == nullptr) throw std::bad_alloc();
  }
  ~Encoder() {
    if (gif_ != nullptr) EGifCloseFile(gif_, nullptr);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  GifFileType* get() const { return gif_; }
  static void check(int result) {
    if (result != GIF_OK) throw std::runtime_error("gif: the encoder failed");
  }
  void close() { check(EGifCloseFile(std::exchange(gif_, nullptr), nullptr)); }

 private:
  GifFileType* gif_;
};

void put_loop(GifFileType* gif) {
  const unsigned char for_ever[] = {1, 0, 0};
  Encoder::check(EGifPutExtensionLeader(gif, APPLICATION_EXT_FUNC_CODE));
  Encoder::check(EGifPutExtensionBlock(gif, 11, "NETSCAPE2.0"));
  Encoder::check(EGifPutExtensionBlock(gif, sizeof for_ever, for_ever));
  Encoder::check(EGifPutExtensionTrailer(gif));
}

void put_frame(GifFileType* gif, const Image& image, const Palette& palette, int delay) {
  const GraphicsControlBlock control{DISPOSE_DO_NOT, false, delay, NO_TRANSPARENT_COLOR};
  GifByteType extension[4];
  const std::size_t size = EGifGCBToExtension(&control, extension);
  Encoder::check(EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, int(size), extension));
  Encoder::check(EGifPutImageDesc(gif, 0, 0, image.w, image.h, false, nullptr));
  std::vector<GifPixelType> row(static_cast<std::size_t>(image.w));
  for (int y = 0; y < image.h; ++y) {
    for (int x = 0; x < image.w; ++x) row[std::size_t(x)] = palette.index(image.at(y, x));
    Encoder::check(EGifPutLine(gif, row.data(), image.w));
  }
}

}  // namespace

std::string gif_bytes(const std::vector<Image>& frames, const GifTiming& timing) {
  if (frames.empty()) throw std::invalid_argument("gif: no frames");
  std::vector<Image> flat;
  for (const auto& f : frames) {
    if (f.h != frames[0].h || f.w != frames[0].w || f.h < 1 || f.w < 1 || f.h > 65535 || f.w > 65535)
      throw std::invalid_argument("gif: frames of unequal or impossible extents");
    flat.push_back(over_white(f));
  }
  const Palette palette(flat);
  const std::unique_ptr<ColorMapObject, MapDeleter> map(GifMakeMapObject(int(kColours), nullptr));
  if (map == nullptr) throw std::bad_alloc();
  for (std::size_t i = 0; i < palette.colours.size(); ++i)
    map->Colors[i] = {palette.colours[i][0], palette.colours[i][1], palette.colours[i][2]};
  std::string out;
  Encoder encoder(out);
  EGifSetGifVersion(encoder.get(), true);
  Encoder::check(EGifPutScreenDesc(encoder.get(), flat[0].w, flat[0].h, 8, 0, map.get()));
  put_loop(encoder.get());
  for (std::size_t i = 0; i < flat.size(); ++i)
    put_frame(encoder.get(), flat[i], palette, i + 1 == flat.size() ? timing.last_delay : timing.delay);
  encoder.close();
  return out;
}

void write_gif(const std::filesystem::path& path, const std::vector<Image>& frames, const GifTiming& timing) {
  write_file(path, gif_bytes(frames, timing), false);
}

}  // namespace mg
