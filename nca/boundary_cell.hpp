#pragma once
#include "core/view.hpp"
#include "nca/nca_cell.hpp"

// The boundary by itself, per element of a field (n, C, h, w), beside its adjoint.
namespace mg::nca {

/// The mask value that acts on element i, or null.
template <class T>
MG_HD const T* boundary_mask_of(Boundary kind, View<const T> mask, Shape shape, std::size_t i) {
  const std::size_t cells = shape.plane(), plane = i / cells, n = plane / std::size_t(shape.c);
  const int row = boundary_row(kind, shape.c, mask.shape.c, int(plane % std::size_t(shape.c)));
  return row < 0 ? nullptr : mask.plane(int(n), row) + i % cells;
}

template <class T>
struct ApplyBoundary {
  Boundary kind;
  View<const T> y, mask;
  View<T> out;
  MG_HD void operator()(std::size_t i) const {
    const T* m = boundary_mask_of(kind, mask, y.shape, i);
    out.data[i] = m == nullptr ? y.data[i] : apply_boundary(kind, y.data[i], *m);
  }
};

template <class T>
struct ApplyBoundaryAdjoint {
  Boundary kind;
  View<const T> out_bar, mask;
  View<T> y_bar;
  MG_HD void operator()(std::size_t i) const {
    const T* m = boundary_mask_of(kind, mask, out_bar.shape, i);
    y_bar.data[i] += m == nullptr ? out_bar.data[i] : apply_boundary_adjoint(kind, out_bar.data[i], *m);
  }
};

}  // namespace mg::nca
