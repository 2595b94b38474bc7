#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "nca/nca_spec.hpp"
#include "tests/support/backends.hpp"
#if MG_WITH_CUDA
#include "cuda/nca/nca_paths.hpp"
#endif
#if defined(MG_CUDA_EMULATION)
#include "emulator.hpp"
#endif

// The device twins of the step and its adjoint against the host, over every option and awkward sizes.
namespace mg::nca {
namespace {

struct Case {
  std::string name;
  NcaSpec spec;
  int n = 2, h = 5, w = 7;
};

NcaSpec base(int channels, int hidden) {
  NcaSpec s;
  s.channels = channels;
  s.hidden = hidden;
  s.perception.grad = true;
  return s;
}

std::vector<Case> cases() {
  std::vector<Case> out;
  const auto add = [&](const std::string& name, int channels, int hidden, auto&& change, int n = 2, int h = 5,
                       int w = 7) {
    NcaSpec s = base(channels, hidden);
    change(s);
    out.push_back({name, s, n, h, w});
  };
  const auto nothing = [](NcaSpec&) {};
  add("plain", 4, 0, nothing);
  add("one_cell", 3, 5, nothing, 1, 1, 1);
  add("wide", 5, 20, nothing, 1, 3, 33);
  add("tile", 2, 4, nothing, 1, 8, 32);
  add("tile_and_one", 2, 4, nothing, 2, 9, 33);
  add(
      "distill", 16, 128,
      [](NcaSpec& s) {
        s.perception.lap = false;
        s.perception.padding = Padding::zeros;
        s.hidden_bias = s.alive = true;
        s.fire_mask = FireMask::cell;
      },
      1, 9, 11);
  // Networks beyond shared memory: fewer warps, packed weights, sums in global memory.
  add("c32", 32, 0, nothing, 1, 2, 5);
  add(
      "c32_gated", 32, 0, [](NcaSpec& s) { s.gated = s.perception.av = true; }, 1, 2, 5);
  add(
      "h512", 12, 512, [](NcaSpec& s) { s.hidden_bias = true; }, 1, 2, 5);
  for (Padding p : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular})
    for (int scale : {1, 2})
      add(std::string(kPaddingNames[int(p)]) + "_s" + std::to_string(scale), 3, 6, [&](NcaSpec& s) {
        s.perception = {true, true, true, true, true, p, scale, 1, 0.7, scale == 2};
        s.alive = true;
        s.alive_channel = 1;
        s.alive_threshold = 1.2;
        s.gated = scale == 2;
      });
  add("diff_without_grad", 3, 6, [](NcaSpec& s) { s.perception.grad = false, s.perception.diff = true; });
  for (Activation a : {Activation::relu, Activation::tanh, Activation::sigmoid, Activation::swish, Activation::gelu,
                       Activation::leaky_relu, Activation::relu6, Activation::linear})
    add(
        std::string(kActivationNames[int(a)]), 3, 17, [&](NcaSpec& s) { s.activation = a; }, 1, 3, 5);
  for (bool gated : {false, true})
    for (FireMask mask : {FireMask::channel, FireMask::cell})
      for (double rate : {0.3, 1.0})
        add(
            std::string(gated ? "gated" : "free") + (mask == FireMask::cell ? "_cell" : "_channel") +
                (rate < 1 ? "_drawn" : "_always"),
            5, 40,
            [&](NcaSpec& s) {
              s.gated = s.hidden_bias = gated;
              s.output_bias = !gated;
              s.fire_mask = mask;
              s.fire_rate = rate;
            },
            1, 6, 9);
  for (Boundary b : {Boundary::soft, Boundary::hard})
    for (bool alive : {false, true})
      add(std::string(b == Boundary::soft ? "soft" : "hard") + (alive ? "_alive" : ""), 5, 9, [&](NcaSpec& s) {
        s.boundary = b;
        s.boundary_channels = 2;
        s.alive = alive;
        s.alive_threshold = 1.0;
        s.fire_mask = alive ? FireMask::cell : FireMask::channel;
      });
  return out;
}

template <class T>
std::vector<T> normal(std::size_t n, unsigned seed, double scale = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<double> d;
  std::vector<T> v(n);
  std::generate(v.begin(), v.end(), [&] { return T(scale * d(rng)); });
  return v;
}

enum class Path { chosen, plain, tiled };

/// One forward and one adjoint step of a case.
template <class T>
struct Outcome {
  std::vector<T> next, x_bar, params_bar;
};

template <class T>
Outcome<T> run(const Case& c, const Exec& exec, Path path = Path::chosen, bool overridden = false) {
  const NcaSpec& s = c.spec;
  const Shape shape{c.n, s.channels, c.h, c.w}, mask_shape{c.n, s.mask_rows(), c.h, c.w};
  const std::size_t count = nca_param_layout(s).size();
  const auto device = [&](const std::vector<T>& v) {
    Buffer<T> b(exec, v.size());
    b.upload(v);
    return b;
  };
  const Buffer<T> x = device(normal<T>(shape.size(), 1)), bar = device(normal<T>(shape.size(), 2));
  const Buffer<T> params = device(normal<T>(count, 3, 0.4)), mask = device(normal<T>(mask_shape.size(), 4));
  std::vector<T> fire = normal<T>(shape.size(), 5);
  for (T& v : fire) v = v > T(0) ? T(1) : T(0);
  const Buffer<T> override_mask = device(fire);
  Buffer<T> next(exec, shape.size()), x_bar(exec, shape.size());
  Buffer<T> params_bar = device(normal<T>(count, 6));  // accumulated, so it starts at something
  NcaInputs<T> in;
  in.index = {0x123456789abcdefULL, 7, 3, 11, 0, 1};
  if (s.boundary != Boundary::none) in.boundary = {mask.data(), mask_shape};
  if (overridden) in.fire_override = {override_mask.data(), shape};
  const View<const T> xv{x.data(), shape}, barv{bar.data(), shape};
  const View<T> nextv{next.data(), shape}, x_barv{x_bar.data(), shape};
  Workspace workspace;
#if MG_WITH_CUDA
  if (path == Path::plain) {
    cuda::plain_step(exec.stream, s, params.data(), in, xv, nextv, workspace);
    cuda::plain_step_adjoint(exec.stream, s, params.data(), in, xv, barv, x_barv, params_bar.data(), workspace);
  } else if (path == Path::tiled) {
    EXPECT_TRUE(cuda::tiled_step(exec.stream, s, params.data(), in, xv, nextv, workspace));
    EXPECT_TRUE(
        cuda::tiled_step_adjoint(exec.stream, s, params.data(), in, xv, barv, x_barv, params_bar.data(), workspace));
  }
#endif
  if (path == Path::chosen) {
    nca_step<T>(exec, s, params.data(), in, xv, nextv, workspace);
    nca_step_adjoint<T>(exec, s, params.data(), in, xv, barv, x_barv, params_bar.data(), workspace);
  }
  synchronise(exec);
  return {next.to_vector(), x_bar.to_vector(), params_bar.to_vector()};
}

/// |got - want| <= atol + rtol max |want|, reporting the worst element.
template <class T>
void expect_near(const char* what, const std::vector<T>& got, const std::vector<T>& want) {
  const double rtol = sizeof(T) == 4 ? 1e-5 : 1e-12, atol = sizeof(T) == 4 ? 1e-6 : 1e-12;
  ASSERT_EQ(got.size(), want.size());
  double top = 0, worst = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    top = std::max(top, std::abs(double(want[i])));
    const double d = std::abs(double(got[i]) - double(want[i]));
    if (!(d <= worst)) worst = d, at = i;
  }
  EXPECT_TRUE(worst <= atol + rtol * top) << what << "[" << at << "]: got " << got[at] << ", want " << want[at];
}

