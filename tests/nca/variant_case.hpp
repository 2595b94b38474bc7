#pragma once
#include "nca/variant_spec.hpp"
#include "tests/nca/nca_on_backend.hpp"

namespace mg::test {

/// variant_step and its adjoint on any backend with everything in host memory.
template <class T>
struct VariantRun {
  Exec exec;
  nca::VariantSpec spec;
  Layout layout;
  std::vector<T> params;
  Workspace workspace;

  VariantRun(const Exec& e, const nca::VariantSpec& s, std::vector<T> p)
      : exec(e), spec(s), layout(nca::variant_param_layout(s)), params(std::move(p)) {
    nca::check(spec);
    params.resize(layout.size());
  }
  Field<T> step(const nca::VariantInputs<T>& in, const Field<T>& x) {
    const Inputs up(exec, in);
    const Uploaded<T> p(exec, params), from(exec, x.view());
    const Buffer<T> next(exec, x.data.size());
    nca::variant_step<T>(exec, spec, layout, p.data(), up.in, from.view(), View<T>{next.data(), x.shape}, workspace);
    Field<T> out(x.shape);
    next.download(out.data);
    return out;
  }
  Field<T> adjoint(const nca::VariantInputs<T>& in, const Field<T>& x, const Field<T>& next_bar,
                   std::vector<T>& params_bar) {
    const Inputs up(exec, in);
    const Uploaded<T> p(exec, params), from(exec, x.view()), bar(exec, next_bar.view()), sum(exec, params_bar);
    const Buffer<T> x_bar(exec, x.data.size());
    nca::variant_step_adjoint<T>(exec, spec, layout, p.data(), up.in, from.view(), bar.view(),
                                 View<T>{x_bar.data(), x.shape}, sum.data(), workspace);
    Field<T> out(x.shape);
    x_bar.download(out.data);
    params_bar = sum.to_vector();
    return out;
  }

 private:
  struct Inputs {
    Inputs(const Exec& exec, const nca::VariantInputs<T>& from)
        : boundary(exec, from.boundary), goal(exec, from.goal), fire(exec, from.fire_override), in(from) {
      in.boundary = boundary.view(), in.goal = goal.view(), in.fire_override = fire.view();
    }
    Uploaded<T> boundary, goal, fire;
    nca::VariantInputs<T> in;
  };
};

}  // namespace mg::test
