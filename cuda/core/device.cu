#include <cuda_runtime.h>

#include <cstdio>

#include "core/device.hpp"
#include "cuda/core/check.cuh"

// What devices this process sees, asked in a way that also works without a driver.
namespace mg::cuda {

bool device_usable() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  (void)cudaGetLastError();  // "no driver" is an answer, not an error of a later call
  return status == cudaSuccess && count > 0;
}

#if defined(MG_CUDA_EMULATION)

DeviceReport query_devices() {
  DeviceReport report;
  report.built = true;
  report.devices.push_back({"CPU emulation of CUDA", "", "", 0, 0, 1, 0, 0});
  return report;
}

CUstream_st* make_stream(int) { return nullptr; }

#else

namespace {

std::string hex(const char* bytes, int count) {
  std::string text;
  for (int k = 0; k < count; ++k) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", unsigned(static_cast<unsigned char>(bytes[k])));
    text += two;
    if (k == 3 || k == 5 || k == 7 || k == 9) text += '-';
  }
  return text;
}

DeviceInfo describe(int index) {
  DeviceInfo info;
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, index) == cudaSuccess) {
    info.name = properties.name;
    info.major = properties.major;
    info.minor = properties.minor;
    info.multiprocessors = properties.multiProcessorCount;
    info.memory_total = properties.totalGlobalMem;
    info.uuid = "GPU-" + hex(properties.uuid.bytes, 16);
  }
  char bus[32] = "";
  if (cudaDeviceGetPCIBusId(bus, sizeof bus, index) == cudaSuccess) info.pci = bus;
  std::size_t free = 0, total = 0;
  if (cudaSetDevice(index) == cudaSuccess && cudaMemGetInfo(&free, &total) == cudaSuccess) info.memory_free = free;
  (void)cudaGetLastError();
  return info;
}

}  // namespace

DeviceReport query_devices() {
  DeviceReport report;
  report.built = true;
  (void)cudaRuntimeGetVersion(&report.runtime_version);
  (void)cudaDriverGetVersion(&report.driver_version);
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  (void)cudaGetLastError();
  if (status != cudaSuccess)
    report.problem = cudaGetErrorString(status);
  else if (count == 0)
    report.problem = "no CUDA device is visible (CUDA_VISIBLE_DEVICES?)";
  if (!report.problem.empty()) return report;
  int current = 0;
  (void)cudaGetDevice(&current);
  for (int index = 0; index < count; ++index) report.devices.push_back(describe(index));
  (void)cudaSetDevice(current);
  return report;
}

CUstream_st* make_stream(int index) {
  MG_CUDA_CHECK(cudaSetDevice(index));
  CUstream_st* stream = nullptr;
  MG_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

#endif

}  // namespace mg::cuda
