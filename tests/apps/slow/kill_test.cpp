#include <random>

#include "tests/apps/training_support.hpp"

namespace mg {
namespace {

class KillAtRandomMoments : public test::TrainingFolder {};

TEST_F(KillAtRandomMoments, ResumedRunEndsByteForByteLikeTheUndisturbedOne) {
  const std::vector<std::string> longer = {"--set", "train.iterations=3000", "--set", "checkpoint.every=50"};
  for (const char* augment : {R"({"type": "morph", "steps": 4, "duplicate": 2, "shift": 2})",
                              R"({"type": "pool", "regime": "regenerating", "size": 12, "batch": 4, "damage": 1,
                                  "steps_min": 3, "steps_max": 6})"}) {
    write_config(augment);
    for (const char* run : {"whole", "killed"}) std::filesystem::remove_all(run_dir(run));
    ASSERT_EQ(train("whole", longer).code, 0);
    std::mt19937 random(2);
    for (std::size_t kill = 0; kill < 10; ++kill) {  // somewhere in each tenth of the run
      const pid_t child = start("killed", longer);
      wait_for_steps("killed", 250 * kill + random() % 250 + 1);
      ::usleep(useconds_t(random() % 5000));
      ::kill(child, SIGKILL);
      ASSERT_EQ(wait(child), 128 + SIGKILL);
    }
    ASSERT_EQ(train("killed", longer).code, 0);
    expect_same_checkpoint("whole", "killed", "step-00003000");
    EXPECT_EQ(metrics("killed").size(), 3000u);
  }
}

}  // namespace
}  // namespace mg
