#include <gtest/gtest.h>

#include "tests/support/golden.hpp"
#include "train/augment_ops.hpp"
#include "train/morph_augmenter.hpp"
#include "train/samples.hpp"

namespace mg::train {
namespace {

using test::Golden;

struct Field {
  std::vector<double> values;
  Shape shape;
  ConstView<double> view() const { return {values.data(), shape}; }
};

Field field(const Golden& g, const std::string& name) {
  const auto s = g.shape(name);
  return {g.values(name), {int(s.at(0)), int(s.at(1)), int(s.at(2)), int(s.at(3))}};
}

std::vector<double> morph(const MorphBatch& m, const Field& previous, const Field& truth, const double* noise) {
  std::vector<double> out(m.shape.size());
  morph_batch<double>({}, m, previous.view(), truth.view(), {noise, m.shape}, {out.data(), m.shape});
  return out;
}

/// A batch that hands its truth through, to be varied one operation at a time.
MorphBatch identity(const Field& f, int observed) {
  MorphBatch m;
  m.shape = f.shape, m.observed = observed, m.propagate = false;
  return m;
}

void check_batch(const Golden& g, int b, int batches) {
  SCOPED_TRACE("batch " + std::to_string(b));
  const std::string p = "b" + std::to_string(b) + ".";
  const int observed = int(g.values("OBS_CHANNELS").at(0));
  const Field state = field(g, p + "state");
  const auto at = [&](const char* name, int k, int columns) {
    return int(g.values(name).at(std::size_t(b * columns + k)));
  };
  MorphBatch m = identity(state, observed);
  m.shift[0] = at("shift.amount", 0, 2), m.shift[1] = at("shift.amount", 1, 2);
  EXPECT_EQ(morph(m, state, state, nullptr), g.values(p + "shift"));
  std::vector<double> rolled(state.values.size());
  roll_batch<double>({}, m.shift, state.view(), {rolled.data(), state.shape});
  EXPECT_EQ(rolled, g.values(p + "shift"));

  const Field shifted = field(g, p + "shift");
  m = identity(shifted, observed);
  m.shift[0] = -at("shift.amount", 0, 2), m.shift[1] = -at("shift.amount", 1, 2);
  EXPECT_EQ(morph(m, shifted, shifted, nullptr), g.values(p + "unshift"));
  // Undone on the way through `previous`: pair n of the result is the unshifted frame n - 1.
  m = identity(shifted, observed);
  m.propagate = true;
  m.unshift[0] = at("shift.amount", 0, 2), m.unshift[1] = at("shift.amount", 1, 2);
  const auto propagated = morph(m, shifted, state, nullptr), unshifted = g.values(p + "unshift");
  const std::size_t frame = std::size_t(state.shape.c) * state.shape.plane();
  EXPECT_TRUE(std::equal(propagated.begin() + long(frame), propagated.end(), unshifted.begin()));

  m = identity(state, observed);
  for (int k = 0; k < 3; ++k) m.circle[k] = at("circle.draw", k, 3);
  EXPECT_EQ(morph(m, state, state, nullptr), g.values(p + "circle"));

  m = identity(state, observed);
  m.noise = g.params().at("noise_am");
  const auto draw = g.values(p + "noise.draw");
  const std::pair<const char*, NoiseChannels> modes[] = {
      {"full", NoiseChannels::all}, {"observable", NoiseChannels::observed}, {"hidden", NoiseChannels::hidden}};
  for (const auto& [name, mode] : modes) {
    m.noisy = mode;
    MG_EXPECT_CLOSE(morph(m, state, state, draw.data()), g.values(p + "noise." + name), 1e-15);
  }

  const Field previous = field(g, p + "callback.x"), truth = field(g, p + "callback.true");
  m = identity(previous, observed);
  m.propagate = true;
  m.reset = b % 2 == 0 && b < 2 * (batches / 2);
  EXPECT_EQ(morph(m, previous, truth, nullptr), g.values(p + "callback.out"));
}

TEST(AugmentGolden, TreePrimitives) {
  for (const auto& path : test::golden_files("common", "augment_tree")) {
    SCOPED_TRACE(path.string());
    const Golden g = test::load_golden(path);
    int batches = 0;
    while (g.file.contains("b" + std::to_string(batches) + ".state")) ++batches;
    ASSERT_GT(batches, 0);
    for (int b = 0; b < batches; ++b) check_batch(g, b, batches);
  }
}

}  // namespace
}  // namespace mg::train
