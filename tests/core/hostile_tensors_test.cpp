#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/eqx.hpp"
#include "core/npy.hpp"
#include "core/safetensors.hpp"
#include "tests/support/hostile.hpp"

namespace mg {
namespace {

void read_tensors(const std::string& bytes) { parse_safetensors(bytes, "hostile"); }

std::string safetensors(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + std::string(data_bytes, 'x');
}

std::string valid_safetensors() {
  TensorFile file;
  const float f[] = {1, 2, 3, 4};
  file.add("a", {2, 2}, f);
  file.add("b", {1}, f);
  file.metadata["k"] = "v";
  return safetensors_bytes(file);
}

TEST(HostileSafetensors, TruncationsAndMutations) {
  test::expect_truncations_refused(read_tensors, valid_safetensors());
  EXPECT_TRUE(test::refused(read_tensors, valid_safetensors() + "x", "a byte too many"));
  test::expect_mutations_survived(read_tensors, valid_safetensors(), 5000);
}

TEST(HostileSafetensors, Headers) {
  ASSERT_FALSE(
      test::refused(read_tensors, safetensors(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2), ""));
  ASSERT_FALSE(test::refused(read_tensors, safetensors("{}  ", 0), ""));
  struct Case {
    const char* header;
    std::size_t data;
  };
  const Case cases[] = {
      {"", 0},
      {" {}", 0},
      {"[]", 0},
      {"{} x", 0},
      {"null", 0},
      {"{", 0},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})", 2},  // no end
      {R"({"a":1})", 0},                                               // mistyped
      {R"({"a":[]})", 0},
      {R"({"a":{"dtype":1,"shape":[2],"data_offsets":[0,2]}})", 2},
      {R"({"a":{"dtype":["U8"],"shape":[2],"data_offsets":[0,2]}})", 2},
      {R"({"a":{"dtype":"U8","shape":2,"data_offsets":[0,2]}})", 2},
      {R"({"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}})", 2},
      {R"({"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}})", 2},
      {R"({"a":{"dtype":"U8","shape":[[2]],"data_offsets":[0,2]}})", 2},
      {R"({"a":{"dtype":"U8","shape":[null],"data_offsets":[0,2]}})", 2},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":{"x":1}}})", 2},
      {R"({"a":{"dtype":"X9","shape":[2],"data_offsets":[0,2]}})", 2},  // unknown
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"more":"x"}})", 2},
      {R"({"a":{"dtype":"U8","shape":[2]}})", 2},  // missing
      {R"({"a":{}})", 0},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0]}})", 2},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2,2]}})", 2},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}})", 2},  // contradictory
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,2]}})", 2},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,2]}})", 2},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 2},  // behind the end
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2},  // hole
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2},  // uncovered tail
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
       2},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2},  // duplicates
      {R"({"__metadata__":{"k":"1","k":"2"}})", 0},
      {R"({"__metadata__":{"k":1}})", 0},
      {R"({"__metadata__":{"k":{"deep":"1"}}})", 0},
      {R"({"__metadata__":"text"})", 0},
      {R"({"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0},  // overflow to 0
      {R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0]}})", 0},
      {R"({"a":{"dtype":"U8","shape":[1e3],"data_offsets":[0,1000]}})", 1000},
  };
  for (const auto& c : cases)
    EXPECT_TRUE(test::refused(read_tensors, safetensors(c.header, c.data), c.header)) << c.header;
}

TEST(HostileSafetensors, HugeHeaderLengthAllocatesNothing) {
  for (const std::uint64_t n :
       {std::uint64_t(100'000'001), std::uint64_t(1) << 62, ~std::uint64_t(0), std::uint64_t(3)}) {
    std::string bytes(reinterpret_cast<const char*>(&n), 8);
    EXPECT_TRUE(test::refused(read_tensors, bytes + "{}", "huge header"));
  }
}

