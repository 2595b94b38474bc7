#include "core/distill.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.hpp"
#include "tests/support/environment.hpp"

namespace mg {
namespace {

// One channel, two hidden units: layer 1 is [3 + 1][2] bytes 0..7, layer 2 is [2 + 1][1] bytes 255 128 0.
constexpr const char* kTiny = R"([
  {"in_ch": 3, "out_ch": 2, "weight_scale": 255, "bias_scale": 510, "data_b64": "AAECAwQFBgc=", "type": "uint8"},
  {"in_ch": 2, "out_ch": 1, "weight_scale": 255, "bias_scale": 2, "data_b64": "/4AA"}])";

TEST(Distill, DecodesWeightsAndBiases) {
  const ImportedNca nca = parse_distill_nca(kTiny, "tiny");
  EXPECT_EQ(nca.channels, 1);
  EXPECT_EQ(nca.hidden, 2);
  EXPECT_EQ(nca.blocks(), 3);
  const auto near = [&](const char* name, const std::vector<double>& want) {
    const auto got = nca.params.at(name).as_double();
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12) << name << " " << i;
  };
  near("hidden.weight", {-127.5, -125.5, -123.5, -126.5, -124.5, -122.5});  // transposed: [hidden][feature]
  near("hidden.bias", {2 * 6 - 255., 2 * 7 - 255.});
  near("output.weight", {127.5, 0.5});
  near("output.bias", {-1});
}

TEST(DistillOracle, PublishedModelsAreRead) {
  const auto oracles = test::oracle_dir();
  if (!oracles) GTEST_SKIP() << "no oracles";
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*oracles / "growing")) {
    if (entry.path().extension() != ".json") continue;
    const ImportedNca nca = read_distill_nca(entry.path());
    EXPECT_EQ(nca.channels, 16);
    EXPECT_EQ(nca.hidden, 128);
    EXPECT_EQ(nca.params.at("hidden.weight").shape, (std::vector<std::size_t>{128, 48}));
    EXPECT_EQ(nca.params.at("output.weight").shape, (std::vector<std::size_t>{16, 128}));
    ++found;
  }
  EXPECT_GE(found, 1);
}

}  // namespace
}  // namespace mg
