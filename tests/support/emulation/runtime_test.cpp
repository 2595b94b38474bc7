#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "cuda/core/launch.cuh"

namespace mg::emulation {
namespace {

using ::mg::cuda::launch;
constexpr std::size_t kCount = 64;
constexpr std::size_t kBytes = kCount * sizeof(float);

__global__ void fill_kernel(float* out, float value) { out[threadIdx.x] = value; }
__global__ void add_kernel(const float* in, float* out) { out[threadIdx.x] += in[threadIdx.x]; }
__global__ void divergent_kernel() {
  if (threadIdx.x < 7)
    __syncthreads();
  else
    __syncwarp();
}

class EmulatedRuntime : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaMalloc(&a_, kBytes), cudaSuccess);
    ASSERT_EQ(cudaMalloc(&b_, kBytes), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&first_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&second_, cudaStreamNonBlocking), cudaSuccess);
  }
  void TearDown() override {
    EXPECT_EQ(cudaStreamDestroy(first_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(second_), cudaSuccess);
    EXPECT_EQ(cudaFree(a_), cudaSuccess);
    EXPECT_EQ(cudaFree(b_), cudaSuccess);
  }
  void fill(float* at, float value, cudaStream_t stream) {
    launch("fill", {1, unsigned(kCount)}, stream, fill_kernel, at, value);
  }
  void add(const float* in, float* out, cudaStream_t stream) {
    launch("add", {1, unsigned(kCount)}, stream, add_kernel, in, out);
  }
  float first_of(const float* at) {
    float value = 0;
    EXPECT_EQ(cudaMemcpyAsync(&value, at, sizeof value, cudaMemcpyDeviceToHost, first_), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
    return value;
  }
  float *a_ = nullptr, *b_ = nullptr;
  cudaStream_t first_ = nullptr, second_ = nullptr;
};

TEST_F(EmulatedRuntime, FreshMemoryIsNotANumber) { EXPECT_TRUE(std::isnan(first_of(a_))); }

TEST_F(EmulatedRuntime, WorkRunsWhenItIsWaitedFor) {
  float value = -1;
  fill(a_, 3, first_);
  ASSERT_EQ(cudaMemcpyAsync(&value, a_, sizeof value, cudaMemcpyDeviceToHost, first_), cudaSuccess);
  EXPECT_EQ(value, -1) << "a copy that nobody waited for";
  EXPECT_EQ(cudaStreamQuery(first_), cudaErrorNotReady);
  EXPECT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
  EXPECT_EQ(value, 3);
  EXPECT_EQ(cudaStreamQuery(first_), cudaSuccess);
}

TEST_F(EmulatedRuntime, StreamsAreOrderedByEventsOnly) {
  cudaEvent_t filled = nullptr;
  ASSERT_EQ(cudaEventCreate(&filled), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(a_, 0, kBytes, first_), cudaSuccess);
  fill(b_, 5, second_);
  add(b_, a_, first_);  // no event: b_ is not yet written
  EXPECT_TRUE(std::isnan(first_of(a_)));
  ASSERT_EQ(cudaMemsetAsync(a_, 0, kBytes, first_), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(filled, second_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(first_, filled, 0), cudaSuccess);
  add(b_, a_, first_);
  EXPECT_EQ(first_of(a_), 5);
  EXPECT_EQ(cudaEventDestroy(filled), cudaSuccess);
}

TEST_F(EmulatedRuntime, EventsMeasureTime) {
  cudaEvent_t from = nullptr, to = nullptr;
  ASSERT_EQ(cudaEventCreate(&from), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&to), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(from, first_), cudaSuccess);
  fill(a_, 1, first_);
  ASSERT_EQ(cudaEventRecord(to, first_), cudaSuccess);
  float milliseconds = -1;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, from, to), cudaErrorNotReady);
  ASSERT_EQ(cudaEventSynchronize(to), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, from, to), cudaSuccess);
  EXPECT_GT(milliseconds, 0);
  EXPECT_EQ(cudaEventDestroy(from), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(to), cudaSuccess);
}

