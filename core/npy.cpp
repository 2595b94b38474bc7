#include "core/npy.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "core/error.hpp"

namespace mg {
namespace {

constexpr std::size_t kMaxHeader = 10000;  // NumPy's own bound
constexpr std::size_t kMaxRank = 64;

struct Type {
  std::string_view descr, dtype;
  std::size_t bytes;
};
constexpr Type kTypes[] = {{"|b1", "BOOL", 1}, {"|u1", "U8", 1},  {"|i1", "I8", 1},  {"<u2", "U16", 2},
                           {"<i2", "I16", 2},  {"<f2", "F16", 2}, {"<u4", "U32", 4}, {"<i4", "I32", 4},
                           {"<f4", "F32", 4},  {"<u8", "U64", 8}, {"<i8", "I64", 8}, {"<f8", "F64", 8},
                           {"|V2", "BF16", 2}, {"<V2", "BF16", 2}};

const Type& type_of_dtype(std::string_view dtype) {
  for (const auto& t : kTypes)
    if (t.dtype == dtype) return t;
  throw std::invalid_argument("npy: no NumPy type for dtype '" + std::string(dtype) + "'");
}

/// {'descr': '<f4', 'fortran_order': False, 'shape': (64, 3), } in any order of keys; nothing else.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  std::string descr;
  bool fortran = false;
  std::vector<std::size_t> shape;

  void parse() {
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      value(key);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip();
    if (at_ != text_.size()) fail("text after the header");
    if (seen_ != 7) fail("the header lacks descr, fortran_order or shape");
  }
  [[noreturn]] void fail(const std::string& why) const { throw DataError(where_ + ": invalid NPY record: " + why); }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    return ++at_, true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("expected '") + c + "' at byte " + std::to_string(at_) + " of the header");
  }
  std::string quoted() {
    skip();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail("expected a string (structured and object arrays are not read)");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos || end - at_ > 32) fail("a bad string in the header");
    std::string s(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return s;
  }
  bool word(std::string_view w) {
    skip();
    if (text_.substr(at_, w.size()) != w) return false;
    return at_ += w.size(), true;
  }
  void value(const std::string& key) {
    const int bit = key == "descr" ? 1 : key == "fortran_order" ? 2 : key == "shape" ? 4 : 0;
    if (bit == 0 || (seen_ & bit)) fail("unknown or repeated key in the header");
    seen_ |= bit;
    if (bit == 1) descr = quoted();
    if (bit == 2) {
      fortran = word("True");
      if (!fortran && !word("False")) fail("fortran_order is neither True nor False");
    }
    if (bit == 4) tuple();
  }
  void tuple() {
    expect('(');
    while (!accept(')')) {
      std::size_t n = 0;
      skip();
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), n);
      if (error != std::errc()) fail("a bad number in shape");
      at_ = std::size_t(end - text_.data());
      shape.push_back(n);
      if (shape.size() > kMaxRank) fail("too many dimensions");
      if (!accept(',')) {
        if (shape.size() == 1) fail("shape is not a tuple");
        expect(')');
        break;
      }
    }
  }
  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
  int seen_ = 0;
};

/// Text of the header; `stream` is left at the data.
std::string_view take_header(std::string_view& stream, const std::string& where) {
  const auto fail = [&](const char* why) { throw DataError(where + ": invalid NPY record: " + why); };
  if (stream.size() < 10 || stream.substr(0, 6) != "\x93NUMPY") fail("no NPY magic");
  const int major = static_cast<unsigned char>(stream[6]);
  if (major < 1 || major > 3 || stream[7] != 0) fail("unknown version");
  const std::size_t field = major == 1 ? 2 : 4;
  if (stream.size() < 8 + field) fail("truncated");
  std::size_t length = 0;
  for (std::size_t i = field; i-- > 0;) length = length << 8 | static_cast<unsigned char>(stream[8 + i]);
  if (length > kMaxHeader) fail("header longer than 10000 bytes");
  if (stream.size() - 8 - field < length) fail("truncated header");
  const std::string_view text = stream.substr(8 + field, length);
  stream.remove_prefix(8 + field + length);
  return text;
}

std::vector<std::byte> to_c_order(const std::byte* from, const std::vector<std::size_t>& shape, std::size_t unit,
                                  std::size_t bytes) {
  std::vector<std::byte> to(bytes);
  std::vector<std::size_t> index(shape.size(), 0);
  for (std::size_t i = 0; i < bytes; i += unit) {  // i walks in C order, `at` is the place in Fortran order
    std::size_t at = 0;
    for (std::size_t d = shape.size(); d-- > 0;) at = at * shape[d] + index[d];
    std::memcpy(to.data() + i, from + at * unit, unit);
    for (std::size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) index[d] = 0;
  }
  return to;
}

std::string npy_header(std::string_view descr, const std::vector<std::size_t>& shape) {
  std::string text = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  text += shape.size() == 1 ? ",), }" : "), }";
  // NumPy leaves room to enlarge the first dimension in place to 21 digits.
  if (!shape.empty()) text.append(21 - std::min<std::size_t>(21, std::to_string(shape[0]).size()), ' ');
  text.append((64 - (10 + text.size() + 1) % 64) % 64, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += char(text.size() & 255);
  header += char(text.size() >> 8);
  return header + text;
}

}  // namespace

Tensor take_npy(std::string_view& stream, const std::string& where) {
  HeaderParser header(take_header(stream, where), where);
  header.parse();
  const auto* type =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](auto& t) { return t.descr == header.descr; });
  if (type == std::end(kTypes)) header.fail("type '" + header.descr + "' is not supported");
  std::size_t bytes = type->bytes;
  const bool empty = std::find(header.shape.begin(), header.shape.end(), 0U) != header.shape.end();
  for (const std::size_t n : header.shape)
    if (!empty && __builtin_mul_overflow(bytes, n, &bytes)) header.fail("its size overflows");
  if (empty) bytes = 0;
  if (bytes > stream.size())
    header.fail("its " + std::to_string(bytes) + " bytes of data are truncated to " + std::to_string(stream.size()));
  Tensor tensor{std::string(type->dtype), std::move(header.shape), {}};
  const auto* data = reinterpret_cast<const std::byte*>(stream.data());
  if (header.fortran && tensor.shape.size() > 1)
    tensor.bytes = to_c_order(data, tensor.shape, type->bytes, bytes);
  else
    tensor.bytes.assign(data, data + bytes);
  stream.remove_prefix(bytes);
  return tensor;
}

std::string npy_header_bytes(std::string_view dtype, const std::vector<std::size_t>& shape) {
  return npy_header(type_of_dtype(dtype).descr, shape);
}

std::size_t npy_data_bytes(std::string_view dtype, const std::vector<std::size_t>& shape) {
  std::size_t bytes = type_of_dtype(dtype).bytes;
  for (const std::size_t n : shape) bytes *= n;
  return bytes;
}

std::string npy_bytes(const Tensor& tensor) {
  if (tensor.bytes.size() != npy_data_bytes(tensor.dtype, tensor.shape))
    throw std::invalid_argument("npy: the tensor contradicts its shape");
  std::string bytes = npy_header_bytes(tensor.dtype, tensor.shape);
  return bytes.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
}

}  // namespace mg
