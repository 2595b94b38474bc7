#include "train/loss.hpp"

#include <stdexcept>
#include <string>

#include "core/fft.hpp"
#include "train/loss_cell.hpp"
#include "train/plane_ops_host.hpp"
#include "train/sliced_loss.hpp"

namespace mg::train {
namespace {

std::string text(Shape s) {
  return "(" + std::to_string(s.n) + ", " + std::to_string(s.c) + ", " + std::to_string(s.h) + ", " +
         std::to_string(s.w) + ")";
}

/// The mask as the loops read it. @throws std::invalid_argument on unequal shapes
template <class T>
CellMask<T> check(const char* loss, View<const T> x, View<const T> y, View<const T> mask) {
  if (!(x.shape == y.shape) || x.shape.size() == 0)
    throw std::invalid_argument(std::string(loss) + ": prediction " + text(x.shape) + " and target " + text(y.shape) +
                                " must have the same shape");
  if (mask.data == nullptr) return {};
  const Shape m = mask.shape;
  const bool per_cell = m == x.shape, per_plane = m == Shape{x.shape.n, x.shape.c, 1, 1};
  if (!per_cell && !per_plane)
    throw std::invalid_argument(std::string(loss) + ": mask " + text(m) + " fits neither the prediction " +
                                text(x.shape) + " nor (n, c, 1, 1)");
  if (per_plane) return {mask.data, 1, 0};
  return {mask.data, x.shape.plane(), 1};
}

/// l1, l2 and euclidean.
template <class T>
class DifferenceLoss final : public Loss<T> {
 public:
  explicit DifferenceLoss(Difference kind) : kind_(kind) {}

  void value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
             Workspace& workspace) const override {
    const double* sums = run_sums(exec, x, y, check<T>(name(), x, y, mask), workspace);
    for_samples(exec, x.shape.n, DifferenceValue<T>{kind_, sums, losses});
  }

  void adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar, View<T> x_bar,
               Workspace& workspace) const override {
    const CellMask<T> counted = check<T>(name(), x, y, mask);
    const double* sums = run_sums(exec, x, y, counted, workspace);
    T* factors = workspace.get<T>(exec, "loss.factors", std::size_t(x.shape.n));
    for_samples(exec, x.shape.n, DifferenceFactor<T>{kind_, sums, losses_bar, factors});
    for_plane_cells(exec, x.shape,
                    DifferencePull<T>{x.data, y.data, counted, x.shape.plane(), x.shape.c, kind_ == Difference::l1,
                                      factors, x_bar.data});
  }

 private:
  const char* name() const { return kind_ == Difference::l1 ? "l1" : kind_ == Difference::l2 ? "l2" : "euclidean"; }
  double* run_sums(const Exec& exec, ConstView<T> x, ConstView<T> y, CellMask<T> mask, Workspace& workspace) const {
    double* sums = workspace.get<double>(exec, "loss.sums", std::size_t(x.shape.n) * DifferenceSums<T>::kSums);
    sample_sums(exec, x.shape, DifferenceSums<T>{x.data, y.data, mask, x.shape.plane(), kind_ == Difference::l1}, sums,
                workspace);
    return sums;
  }
  Difference kind_;
};

template <class T>
class CosineLoss final : public Loss<T> {
 public:
  explicit CosineLoss(bool global_norm) : global_norm_(global_norm) {}

  void value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
             Workspace& workspace) const override {
    const double* sums = run_sums(exec, x, y, check<T>("cosine", x, y, mask), workspace);
    for_samples(exec, x.shape.n, CosineValue<T>{global_norm_, x.shape.n, sums, losses});
  }

  void adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar, View<T> x_bar,
               Workspace& workspace) const override {
    const CellMask<T> counted = check<T>("cosine", x, y, mask);
    const double* sums = run_sums(exec, x, y, counted, workspace);
    T* factors = workspace.get<T>(exec, "loss.factors", 2 * std::size_t(x.shape.n));
    for_samples(exec, x.shape.n, CosineFactor<T>{global_norm_, x.shape.n, sums, losses_bar, factors});
    for_plane_cells(
        exec, x.shape,
        CosinePull<T>{x.data, y.data, counted, x.shape.plane(), x.shape.c, global_norm_, factors, x_bar.data});
  }

 private:
  double* run_sums(const Exec& exec, ConstView<T> x, ConstView<T> y, CellMask<T> mask, Workspace& workspace) const {
    double* sums = workspace.get<double>(exec, "loss.sums", std::size_t(x.shape.n) * CosineSums<T>::kSums);
    sample_sums(exec, x.shape, CosineSums<T>{x.data, y.data, mask, x.shape.plane()}, sums, workspace);
    return sums;
  }
  bool global_norm_;
};

