#include "pde/estimated_step.hpp"

#include "pde/adaptive.hpp"
#include "pde/combination.hpp"
#include "pde/error_norm.hpp"

namespace mg::pde {

template <class T>
double estimated_step(const Rhs<T>& rhs, const RhsContext<T>& at, const StepControl& control, int order, ConstView<T> x,
                      Workspace& workspace) {
  const std::size_t size = x.shape.size();
  T* const slope = workspace.get<T>(at.exec, "estimated_step", 3 * size);
  T *const ahead = slope + size, *const change = ahead + size;
  const auto norm = [&](const T* v) {
    return error_norm<T>(at.exec, control, x.shape, v, x.data, x.data, workspace).norm;
  };
  rhs.rhs(at, x, slope, {});
  return starting_step(norm(x.data), norm(slope), order, [&](double h) {
    Combination<T> point;
    point.out = ahead;
    point.base = x.data;
    point.add(T(h), slope);
    write_combinations<T>(at.exec, Combinations<T>(point), nullptr, size);
    Combination<T> difference;
    difference.out = change;
    difference.add(T(-1 / h), slope);
    difference.r_weight = T(1 / h);
    RhsContext<T> later = at;
    later.t += h;
    rhs.rhs(later, {ahead, x.shape}, nullptr, Combinations<T>(difference));
    return norm(change);
  });
}

template double estimated_step(const Rhs<float>&, const RhsContext<float>&, const StepControl&, int, ConstView<float>,
                               Workspace&);
template double estimated_step(const Rhs<double>&, const RhsContext<double>&, const StepControl&, int,
                               ConstView<double>, Workspace&);

}  // namespace mg::pde
