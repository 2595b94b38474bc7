#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/stencil_cases.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg {
namespace {

class StencilBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(StencilBackends);

template <class T>
void compare(Backend backend, double tolerance) {
  const Shape shapes[] = {{1, 1, 2, 2}, {2, 2, 7, 9}};
  for (const auto& op : test::stencil_cases<T>())
    for (Padding padding : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular})
      for (const Shape& shape : shapes)
        for (int scale : {1, 2}) {
          SCOPED_TRACE(op.name + " " + std::string(kPaddingNames[int(padding)]) + " scale " + std::to_string(scale));
          const auto set = make_stencils<T>(padding, scale);
          const test::StencilRunner<T> host(Backend::host, op, set, shape), other(backend, op, set, shape);
          const auto x = test::random_vec(host.in_size(), 1), bar = test::random_vec(host.out_size(), 2);
          const auto near = [&](const std::vector<double>& got, const std::vector<double>& want) {
            ASSERT_EQ(got.size(), want.size());
            for (std::size_t i = 0; i < got.size(); ++i)
              ASSERT_NEAR(got[i], want[i], tolerance * (1 + 10 * std::abs(want[i]))) << "element " << i;
          };
          near(other.forward(x), host.forward(x));
          near(other.adjoint(x, bar), host.adjoint(x, bar));
        }
}

TEST_P(StencilBackends, AgreeWithTheHostInFloat) { compare<float>(GetParam(), 3e-6); }
TEST_P(StencilBackends, AgreeWithTheHostInDouble) { compare<double>(GetParam(), 1e-13); }

}  // namespace
}  // namespace mg
