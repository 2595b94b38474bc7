#include "core/modes.hpp"

#include <gtest/gtest.h>

#include "core/stencil.hpp"
#include "tests/support/arrays.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg {
namespace {

using test::Vec;

class ModesBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(ModesBackends);

constexpr Padding kPaddings[] = {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular};
constexpr Shape kShapes[] = {{1, 1, 2, 2}, {2, 2, 5, 8}, {1, 1, 7, 3}};

/// from_modes(symbol * to_modes(x)) with the symbol of the Laplacian; transposed: of its transpose.
template <class T>
Vec through_modes(const Exec& exec, Padding padding, int smoothing, double dx, Shape shape, const Vec& x,
                  bool transposed) {
  Workspace workspace;
  const auto in = test::to_backend<T>(exec, x);
  Buffer<T> z(exec, x.size()), out(exec, x.size());
  to_modes<T>(exec, padding, {in.data(), shape}, z.data(), workspace, transposed);
  Vec modes = test::from_backend(z);
  const auto cosines = mode_cosines<T>(exec, padding, shape, workspace);
  std::vector<T> c(std::size_t(shape.h + shape.w));
  copy_bytes(exec, c.data(), Backend::host, cosines.rows, exec.backend, c.size() * sizeof(T));
  synchronise(exec);
  for (std::size_t i = 0; i < modes.size(); ++i) {
    const double a = c[i / std::size_t(shape.w) % std::size_t(shape.h)],
                 b = c[std::size_t(shape.h) + i % std::size_t(shape.w)];
    modes[i] *= ((smoothing == 1 ? (1 + a) * (1 + b) : 2 * a + 2 * b) - 4) / (dx * dx);
  }
  z = test::to_backend<T>(exec, modes);
  from_modes<T>(exec, padding, z.data(), {out.data(), shape}, workspace, transposed);
  return test::from_backend(out);
}

TEST_P(ModesBackends, DiagonaliseTheLaplaciansAndTheirTransposes) {
  if (GetParam() == Backend::cuda) MG_SKIP_WITHOUT_FFT();
  for (const Padding padding : kPaddings)
    for (const Shape& shape : kShapes)
      for (const int smoothing : {0, 1}) {
        SCOPED_TRACE(std::string(kPaddingNames[int(padding)]) + " " + std::to_string(shape.h) + " x " +
                     std::to_string(shape.w));
        const double dx = 0.7;
        const auto stencils = make_stencils<double>(padding, 1, smoothing, dx);
        const Vec x = test::random_vec(shape.size(), 3);
        Vec lap(x.size()), adjoint(x.size());
        laplacian<double>({}, stencils, {x.data(), shape}, {lap.data(), shape});
        laplacian_adjoint<double>({}, stencils, {x.data(), shape}, {adjoint.data(), shape});
        MG_EXPECT_CLOSE(through_modes<double>({GetParam()}, padding, smoothing, dx, shape, x, false), lap, 1e-13);
        MG_EXPECT_CLOSE(through_modes<double>({GetParam()}, padding, smoothing, dx, shape, x, true), adjoint, 1e-13);
        MG_EXPECT_CLOSE(through_modes<float>({GetParam()}, padding, smoothing, dx, shape, x, false), lap, 2e-6);
      }
}

}  // namespace
}  // namespace mg
