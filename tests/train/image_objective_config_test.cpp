#include <gtest/gtest.h>

#include <string>

#include "tests/support/config.hpp"
#include "train/image_objective.hpp"

namespace mg::train {
namespace {

using Options = ImageObjectiveOptions;

const ImageModel kModel{16, 4, {}, ImageModel::Boundary::none, 0};

Options options(const std::string& text, const ImageModel& model = kModel) {
  return objective_options(test::configure(objective_schema(), text), model);
}

TEST(ImageObjectiveConfig, DefaultsAreThoseOfTheReference) {
  const Options o = options("{}");
  EXPECT_EQ(o.loss, "euclidean");
  EXPECT_TRUE(o.grad_loss);
  EXPECT_EQ(o.grad_weight, 0.1);
  EXPECT_EQ(o.state_reg, 1);
  EXPECT_EQ(o.boundary_reg, 1);
  EXPECT_EQ(o.state_reg_end, 0);
  EXPECT_EQ(o.at, Options::At::last);
  EXPECT_EQ(o.boundary_on, Options::BoundaryOn::reference);
  EXPECT_FALSE(o.loss_options.compat);
  EXPECT_NE(make_objective<float>(test::configure(objective_schema(), "{}"), kModel), nullptr);
}

TEST(ImageObjectiveConfig, ReadsEveryKey) {
  const Options o = options(
      R"({"loss": {"type": "spectral_full", "square": "complex_square"}, "grad_loss": false, "at": "random", "window": 5,
      "state_reg": 0.5, "state_reg_channels": [0, 4], "state_reg_range": [-1, 1], "boundary_reg": 0,
      "boundary_reg_on": "post_boundary", "time_channel_mask": [[1, 0, 1, 1], [0, 0, 0, 0]]})");
  EXPECT_EQ(o.loss, "spectral_full");
  EXPECT_TRUE(o.loss_options.compat);
  EXPECT_FALSE(o.grad_loss);
  EXPECT_EQ(o.at, Options::At::random);
  EXPECT_EQ(o.window, 5);
  EXPECT_EQ(o.state_reg_end, 4);
  EXPECT_EQ(o.state_reg_low, -1);
  EXPECT_EQ(o.boundary_on, Options::BoundaryOn::post_boundary);
  EXPECT_EQ(o.time_channel_mask.size(), 2u);
  EXPECT_FALSE(options(R"({"loss": "cosine"})").loss_options.compat);
  EXPECT_TRUE(options(R"({"loss": {"type": "cosine", "norm": "global_norm"}})").loss_options.compat);
}

void expect_refused(const std::string& text, const std::string& says, const ImageModel& model = kModel) {
  try {
    options(text, model);
    ADD_FAILURE() << text;
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find(says), std::string::npos) << e.what();
  }
}

TEST(ImageObjectiveConfig, RefusesContradictionsByName) {
  expect_refused(R"({"loss": "euclidian"})", "euclidean");
  expect_refused(R"({"state_reg_channels": [4, 20]})", "state_reg_channels");
  expect_refused(R"({"state_reg_channels": [4]})", "state_reg_channels");
  expect_refused(R"({"state_reg_range": [1, 0]})", "state_reg_range");
  expect_refused(R"({"time_channel_mask": [[1, 1, 1, 1], [1]]})", "time_channel_mask");
  ImageModel soft = kModel;
  soft.boundary = ImageModel::Boundary::soft;
  soft.boundary_rows = 2;
  expect_refused("{}", "post_boundary", soft);
  EXPECT_NO_THROW(options(R"({"boundary_reg": 0})", soft));
}

}  // namespace
}  // namespace mg::train
