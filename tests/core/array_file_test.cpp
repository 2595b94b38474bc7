#include "core/array_file.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>

#include "core/npy.hpp"
#include "tests/support/hostile.hpp"
#include "tests/support/temporary.hpp"

namespace mg {
namespace {

std::string little(std::uint64_t v, int n) {
  std::string bytes;
  for (int k = 0; k < n; ++k) bytes += char(v >> 8 * k & 255);
  return bytes;
}

std::string compressed(const std::string& data, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(data.size() + 200, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = uInt(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = uInt(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// An .npz file with one deflated array "x", as numpy.savez_compressed writes it.
std::string deflated_npz(const Tensor& x) {
  const std::string record = npy_bytes(x), packed = compressed(record, -15), name = "x.npy";
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(record.data()), uInt(record.size()));
  const std::string common = little(20, 2) + little(0, 2) + little(8, 2) + little(0, 4) + little(crc, 4) +
                             little(packed.size(), 4) + little(record.size(), 4) + little(name.size(), 2) +
                             little(0, 2);
  const std::string entry = "PK\x03\x04" + common + name + packed;
  const std::string directory = "PK\x01\x02" + little(20, 2) + common + little(0, 2) + little(0, 2) + little(0, 2) +
                                little(0, 4) + little(0, 4) + name;
  return entry + directory + "PK\x05\x06" + little(0, 4) + little(1, 2) + little(1, 2) + little(directory.size(), 4) +
         little(entry.size(), 4) + little(0, 2);
}

Tensor counting() {
  Tensor x{"U8", {3, 4}, {}};
  for (int k = 0; k < 12; ++k) x.bytes.push_back(std::byte(k));
  return x;
}

TEST(ReadNpz, ReadsWhatIsStreamedAndWritten) {
  const test::TemporaryDirectory dir;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  for (const std::uint64_t zip64_from : {std::uint64_t(0xFFFFFFFF), std::uint64_t(0)}) {
    NpzWriter whole(dir / "a.npz"), streamed(dir / "b.npz");
    for (auto* writer : {&whole, &streamed}) writer->set_zip64_threshold(zip64_from);
    whole.add("states", {3, 2}, values.data());
    streamed.begin("states", "F32", {3, 2});
    EXPECT_THROW(streamed.finish(), std::logic_error);
    EXPECT_THROW(streamed.begin("other", "F32", {1}), std::logic_error);
    for (int row = 0; row < 3; ++row) streamed.append(&values[std::size_t(2 * row)], 8);
    EXPECT_THROW(streamed.append(values.data(), 4), std::logic_error);
    whole.finish();
    streamed.finish();
    EXPECT_EQ(read_file(dir / "a.npz"), read_file(dir / "b.npz"));
    const Tensor x = read_array(dir / "b.npz", "");
    EXPECT_EQ(x.shape, (std::vector<std::size_t>{3, 2}));
    EXPECT_EQ(x.as_double(), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  }
  EXPECT_THROW(read_array(dir / "a.npz", "y"), DataError);
  EXPECT_THROW(read_array(dir / "a.txt", ""), DataError);
}

TEST(ReadNpz, ReadsDeflatedEntries) {
  EXPECT_EQ(parse_npz(deflated_npz(counting()), "memory").at("x").as_double(), counting().as_double());
}

TEST(ReadNpz, RefusesDamage) {
  const std::string valid = deflated_npz(counting());
  const auto read = [](const std::string& bytes) { parse_npz(bytes, "memory"); };
  test::expect_truncations_refused(read, valid);
  test::expect_mutations_survived(read, valid, 2000);
  std::string wrong = valid;
  wrong[35 + 20] = char(wrong[35 + 20] ^ 1);  // inside the compressed data
  EXPECT_TRUE(test::refused(read, wrong, "checksum"));
}

TEST(Idx, RoundTripBigEndianAndGzip) {
  const Tensor x = counting();
  const std::string bytes = idx_bytes(x);
  EXPECT_EQ(parse_idx(bytes, "memory").as_double(), x.as_double());
  EXPECT_EQ(parse_idx(bytes, "memory").shape, x.shape);
  EXPECT_EQ(parse_idx(compressed(bytes, 31), "memory").as_double(), x.as_double());
  const std::string shorts("\0\0\x0B\x01\0\0\0\x02\x01\x02\xFF\xFF", 12);
  EXPECT_EQ(parse_idx(shorts, "memory").as_double(), (std::vector<double>{258, -1}));
  const auto read = [](const std::string& b) { parse_idx(b, "memory"); };
  test::expect_truncations_refused(read, bytes);
  test::expect_mutations_survived(read, bytes, 2000);
  test::expect_mutations_survived(read, compressed(bytes, 31), 2000);
}

}  // namespace
}  // namespace mg
