#include "core/eqx.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "core/file.hpp"
#include "tests/support/environment.hpp"
#include "tests/support/golden.hpp"

namespace mg {
namespace {

std::string bytes_of(const test::Golden& golden, const std::string& tensor) {
  std::string bytes;
  for (const double v : golden.values(tensor)) bytes += char(int(v));
  return bytes;
}

TEST(EqxGolden, EveryFileRoundTripsByteByByte) {
  for (const auto& path : test::golden_files("nca", "eqx_")) {
    const auto golden = test::load_golden(path);
    const std::string bytes = bytes_of(golden, "eqx_bytes"), sidecar = bytes_of(golden, "sidecar_bytes");
    const EqxFile file = parse_eqx(bytes, golden.name);
    EXPECT_EQ(eqx_bytes(file), bytes) << golden.name;
    EXPECT_EQ(eqx_bytes(parse_eqx(sidecar, golden.name)), sidecar) << golden.name;
    EXPECT_EQ(nlohmann::json::parse(*parse_eqx(sidecar + bytes, golden.name).json), golden.params().at("hyperparams"));

    const auto& records = golden.what.at("records");
    ASSERT_EQ(file.leaves.size(), records.size()) << golden.name;
    for (std::size_t i = 0; i < records.size(); ++i) {
      const Tensor& leaf = file.leaves[i];
      EXPECT_EQ(leaf.shape, records[i].at(2).get<std::vector<std::size_t>>()) << golden.name << " leaf " << i;
      const auto& scalar = records[i].at(3);
      if (scalar.is_null()) continue;
      EXPECT_EQ(leaf.as_double()[0], scalar.is_boolean() ? double(scalar.get<bool>()) : scalar.get<double>());
    }
  }
}

TEST(EqxGolden, PlainAndGatedModelsAreImported) {
  for (const char* family : {"eqx_nca", "eqx_gnca"})
    for (const auto& path : test::golden_files("nca", family)) {
      const auto golden = test::load_golden(path);
      const ImportedNca nca = import_eqx_nca(parse_eqx(bytes_of(golden, "eqx_bytes"), golden.name), golden.name);
      EXPECT_EQ(nca.channels, golden.params().at("C").get<int>());
      EXPECT_EQ(nca.gated, std::string(family) == "eqx_gnca");
      EXPECT_EQ(nca.hidden, nca.features);
      EXPECT_EQ(nca.scale, 1);
      EXPECT_EQ(nca.smoothing, 1);
      EXPECT_EQ(nca.fire_rate, golden.what.at("records").at(5).at(3).get<double>());
      int i = 0;
      for (const char* name : {"hidden.weight", "output.weight", "output.bias"})
        EXPECT_EQ(nca.params.at(name).as_double(), golden.values("trainable" + std::to_string(i++))) << name;
    }
}

TEST(EqxOracle, CrabModelRoundTripsByteByByte) {
  const auto oracles = test::oracle_dir();
  if (!oracles) GTEST_SKIP() << "no oracles";
  const std::string bytes = read_file(*oracles / "crab.eqx");
  const EqxFile file = parse_eqx(bytes, "crab");
  EXPECT_EQ(eqx_bytes(file), bytes);
  const ImportedNca nca = import_eqx_nca(file, "crab");
  EXPECT_EQ(nca.channels, 16);
  EXPECT_EQ(nca.blocks(), 4);
  EXPECT_EQ(nca.fire_rate, 0.5);
  const auto sum = [&](const char* name) {
    const auto v = nca.params.at(name).as_double();
    return std::accumulate(v.begin(), v.end(), 0.0);
  };
  EXPECT_NEAR(sum("hidden.weight"), -16.1802773, 5e-8);
  EXPECT_NEAR(sum("output.weight"), 16.4205854, 5e-8);
  EXPECT_NEAR(sum("output.bias"), .0225531956, 5e-11);
}

}  // namespace
}  // namespace mg
