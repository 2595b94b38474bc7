// The vectorised path against the generic one: every option, instruction set, odd sizes; same bits for any thread count.
#include "nca/nca_fast_path.hpp"

#include <gtest/gtest.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "nca/nca_generic.hpp"
#include "tests/nca/nca_random.hpp"

namespace mg::nca {
namespace {

using test::Field;
using test::RandomCase;

constexpr Shape kSizes[] = {{1, 1, 1, 1},   {1, 1, 3, 2},   {3, 1, 2, 7},  {2, 1, 9, 16},
                            {1, 1, 17, 33}, {1, 1, 5, 100}, {1, 1, 70, 31}};

struct Result {
  std::vector<float> next, x_bar, params_bar;
};

Result run_fast(Isa isa, RandomCase<float>& c, const NcaInputs<float>& in, const Field<float>& next_bar) {
  Field<float> next(c.shape), x_bar(c.shape);
  std::vector<float> params_bar(c.params.size(), 0.25F);
  host::fast_step(isa, c.spec, c.params.data(), in, std::as_const(c.x).view(), next.view(), c.workspace);
  host::fast_step_adjoint(isa, c.spec, c.params.data(), in, std::as_const(c.x).view(), next_bar.view(), x_bar.view(),
                          params_bar.data(), c.workspace);
  return {next.data, x_bar.data, params_bar};
}
Result run_generic(RandomCase<float>& c, const NcaInputs<float>& in, const Field<float>& next_bar) {
  Field<float> next(c.shape), x_bar(c.shape);
  std::vector<float> params_bar(c.params.size(), 0.25F);
  host::generic_step(c.spec, c.params.data(), in, std::as_const(c.x).view(), next.view(), c.workspace);
  host::generic_step_adjoint(c.spec, c.params.data(), in, std::as_const(c.x).view(), next_bar.view(), x_bar.view(),
                             params_bar.data(), c.workspace);
  return {next.data, x_bar.data, params_bar};
}

void expect_same(const Result& got, const Result& want) {
  MG_EXPECT_CLOSE(got.next, want.next, 2e-6);
  MG_EXPECT_CLOSE(got.x_bar, want.x_bar, 5e-6);
  MG_EXPECT_CLOSE(got.params_bar, want.params_bar, 5e-6);
}

class NcaFast : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!has_isa(GetParam())) GTEST_SKIP() << "this processor lacks " << kIsaNames[int(GetParam())];
  }
};

TEST_P(NcaFast, AgreesWithTheGenericPath) {
  for (const auto& [name, spec] : test::assorted_specs())
    for (Shape shape : kSizes) {
      if (spec.perception.padding == Padding::reflect && (shape.h < 2 || shape.w < 2)) continue;
      shape.c = spec.channels;
      SCOPED_TRACE(name + " " + std::to_string(shape.h) + "x" + std::to_string(shape.w));
      RandomCase<float> c(spec, shape);
      Field<float> next_bar(shape);
      next_bar.data = RandomCase<float>::scaled<float>(shape.size(), 11, 1);
      ASSERT_TRUE(host::fast_supports(spec));
      expect_same(run_fast(GetParam(), c, c.inputs(), next_bar), run_generic(c, c.inputs(), next_bar));
    }
}

TEST_P(NcaFast, GivenMasks) {
  for (const FireMask kind : {FireMask::channel, FireMask::cell}) {
    NcaSpec spec;
    spec.channels = 6;
    spec.fire_mask = kind;
    const Shape shape{2, 6, 11, 13};
    RandomCase<float> c(spec, shape);
    Field<float> next_bar(shape), fire(shape);
    next_bar.data = RandomCase<float>::scaled<float>(shape.size(), 11, 1);
    for (std::size_t i = 0; i < fire.data.size(); ++i) fire.data[i] = next_bar.data[i] > 0.3F ? 1.0F : 0.0F;
    NcaInputs<float> in = c.inputs();
    in.fire_override = std::as_const(fire).view();
    expect_same(run_fast(GetParam(), c, in, next_bar), run_generic(c, in, next_bar));
  }
}

#ifdef _OPENMP
TEST_P(NcaFast, ThreadsDoNotChangeBits) {
  const int before = omp_get_max_threads();
  for (const FireMask kind : {FireMask::channel, FireMask::cell}) {
    NcaSpec spec;
    spec.fire_mask = kind;
    spec.alive = kind == FireMask::cell;
    const Shape shape{3, 16, 40, 37};
    RandomCase<float> c(spec, shape);
    Field<float> next_bar(shape);
    next_bar.data = RandomCase<float>::scaled<float>(shape.size(), 11, 1);
    omp_set_num_threads(1);
    const Result one = run_fast(GetParam(), c, c.inputs(), next_bar);
    for (int threads : {2, 3, 5}) {
      omp_set_num_threads(threads);
      const Result many = run_fast(GetParam(), c, c.inputs(), next_bar);
      EXPECT_EQ(one.next, many.next);
      EXPECT_EQ(one.x_bar, many.x_bar);
      EXPECT_EQ(one.params_bar, many.params_bar);
    }
  }
  omp_set_num_threads(before);
}
#endif

INSTANTIATE_TEST_SUITE_P(Isa, NcaFast, ::testing::Values(Isa::baseline, Isa::avx2, Isa::avx512),
                         [](const auto& i) { return std::string(kIsaNames[int(i.param)]); });

}  // namespace
}  // namespace mg::nca
