#include "apps/term_media.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "apps/registries.hpp"
#include "core/png.hpp"
#include "core/validate.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/support/temporary.hpp"

namespace mg::apps {
namespace {

Config configured(const std::string& model) {
  const Schema schema = Schema("test", "").variant("model", registries<double>().systems.variants(), std::nullopt, "");
  return validate_config(schema, parse_config("{\"model\": " + model + "}", "test.json"));
}

TEST(TermMedia, TermsAddUpToTheSlopeAndNameTheirNetworks) {
  const Config root = configured(R"({"type": "rda", "channels": 3, "stability": 0,
      "terms": ["reaction_pure", "advection", "diffusion"], "zero_init": {"reaction": false, "advection": false}})");
  const Config model = root.at("model");
  const auto system = registries<double>().systems.create(model);
  std::vector<double> params(system->param_layout().size());
  system->initialise(4, params);
  const Grid grid{5, 6};
  const auto state = test::random_vec(90, 2);
  const auto terms = learned_terms(model, params, grid, state);
  ASSERT_EQ(terms.size(), 3U);
  std::vector<double> sum(90), all(90);
  for (const auto& t : terms) {
    double size = 0;
    for (std::size_t i = 0; i < 90; ++i) sum[i] += t.slope[i], size += std::abs(t.slope[i]);
    EXPECT_GT(size, 1e-3) << t.name;
  }
  // The whole slope: an explicit Euler step.
  const Config euler = configured(R"({"type": "rda", "channels": 3, "stability": 0,
      "terms": ["reaction_pure", "advection", "diffusion"], "zero_init": {"reaction": false, "advection": false},
      "solver": {"type": "euler", "dt": 1}})");
  const auto stepping = registries<double>().systems.create(euler.at("model"));
  const Layout layout = stepping->state_layout(grid);
  Workspace workspace;
  stepping->step({}, {}, params.data(), {}, {state.data(), &layout, 1}, {all.data(), &layout, 1}, workspace);
  for (std::size_t i = 0; i < 90; ++i) all[i] -= state[i];
  MG_EXPECT_CLOSE(sum, all, 1e-12);
  double total = 0;  // a periodic reaction-free field conserves nothing here, but linear diffusion alone does
  for (const auto& t : terms)
    if (t.name == "reaction") total = t.slope[0];
  EXPECT_NE(total, 0);
}

TEST(TermMedia, DrawsLearnedModelsOnly) {
  const test::TemporaryDirectory folder;
  train::Trajectory data;
  data.channels = 1, data.grid = {8, 8};
  data.frames = {std::vector<float>(64, 0.5F)};
  const Config rdc = configured(R"({"type": "rdc"})"), other = configured(R"({"type": "gray_scott"})");
  const auto system = registries<double>().systems.create(rdc.at("model"));
  std::vector<double> params(system->param_layout().size());
  system->initialise(4, params);
  write_term_media(folder.path() / "terms.png", rdc.at("model"), params, data);
  EXPECT_GT(read_png(folder.path() / "terms.png").w, 100);
  write_term_media(folder.path() / "none.png", other.at("model"), {0.1, 0.05, 0.06, 0.06}, data);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "none.png"));
}

}  // namespace
}  // namespace mg::apps
