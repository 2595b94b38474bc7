#pragma once
#include "tests/nca/nca_case.hpp"

namespace mg::test {

/// A copy of a host array where `exec` runs.
template <class T>
class Uploaded {
 public:
  Uploaded(const Exec& exec, const std::vector<T>& v) : buffer_(exec, v.size()) { buffer_.upload(v); }
  Uploaded(const Exec& exec, View<const T> v)
      : Uploaded(exec, v.data ? std::vector<T>(v.data, v.data + v.shape.size()) : std::vector<T>{}) {
    shape_ = v.shape;
  }
  T* data() const { return buffer_.data(); }
  View<const T> view() const { return {buffer_.data(), shape_}; }
  std::vector<T> to_vector() const { return buffer_.to_vector(); }

 private:
  Buffer<T> buffer_;
  Shape shape_;
};

/// nca_step on any backend with everything in host memory.
template <class T>
Field<T> step_on(const Exec& exec, const nca::NcaSpec& spec, const std::vector<T>& params, nca::NcaInputs<T> in,
                 const Field<T>& x, Workspace& workspace) {
  const Uploaded<T> p(exec, params), boundary(exec, in.boundary), fire(exec, in.fire_override), from(exec, x.view());
  const Buffer<T> next(exec, x.data.size());
  in.boundary = boundary.view();
  in.fire_override = fire.view();
  nca::nca_step<T>(exec, spec, p.data(), in, from.view(), View<T>{next.data(), x.shape}, workspace);
  Field<T> out(x.shape);
  next.download(out.data);
  return out;
}

/// nca_step_adjoint likewise; params_bar is accumulated.
template <class T>
Field<T> adjoint_on(const Exec& exec, const nca::NcaSpec& spec, const std::vector<T>& params, nca::NcaInputs<T> in,
                    const Field<T>& x, const Field<T>& next_bar, std::vector<T>& params_bar, Workspace& workspace) {
  const Uploaded<T> p(exec, params), boundary(exec, in.boundary), fire(exec, in.fire_override), from(exec, x.view()),
      bar(exec, next_bar.view()), sum(exec, params_bar);
  const Buffer<T> x_bar(exec, x.data.size());
  in.boundary = boundary.view();
  in.fire_override = fire.view();
  nca::nca_step_adjoint<T>(exec, spec, p.data(), in, from.view(), bar.view(), View<T>{x_bar.data(), x.shape},
                           sum.data(), workspace);
  Field<T> out(x.shape);
  x_bar.download(out.data);
  params_bar = sum.to_vector();
  return out;
}

}  // namespace mg::test
