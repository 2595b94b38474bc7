#include "apps/launch.hpp"

#include <gtest/gtest.h>

#include <map>

namespace mg::apps {
namespace {

using Variables = std::map<std::string, std::string>;
std::optional<RankEnvironment> found(const Variables& variables) {
  return rank_environment([&](const char* name) {
    const auto it = variables.find(name);
    return it == variables.end() ? nullptr : it->second.c_str();
  });
}

TEST(RankEnvironmentDistributed, KnowsItsLaunchers) {
  EXPECT_FALSE(found({}));
  const auto slurm = found({{"SLURM_JOB_ID", "7"},
                            {"SLURM_STEP_ID", "0"},
                            {"SLURM_PROCID", "3"},
                            {"SLURM_STEP_NUM_TASKS", "4"},
                            {"SLURM_RESTART_COUNT", "2"}});
  ASSERT_TRUE(slurm);
  EXPECT_EQ(slurm->source, "slurm");
  EXPECT_EQ(slurm->rank, 3);
  EXPECT_EQ(slurm->size, 4);
  EXPECT_EQ(slurm->key, "7.0.2") << "a requeued job is another start";
  EXPECT_FALSE(found({{"SLURM_JOB_ID", "7"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}})) << "the batch script";
  const auto mpi = found({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}});
  ASSERT_TRUE(mpi);
  EXPECT_EQ(mpi->source, "mpi");
  EXPECT_THROW(found({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "2"}}), Error);
  EXPECT_THROW(found({{"OMPI_COMM_WORLD_RANK", "one"}, {"OMPI_COMM_WORLD_SIZE", "2"}}), Error);
}

TEST(RankEnvironmentDistributed, DeviceOfARankUnderBothWaysOfSlurm) {
  for (int local = 0; local < 4; ++local) {
    EXPECT_EQ(device_of(local, 4), local) << "--gpus-per-node: every rank sees all";
    EXPECT_EQ(device_of(local, 1), 0) << "--gpus-per-task: every rank sees its own";
  }
  EXPECT_EQ(device_of(1, 0), 0);
}

}  // namespace
}  // namespace mg::apps
