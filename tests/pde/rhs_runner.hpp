#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "pde/fixed_models.hpp"
#include "tests/support/config.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg::test {

/// The fixed model that a JSON text such as {"type": "gray_scott", "dx": 0.5} describes.
template <class T>
std::unique_ptr<pde::Rhs<T>> fixed_model(const std::string& json) {
  Registry<pde::Rhs<T>> registry;
  pde::register_fixed_models(registry);
  const Schema schema = Schema("test", "").variant("model", registry.variants(), std::nullopt, "model");
  return registry.create(configure(schema, "{\"model\": " + json + "}").at("model"));
}

/// Arrays of doubles in, arrays of doubles out, computed in T on a backend.
template <class T>
class RhsRunner {
 public:
  RhsRunner(const pde::Rhs<T>& rhs, Shape shape, Backend backend = Backend::host)
      : exec_{backend, nullptr}, rhs_(rhs), shape_(shape), params_(exec_, rhs.param_layout().size()) {
    std::vector<T> host(params_.size());
    rhs.initialise(1, host);
    params_.upload(host);
  }
  Vec params() const { return download(params_); }
  void set_params(const Vec& values) { params_ = upload(values); }
  /// One value per condition_layout() element and sample.
  void set_conditions(const Vec& values) {
    condition_layout_ = rhs_.condition_layout({shape_.h, shape_.w});
    conditions_ = upload(values);
  }

  Vec value(const Vec& x) const { return value_with(x, {}, 0).slope; }

  struct Value {
    Vec slope, sum;
  };
  /// The slope, and base + weight slope of the same pass.
  Value value_with(const Vec& x, const Vec& base, double weight) const {
    const Buffer<T> in = upload(x), out(exec_, x.size()), sum(exec_, x.size()), to = upload(base);
    pde::Combinations<T> sums;
    if (!base.empty()) {
      pde::Combination<T> one;
      one.out = sum.data(), one.r_weight = T(weight);
      one.add(T(1), to.data());
      sums = pde::Combinations<T>(one);
    }
    rhs_.rhs(context(), view(in), out.data(), sums);
    return {download(out), base.empty() ? Vec{} : download(sum)};
  }
  struct Adjoint {
    Vec x_bar, params_bar;
  };
  Adjoint adjoint(const Vec& x, const Vec& slope_bar) const {
    const Buffer<T> in = upload(x), bar = upload(slope_bar), out = upload(Vec(x.size(), 7));
    const Buffer<T> p_bar = upload(Vec(params_.size(), 0));
    rhs_.rhs_adjoint(context(), view(in), view(bar), out.data(), {}, p_bar.data());
    return {download(out), download(p_bar)};
  }
  Vec tangent(const Vec& x, const Vec& x_dot) const {
    const Buffer<T> in = upload(x), dot = upload(x_dot), out = upload(Vec(x.size(), 7));
    rhs_.rhs_tangent(context(), view(in), view(dot), out.data());
    return download(out);
  }

 private:
  pde::RhsContext<T> context() const {
    pde::RhsContext<T> at;
    at.exec = exec_, at.params = params_.data(), at.workspace = &workspace_;
    if (!condition_layout_.empty()) at.conditions = {conditions_.data(), &condition_layout_, shape_.n};
    return at;
  }
  ConstView<T> view(const Buffer<T>& b) const { return {b.data(), shape_}; }
  Buffer<T> upload(const Vec& values) const {
    Buffer<T> b(exec_, values.size());
    if (!values.empty()) b.upload(std::vector<T>(values.begin(), values.end()));
    return b;
  }
  Vec download(const Buffer<T>& b) const {
    const std::vector<T> values = b.to_vector();
    return {values.begin(), values.end()};
  }
  Exec exec_;
  const pde::Rhs<T>& rhs_;
  Shape shape_;
  Layout condition_layout_;
  Buffer<T> params_, conditions_;
  mutable Workspace workspace_;
};

/// Checks the adjoint against the tangent (dot product) and against finite differences (Taylor), parameters included.
inline void expect_rhs_adjoint(const pde::Rhs<double>& rhs, Shape shape, const Vec& x, const Vec& conditions = {}) {
  RhsRunner<double> run(rhs, shape);
  if (!conditions.empty()) run.set_conditions(conditions);
  const Vec x_dot = random_vec(x.size(), 5), bar = random_vec(x.size(), 6);
  const double lhs = dot(run.tangent(x, x_dot), bar), right = dot(x_dot, run.adjoint(x, bar).x_bar);
  double scale = 0;
  for (double v : run.tangent(x, x_dot)) scale += std::abs(v);
  EXPECT_NEAR(lhs, right, 1e-12 * (1 + scale));

  // In units of 0.02, so that the third order is small beside the second.
  const Vec params = run.params();
  Vec all = x;
  all.insert(all.end(), params.begin(), params.end());
  for (double& v : all) v *= 50;
  const auto split = [&](Vec v) {
    for (double& u : v) u *= 0.02;
    run.set_params(Vec(v.begin() + long(x.size()), v.end()));
    v.resize(x.size());
    return v;
  };
  expect_taylor_rate([&](const Vec& v) { return run.value(split(v)); },
                     [&](const Vec& v, const Vec& slope_bar) {
                       const auto both = run.adjoint(split(v), slope_bar);
                       Vec out = both.x_bar;
                       out.insert(out.end(), both.params_bar.begin(), both.params_bar.end());
                       for (double& u : out) u *= 0.02;
                       return out;
                     },
                     all);
}

}  // namespace mg::test
