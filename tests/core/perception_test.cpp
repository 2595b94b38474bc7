#include "core/perception.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "core/buffer.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg {
namespace {

template <class T>
struct Runner {
  Exec exec;
  PerceptionSpec spec;
  Shape shape;

  Buffer<T> upload(const std::vector<double>& v) const {
    Buffer<T> b(exec, v.size());
    b.upload(std::vector<T>(v.begin(), v.end()));
    return b;
  }
  static std::vector<double> download(const Buffer<T>& b) {
    const auto v = b.to_vector();
    return {v.begin(), v.end()};
  }
  Shape features() const { return {shape.n, spec.features(shape.c), shape.h, shape.w}; }
  std::vector<double> forward(const std::vector<double>& x) const {
    const Buffer<T> in = upload(x), out(exec, features().size());
    perceive<T>(exec, spec, {in.data(), shape}, {out.data(), features()});
    return download(out);
  }
  /// start + P^T bar
  std::vector<double> adjoint(const std::vector<double>& x, const std::vector<double>& bar, double start = 0) const {
    const Buffer<T> in = upload(x), p_bar = upload(bar), x_bar = upload(std::vector<double>(x.size(), start));
    perceive_adjoint<T>(exec, spec, {in.data(), shape}, {p_bar.data(), features()}, {x_bar.data(), shape});
    return download(x_bar);
  }
};

/// "circular_s1_LAP-GRAD-ID" -> spec
PerceptionSpec parse(const std::string& name) {
  std::string padding = name.substr(0, name.find('_'));
  std::transform(padding.begin(), padding.end(), padding.begin(),
                 [](unsigned char c) { return char(std::toupper(c)); });
  const auto it = std::find(std::begin(kPaddingNames), std::end(kPaddingNames), padding);
  EXPECT_NE(it, std::end(kPaddingNames)) << name;
  PerceptionSpec spec;
  spec.id = spec.lap = false;
  spec.padding = Padding(it - std::begin(kPaddingNames));
  spec.scale = std::stoi(name.substr(name.find("_s") + 2));
  spec.original_scaled_kernels = true;
  std::stringstream blocks(name.substr(name.rfind('_') + 1));
  for (std::string block; std::getline(blocks, block, '-');) {
    bool& flag = block == "ID"     ? spec.id
                 : block == "DIFF" ? spec.diff
                 : block == "GRAD" ? spec.grad
                 : block == "AV"   ? spec.av
                                   : spec.lap;
    EXPECT_TRUE(&flag != &spec.lap || block == "LAP") << block;
    flag = true;
  }
  return spec;
}

template <class T>
void check_goldens(double tolerance) {
  for (const auto& path : test::golden_files("nca", "perception")) {
    const auto golden = test::load_golden(path);
    const auto x = golden.values("x");
    const auto shape = golden.shape("x");
    int cases = 0;
    for (const auto& [name, tensor] : golden.file.tensors) {
      if (!name.ends_with(".out")) continue;
      const std::string base = name.substr(0, name.size() - 4);
      SCOPED_TRACE(base);
      const Runner<T> run{{}, parse(base), {1, int(shape[0]), int(shape[1]), int(shape[2])}};
      MG_EXPECT_CLOSE(run.forward(x), golden.values(name), tolerance);
      MG_EXPECT_CLOSE(run.adjoint(x, golden.values(base + ".out_bar")), golden.values(base + ".x_bar"), tolerance);
      ++cases;
    }
    EXPECT_GT(cases, 0);
  }
}

TEST(PerceptionGolden, Double) { check_goldens<double>(1e-10); }
TEST(PerceptionGolden, Float) { check_goldens<float>(2e-7); }

PerceptionSpec all_blocks(Padding padding, int scale) {
  PerceptionSpec spec;
  spec.id = spec.diff = spec.grad = spec.av = spec.lap = true;
  spec.padding = padding;
  spec.scale = scale;
  return spec;
}

TEST(Perception, TaylorRateOfAllBlocks) {
  for (Padding padding : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular}) {
    SCOPED_TRACE(kPaddingNames[int(padding)]);
    const Runner<double> run{{}, all_blocks(padding, 1), {2, 2, 5, 7}};
    std::vector<double> x = test::random_vec(run.shape.size(), 5);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.1 * x[i] + 4.0 * double(i % 7) + 2.0 * double(i / 7 % 5);
    test::expect_taylor_rate([&](const auto& v) { return run.forward(v); },
                             [&](const auto& v, const auto& bar) { return run.adjoint(v, bar); }, x);
  }
}

TEST(Perception, AdjointOfTheLinearBlocksAccumulates) {
  PerceptionSpec spec = all_blocks(Padding::replicate, 2);
  spec.diff = false;
  const Runner<double> run{{}, spec, {2, 3, 4, 3}};
  const auto zero = std::vector<double>(run.shape.size());
  test::expect_adjoint([&](const auto& x) { return run.forward(x); },
                       [&](const auto& y) { return run.adjoint(zero, y); }, run.shape.size(), run.features().size());
  const auto bar = test::random_vec(run.features().size(), 2);
  const auto plain = run.adjoint(zero, bar), added = run.adjoint(zero, bar, 3.0);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(added[i], plain[i] + 3.0, 1e-13);
}

TEST(Perception, RefusesWhatDoesNotFit) {
  std::vector<float> x(8), p(64);
  PerceptionSpec spec;
  EXPECT_THROW(perceive<float>({}, spec, {x.data(), {1, 2, 2, 2}}, {p.data(), {1, 2, 2, 2}}), std::invalid_argument);
  spec.padding = Padding::reflect;
  EXPECT_THROW(perceive<float>({}, spec, {x.data(), {1, 2, 1, 4}}, {p.data(), {1, 4, 1, 4}}), std::invalid_argument);
}

class PerceptionBackends : public test::OnEachBackend {};
MG_INSTANTIATE_BACKENDS(PerceptionBackends);

TEST_P(PerceptionBackends, AgreeWithTheHost) {
  for (Padding padding : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular})
    for (int scale : {1, 3}) {
      SCOPED_TRACE(kPaddingNames[int(padding)]);
      const Runner<float> host{{}, all_blocks(padding, scale), {2, 2, 5, 9}};
      const Runner<float> other{{GetParam(), nullptr}, host.spec, host.shape};
      const auto x = test::random_vec(host.shape.size(), 1), bar = test::random_vec(host.features().size(), 2);
      const auto near = [](const std::vector<double>& got, const std::vector<double>& want) {
        for (std::size_t i = 0; i < got.size(); ++i)
          ASSERT_NEAR(got[i], want[i], 3e-6 + 1e-5 * std::abs(want[i])) << "element " << i;
      };
      near(other.forward(x), host.forward(x));
      near(other.adjoint(x, bar), host.adjoint(x, bar));
    }
}

}  // namespace
}  // namespace mg
