#include "train/cloud_loss.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/threads.hpp"
#include "train/cloud_loss_cell.hpp"
#include "train/plane_ops_host.hpp"

namespace mg::train {
namespace {

template <class T>
CloudPlaces<T> placed(const Exec& exec, const CloudBatch<T>& cloud, const std::string& name, Workspace& workspace) {
  for (const int count : cloud.counts)
    if (count < 1 || count > cloud.stride)
      throw std::invalid_argument("cloud of " + std::to_string(count) + " points in " + std::to_string(cloud.stride) +
                                  " places");
  const std::size_t batch = cloud.counts.size();
  int* counts = workspace.get<int>(exec, name + ".counts", batch);
  copy_bytes(exec, counts, exec.backend, cloud.counts.data(), Backend::host, batch * sizeof(int));
  synchronise(exec);
  CloudPlaces<T> places{counts, cloud.stride, cloud.points, cloud.weights, nullptr};
  if (cloud.weights != nullptr) {
    double* totals = workspace.get<double>(exec, name + ".totals", batch);
    for_samples(exec, int(batch), TotalWeight<T>{places, totals});
    places.totals = totals;
  }
  return places;
}

/// f(plane, i) for every i < n of every plane; on the host shared among threads by i, whatever the number of calls.
template <class F>
void for_rows(const Exec& exec, int planes, int n, const F& f) {
  if (exec.backend == Backend::host)
    parallel_for(
        planes * n, [&](int k, int) { f(std::size_t(k / n), std::size_t(k % n)); }, n > 64);
  else
    for_plane_cells(exec, {planes, 1, 1, n}, f);
}

/// order[plane][rank] of the projections of all planes.
void sort_projections(const Exec& exec, const RankOf& rank, const std::vector<int>& counts) {
  const int planes = int(counts.size()) * rank.directions;
  if (exec.backend != Backend::host) return for_plane_cells(exec, {planes, 1, 1, rank.stride}, rank);
  parallel_for(planes, [&](int plane, int) {
    const auto at = std::size_t(plane) * std::size_t(rank.stride);
    int* order = rank.order + at;
    const double* p = rank.projected + at;
    const int n = counts[std::size_t(plane / rank.directions)];
    std::iota(order, order + n, 0);
    std::sort(order, order + n, [p](int a, int b) {
      const bool bad_a = std::isnan(p[a]), bad_b = std::isnan(p[b]);  // last, else nothing orders them
      if (bad_a || bad_b) return bad_a != bad_b ? bad_b : a < b;
      return p[a] != p[b] ? p[a] < p[b] : a < b;
    });
  });
}

}  // namespace

template <class T>
void energy_distances(const Exec& exec, CloudMetric metric, const double (&length)[2], const CloudBatch<T>& x,
                      const CloudBatch<T>& y, double* values, T* x_bar, Workspace& workspace) {
  const int batch = int(x.counts.size()), rows = x.stride + y.stride;
  double* sums = workspace.get<double>(exec, "energy.rows", std::size_t(batch) * std::size_t(rows));
  for_rows(exec, batch, rows,
           EnergyRow<T>{placed(exec, x, "energy.x", workspace), placed(exec, y, "energy.y", workspace),
                        PairDistance{metric, {length[0], length[1]}}, sums, x_bar});
  sample_sums(exec, {batch, 1, 1, rows}, RowSum{sums, std::size_t(rows)}, values, workspace);
}

template <class T>
void sliced_distances(const Exec& exec, int directions, RandomStream stream, const CloudBatch<T>& x,
                      const CloudBatch<T>& y, double* values, T* x_bar, Workspace& workspace) {
  if (directions < 1) throw std::invalid_argument("sliced distance: needs at least one direction");
  const int batch = int(x.counts.size()), planes = batch * directions;
  std::vector<double> theta;
  const double first = uniform01<double>(stream.words(0).v[0]);
  for (int k = 0; k < directions; ++k) {
    const double angle = std::numbers::pi * (k + first) / directions;
    theta.insert(theta.end(), {std::cos(angle), std::sin(angle)});
  }
  double* on_device = workspace.get<double>(exec, "sliced.theta", theta.size());
  copy_bytes(exec, on_device, exec.backend, theta.data(), Backend::host, theta.size() * sizeof(double));
  synchronise(exec);
  struct Ordered {
    double *projected, *below;
    int* order;
  };
  const auto order = [&](const CloudBatch<T>& cloud, const CloudPlaces<T>& places, const std::string& name) {
    const std::size_t size = std::size_t(planes) * std::size_t(cloud.stride);
    const Ordered o{workspace.get<double>(exec, name + ".projected", size),
                    workspace.get<double>(exec, name + ".below", size),
                    workspace.get<int>(exec, name + ".order", size)};
    zero_bytes(exec, o.order, size * sizeof(int));
    for_plane_cells(exec, {planes, 1, 1, cloud.stride}, Project<T>{places, on_device, directions, o.projected});
    sort_projections(exec, {o.projected, places.counts, directions, cloud.stride, o.order}, cloud.counts);
    for_samples(exec, planes, Accumulate<T>{places, directions, o.order, o.below});
    return o;
  };
  const auto xs = placed(exec, x, "sliced.x", workspace), ys = placed(exec, y, "sliced.y", workspace);
  const Ordered a = order(x, xs, "sliced.x"), b = order(y, ys, "sliced.y");
  const std::size_t size = std::size_t(planes) * std::size_t(x.stride);
  double* cost = workspace.get<double>(exec, "sliced.cost", size);
  double* pull = workspace.get<double>(exec, "sliced.pull", size);
  zero_bytes(exec, pull, size * sizeof(double));
  for_plane_cells(exec, {planes, 1, 1, x.stride},
                  MatchQuantiles{xs.counts, ys.counts, directions, x.stride, y.stride, a.projected, b.projected,
                                 a.below, b.below, a.order, b.order, cost, pull});
  sample_sums(exec, {batch, directions, 1, x.stride}, RowSum{cost, std::size_t(x.stride)}, values, workspace);
  for_samples(exec, batch, ScaleValues{values, 1.0 / directions});
  for_plane_cells(exec, {batch, 1, 1, x.stride},
                  SlicedPull<T>{xs.counts, directions, x.stride, on_device, pull, x_bar});
}

template <class T>
void density_losses(const Exec& exec, Assignment assignment, Domain domain, const T* x, int agents, ConstView<T> target,
                    double* values, T* x_bar, Workspace& workspace) {
  const Shape s = target.shape;
  const std::size_t size = std::size_t(s.n) * (s.plane() + 1);
  auto* sums = workspace.get<long long>(exec, "density.sums", size);
  zero_bytes(exec, sums, size * sizeof(long long));
  const Density<T> density{x, agents, s.h, s.w, assignment, domain, sums};
  for_plane_cells(exec, {s.n, 1, 1, agents}, density);
  const DensityError<T> error{density, target.data};
  sample_sums(exec, {s.n, 1, s.h, s.w}, error, values, workspace);
  for_samples(exec, s.n, ScaleValues{values, 1.0 / double(s.plane())});
  for_plane_cells(exec, {s.n, 1, 1, agents}, DensityPull<T>{error, x_bar});
}

double exact_assignment(CloudMetric metric, const double (&length)[2], int n, const double* x, const double* y,
                        std::vector<int>& to) {
  if (n < 1) throw std::invalid_argument("exact assignment: no points");
  for (int i = 0; i < 2 * n; ++i)
    if (!std::isfinite(x[i]) || !std::isfinite(y[i]))
      throw std::invalid_argument("exact assignment: point " + std::to_string(i / 2) + " is not finite");
  const PairDistance distance{metric, {length[0], length[1]}};
  const auto cost = [&](int i, int j) {
    double slope[2];
    const double d = distance(x + 2 * i, y + 2 * j, slope);
    return d * d;
  };
  // Column n is where the row to be placed waits; potentials keep reduced costs >= 0.
  const auto count = std::size_t(n);
  std::vector<double> of_row(count), of_column(count + 1), least(count + 1);
  std::vector<int> row_of(count + 1, -1), before(count + 1);
  std::vector<char> used(count + 1);
  for (int row = 0; row < n; ++row) {
    row_of[std::size_t(n)] = row;
    std::fill(least.begin(), least.end(), std::numeric_limits<double>::infinity());
    std::fill(used.begin(), used.end(), char(0));
    int column = n;
    while (row_of[std::size_t(column)] >= 0) {
      used[std::size_t(column)] = 1;
      const int i = row_of[std::size_t(column)];
      double step = std::numeric_limits<double>::infinity();
      int next = n;
      for (int j = 0; j < n; ++j) {
        if (used[std::size_t(j)]) continue;
        const double reduced = cost(i, j) - of_row[std::size_t(i)] - of_column[std::size_t(j)];
        if (reduced < least[std::size_t(j)]) least[std::size_t(j)] = reduced, before[std::size_t(j)] = column;
        if (least[std::size_t(j)] < step) step = least[std::size_t(j)], next = j;
      }
      for (int j = 0; j <= n; ++j) {
        if (!used[std::size_t(j)])
          least[std::size_t(j)] -= step;
        else
          of_row[std::size_t(row_of[std::size_t(j)])] += step, of_column[std::size_t(j)] -= step;
      }
      column = next;
    }
    while (column != n) {  // along the path back to the start
      row_of[std::size_t(column)] = row_of[std::size_t(before[std::size_t(column)])];
      column = before[std::size_t(column)];
    }
  }
  to.assign(std::size_t(n), 0);
  double sum = 0;
  for (int j = 0; j < n; ++j) {
    to[std::size_t(row_of[std::size_t(j)])] = j;
    sum += cost(row_of[std::size_t(j)], j);
  }
  return sum / n;
}

#define MG_INSTANTIATE(T)                                                                                             \
  template void energy_distances(const Exec&, CloudMetric, const double(&)[2], const CloudBatch<T>&,                  \
                                 const CloudBatch<T>&, double*, T*, Workspace&);                                      \
  template void sliced_distances(const Exec&, int, RandomStream, const CloudBatch<T>&, const CloudBatch<T>&, double*, \
                                 T*, Workspace&);                                                                     \
  template void density_losses(const Exec&, Assignment, Domain, const T*, int, ConstView<T>, double*, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train
