#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/arrays.hpp"
#include "train/loss.hpp"

namespace mg::test {

/// Whether this build can work out the loss on the host (and so on the emulated backend).
inline bool can_run(const std::string& loss) { return !train::needs_fft(loss) || !host_fft_library().empty(); }

/// Values and x_bar of a loss on a backend, in and out as double.
struct LossRun {
  std::vector<double> losses, x_bar;
};

/// @param mask  empty, (n, c, 1, 1) or (n, c, h, w)
/// @param x_bar_before  what the gradient is added to; empty = zeros
template <class T>
LossRun run_loss(const Exec& exec, const train::Loss<T>& loss, Shape shape, const std::vector<double>& x,
                 const std::vector<double>& y, const std::vector<double>& mask, const std::vector<double>& losses_bar,
                 const std::vector<double>& x_bar_before = {}) {
  Workspace workspace;
  const auto xs = to_backend<T>(exec, x), ys = to_backend<T>(exec, y), ms = to_backend<T>(exec, mask),
             bars = to_backend<T>(exec, losses_bar);
  Buffer<T> losses(exec, std::size_t(shape.n));
  auto x_bar = to_backend<T>(exec, x_bar_before.empty() ? std::vector<double>(x.size()) : x_bar_before);
  const Shape mask_shape = mask.size() == shape.size() ? shape : Shape{shape.n, shape.c, 1, 1};
  const ConstView<T> xv{xs.data(), shape}, yv{ys.data(), shape}, mv{ms.data(), mask_shape};
  loss.value(exec, xv, yv, mv, losses.data(), workspace);
  loss.adjoint(exec, xv, yv, mv, bars.data(), {x_bar.data(), shape}, workspace);
  return {from_backend(losses), from_backend(x_bar)};
}

}  // namespace mg::test
