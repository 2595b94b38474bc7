#include "fiber.hpp"

#include <sys/mman.h>

#include <new>
#include <vector>

#if defined(MG_EMULATION_BOOST)
#include <boost/context/detail/fcontext.hpp>
#else
#include <ucontext.h>
#endif

namespace mg::emulation {
namespace {

std::vector<Stack> free_stacks;
MG_TSAN(void* scheduler_tsan = nullptr;)
MG_ASAN(const void* scheduler_stack = nullptr; std::size_t scheduler_size = 0;)

#if defined(MG_EMULATION_BOOST)
namespace ctx = boost::context::detail;
ctx::fcontext_t scheduler = nullptr;
void (*starting)() = nullptr;

void trampoline(ctx::transfer_t from) {
  scheduler = from.fctx;
  starting();
}
#else
ucontext_t scheduler;
#endif

}  // namespace

Stack acquire_stack() {
  if (!free_stacks.empty()) {
    const Stack stack = free_stacks.back();
    free_stacks.pop_back();
    MG_ASAN(__asan_unpoison_memory_region(stack.base, kStackBytes);)  // an abandoned fiber leaves its red zones
    return stack;
  }
  constexpr std::size_t guard = 4096;
  void* memory =
      mmap(nullptr, kStackBytes + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, guard, PROT_NONE);
  return {static_cast<char*>(memory) + guard};
}

void release_stack(Stack stack) { free_stacks.push_back(stack); }

#if defined(MG_EMULATION_BOOST)
void begin(FiberContext& fiber, void (*entry)()) {
  starting = entry;
  fiber.machine = ctx::make_fcontext(static_cast<char*>(fiber.stack.base) + kStackBytes, kStackBytes, trampoline);
}
#else
void begin(FiberContext& fiber, void (*entry)()) {
  auto* context = new (fiber.stack.base) ucontext_t;  // lives at the far end of the fiber's own stack
  getcontext(context);
  context->uc_stack.ss_sp = static_cast<char*>(fiber.stack.base) + sizeof(ucontext_t);
  context->uc_stack.ss_size = kStackBytes - sizeof(ucontext_t);
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  fiber.machine = context;
}
#endif

void enter(FiberContext& fiber) {
  MG_TSAN(scheduler_tsan = __tsan_get_current_fiber(); __tsan_switch_to_fiber(fiber.tsan, 1);)
  MG_ASAN(void* fake = nullptr; __sanitizer_start_switch_fiber(&fake, fiber.stack.base, kStackBytes);)
#if defined(MG_EMULATION_BOOST)
  fiber.machine = ctx::jump_fcontext(fiber.machine, nullptr).fctx;
#else
  swapcontext(&scheduler, static_cast<ucontext_t*>(fiber.machine));
#endif
  MG_ASAN(__sanitizer_finish_switch_fiber(fake, nullptr, nullptr);)
}

void leave(FiberContext& fiber, bool finished) {
  (void)finished;
  (void)fiber;
  MG_TSAN(__tsan_switch_to_fiber(scheduler_tsan, 1);)
  MG_ASAN(void* fake = nullptr;
          __sanitizer_start_switch_fiber(finished ? nullptr : &fake, scheduler_stack, scheduler_size);)
#if defined(MG_EMULATION_BOOST)
  scheduler = ctx::jump_fcontext(scheduler, nullptr).fctx;
#else
  swapcontext(static_cast<ucontext_t*>(fiber.machine), &scheduler);
#endif
  MG_ASAN(__sanitizer_finish_switch_fiber(fake, &scheduler_stack, &scheduler_size);)
}

void entered_first() { MG_ASAN(__sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_size);) }

}  // namespace mg::emulation