TEST_F(EmulatedRuntime, GraphReplaysWhatWasCaptured) {
  ASSERT_EQ(cudaMemsetAsync(a_, 0, kBytes, first_), cudaSuccess);
  cudaEvent_t fork = nullptr, join = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&join, cudaEventDisableTiming), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(first_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(fork, first_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(second_, fork, 0), cudaSuccess);
  fill(b_, 2, second_);
  ASSERT_EQ(cudaEventRecord(join, second_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(first_, join, 0), cudaSuccess);
  add(b_, a_, first_);
  EXPECT_EQ(cudaStreamSynchronize(first_), cudaErrorStreamCaptureUnsupported);
  float* more = nullptr;
  EXPECT_EQ(cudaMallocAsync(&more, 16, first_), cudaErrorStreamCaptureUnsupported);
  (void)cudaGetLastError();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(first_, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
  EXPECT_EQ(first_of(a_), 0) << "capturing does not run";
  for (int i = 0; i < 3; ++i) ASSERT_EQ(cudaGraphLaunch(exec, first_), cudaSuccess);
  EXPECT_EQ(first_of(a_), 6);
  EXPECT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(fork), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(join), cudaSuccess);
}

TEST_F(EmulatedRuntime, CopiesAreCheckedAgainstAllocations) {
  std::vector<float> host(2 * kCount);
  EXPECT_EQ(cudaMemcpy(a_, host.data(), 2 * kBytes, cudaMemcpyHostToDevice), cudaErrorInvalidValue) << "too long";
  EXPECT_EQ(cudaMemcpy(a_, host.data(), kBytes, cudaMemcpyDeviceToHost), cudaErrorInvalidValue) << "wrong way";
  EXPECT_EQ(cudaMemcpy(host.data(), a_ + 1, kBytes, cudaMemcpyDefault), cudaErrorInvalidValue) << "past the end";
  EXPECT_EQ(cudaMemcpy(host.data(), a_ + 1, kBytes - sizeof(float), cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(cudaFree(host.data()), cudaErrorInvalidValue) << "not device memory";
  (void)cudaGetLastError();
}

TEST_F(EmulatedRuntime, CopiesRectangles) {
  std::vector<float> host{1, 2, 3, 4, 5, 6}, back(4);
  ASSERT_EQ(cudaMemcpy2DAsync(a_, 8, host.data(), 12, 8, 2, cudaMemcpyHostToDevice, first_), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(back.data(), a_, 16, cudaMemcpyDeviceToHost, first_), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
  EXPECT_EQ(back, (std::vector<float>{1, 2, 4, 5}));
}

TEST_F(EmulatedRuntime, MemoryRunsOut) {
  std::size_t free = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  EXPECT_EQ(total - free, 2 * kBytes);
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, free + 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(EmulatedRuntime, LargeSharedMemoryMustBeAskedFor) {
  const cuda::LaunchShape shape{1, unsigned(kCount), 64 * 1024};
  EXPECT_THROW(launch("fill", shape, first_, fill_kernel, a_, 1.0F), cuda::Error);
  ASSERT_EQ(cudaFuncSetAttribute(fill_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024), cudaSuccess);
  launch("fill", shape, first_, fill_kernel, a_, 1.0F);
  EXPECT_EQ(first_of(a_), 1);
  EXPECT_THROW(launch("fill", {0, unsigned(kCount)}, first_, fill_kernel, a_, 1.0F), cuda::Error) << "no blocks";
}

TEST_F(EmulatedRuntime, AFailedKernelIsReportedByTheNextSynchronisation) {
  launch("divergent", {1, 32}, first_, divergent_kernel);
  try {
    MG_CUDA_CHECK(cudaStreamSynchronize(first_));
    FAIL() << "no error";
  } catch (const cuda::Error& e) {
    EXPECT_NE(std::string(e.what()).find("divergent: threads wait at different barriers"), std::string::npos)
        << e.what();
  }
  EXPECT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
}

TEST_F(EmulatedRuntime, TheDefaultStreamWaitsForBlockingStreams) {
  cudaStream_t blocking = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  float value = 0;
  fill(a_, 4, blocking);
  EXPECT_EQ(cudaMemcpy(&value, a_, sizeof value, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(value, 4);
  fill(a_, 9, nullptr);
  ASSERT_EQ(cudaMemcpyAsync(&value, a_, sizeof value, cudaMemcpyDeviceToHost, blocking), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(blocking), cudaSuccess);
  EXPECT_EQ(value, 9);
  EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
}

}  // namespace
}  // namespace mg::emulation
