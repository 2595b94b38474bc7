#pragma once
#include <mutex>

namespace mg::emulation {

/// Held while anything runs on the emulated device: host threads that use it take turns.
std::recursive_mutex& device_lock();

}  // namespace mg::emulation
