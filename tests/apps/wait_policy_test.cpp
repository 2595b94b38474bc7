#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/subprocess.hpp"

namespace mg {
namespace {

/// What the OpenMP runtime of GCC says of its settings while the program starts.
std::string settings() { return test::run_morphogen({"version"}).err; }

class WaitPolicy : public ::testing::Test {
 protected:
  void SetUp() override {
#if !defined(_OPENMP) || defined(__clang__)
    GTEST_SKIP() << "no OpenMP runtime of GCC";
#endif
    unsetenv("OMP_WAIT_POLICY");
    unsetenv("GOMP_SPINCOUNT");
    setenv("OMP_DISPLAY_ENV", "verbose", 1);
  }
  void TearDown() override {
    for (const char* name : {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_DISPLAY_ENV"}) unsetenv(name);
  }
};

TEST_F(WaitPolicy, WaitingThreadsSpinBriefly) {
  EXPECT_NE(settings().find("GOMP_SPINCOUNT = '2000'"), std::string::npos) << settings();
}

TEST_F(WaitPolicy, TheUsersChoiceStands) {
  setenv("GOMP_SPINCOUNT", "77", 1);
  EXPECT_NE(settings().find("GOMP_SPINCOUNT = '77'"), std::string::npos) << settings();
  unsetenv("GOMP_SPINCOUNT");
  setenv("OMP_WAIT_POLICY", "active", 1);
  EXPECT_EQ(settings().find("GOMP_SPINCOUNT = '2000'"), std::string::npos);
}

}  // namespace
}  // namespace mg
