#include <gtest/gtest.h>

#include "core/validate.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/train/trainer_doubles.hpp"
#include "train/image_objective.hpp"

namespace mg::train {
namespace {

/// The whole trainer with its real parts on one backend: parameters and losses of a few iterations.
std::vector<double> trained(const Exec& exec, bool pool, std::string* bytes) {
  nca::NcaSpec spec;
  spec.channels = 5;
  spec.perception.grad = true;
  const nca::NcaSystem<float> system(spec);
  AugmenterInputs<float> inputs{exec, &system, {blob(6, 7, 3, 0.5F), blob(6, 7, 3, 0.3F)}, 4};
  std::unique_ptr<Augmenter<float>> augmenter;
  if (pool) {
    PoolOptions o;
    o.regime = PoolOptions::Regime::regenerating;
    o.size = 6, o.batch = 3, o.damage = 1, o.steps_min = 2, o.steps_max = 3;
    augmenter = std::make_unique<PoolAugmenter<float>>(o, inputs);
  } else {
    MorphOptions o;
    o.steps = 3, o.duplicate = 1, o.shift = 2;
    augmenter = std::make_unique<MorphAugmenter<float>>(o, inputs);
  }
  ImageModel model;
  model.channels = spec.channels, model.observed = 2, model.perception = spec.perception;
  std::vector<std::unique_ptr<Objective<float>>> objectives;
  objectives.push_back(std::make_unique<ImageObjective<float>>(model, ImageObjectiveOptions{}));
  Document document;
  document.value = {{"optimiser", {{"type", "nadam"}, {"transforms", {"param_block_norm"}}}}};
  const auto rule =
      validate_config(Schema("", "").variant("optimiser", optimiser_variants(), std::nullopt, ""), document);
  const auto optimiser = make_optimiser<float>(rule.at("optimiser"), system.param_layout(), exec);
  std::vector<float> params(system.param_layout().size());
  system.initialise(2, params);
  Trainer<float> trainer(exec, system, *augmenter, std::move(objectives), *optimiser, {}, 4, params);
  std::vector<double> numbers;
  for (int i = 0; i < 3; ++i) numbers.push_back(trainer.step().total);
  for (float p : trainer.params()) numbers.push_back(double(p));
  TensorFile file;
  trainer.save(file);
  *bytes = safetensors_bytes(file);
  return numbers;
}

class TrainerBackends : public test::OnEachBackend {};

TEST_P(TrainerBackends, AgreesWithTheHostAndWithItself) {
  Exec exec;
  exec.backend = GetParam();
  for (bool pool : {false, true}) {
    std::string host, first, second;
    const auto want = trained({}, pool, &host), got = trained(exec, pool, &first);
    MG_EXPECT_CLOSE(got, want, 2e-5);
    if (pool) continue;
    trained(exec, pool, &second);
    EXPECT_TRUE(first == second) << "not the same bits twice";
  }
}
MG_INSTANTIATE_BACKENDS(TrainerBackends);

}  // namespace
}  // namespace mg::train
