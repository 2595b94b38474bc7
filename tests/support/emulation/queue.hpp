#pragma once
// What the parts of the emulated runtime share: the queues behind streams, and entering the device.
#include <cuda_runtime.h>

#include <cstddef>
#include <functional>

#include "device_lock.hpp"

namespace mg::emulation {

using Work = std::function<void()>;

/// Adds work to the queue of a stream (null: the default stream), or to the graph that captures it.
cudaError_t enqueue(cudaStream_t stream, Work work);
bool is_capturing(cudaStream_t stream);
bool any_capture();
/// Runs all queues empty. Returns the failure of a kernel among them, once.
cudaError_t run_all_queues();

/// Remembers `status` for cudaGetLastError and hands it back.
cudaError_t report(cudaError_t status);
void set_failure_text(const char* text);

/// Between the two, device memory may be touched; outside, AddressSanitizer reports host code that does.
void enter_device();
void leave_device();
class OnDevice {
 public:
  OnDevice() { enter_device(); }
  ~OnDevice() { leave_device(); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
};

}  // namespace mg::emulation
