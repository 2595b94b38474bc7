#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "core/buffer.hpp"
#include "core/fft.hpp"
#include "tests/train/optimiser_cases.hpp"
#include "tests/train/trainer_doubles.hpp"
#include "train/image_objective.hpp"

// Counts every allocation of C++ in this test program while a test asks for it: the replaced operators below serve all
// of it. What OpenMP and FFTW take from malloc for themselves is not seen. Sanitizers bring operators of their own, which
// check more than these; nothing is counted there.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MG_COUNTS_ALLOCATIONS 1
#else
#define MG_COUNTS_ALLOCATIONS 0
#endif

namespace {
std::atomic<bool> counting{false};
std::atomic<int> allocations{0};
}  // namespace

#if MG_COUNTS_ALLOCATIONS
namespace {
void* counted(std::size_t bytes, std::size_t alignment) {
  if (counting) ++allocations;
  bytes = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, bytes == 0 ? alignment : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

// Where the compiler inlines only one of a pair it sees malloc's memory go to delete, or new's to free.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) { return counted(bytes, std::size_t(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
#endif

namespace mg::train {
namespace {

/// Allocations of `steps` training steps after `warm` ones.
template <class T>
int count(Trainer<T>& trainer, int warm, int steps) {
  for (int i = 0; i < warm; ++i) trainer.step();
  allocations = 0;
  counting = true;
  for (int i = 0; i < steps; ++i) trainer.step();
  counting = false;
  return allocations;
}

struct Case {
  std::string name, loss;
  Feed feed = Feed::morph;
  std::string memory = "store_all";
  bool bounded = false;  // with a soft boundary and alive masking
};

/// A small training run with everything real, on planes of more than one chunk of core/reduce.hpp.
template <class T>
void expect_no_allocations(const Case& c) {
  const int h = 66, w = 64;
  nca::NcaSpec spec;
  spec.channels = 4;
  spec.perception.grad = true;
  Trajectory data = blob(h, w, 3, 0.5F);
  if (c.bounded) {
    spec.boundary = nca::Boundary::soft;
    spec.alive = true;
    data.boundary.assign(std::size_t(h * w), 1.0F);
  }
  const nca::NcaSystem<T> system(spec);
  const AugmenterInputs<T> inputs{{}, &system, {data}, 3};
  std::unique_ptr<Augmenter<T>> augmenter;
  if (c.feed == Feed::morph) {
    MorphOptions morph;
    morph.steps = 3, morph.duplicate = 2, morph.shift = 2;
    augmenter = std::make_unique<MorphAugmenter<T>>(morph, inputs);
  } else {
    PoolOptions pool;
    pool.regime = PoolOptions::Regime::regenerating;
    pool.size = 6, pool.batch = 4, pool.damage = 1, pool.steps_min = pool.steps_max = 3;
    augmenter = std::make_unique<PoolAugmenter<T>>(pool, inputs);
  }
  const ImageModel model{4, 2, spec.perception, c.bounded ? ImageModel::Boundary::soft : ImageModel::Boundary::none,
                         spec.mask_rows()};
  std::vector<std::unique_ptr<Objective<T>>> objectives;
  objectives.push_back(make_objective<T>(test::configure(objective_schema(), R"({"loss": ")" + c.loss + "\"}"), model));
  const auto optimiser = make_optimiser<T>(
      test::optimiser_config(R"({"type": "nadamw", "lr": {"type": "exponential", "initial": 1e-3, "rate": 0.9,
      "steps": 10}, "transforms": ["param_block_norm", "clip_global_norm", "apply_if_finite"]})"),
      system.param_layout(), {});
  std::vector<T> params(system.param_layout().size());
  system.initialise(3, params);
  TrainerOptions options;
  options.memory = c.memory;
  if (c.memory == "revolve") options.memory_slots = 2;
  options.warmup = 0;
  options.accept_always = true;
  Trainer<T> trainer({}, system, *augmenter, std::move(objectives), *optimiser, options, 3, params);
  EXPECT_EQ(count(trainer, 1, 2), 0);
}

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class Allocations : public ::testing::TestWithParam<Case> {};

TEST_P(Allocations, NoneAfterTheFirstTrainingStep) {
  if (!MG_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns the allocator";
  if (needs_fft(GetParam().loss) && host_fft_library().empty()) GTEST_SKIP() << kNoHostFft;
  {
    SCOPED_TRACE("float");
    expect_no_allocations<float>(GetParam());
  }
  SCOPED_TRACE("double");
  expect_no_allocations<double>(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, Allocations,
                         ::testing::Values(Case{"morph", "euclidean"}, Case{"pool", "l2", Feed::pool},
                                           Case{"bounded", "cosine", Feed::morph, "sqrt", true},
                                           Case{"spectral", "spectral", Feed::morph, "revolve"},
                                           Case{"spectral_full", "spectral_full", Feed::pool}),
                         [](const auto& i) { return i.param.name; });

TEST(Allocations, AreCounted) {
  if (!MG_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns the allocator";
  allocations = 0;
  counting = true;
  Workspace workspace;
  workspace.get<double>({}, "a name longer than a small string", 10);
  const int first = allocations;
  workspace.get<double>({}, "a name longer than a small string", 5);
  counting = false;
  EXPECT_GE(first, 2);
  EXPECT_EQ(allocations, first);
}

}  // namespace
}  // namespace mg::train
