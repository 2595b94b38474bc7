#pragma once
#include <string>
#include <vector>

#include "tests/nca/nca_case.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg::test {

/// A model, a state and everything else a step needs, random but for the specification.
template <class T>
struct RandomCase {
  RandomCase(const nca::NcaSpec& s, Shape sh, unsigned seed = 7) : spec(s), shape(sh), x(sh) {
    params = scaled<T>(nca::nca_param_layout(spec).size(), seed, 0.4);
    x.data = scaled<T>(shape.size(), seed + 1, 0.7);
    if (spec.boundary != nca::Boundary::none) {
      mask = Field<T>({shape.n, spec.mask_rows(), shape.h, shape.w});
      mask.data = scaled<T>(mask.data.size(), seed + 2, 1);
    }
    index = {0x123456789ABCDEFULL, 3, 5, 2, 0, 1};
  }
  template <class U>
  static std::vector<U> scaled(std::size_t n, unsigned seed, double scale) {
    const Vec v = random_vec(n, seed);
    std::vector<U> out(n);
    for (std::size_t i = 0; i < n; ++i) out[i] = U(scale * v[i]);
    return out;
  }
  nca::NcaInputs<T> inputs() const {
    nca::NcaInputs<T> in;
    in.index = index;
    if (!mask.data.empty()) in.boundary = mask.view();
    return in;
  }

  nca::NcaSpec spec;
  Shape shape;
  Field<T> x, mask;
  std::vector<T> params;
  StepIndex index;
  Workspace workspace;
};

/// One specification of every kind that tests should see, with a name.
struct NamedSpec {
  std::string name;
  nca::NcaSpec spec;
};

inline std::vector<NamedSpec> assorted_specs() {
  std::vector<NamedSpec> all;
  const auto add = [&](std::string name, auto change) {
    nca::NcaSpec s;
    s.channels = 5;
    change(s);
    all.push_back({std::move(name), s});
  };
  for (const Padding padding : {Padding::zeros, Padding::reflect, Padding::replicate, Padding::circular})
    add("all_" + std::string(kPaddingNames[int(padding)]), [&](nca::NcaSpec& s) {
      s.perception.grad = s.perception.av = true;
      s.perception.padding = padding;
      s.fire_rate = 0.7;
    });
  for (const Padding padding : {Padding::zeros, Padding::circular})
    add("distill_" + std::string(kPaddingNames[int(padding)]), [&](nca::NcaSpec& s) {
      s.perception.lap = false, s.perception.grad = true;
      s.perception.padding = padding;
      s.hidden = 21, s.hidden_bias = true;
      s.fire_mask = nca::FireMask::cell;
      s.alive = true;
      s.alive_threshold = 1.0;
    });
  add("alive_channel_mask", [](nca::NcaSpec& s) {
    s.alive = true, s.alive_channel = 0, s.alive_threshold = 1.2;
    s.boundary = nca::Boundary::hard;
  });
  add("gated_soft", [](nca::NcaSpec& s) {
    s.gated = s.hidden_bias = true;
    s.activation = Activation::swish;
    s.boundary = nca::Boundary::soft, s.boundary_channels = 2;
    s.perception.padding = Padding::replicate;
  });
  add("gated_cell", [](nca::NcaSpec& s) { s.gated = true, s.fire_mask = nca::FireMask::cell, s.fire_rate = 0.3; });
  add("hard_no_bias", [](nca::NcaSpec& s) {
    s.output_bias = false, s.fire_rate = 1;
    s.boundary = nca::Boundary::hard;
    s.perception.id = false, s.perception.smoothing = 0, s.perception.dx = 0.5;
  });
  for (std::size_t a = 0; a < std::size(kActivationNames); ++a)
    add(std::string(kActivationNames[a]), [&](nca::NcaSpec& s) { s.activation = Activation(a), s.hidden = 9; });
  add("many_channels", [](nca::NcaSpec& s) { s.channels = 19, s.hidden = 40, s.perception.grad = true; });
  add("only_id", [](nca::NcaSpec& s) { s.perception.lap = false; });
  add("one_channel", [](nca::NcaSpec& s) { s.channels = 1, s.alive_channel = 0; });
  return all;
}

}  // namespace mg::test
