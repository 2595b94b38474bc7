#include "core/device.hpp"

#include <dlfcn.h>

#include "core/exec.hpp"

namespace mg {

std::map<std::string, std::string> library_versions() {
  // Looked up by name, so that core/ needs neither their headers nor to be linked with them.
  std::map<std::string, std::string> versions;
  if (void* cufft = ::dlsym(RTLD_DEFAULT, "cufftGetVersion")) {
    int version = 0;
    if (reinterpret_cast<int (*)(int*)>(cufft)(&version) == 0)
      versions["cuFFT"] = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 100) + "." +
                          std::to_string(version % 100);
  }
  if (void* cudnn = ::dlsym(RTLD_DEFAULT, "cudnnGetVersion")) {
    const std::size_t version = reinterpret_cast<std::size_t (*)()>(cudnn)();
    versions["cuDNN"] = std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." +
                        std::to_string(version % 100);
  }
  return versions;
}

#if MG_WITH_CUDA

namespace cuda {  // cuda/core/device.cu
DeviceReport query_devices();
bool device_usable();
CUstream_st* make_stream(int index);
}  // namespace cuda

DeviceReport query_devices() { return cuda::query_devices(); }

bool device_usable() { return cuda::device_usable(); }

Exec make_device_exec(int index) {
  if (!device_usable()) throw DeviceError("no usable CUDA device: " + query_devices().problem);
  return {Backend::cuda, cuda::make_stream(index)};
}

#else

DeviceReport query_devices() {
  DeviceReport report;
  report.problem = "this build has no CUDA backend (configured with MG_CUDA=OFF, or nvcc was not found)";
  return report;
}

bool device_usable() { return false; }

Exec make_device_exec(int) { throw DeviceError("no usable CUDA device: " + query_devices().problem); }

#endif

}  // namespace mg
