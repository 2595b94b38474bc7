// What only a sanitizer sees. Each kernel here is wrong on purpose, and its report is the test.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <vector>

#include "cuda/core/launch.cuh"
#include "emulator.hpp"

namespace mg::emulation {
namespace {

constexpr int kThreads = 64;

#if defined(__SANITIZE_THREAD__)

constexpr int kRaceExit = 66;

__global__ void no_barrier_kernel(float* out) {
  __shared__ float tile[kThreads];
  tile[threadIdx.x] = float(threadIdx.x);
  out[threadIdx.x] = tile[kThreads - 1 - threadIdx.x];
}
/// Only the barrier at the end of a round is missing: threads that run ahead overwrite what others read.
__global__ void runs_ahead_kernel(float* data) {
  __shared__ float tile[kThreads];
  for (int round = 0; round < 2; ++round) {
    tile[threadIdx.x] = data[threadIdx.x];
    __syncthreads();
    data[threadIdx.x] = tile[(threadIdx.x + 1) % kThreads];
  }
}
__global__ void warp_barrier_is_not_enough_kernel(float* out) {
  float* tile = ::mg::cuda::dynamic_shared<float>();
  tile[threadIdx.x] = 1.0F;
  __syncwarp();
  out[threadIdx.x] = tile[kThreads - 1 - threadIdx.x];
}
__global__ void blocks_meet_kernel(float* out) {
  if (threadIdx.x == 0) out[0] = float(blockIdx.x);
}
__global__ void halo_in_place_kernel(float* data) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, n = gridDim.x * blockDim.x;
  data[i] = data[(i + 1) % n] + 1.0F;
}
template <class T>
__global__ void clean_kernel(T* out) {
  __shared__ T tile[kThreads];
  T* more = ::mg::cuda::dynamic_shared<T>();
  tile[threadIdx.x] = T(threadIdx.x);
  more[threadIdx.x] = T(1);
  __syncthreads();
  out[blockIdx.x * kThreads + threadIdx.x] = tile[kThreads - 1 - threadIdx.x] + more[threadIdx.x ^ 1U];
}

template <class F>
void run_and_exit(dim3 grid, const F& kernel) {
  run("wrong", grid, kThreads, kThreads * sizeof(float), kernel);
  std::exit(0);
}

class EmulatorDeathTest : public ::testing::Test {
 protected:
  std::vector<float> out_ = std::vector<float>(8 * kThreads);
};

TEST_F(EmulatorDeathTest, MissingBarrierIsADataRace) {
  EXPECT_EXIT(run_and_exit(1, [&] { no_barrier_kernel(out_.data()); }), ::testing::ExitedWithCode(kRaceExit),
              "data race(.|\n)*no_barrier_kernel");
}
TEST_F(EmulatorDeathTest, MissingBarrierAtTheEndOfARoundIsADataRace) {
  EXPECT_EXIT(run_and_exit(1, [&] { runs_ahead_kernel(out_.data()); }), ::testing::ExitedWithCode(kRaceExit),
              "data race(.|\n)*runs_ahead_kernel");
}
TEST_F(EmulatorDeathTest, WarpBarrierDoesNotOrderTheBlock) {
  EXPECT_EXIT(run_and_exit(1, [&] { warp_barrier_is_not_enough_kernel(out_.data()); }),
              ::testing::ExitedWithCode(kRaceExit), "data race");
}
TEST_F(EmulatorDeathTest, BlocksThatWriteTheSamePlaceRace) {
  EXPECT_EXIT(run_and_exit(2, [&] { blocks_meet_kernel(out_.data()); }), ::testing::ExitedWithCode(kRaceExit),
              "data race(.|\n)*blocks_meet_kernel");
}
TEST_F(EmulatorDeathTest, BlocksThatReadWhatOthersWriteRace) {
  EXPECT_EXIT(run_and_exit(4, [&] { halo_in_place_kernel(out_.data()); }), ::testing::ExitedWithCode(kRaceExit),
              "data race");
}
// Shared memory is the block's own, though all blocks use the same addresses here; launches are ordered.
TEST_F(EmulatorDeathTest, BlocksDoNotMeetInSharedMemory) {
  EXPECT_EXIT(
      {
        for (int launch = 0; launch < 2; ++launch)
          run("clean", 8, kThreads, kThreads * sizeof(float), [&] { clean_kernel(out_.data()); });
        run_and_exit(8, [&] { clean_kernel(out_.data()); });
      },
      ::testing::ExitedWithCode(0), "");
}

#elif defined(__SANITIZE_ADDRESS__)

template <class T>  // UndefinedBehaviorSanitizer sees a static array's end too, and would speak first
__attribute__((no_sanitize("undefined"))) __global__ void static_overrun_kernel(int n, T* out) {
  __shared__ T tile[kThreads];
  tile[int(threadIdx.x) + n] = T(1);
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
}
__global__ void dynamic_overrun_kernel(int n) { ::mg::cuda::dynamic_shared<char>()[int(threadIdx.x) + n] = 1; }
__global__ void global_overrun_kernel(float* data, int n) { data[int(threadIdx.x) + n] = 1.0F; }

void finish(const std::function<void()>& kernel) {
  run("wrong", 1, kThreads, kThreads, kernel);
  std::exit(0);
}

TEST(EmulatorDeathTest, OverrunsAreReported) {
  std::vector<float> out(kThreads);
  EXPECT_EXIT(finish([&] { static_overrun_kernel<float>(1, out.data()); }), ::testing::ExitedWithCode(1),
              "global-buffer-overflow(.|\n)*static_overrun_kernel");
  EXPECT_EXIT(finish([] { dynamic_overrun_kernel(1); }), ::testing::ExitedWithCode(1),
              "heap-buffer-overflow|use-after-poison");
  EXPECT_EXIT(finish([] { dynamic_overrun_kernel(-1); }), ::testing::ExitedWithCode(1), "heap-buffer-overflow");
  float* data = nullptr;
  ASSERT_EQ(cudaMalloc(&data, kThreads * sizeof(float)), cudaSuccess);
  const auto launch = [&](int n) {
    ::mg::cuda::launch("global_overrun", {1, kThreads}, nullptr, global_overrun_kernel, data, n);
    cudaDeviceSynchronize();
    std::exit(0);
  };
  EXPECT_EXIT(launch(1), ::testing::ExitedWithCode(1), "heap-buffer-overflow(.|\n)*global_overrun_kernel");
  EXPECT_EXIT(launch(0), ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(cudaFree(data), cudaSuccess);
}

TEST(EmulatorDeathTest, HostCodeMayNotTouchDeviceMemory) {
  float* data = nullptr;
  ASSERT_EQ(cudaMalloc(&data, sizeof(float)), cudaSuccess);
  EXPECT_EXIT({ *static_cast<volatile float*>(data) = 1.0F; }, ::testing::ExitedWithCode(1), "use-after-poison");
  EXPECT_EQ(cudaFree(data), cudaSuccess);
}

TEST(EmulatorDeathTest, DeviceMemoryThatNobodyFreesIsALeak) {
  EXPECT_EXIT(
      {
        float* data = nullptr;
        (void)cudaMalloc(&data, 1234);
        data = nullptr;
        std::exit(0);
      },
      ::testing::ExitedWithCode(1), "detected memory leaks");
}

#else

TEST(EmulatorDeathTest, NeedsASanitizer) {
  GTEST_SKIP() << "races are seen by the preset emulation-tsan, bounds by emulation-asan";
}

#endif

}  // namespace
}  // namespace mg::emulation