/// What both spectral losses do around their sums: transform, check, pull back.
template <class T>
class SpectralBase : public Loss<T> {
 protected:
  struct Spectra {
    Shape shape;
    T *x, *y;
    CellMask<T> mask;
    double* sums;  // [n][4]
    T* factors;    // [n][2]
  };
  static Spectra transform(const char* name, const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask,
                           Workspace& workspace) {
    Spectra s;
    s.mask = check<T>(name, x, y, mask);
    if (s.mask.cell_stride != 0)
      throw std::invalid_argument(std::string(name) +
                                  ": a mask of cells has no meaning for spectra; give (n, c, 1, 1)");
    s.shape = spectrum_shape(x.shape);
    const auto n = std::size_t(x.shape.n);
    s.x = workspace.get<T>(exec, "loss.spectrum_x", 2 * s.shape.size());
    s.y = workspace.get<T>(exec, "loss.spectrum_y", 2 * s.shape.size());
    s.sums = workspace.get<double>(exec, "loss.sums", 4 * n);
    s.factors = workspace.get<T>(exec, "loss.factors", 2 * n);
    rfft2<T>(exec, x, s.x, workspace);
    rfft2<T>(exec, y, s.y, workspace);
    return s;
  }
};

template <class T>
class SpectralLoss final : public SpectralBase<T> {
 public:
  void value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
             Workspace& workspace) const override {
    const auto s = this->transform("spectral", exec, x, y, mask, workspace);
    sample_sums(exec, s.shape, SpectralSums<T>{s.x, s.y, s.mask, s.shape.plane()}, s.sums, workspace);
    for_samples(exec, s.shape.n, DifferenceValue<T>{Difference::l2, s.sums, losses});
  }

  void adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar, View<T> x_bar,
               Workspace& workspace) const override {
    const auto s = this->transform("spectral", exec, x, y, mask, workspace);
    sample_sums(exec, s.shape, SpectralSums<T>{s.x, s.y, s.mask, s.shape.plane()}, s.sums, workspace);
    for_samples(exec, s.shape.n, DifferenceFactor<T>{Difference::l2, s.sums, losses_bar, s.factors});
    for_plane_cells(exec, s.shape, SpectralPull<T>{s.x, s.y, s.mask, s.shape.plane(), s.shape.c, s.factors});
    rfft2_adjoint<T>(exec, s.x, x_bar, workspace);
  }
};

template <class T>
class SpectralFullLoss final : public SpectralBase<T> {
 public:
  explicit SpectralFullLoss(bool complex_square) : complex_square_(complex_square) {}

  void value(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, T* losses,
             Workspace& workspace) const override {
    const auto s = this->transform("spectral_full", exec, x, y, mask, workspace);
    sample_sums(exec, s.shape, SpectralFullSums<T>{s.x, s.y, s.mask, s.shape.plane()}, s.sums, workspace);
    for_samples(exec, s.shape.n, SpectralFullValue<T>{complex_square_, s.sums, losses});
  }

  void adjoint(const Exec& exec, ConstView<T> x, ConstView<T> y, ConstView<T> mask, const T* losses_bar, View<T> x_bar,
               Workspace& workspace) const override {
    const auto s = this->transform("spectral_full", exec, x, y, mask, workspace);
    sample_sums(exec, s.shape, SpectralFullSums<T>{s.x, s.y, s.mask, s.shape.plane()}, s.sums, workspace);
    for_samples(exec, s.shape.n, SpectralFullFactor<T>{complex_square_, s.sums, losses_bar, s.factors});
    for_plane_cells(exec, s.shape,
                    SpectralFullPull<T>{s.x, s.y, s.mask, s.shape.plane(), s.shape.c, complex_square_, s.factors});
    rfft2_adjoint<T>(exec, s.x, x_bar, workspace);
  }

 private:
  bool complex_square_;
};

}  // namespace

template <class T>
std::unique_ptr<Loss<T>> make_loss(const std::string& name, const LossOptions& options) {
  if (name == "l1") return std::make_unique<DifferenceLoss<T>>(Difference::l1);
  if (name == "l2") return std::make_unique<DifferenceLoss<T>>(Difference::l2);
  if (name == "euclidean") return std::make_unique<DifferenceLoss<T>>(Difference::euclidean);
  if (name == "cosine") return std::make_unique<CosineLoss<T>>(options.compat);
  if (name == "spectral") return std::make_unique<SpectralLoss<T>>();
  if (name == "spectral_full") return std::make_unique<SpectralFullLoss<T>>(options.compat);
  if (name == "sliced_wasserstein")
    return std::make_unique<SlicedLoss<T>>(options.projections, options.patch, options.levels);
  throw std::invalid_argument("make_loss: unknown loss '" + name +
                              "'; known: l1, l2, euclidean, cosine, spectral, spectral_full, sliced_wasserstein");
}

template std::unique_ptr<Loss<float>> make_loss(const std::string&, const LossOptions&);
template std::unique_ptr<Loss<double>> make_loss(const std::string&, const LossOptions&);

}  // namespace mg::train
