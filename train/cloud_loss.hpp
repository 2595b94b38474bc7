#pragma once
#include "core/assignment_cell.hpp"
#include "core/buffer.hpp"
#include "core/philox.hpp"
#include "core/view.hpp"
#include "train/clouds.hpp"

// Distances between clouds beside the Sinkhorn divergence, each with its gradient by the first clouds. Results live on
// the backend: values [batch], x_bar [batch][x.stride][2], both overwritten, 0 beyond the counts.
namespace mg::train {

/// Energy distance 2 E|x - y| - E|x - x'| - E|y - y'| in a metric; 0 only for equal clouds. The gradient of |x - y| is
/// taken as 0 where two points meet.  @source Szekely, Rizzo: Energy statistics, 2013
template <class T>
void energy_distances(const Exec& exec, CloudMetric metric, const double (&length)[2], const CloudBatch<T>& x,
                      const CloudBatch<T>& y, double* values, T* x_bar, Workspace& workspace);

/// Sliced Wasserstein distance, squared: the mean over `directions` of the transport cost between the projections. The
/// directions are evenly spread over the half circle from an angle that `stream` draws. Projections are sorted on the
/// host and ranked by counting on the device, which costs N^2 a direction there.
/// @source Bonneel et al., Sliced and Radon Wasserstein barycenters of measures, 2015
template <class T>
void sliced_distances(const Exec& exec, int directions, RandomStream stream, const CloudBatch<T>& x,
                      const CloudBatch<T>& y, double* values, T* x_bar, Workspace& workspace);

/// Mean squared difference between the density of agents of mass 1 / agents and a target density. The density is summed
/// in fixed point, so that no order of the agents changes it. Agents without a finite place: NaN.
/// @param x       [batch][agents][2] in nodes
/// @param target  (batch, 1, h, w), each of sum 1
template <class T>
void density_losses(const Exec& exec, Assignment assignment, Domain domain, const T* x, int agents, ConstView<T> target,
                    double* values, T* x_bar, Workspace& workspace);

/// The exact optimal assignment of n points to n points, by shortest augmenting paths: O(n^3) time, O(n) memory beside
/// the points. to[i] = the y of x_i.
/// @return the mean squared distance  @throws std::invalid_argument for no points or points that are not finite
/// @source Jonker, Volgenant: A shortest augmenting path algorithm for dense and sparse linear assignment problems, 1987
double exact_assignment(CloudMetric metric, const double (&length)[2], int n, const double* x, const double* y,
                        std::vector<int>& to);

}  // namespace mg::train
