#include "core/fft.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/arrays.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg {
namespace {

using test::Vec;

class FftBackends : public test::OnEachBackend {
 protected:
  void SetUp() override {
    test::OnEachBackend::SetUp();
    MG_SKIP_WITHOUT_FFT();
  }
};
MG_INSTANTIATE_BACKENDS(FftBackends);

template <class T>
Vec transform(const Exec& exec, Shape shape, const Vec& x) {
  Workspace workspace;
  const auto xs = test::to_backend<T>(exec, x);
  Buffer<T> z(exec, 2 * spectrum_shape(shape).size());
  rfft2<T>(exec, {xs.data(), shape}, z.data(), workspace);
  return test::from_backend(z);
}
template <class T>
Vec transform_adjoint(const Exec& exec, Shape shape, const Vec& z_bar, const Vec& x_bar_before) {
  Workspace workspace;
  auto z = test::to_backend<T>(exec, z_bar);
  auto x_bar = test::to_backend<T>(exec, x_bar_before);
  rfft2_adjoint<T>(exec, z.data(), {x_bar.data(), shape}, workspace);
  return test::from_backend(x_bar);
}

Vec by_definition(Shape s, const Vec& x) {
  Vec z;
  for (std::size_t plane = 0; plane < std::size_t(s.n * s.c); ++plane)
    for (int k = 0; k < s.h; ++k)
      for (int l = 0; l <= s.w / 2; ++l) {
        double re = 0, im = 0;
        for (int i = 0; i < s.h; ++i)
          for (int j = 0; j < s.w; ++j) {
            const double phi = -2 * M_PI * (double(k) * i / s.h + double(l) * j / s.w);
            const double v = x[plane * s.plane() + std::size_t(i * s.w + j)];
            re += v * std::cos(phi), im += v * std::sin(phi);
          }
        z.push_back(re), z.push_back(im);
      }
  return z;
}

const Shape kShapes[] = {{1, 1, 1, 1},  {1, 1, 1, 2},   {1, 1, 3, 1},   {2, 1, 6, 8}, {1, 3, 5, 7},
                         {1, 1, 7, 10}, {1, 1, 22, 26}, {1, 2, 30, 24}, {1, 1, 17, 9}};

TEST_P(FftBackends, MatchesTheDefinition) {
  for (const Shape& s : kShapes) {
    SCOPED_TRACE(std::to_string(s.h) + " x " + std::to_string(s.w));
    const Vec x = test::random_vec(s.size(), 3), want = by_definition(s, x);
    MG_EXPECT_CLOSE(transform<double>({GetParam()}, s, x), want, 1e-13);
    MG_EXPECT_CLOSE(transform<float>({GetParam()}, s, x), want, 1e-6);
  }
}

TEST_P(FftBackends, AdjointPassesTheDotProductTest) {
  for (const Shape& s : kShapes) {
    SCOPED_TRACE(std::to_string(s.h) + " x " + std::to_string(s.w));
    test::expect_adjoint([&](const Vec& x) { return transform<double>({GetParam()}, s, x); },
                         [&](const Vec& z) { return transform_adjoint<double>({GetParam()}, s, z, Vec(s.size())); },
                         s.size(), 2 * spectrum_shape(s).size());
  }
}

TEST(Fft, TellsWhatIsMissing) {
  if (!host_fft_library().empty()) {
    EXPECT_TRUE(host_fft_library().starts_with("fftw-")) << host_fft_library();
    return;
  }
  const Shape s{1, 1, 2, 2};
  EXPECT_THROW(transform<float>({}, s, Vec(4)), ConfigError);
  EXPECT_THROW(transform_adjoint<double>({}, s, Vec(8), Vec(4)), ConfigError);
}

TEST_P(FftBackends, AdjointAccumulates) {
  const Shape s{1, 2, 6, 5};
  const Vec z = test::random_vec(2 * spectrum_shape(s).size(), 5), before = test::random_vec(s.size(), 6);
  Vec want = transform_adjoint<double>({GetParam()}, s, z, Vec(s.size()));
  for (std::size_t i = 0; i < want.size(); ++i) want[i] += before[i];
  MG_EXPECT_CLOSE(transform_adjoint<double>({GetParam()}, s, z, before), want, 1e-14);
}

}  // namespace
}  // namespace mg
