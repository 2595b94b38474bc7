#include "shared_memory.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "fiber.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <dlfcn.h>
#elif defined(MG_EMULATION_TSAN)
#include <link.h>
#endif

namespace mg::emulation {
namespace {

#if defined(__SANITIZE_ADDRESS__)

// What the compiler tells AddressSanitizer about each global variable (asan_interface_internal.h).
struct AsanLocation {
  const char* file;
  int line;
  int column;
};
struct AsanGlobal {
  std::uintptr_t begin;
  std::uintptr_t size;
  std::uintptr_t size_with_redzone;
  const char* name;
  const char* module;
  std::uintptr_t has_dynamic_init;
  const AsanLocation* location;
  std::uintptr_t odr_indicator;
};
#define MG_UNCHECKED __attribute__((no_sanitize("address", "undefined")))  // the descriptions lie in red zones

struct Candidate {
  void* begin;
  std::size_t size;
  const char* file;
  int line;
};
Candidate candidates[8192];  // filled before any constructor runs, so no container
std::size_t candidate_count = 0;

MG_UNCHECKED bool ends_with(const char* text, const char* tail) {
  std::size_t n = 0, m = 0;
  while (text[n] != 0) ++n;
  while (tail[m] != 0) ++m;
  if (n < m) return false;
  for (std::size_t i = 0; i < m; ++i)
    if (text[n - m + i] != tail[i]) return false;
  return true;
}

MG_UNCHECKED void note_globals(const AsanGlobal* globals, std::size_t count) {
  for (std::size_t i = 0; i < count && candidate_count < std::size(candidates); ++i) {
    const AsanGlobal& g = globals[i];
    if (g.location == nullptr || g.location->file == nullptr || g.name[0] == '*') continue;  // *.LC0: a literal
    const char* file = g.location->file;
    if (ends_with(file, ".cu") || ends_with(file, ".cuh") || ends_with(file, "_test.cpp"))
      candidates[candidate_count++] = {reinterpret_cast<void*>(g.begin), g.size, file, g.location->line};
  }
}

/// Whether the declaration at this place of a source file says __shared__ (on its line or the one before).
bool declared_shared(const Candidate& at) {
  std::FILE* file = std::fopen(at.file, "r");
  if (file == nullptr)  // a compiler cache may have made the path relative to where the compiler ran
    file = std::fopen((std::string(MG_EMULATION_BUILD_DIR "/") + at.file).c_str(), "r");
  if (file == nullptr) return false;
  char line[1024];
  bool found = false;
  for (int n = 1; n <= at.line && std::fgets(line, sizeof line, file) != nullptr; ++n)
    if (n >= at.line - 1) found |= std::strstr(line, "__shared__ ") != nullptr;
  std::fclose(file);
  return found;
}

using Range = std::pair<void*, std::size_t>;
const std::vector<Range>& shared_ranges() {
  // Never destroyed: queues that still hold work run at exit, after static objects have gone.
  static const std::vector<Range>& ranges = *[] {
    auto* found = new std::vector<Range>;
    for (std::size_t i = 0; i < candidate_count; ++i)
      if (declared_shared(candidates[i])) found->emplace_back(candidates[i].begin, candidates[i].size);
    return found;
  }();
  return ranges;
}

#elif defined(MG_EMULATION_TSAN)

/// The thread-local variables of the program itself in the calling thread.
std::pair<unsigned long, unsigned long> program_tls() {
  std::pair<unsigned long, unsigned long> range{0, 0};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {  // the first entry is the program
        for (int i = 0; i < info->dlpi_phnum; ++i)
          if (info->dlpi_phdr[i].p_type == PT_TLS)
            *static_cast<std::pair<unsigned long, unsigned long>*>(out) = {
                reinterpret_cast<unsigned long>(info->dlpi_tls_data), info->dlpi_phdr[i].p_memsz};
        return 1;
      },
      &range);
  return range;
}

/// Clears what ThreadSanitizer remembers of a range. Its public interface has this only for the heap of a virtual
/// machine; any range serves.
void forget(unsigned long begin, unsigned long size) {
  const unsigned long first = (begin + 7) & ~7UL, last = (begin + size) & ~7UL;
  if (first >= last) return;
  __tsan_java_free(first, last - first);
  __tsan_java_alloc(first, last - first);
}

#endif

}  // namespace

#if defined(__SANITIZE_ADDRESS__)

void renew_static_shared() {
  for (const auto& [data, bytes] : shared_ranges()) std::memset(data, kPoison, bytes);
}
void renew_dynamic_shared(void* data, std::size_t bytes) { std::memset(data, kPoison, bytes); }
std::size_t static_shared_variables() { return shared_ranges().size(); }

#elif defined(MG_EMULATION_TSAN)

void renew_static_shared() {
  const auto [begin, size] = program_tls();
  forget(begin, size);
}
void renew_dynamic_shared(void* data, std::size_t bytes) {
  forget(reinterpret_cast<unsigned long>(data), bytes);
  std::memset(data, kPoison, bytes);
}
std::size_t static_shared_variables() { return 0; }

#else

void renew_static_shared() {}
void renew_dynamic_shared(void* data, std::size_t bytes) { std::memset(data, kPoison, bytes); }
std::size_t static_shared_variables() { return 0; }

#endif
}  // namespace mg::emulation

#if defined(__SANITIZE_ADDRESS__)
/// Stands before the runtime's own function, to learn where the global variables lie.
extern "C" MG_UNCHECKED void __asan_register_globals(void* globals, std::uintptr_t count) {
  mg::emulation::note_globals(static_cast<const mg::emulation::AsanGlobal*>(globals), count);
  using Function = void (*)(void*, std::uintptr_t);
  static Function next = nullptr;
  if (next == nullptr) next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "__asan_register_globals"));
  next(globals, count);
}
#endif
