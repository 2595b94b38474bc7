#include "core/npy.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>

#include "core/error.hpp"
#include "tests/support/temporary.hpp"

namespace mg {
namespace {

std::string record(const std::string& dict, const std::string& data, int version = 1) {
  std::string bytes = std::string("\x93NUMPY") + char(version) + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += char(i ? dict.size() >> 8 * i : dict.size());
  return bytes + dict + data;
}

Tensor parse(const std::string& bytes) {
  std::string_view stream = bytes;
  Tensor t = take_npy(stream, "memory");
  EXPECT_TRUE(stream.empty());
  return t;
}

TEST(Npy, RoundTripIsByteIdentical) {
  for (const auto* dtype : {"F32", "F64", "I64", "I32", "U8", "BOOL", "F16", "BF16"})
    for (const auto& shape : {std::vector<std::size_t>{}, {5}, {2, 3}, {0, 7}, {64, 64, 1, 1}}) {
      Tensor t{dtype, shape, {}};
      t.bytes.resize(npy_data_bytes(dtype, shape), std::byte{1});
      const std::string bytes = npy_bytes(t);
      EXPECT_EQ((bytes.size() - t.bytes.size()) % 64, 0U);
      const Tensor back = parse(bytes);
      EXPECT_EQ(back.dtype, dtype);
      EXPECT_EQ(back.shape, shape);
      EXPECT_EQ(npy_bytes(back), bytes);
    }
}

TEST(Npy, ReadsAllVersionsAndFortranOrder) {
  const std::string data("\1\2\3\4\5\6", 6);
  for (const int version : {1, 2, 3})
    EXPECT_EQ(parse(record("{\"shape\":(2,3),'descr':'|u1','fortran_order':False}\n", data, version)).as_double(),
              (std::vector<double>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(parse(record("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }  \n", data)).as_double(),
            (std::vector<double>{1, 3, 5, 2, 4, 6}));
}

TEST(Npy, TakesOneRecordAfterAnother) {
  const Tensor one{"U8", {1}, {std::byte{1}}}, two{"U8", {}, {std::byte{2}}};
  const std::string bytes = npy_bytes(one) + npy_bytes(two);
  std::string_view stream = bytes;
  EXPECT_EQ(take_npy(stream, "").as_double(), std::vector<double>{1});
  EXPECT_EQ(take_npy(stream, "").as_double(), std::vector<double>{2});
  EXPECT_TRUE(stream.empty());
}

void write_sample(const std::filesystem::path& path, std::uint64_t zip64_from) {
  std::vector<float> a(24);
  std::iota(a.begin(), a.end(), 0.F);
  const double b[] = {0.5};
  NpzWriter writer(path);
  writer.set_zip64_threshold(zip64_from);
  writer.add("states", {2, 3, 4}, a.data());
  writer.add("b", {}, b);
  writer.add("none", {0}, b);
  EXPECT_THROW(writer.add("b", {}, b), std::invalid_argument);
  writer.finish();
}

int python(const std::string& code) {
  const char* interpreter = std::getenv("MG_PYTHON");
  return std::system(
      ((interpreter ? interpreter : "python3") + std::string(" -c \"") + code + "\" 2>/dev/null").c_str());
}

TEST(Npz, SameArraysGiveTheSameBytes) {
  const test::TemporaryDirectory dir;
  write_sample(dir / "a.npz", 0xFFFFFFFF);
  write_sample(dir / "b.npz", 0xFFFFFFFF);
  EXPECT_EQ(read_file(dir / "a.npz"), read_file(dir / "b.npz"));
}

TEST(Npz, IsAValidZip) {
  if (python("import zipfile") != 0) GTEST_SKIP() << "no python3 (set MG_PYTHON)";
  const test::TemporaryDirectory dir;
  for (const std::uint64_t zip64_from : {0xFFFFFFFFU, 0U, 100U}) {
    write_sample(dir / "a.npz", zip64_from);
    EXPECT_EQ(python("import zipfile; z = zipfile.ZipFile('" + (dir / "a.npz").string() +
                     "'); assert z.testzip() is None; assert z.namelist() == ['states.npy', 'b.npy', 'none.npy']"),
              0);
  }
}

TEST(Npz, NumpyReadsIt) {
  if (python("import numpy") != 0) GTEST_SKIP() << "no python3 with numpy (set MG_PYTHON)";
  const test::TemporaryDirectory dir;
  for (const std::uint64_t zip64_from : {0xFFFFFFFFU, 0U}) {
    write_sample(dir / "a.npz", zip64_from);
    EXPECT_EQ(python("import numpy as n; z = n.load('" + (dir / "a.npz").string() +
                     "'); assert (z['states'] == n.arange(24, dtype='f4').reshape(2, 3, 4)).all(); "
                     "assert z['states'].dtype == n.float32; assert z['b'] == 0.5 and z['b'].shape == (); "
                     "assert z['none'].shape == (0,)"),
              0);
  }
}

TEST(Npz, HeadersAreNumpysOwn) {
  if (python("import numpy") != 0) GTEST_SKIP() << "no python3 with numpy (set MG_PYTHON)";
  const test::TemporaryDirectory dir;
  for (const auto& shape : {std::vector<std::size_t>{},
                            {7},
                            {0, 1, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11},
                            {12, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                            {3, 4}}) {
    write_file(dir / "a.npy", npy_bytes({"F64", shape, std::vector<std::byte>(npy_data_bytes("F64", shape))}), false);
    const std::string path = (dir / "a.npy").string();
    EXPECT_EQ(python("import numpy as n, io; a = n.load('" + path +
                     "'); o = io.BytesIO(); n.save(o, a); "
                     "assert o.getvalue() == open('" +
                     path + "', 'rb').read()"),
              0);
  }
}

}  // namespace
}  // namespace mg
