#include "pde/sweep.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "core/validate.hpp"
#include "pde/reaction_cell.hpp"
#include "pde/register.hpp"

// Passes in one sweep over the rows against the same passes one by one, and one pass against its definition.
namespace mg::pde {
namespace {

using Vec = std::vector<double>;

constexpr Padding kPaddings[] = {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular};
constexpr double kParams[] = {0.1, 0.05, 0.0623, 0.06268};

template <class T>
std::vector<T> ripples(std::size_t size) {
  std::vector<T> x(size);
  for (std::size_t i = 0; i < size; ++i) x[i] = T(0.5 + 0.4 * std::sin(0.37 * double(i) + 0.001 * double(i % 1013)));
  return x;
}

template <class T>
sweep::Setting<T> setting(Padding padding, Shape shape, const T* params, std::span<T> temporary) {
  return {0, padding, T(0.05), T(0.2), T(-1), params, shape, temporary};  // Gray-Scott
}

TEST(Sweep, OnePassIsTheRightHandSide) {
  for (const Padding padding : kPaddings)
    for (const Shape shape : {Shape{2, 2, 5, 131}, Shape{1, 2, 1, 128}, Shape{1, 2, 19, 1}, Shape{1, 2, 2, 1037}}) {
      const Vec x = ripples<double>(shape.size());
      Vec slope(x.size()), sum(x.size());
      RhsPass<double> pass;
      pass.x = x.data(), pass.slope = slope.data();
      Combination<double> half;
      half.out = sum.data(), half.base = x.data(), half.r_weight = 0.5;
      pass.sums = Combinations<double>(half);
      Workspace workspace;
      sweep::host::run<double>(setting<double>(padding, shape, kParams, {}), {&pass, 1}, workspace);
      for (int n = 0; n < shape.n; ++n)
        for (int i = 0; i < shape.h; ++i)
          for (int j = 0; j < shape.w; ++j) {
            double u[2], r[2];
            const auto at = [&](int c, int y, int z) {
              return (std::size_t(n * 2 + c) * std::size_t(shape.h) + std::size_t(y)) * std::size_t(shape.w) +
                     std::size_t(z);
            };
            for (int c = 0; c < 2; ++c) {
              double lap = 0;
              for (int a = -1; a <= 1; ++a)
                for (int b = -1; b <= 1; ++b) {
                  const int y = padded_index(padding, i + a, shape.h), z = padded_index(padding, j + b, shape.w);
                  const double tap = a == 0 && b == 0 ? -1 : a == 0 || b == 0 ? 0.2 : 0.05;
                  if (y >= 0 && z >= 0) lap += tap * x[at(c, y, z)];
                }
              u[c] = x[at(c, i, j)], r[c] = kParams[c] * lap;
            }
            GrayScott::value<double, double>(kParams, u, r);
            for (int c = 0; c < 2; ++c) {
              ASSERT_NEAR(slope[at(c, i, j)], r[c], 1e-14) << i << " " << j << " padding " << int(padding);
              ASSERT_NEAR(sum[at(c, i, j)], u[c] + 0.5 * r[c], 1e-14);
            }
          }
    }
}

/// Three steps of Heun's method from x; in one sweep, or pass by pass. The end of the first step is kept too.
template <class T>
std::vector<T> three_steps(Padding padding, Shape shape, const std::vector<T>& x, bool one_sweep) {
  const std::vector<T> params(kParams, kParams + 4);
  const std::size_t size = x.size();
  const std::size_t array = one_sweep ? 1 : size;  // in a sweep temporary arrays are names only
  std::vector<T> temporary(9 * array), kept(size), end(size);
  PassList<T> list;
  const T* from = x.data();
  for (int k = 0; k < 3; ++k) {
    T* const own = temporary.data() + 3 * std::size_t(k) * array;
    T *const argument = own, *const slope = own + array;
    T* const to = k == 0 ? kept.data() : k == 2 ? end.data() : own + 2 * array;
    RhsPass<T>& first = list.add(0, from);
    first.slope = slope;
    Combination<T> sum;
    sum.out = argument, sum.base = from, sum.r_weight = T(0.2);
    first.sums = Combinations<T>(sum);
    RhsPass<T>& second = list.add(0, argument);
    sum.out = to, sum.r_weight = T(0.1);
    sum.add(T(0.1), slope);
    second.sums = Combinations<T>(sum);
    from = to;
  }
  Workspace workspace;
  const auto all = list.passes();
  if (one_sweep)
    sweep::host::run<T>(setting<T>(padding, shape, params.data(), temporary), all, workspace);
  else
    for (const RhsPass<T>& pass : all)
      sweep::host::run<T>(setting<T>(padding, shape, params.data(), {}), {&pass, 1}, workspace);
  kept.insert(kept.end(), end.begin(), end.end());
  return kept;
}

template <class T>
void expect_same_bits() {
  for (const Padding padding : kPaddings)
    for (const Shape shape :
         {Shape{2, 2, 37, 131}, Shape{1, 2, 150, 257}, Shape{3, 2, 1, 16}, Shape{1, 2, 2, 33}, Shape{1, 2, 3, 7}}) {
      const auto x = ripples<T>(shape.size());
      const auto a = three_steps(padding, shape, x, true), b = three_steps(padding, shape, x, false);
      EXPECT_EQ(0, std::memcmp(a.data(), b.data(), a.size() * sizeof(T)))
          << shape.h << " x " << shape.w << " padding " << int(padding);
    }
}
TEST(Sweep, ManyPassesHaveTheBitsOfOneByOne) {
  expect_same_bits<float>();
  expect_same_bits<double>();
}

TEST(Sweep, StepsOfALargeLatticeHaveTheBitsOfSingleSteps) {
  for (const char* solver : {"euler", "heun", "rk4"})
    for (const char* padding : {"CIRCULAR", "REFLECT"}) {
      Registry<System<float>> registry;
      register_systems(registry);
      const Schema schema = Schema("test", "").variant("model", registry.variants(), std::nullopt, "model");
      const std::string text = std::string(R"({"model": {"type": "gray_scott", "padding": ")") + padding +
                               R"(", "solver": {"type": ")" + solver + R"("}}})";
      const auto system = registry.create(validate_config(schema, parse_config(text, "test")).at("model"));
      const Layout layout = system->state_layout({711, 750});
      ASSERT_GT(sweep::host::steps_of_one_sweep<float>({1, 2, 711, 750}, 1), 1);
      std::vector<float> params(system->param_layout().size());
      system->initialise(1, params);
      const auto x = ripples<float>(layout.size());
      std::vector<StepIndex> indices(11);
      for (int k = 0; k < 11; ++k) indices[std::size_t(k)].step = k, indices[std::size_t(k)].h = 0.3;
      std::vector<float> a(x.size()), b(x.size()), now = x;
      Workspace workspace;
      system->steps({}, indices, params.data(), {}, {x.data(), &layout, 1}, {a.data(), &layout, 1}, workspace);
      for (const StepIndex& index : indices) {
        system->step({}, index, params.data(), {}, {now.data(), &layout, 1}, {b.data(), &layout, 1}, workspace);
        now.swap(b);
      }
      EXPECT_EQ(a, now) << solver << " " << padding;
    }
}

}  // namespace
}  // namespace mg::pde
