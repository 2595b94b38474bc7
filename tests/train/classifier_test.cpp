#include <gtest/gtest.h>

#include <cmath>

#include "core/array_file.hpp"
#include "core/file.hpp"
#include "core/glyphs.hpp"
#include "pde/register.hpp"
#include "tests/support/config.hpp"
#include "tests/support/gradcheck.hpp"
#include "tests/support/temporary.hpp"
#include "train/class_augmenter.hpp"
#include "train/class_objective.hpp"
#include "train/fit.hpp"
#include "train/frame_data.hpp"
#include "train/trainer.hpp"

namespace mg::train {
namespace {

using nlohmann::json;
using test::Vec;

std::unique_ptr<System<double>> classifier(int classes) {
  Registry<System<double>> systems;
  pde::register_systems(systems);
  const json model{{"type", "image_classifier"},
                   {"classes", classes},
                   {"equation",
                    {{"type", "rda"},
                     {"channels", 3},
                     {"padding", "REPLICATE"},
                     {"terms", {"reaction_split", "advection", "diffusion_linear"}},
                     {"zero_init", {{"reaction", false}, {"advection", false}}},
                     {"solver", {{"type", "heun"}, {"dt", 0.25}}}}}};
  const Schema schema = Schema("test", "").variant("model", systems.variants(), std::nullopt, "");
  return systems.create(test::configure(schema, json{{"model", model}}.dump()).at("model"));
}

/// The digits 1, 8, 3, as many as there are classes, in turn at changing places, as files of the IDX format.
void write_digits(const test::TemporaryDirectory& folder, int count, int classes, int side) {
  Tensor pictures, labels;
  pictures.dtype = labels.dtype = "U8";
  pictures.shape = {std::size_t(count), std::size_t(side), std::size_t(side)};
  labels.shape = {std::size_t(count)};
  for (int n = 0; n < count; ++n) {
    Image image(side, side, 3, 0);
    draw_text(image, 1 + n / classes % (side - 8), 1 + n / 3 % (side - 6), std::string(1, "183"[n % classes]),
              {255, 255, 255});
    for (int i = 0; i < side * side; ++i)
      pictures.bytes.push_back(decltype(pictures.bytes)::value_type(image.pixels[std::size_t(3 * i)]));
    labels.bytes.push_back(decltype(labels.bytes)::value_type(n % classes));
  }
  write_file(folder / "pictures.idx", idx_bytes(pictures));
  write_file(folder / "labels.idx", idx_bytes(labels));
}

std::vector<Trajectory> load_digits(const test::TemporaryDirectory& folder) {
  const Schema schema = Schema("test", "").variant("data", frame_data_variants(), std::nullopt, "");
  const json data{
      {"type", "idx"}, {"pictures", (folder / "pictures.idx").string()}, {"labels", (folder / "labels.idx").string()}};
  return load_frame_data(test::configure(schema, json{{"data", data}}.dump()).at("data"));
}

TEST(ImageClassifier, GradientPassesTheTaylorTestForParametersAndPicture) {
  const auto system = classifier(3);
  const Grid grid{5, 4};
  SampleGroup<double> group;
  group.grid = grid, group.count = 2, group.observed = 1, group.save_times = {0.5};
  const Block fields = system->state_layout(grid).blocks().front();
  group.state_layout.add(fields.name, fields.dims);
  group.start = Buffer<double>({}, 2 * fields.size);
  group.start.upload(test::random_vec(2 * fields.size, 8));
  group.target = Buffer<double>({}, 40);
  Vec labels(40, 2);
  std::fill_n(labels.begin(), 20, 1);
  group.target.upload(labels);
  ClassObjective<double> objective;
  Vec params(system->param_layout().size()), gradient;
  system->initialise(5, params);
  FitProblem<double> problem({}, *system, group, objective, params, {}, true);
  test::expect_taylor_rate([&](const Vec& x) { return Vec{problem(x, gradient)}; },
                           [&](const Vec& x, const Vec& cotangent) {
                             problem(x, gradient);
                             for (double& v : gradient) v *= cotangent[0];
                             return gradient;
                           },
                           problem.start());
}

TEST(ImageClassifier, LearnsSyntheticDigits) {
  const test::TemporaryDirectory folder;
  write_digits(folder, 60, 2, 9);
  const auto data = load_digits(folder);
  ASSERT_EQ(data.size(), 60U);
  EXPECT_EQ(data[4].frames[1], std::vector<float>(81, 0.0F));
  EXPECT_EQ(*std::max_element(data[0].frames[0].begin(), data[0].frames[0].end()), 1.0F);
  const auto system = classifier(2);
  ClassAugmenter<double> augmenter({16, 1.0}, {{}, system.get(), data, 3});
  const Layout& layout = system->param_layout();
  const auto optimiser = make_optimiser<double>(
      test::configure(Schema("test", "").variant("optimiser", optimiser_variants(), std::nullopt, ""),
                      R"({"optimiser": {"type": "adam", "lr": 0.1}})")
          .at("optimiser"),
      layout, {});
  std::vector<std::unique_ptr<Objective<double>>> objectives;
  objectives.push_back(std::make_unique<ClassObjective<double>>());
  TrainerOptions options;
  options.accept_always = true;
  Vec params(layout.size());
  system->initialise(3, params);
  Trainer<double> trainer({}, *system, augmenter, std::move(objectives), *optimiser, options, 3, params);
  double first = 0, last = 0, errors = 0;
  for (int k = 0; k < 250; ++k) {
    const auto& report = trainer.step();
    if (k < 10) first += report.loss / 10;
    if (k >= 240) last += report.loss / 10, errors += report.terms[1].second / 10;
  }
  EXPECT_LT(last, 0.5 * first) << "errors " << errors;
  EXPECT_LT(errors, 0.3);
}

TEST(ImageClassifier, RefusesLabelsBeyondItsClassesAndFilesThatDoNotFit) {
  const test::TemporaryDirectory folder;
  write_digits(folder, 6, 3, 10);
  const auto system = classifier(2);
  ClassAugmenter<double> augmenter({12, 1.0}, {{}, system.get(), load_digits(folder), 3});
  auto& group = augmenter.groups().front();
  augmenter.begin({}, 0);
  ClassObjective<double> objective;
  Vec params(system->param_layout().size());
  FitProblem<double> problem({}, *system, group, objective, params, {}, false);
  Vec gradient;
  EXPECT_THROW(problem(problem.start(), gradient), DataError);
  Tensor two;
  two.dtype = "U8", two.shape = {2};
  two.bytes.resize(2);
  write_file(folder / "labels.idx", idx_bytes(two));
  EXPECT_THROW(load_digits(folder), DataError);
}

}  // namespace
}  // namespace mg::train
