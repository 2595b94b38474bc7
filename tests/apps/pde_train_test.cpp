#include <fstream>

#include "tests/apps/training_support.hpp"

namespace mg {
namespace {

class PdeTrainCommand : public test::TrainingFolder {
 protected:
  /// Gray-Scott with other parameters than the data; `adaptive` steps or fixed ones.
  void write(bool adaptive, const std::string& augment = R"("length": 2, "increment_prob": 0.5)") const {
    const std::string solver =
        adaptive ? R"({"type": "heun", "dt": 1, "adaptive": {}})" : R"({"type": "heun", "dt": 0.5})";
    std::ofstream(config()) << R"({
      "name": "gray_scott", "seed": 5, "precision": "f64",
      "model": {"type": "gray_scott", "params": {"DA": 0.13, "gamma": 0.07}, "solver": )"
                            << solver << R"(},
      "data": {"type": "simulate", "model": {"type": "gray_scott", "solver": {"type": "heun", "dt": 0.5}},
        "start": {"type": "layers", "size": [10, 12], "samples": 2, "layers": [
          {"type": "constant", "channels": [0], "value": 1},
          {"type": "squares", "channels": [1], "count": 2, "side": 4, "value": 0.5}]},
        "times": {"type": "linspace", "to": 8, "count": 5}},
      "augment": {"type": "trajectory", )"
                            << augment << R"(},
      "objective": {"type": "trajectory"},
      "optimiser": {"type": "nadam", "lr": 2e-3},
      "train": {"iterations": 12, "warmup": 2}, "checkpoint": {"every": 4, "fsync": false}})";
  }
};

TEST_F(PdeTrainCommand, LearnsAndGoesOnBitForBit) {
  for (const bool adaptive : {false, true}) {
    write(adaptive, R"("length": 2, "increment_prob": 0.5, "random_lengths": true, "fit_initial": "all")");
    for (const char* run : {"whole", "parts"}) std::filesystem::remove_all(run_dir(run));
    ASSERT_EQ(train("whole").code, 0);
    ASSERT_EQ(train("parts", {"--set", "train.iterations=4"}).code, 0);
    ASSERT_EQ(train("parts").code, 0);
    expect_same_checkpoint("whole", "parts", "step-00000012");
    const auto records = metrics("whole");
    ASSERT_EQ(records.size(), 12U);
    EXPECT_LT(records.back().at("gradient_norm").get<double>(), 1e3);
  }
}

TEST_F(PdeTrainCommand, RefusesWhatDoesNotGoTogether) {
  write(false);
  EXPECT_EQ(train("a", {"--set", "augment.type=morph"}).code, 3);
  EXPECT_EQ(train("b", {"--set", "objective.type=image"}).code, 3);
  write(true, R"("length": 2, "batching": "together")");
  EXPECT_EQ(train("c").code, 3);
  write(false, R"("length": 5)");  // five frames hold no window of six
  EXPECT_NE(train("d").code, 0);
}

}  // namespace
}  // namespace mg
