#pragma once
#include <string>
#include <vector>

#include "core/padding.hpp"
#include "pde/halo_cell.hpp"
#include "pde/rhs.hpp"
#include "pde/stage_cell.hpp"

namespace mg::pde {

/// A value on some sides of one field: a u + b du/dn = g on the wall, half a cell outside the outermost cells; n points
/// outwards. a = 1, b = 0: Dirichlet; a = 0, b = 1: Neumann.
struct BoundarySpec {
  int field = 0;
  bool sides[kSides] = {};
  double a = 1, b = 0, g = 0;
  bool trainable = false;  ///< g is a parameter
};

enum class Obstacles { none, no_flux, hold };

/// The lattice that differential operators act on, and what surrounds it.
struct GridSpec {
  Padding padding = Padding::circular;
  int scale = 1;      ///< radius of the stencils; more than 1 only for compatibility
  int smoothing = 1;  ///< 1: 9-point Laplacian and Sobel gradients, 0: 5 points and central differences
  double dx = 1;      ///< cell size
  std::vector<BoundarySpec> boundary;
  /// Cells where the condition "obstacle" (1, h, w) is 1 do not change. no_flux: their neighbours read their own value
  /// instead; hold: they read the value that the obstacle has.
  Obstacles obstacles = Obstacles::none;
};

/// Halos of fields, obstacles, and the adjoint to the values on the sides.
template <class T>
class Medium {
 public:
  /// @param fields         fields of the model; a valued side of field 0 makes intermediate fields there copy their inner cell
  /// @param intermediates  their number
  /// @param layout         of the parameters; gets "boundary" [trainable values] if there are any
  Medium(const GridSpec& spec, int fields, int intermediates, Layout& layout);

  const GridSpec& spec() const { return spec_; }
  /// Whether padding says everything.
  bool plain() const { return spec_.boundary.empty() && spec_.obstacles == Obstacles::none; }
  Layout condition_layout(Grid grid) const;
  void initialise(std::span<T> params) const;
  /// @throws std::invalid_argument when the lattice is too small for a mirror
  void require(std::string_view type, Shape shape, int channels) const;
  StageTaps<T> taps() const;

  /// Fields x (n, fields, h, w) into the planes first .. of z (n, planes, h + 2, w + 2). linear: without the values.
  void fill(const RhsContext<T>& at, ConstView<T> x, int first, int planes, T* z, bool linear = false) const;
  /// Adjoint of the linear part; x_bar overwritten (may be null), sums of it written.
  void fold(const RhsContext<T>& at, Shape shape, int first, int planes, const T* z_bar, T* x_bar,
            const Combinations<T>& sums) const;
  /// params_bar += gradient of the trainable values. See AddSideBars for `diffusion`.
  void side_bars(const RhsContext<T>& at, Shape shape, int planes, const T* z_bar, const T* diffusion,
                 T* params_bar) const;
  /// 1 in the medium, 0 in obstacles: (n, h + 2, w + 2); null without obstacles.
  const T* open(const RhsContext<T>& at, Shape shape) const;
  Surroundings<T> around(Shape shape) const;
  /// What every stage pass on this medium has.
  template <class Pass>
  void setup(const RhsContext<T>& at, Shape shape, Pass& pass) const {
    pass.p = at.params;
    pass.n = shape.n, pass.h = shape.h, pass.w = shape.w;
    pass.taps = taps();
    pass.open = open(at, shape);
    pass.no_flux = spec_.obstacles == Obstacles::no_flux;
  }

 private:
  GridSpec spec_;
  std::size_t first_param_ = 0;
  SideValue<T> side_[kMaxHaloFields][kSides];
  std::vector<T> values_;  ///< initial, of the trainable ones
};

}  // namespace mg::pde