TEST(HostileSafetensors, DeepNesting) {
  std::string deep = R"({"a":)";
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
  EXPECT_TRUE(test::refused(read_tensors, safetensors(deep, 0), "deep objects"));
  EXPECT_TRUE(
      test::refused(read_tensors, safetensors(R"({"a":{"shape":)" + std::string(100000, '['), 0), "deep arrays"));
  std::string rank = R"({"a":{"dtype":"U8","data_offsets":[0,1],"shape":[1)";
  for (int i = 0; i < 1000; ++i) rank += ",1";
  EXPECT_TRUE(test::refused(read_tensors, safetensors(rank + "]}}", 1), "rank 1001"));
}

std::string npy(const std::string& dict, const std::string& data, char version = 1) {
  std::string bytes = std::string("\x93NUMPY") + version + '\0' + char(dict.size() & 255) + char(dict.size() >> 8);
  return bytes + dict + data;
}

void read_npy(const std::string& bytes) {
  std::string_view stream = bytes;
  take_npy(stream, "hostile");
}

TEST(HostileNpy, TruncationsAndMutations) {
  Tensor t{"F32", {2, 3}, std::vector<std::byte>(24)};
  test::expect_truncations_refused(read_npy, npy_bytes(t));
  test::expect_mutations_survived(read_npy, npy_bytes(t), 5000);
}

TEST(HostileNpy, Headers) {
  ASSERT_FALSE(test::refused(read_npy, npy("{'descr':'|u1','fortran_order':False,'shape':(2,)}\n", "xx"), ""));
  const char* headers[] = {
      "",
      "{}",
      "{'descr':'|u1','fortran_order':False}",
      "{'descr':'|u1','fortran_order':False,'shape':(2,),'more':1}",
      "{'descr':'|u1','descr':'|u1','fortran_order':False,'shape':(2,)}",
      "{'descr':'|u1','fortran_order':False,'shape':(2,)} x",
      "{'descr':'|u1','fortran_order':False,'shape':(2,)",
      "{'descr':'|u1','fortran_order':False,'shape':(2)}",
      "{'descr':'|u1','fortran_order':False,'shape':[2]}",
      "{'descr':'|u1','fortran_order':False,'shape':(-2,)}",
      "{'descr':'|u1','fortran_order':False,'shape':(2.0,)}",
      "{'descr':'|u1','fortran_order':False,'shape':(,)}",
      "{'descr':'|u1','fortran_order':False,'shape':(2,,)}",
      "{'descr':'|u1','fortran_order':False,'shape':(18446744073709551616,)}",
      "{'descr':'<f8','fortran_order':False,'shape':(4294967296,4294967296)}",
      "{'descr':'<f8','fortran_order':True,'shape':(4294967296,4294967296)}",
      "{'descr':'<f8','fortran_order':False,'shape':(2305843009213693952,)}",
      "{'descr':'|u1','fortran_order':False,'shape':(1000000000000,)}",
      "{'descr':'|u1','fortran_order':0,'shape':(2,)}",
      "{'descr':'|O','fortran_order':False,'shape':(2,)}",
      "{'descr':'>f4','fortran_order':False,'shape':(0,)}",
      "{'descr':'<U8','fortran_order':False,'shape':(0,)}",
      "{'descr':[('a','<f4')],'fortran_order':False,'shape':(0,)}",
      "{'descr':'|u1\",'fortran_order':False,'shape':(2,)}",
      "{'descr':__import__('os').system('true'),'fortran_order':False,'shape':(2,)}",
  };
  for (const auto* h : headers) EXPECT_TRUE(test::refused(read_npy, npy(h, "xx"), h)) << h;
  EXPECT_TRUE(test::refused(read_npy, npy(std::string(10001, ' '), ""), "header too long"));
  EXPECT_TRUE(test::refused(read_npy, npy("{'descr':'|u1','fortran_order':False,'shape':(2,)}", "xx", 4), "version 4"));
  const std::string rank = "{'descr':'|u1','fortran_order':False,'shape':(" + std::string(3000, '1');
  EXPECT_TRUE(test::refused(read_npy, npy(rank, "xx"), "a number of 3000 digits"));
  std::string many = "{'descr':'|u1','fortran_order':False,'shape':(1";
  for (int i = 0; i < 3000; ++i) many += ",1";
  EXPECT_TRUE(test::refused(read_npy, npy(many + ")}", "xx"), "rank 3001"));
}

