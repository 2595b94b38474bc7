#pragma once
// Switching between the scheduler and the fibers of a block, with what AddressSanitizer and ThreadSanitizer must be
// told about it. One scheduler at a time: callers hold the device lock.
#include <cstddef>

#if defined(MG_EMULATION_TSAN)
#define MG_TSAN(...) __VA_ARGS__
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_java_alloc(unsigned long begin, unsigned long size);
void __tsan_java_free(unsigned long begin, unsigned long size);
}
#else
#define MG_TSAN(...)
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define MG_ASAN(...) __VA_ARGS__
#else
#define MG_ASAN(...)
#endif

namespace mg::emulation {

inline constexpr std::size_t kStackBytes = 256 * 1024;

/// A stack with a guard page below it.
struct Stack {
  void* base = nullptr;
};
Stack acquire_stack();
void release_stack(Stack stack);

/// One suspended flow of control. `begin` makes it ready to call `entry`, which must end in `leave(true)`.
struct FiberContext {
  void* machine = nullptr;  ///< fcontext_t or ucontext_t*
  Stack stack;
  void* tsan = nullptr;
};
void begin(FiberContext& fiber, void (*entry)());
void enter(FiberContext& fiber);                 ///< scheduler -> fiber; returns when the fiber leaves
void leave(FiberContext& fiber, bool finished);  ///< fiber -> scheduler
void entered_first();                            ///< the first call in `entry`

}  // namespace mg::emulation
