#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "core/exec.hpp"

namespace mg {

/// One CUDA device as this process sees it.
struct DeviceInfo {
  std::string name, pci, uuid;
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;
  std::size_t memory_total = 0, memory_free = 0;  // bytes
};

/// What there is to compute on. Never throws and needs no driver: `problem` says in words why there is no device.
struct DeviceReport {
  bool built = false;       ///< whether this build has the CUDA backend
  int runtime_version = 0;  ///< as CUDA counts: 13000 for 13.0
  int driver_version = 0;   ///< highest CUDA version the driver serves; 0 without a driver
  std::string problem;      ///< empty when there is a usable device
  std::vector<DeviceInfo> devices;
};
DeviceReport query_devices();

/// Name -> version of the CUDA libraries that this build is linked with.
std::map<std::string, std::string> library_versions();

/// Whether Backend::cuda would work: cheaper than query_devices(), asks for no memory figures.
bool device_usable();

/// Makes a stream for this process' training on device `index` and returns its Exec; the stream lives until the
/// process ends. @throws DeviceError with the reason when there is none
Exec make_device_exec(int index = 0);

}  // namespace mg