void read_eqx_nca(const std::string& bytes) { import_eqx_nca(parse_eqx(bytes, "hostile"), "hostile"); }

Tensor floats(std::vector<std::size_t> shape) {
  Tensor t{"F32", std::move(shape), {}};
  t.bytes.resize(t.size() * 4);
  return t;
}
Tensor integer(std::int64_t v) {
  Tensor t{"I64", {}, std::vector<std::byte>(8)};
  std::memcpy(t.bytes.data(), &v, 8);
  return t;
}
Tensor real(double v) {
  Tensor t{"F64", {}, std::vector<std::byte>(8)};
  std::memcpy(t.bytes.data(), &v, 8);
  return t;
}
EqxFile small_nca() {
  EqxFile file;
  file.leaves = {
      floats({4, 4, 1, 1}), floats({2, 4, 1, 1}), floats({2, 1, 1}), integer(2), integer(4), real(0.5), integer(1)};
  for (int k = 0; k < 4; ++k) file.leaves.push_back(floats({1, 1, 3, 3}));
  return file;
}

TEST(HostileEqx, TruncationsAndMutations) {
  ASSERT_FALSE(test::refused(read_eqx_nca, eqx_bytes(small_nca()), ""));
  test::expect_truncations_refused(read_eqx_nca, eqx_bytes(small_nca()));
  test::expect_mutations_survived(read_eqx_nca, eqx_bytes(small_nca()), 3000);
}

TEST(HostileEqx, LeavesThatContradict) {
  const auto with = [](std::size_t leaf, Tensor t) {
    EqxFile file = small_nca();
    file.leaves[leaf] = std::move(t);
    return eqx_bytes(file);
  };
  const std::pair<std::size_t, Tensor> changes[] = {{0, floats({4, 4})},
                                                    {0, floats({5, 4, 1, 1})},
                                                    {0, integer(1)},
                                                    {1, floats({3, 4, 1, 1})},
                                                    {1, floats({})},
                                                    {2, floats({4, 1, 1})},
                                                    {3, integer(0)},
                                                    {3, integer(-2)},
                                                    {3, integer(3)},
                                                    {3, real(2.5)},
                                                    {3, floats({2})},
                                                    {4, integer(1LL << 40)},
                                                    {4, integer(INT64_MIN)},
                                                    {4, real(std::nan(""))},
                                                    {5, real(0)},
                                                    {5, real(1.5)},
                                                    {5, real(std::nan(""))},
                                                    {6, integer(0)},
                                                    {6, real(HUGE_VAL)},
                                                    {7, floats({1, 1, 4, 4})},
                                                    {7, floats({3, 3})},
                                                    {7, floats({})},
                                                    {10, floats({1, 1, 5, 5})}};
  for (const auto& [leaf, tensor] : changes)
    EXPECT_TRUE(test::refused(read_eqx_nca, with(leaf, tensor), "leaf")) << leaf;
  EqxFile more = small_nca();
  more.leaves.push_back(real(1));
  EXPECT_TRUE(test::refused(read_eqx_nca, eqx_bytes(more), "12 leaves"));
}

TEST(HostileEqx, FirstLine) {
  const std::string tail = eqx_bytes(small_nca());
  ASSERT_FALSE(test::refused(read_eqx_nca, "{\"a\": [1, \"}\\\"\"]}\n" + tail, ""));
  EXPECT_TRUE(test::refused(read_eqx_nca, "", "empty"));
  EXPECT_TRUE(test::refused(read_eqx_nca, "{" + tail, "no line"));
  EXPECT_TRUE(test::refused(read_eqx_nca, "{'a': 1}\n" + tail, "not JSON"));
  EXPECT_TRUE(test::refused(read_eqx_nca, "[]\n" + tail, "not an object"));
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100000; ++i) deep += '[';
  for (int i = 0; i < 100000; ++i) deep += ']';
  EXPECT_TRUE(test::refused(read_eqx_nca, deep + "}\n" + tail, "deep"));
  EXPECT_TRUE(test::refused(read_eqx_nca, "{" + std::string(2 << 20, ' ') + "}\n" + tail, "a long line"));
}

}  // namespace
}  // namespace mg
