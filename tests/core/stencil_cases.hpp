#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/stencil.hpp"

namespace mg::test {

/// One operator of core/stencil.hpp with its adjoint, as maps between arrays on a backend.
template <class T>
struct StencilCase {
  using Views = std::vector<View<T>>;
  std::string name;                 ///< as in the golden files
  std::vector<std::string> inputs;  ///< names of its inputs there; V and W are vector fields
  int out_components;               ///< channels of the output over channels of the case
  bool linear;
  std::function<void(const Exec&, const StencilSet<T>&, const Views& in, View<T> out)> forward;
  std::function<void(const Exec&, const StencilSet<T>&, const Views& in, View<T> out_bar, const Views& bars)> adjoint;

  int in_components(std::size_t k) const { return inputs[k] == "V" || inputs[k] == "W" ? 2 : 1; }
};

template <class T>
std::vector<StencilCase<T>> stencil_cases() {
  using E = const Exec&;
  using S = const StencilSet<T>&;
  using Views = const std::vector<View<T>>&;
  const auto fixed = [](StencilKind kind, const char* name, const char* input, int components) {
    return StencilCase<T>{
        name,
        {input},
        components,
        true,
        [kind](E e, S s, Views in, View<T> out) { correlate(e, s, kind, in[0], out); },
        [kind](E e, S s, Views, View<T> o, Views bars) { correlate_adjoint(e, s, kind, o, bars[0]); }};
  };
  return {
      fixed(StencilKind::lap, "Lap", "X", 1),
      fixed(StencilKind::average, "Average", "X", 1),
      fixed(StencilKind::lap, "VectorLaplacian", "V", 2),
      {"Grad",
       {"X"},
       2,
       true,
       [](E e, S s, Views in, View<T> out) { grad(e, s, in[0], out); },
       [](E e, S s, Views, View<T> o, Views bars) { grad_adjoint(e, s, o, bars[0]); }},
      {"VecGrad",
       {"V"},
       4,
       true,
       [](E e, S s, Views in, View<T> out) { vec_grad(e, s, in[0], out); },
       [](E e, S s, Views, View<T> o, Views bars) { vec_grad_adjoint(e, s, o, bars[0]); }},
      {"GradNorm",
       {"X"},
       1,
       false,
       [](E e, S s, Views in, View<T> out) { grad_norm(e, s, in[0], out); },
       [](E e, S s, Views in, View<T> o, Views bars) { grad_norm_adjoint(e, s, in[0], o, bars[0]); }},
      {"Div",
       {"V"},
       1,
       true,
       [](E e, S s, Views in, View<T> out) { div(e, s, in[0], out); },
       [](E e, S s, Views, View<T> o, Views bars) { div_adjoint(e, s, o, bars[0]); }},
      {"Curl",
       {"V"},
       1,
       true,
       [](E e, S s, Views in, View<T> out) { curl(e, s, in[0], out); },
       [](E e, S s, Views, View<T> o, Views bars) { curl_adjoint(e, s, o, bars[0]); }},
      {"NonlinearDiffusion",
       {"X", "Y"},
       1,
       false,
       [](E e, S s, Views in, View<T> out) { nonlinear_diffusion(e, s, in[0], in[1], out); },
       [](E e, S s, Views in, View<T> o, Views bars) {
         nonlinear_diffusion_adjoint(e, s, in[0], in[1], o, bars[0], bars[1]);
       }},
      {"MatDiff",
       {"V", "Y"},
       1,
       false,
       [](E e, S s, Views in, View<T> out) { mat_diff(e, s, in[0], in[1], out); },
       [](E e, S s, Views in, View<T> o, Views bars) { mat_diff_adjoint(e, s, in[0], in[1], o, bars[0], bars[1]); }},
      {"VectorMatDiff",
       {"V", "W"},
       2,
       false,
       [](E e, S s, Views in, View<T> out) { vector_mat_diff(e, s, in[0], in[1], out); },
       [](E e, S s, Views in, View<T> o, Views bars) {
         vector_mat_diff_adjoint(e, s, in[0], in[1], o, bars[0], bars[1]);
       }},
  };
}

/// Arrays of doubles in, arrays of doubles out, computed in T on a backend. The inputs of a case lie one after another.
template <class T>
class StencilRunner {
 public:
  StencilRunner(Backend backend, const StencilCase<T>& op, const StencilSet<T>& set, Shape shape)
      : exec_{backend, nullptr}, op_(op), set_(set), shape_(shape) {}

  std::size_t in_size() const {
    std::size_t sum = 0;
    for (std::size_t k = 0; k < op_.inputs.size(); ++k) sum += shape_.size() * op_.in_components(k);
    return sum;
  }
  std::size_t out_size() const { return shape_.size() * op_.out_components; }

  std::vector<double> forward(const std::vector<double>& in) const {
    const Buffer<T> x = upload(in), out(exec_, out_size());
    op_.forward(exec_, set_, inputs(x), view(out.data(), op_.out_components));
    return download(out);
  }
  std::vector<double> adjoint(const std::vector<double>& in, const std::vector<double>& out_bar) const {
    const Buffer<T> x = upload(in), o = upload(out_bar), bars = upload(std::vector<double>(in.size(), 7));
    op_.adjoint(exec_, set_, inputs(x), view(o.data(), op_.out_components), inputs(bars));
    return download(bars);
  }

 private:
  View<T> view(T* data, int components) const { return {data, {shape_.n, shape_.c * components, shape_.h, shape_.w}}; }
  std::vector<View<T>> inputs(const Buffer<T>& all) const {
    std::vector<View<T>> views;
    T* next = all.data();
    for (std::size_t k = 0; k < op_.inputs.size(); ++k) {
      views.push_back(view(next, op_.in_components(k)));
      next += views.back().shape.size();
    }
    return views;
  }
  Buffer<T> upload(const std::vector<double>& values) const {
    Buffer<T> b(exec_, values.size());
    b.upload(std::vector<T>(values.begin(), values.end()));
    return b;
  }
  std::vector<double> download(const Buffer<T>& b) const {
    const std::vector<T> values = b.to_vector();
    return {values.begin(), values.end()};
  }
  Exec exec_;
  const StencilCase<T>& op_;
  const StencilSet<T>& set_;
  Shape shape_;
};

}  // namespace mg::test