template <class T>
void expect_same(const Outcome<T>& got, const Outcome<T>& want) {
  expect_near("next", got.next, want.next);
  expect_near("x_bar", got.x_bar, want.x_bar);
  expect_near("params_bar", got.params_bar, want.params_bar);
}

class NcaDevice : public test::OnEachBackend {
 protected:
  Exec exec() const { return {Backend::cuda, nullptr}; }
};
const auto kDevice = ::testing::Values(Backend::cuda);
INSTANTIATE_TEST_SUITE_P(Device, NcaDevice, kDevice, test::backend_name);

template <class T>
void compare_all(const Exec& exec, Path path) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const bool too_large = sizeof(T) == 8 && c.name == "c32_gated";  // the plain path takes over
    const Outcome<T> want = run<T>(c, {});
    expect_same(run<T>(c, exec, too_large ? Path::chosen : path), want);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST_P(NcaDevice, PlainPathEqualsTheHostInFloat) { compare_all<float>(exec(), Path::plain); }
TEST_P(NcaDevice, PlainPathEqualsTheHostInDouble) { compare_all<double>(exec(), Path::plain); }
TEST_P(NcaDevice, FusedPathEqualsTheHostInFloat) { compare_all<float>(exec(), Path::tiled); }
TEST_P(NcaDevice, FusedPathEqualsTheHostInDouble) { compare_all<double>(exec(), Path::tiled); }

TEST_P(NcaDevice, TakesAGivenFireMask) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    if (c.name != "plain" && c.name != "soft_alive" && c.name != "gated_cell_drawn") continue;
    const Outcome<float> want = run<float>(c, {}, Path::chosen, true);
    expect_same(run<float>(c, exec(), Path::plain, true), want);
    expect_same(run<float>(c, exec(), Path::chosen, true), want);
  }
}

TEST_P(NcaDevice, RunsTwiceToTheSameBits) {
  for (const Case& c : cases()) {
    if (c.name != "distill" && c.name != "tile_and_one" && c.name != "hard_alive") continue;
    SCOPED_TRACE(c.name);
    const Outcome<float> first = run<float>(c, exec());
    for (unsigned seed = 2; seed < 5; ++seed) {
#if defined(MG_CUDA_EMULATION)
      emulation::set_order_seed(seed);
#endif
      const Outcome<float> again = run<float>(c, exec());
      EXPECT_EQ(first.next, again.next);
      EXPECT_EQ(first.x_bar, again.x_bar);
      EXPECT_EQ(first.params_bar, again.params_bar);
    }
  }
}

}  // namespace
}  // namespace mg::nca
