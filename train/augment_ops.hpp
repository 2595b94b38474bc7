#pragma once
#include "core/exec.hpp"
#include "train/augment_cell.hpp"

namespace mg::train {

/// Start states of one batch after the morph callback, from the end of the last rollout:
///   v = truth[n] (n = 0, or not propagate, or an observed channel under reset), else previous[n - 1] with its roll undone;
///   out = (1 - noise) damage(roll(v)) + noise g
/// @param previous  (pairs, C, h, w) final states, rolled by m.unshift; no alias of out
/// @param truth     (pairs, C, h, w) unshifted
/// @param g         (pairs, C, h, w) noise to use instead of the drawn one; null data = draw
/// @param out       (pairs, C, h, w) overwritten
/// @source the reference implementation
template <class T>
void morph_batch(const Exec& exec, const MorphBatch& m, ConstView<T> previous, ConstView<T> truth, ConstView<T> g,
                 View<T> out);

/// out[n, c, (i + s1) mod h, (j + s0) mod w] = truth[n, c, i, j] for shift (s0 on axis 1, s1 on axis 0).
template <class T>
void roll_batch(const Exec& exec, const int (&shift)[2], ConstView<T> truth, View<T> out);

/// order[rank] = position in b.slots, worst stored sample first, ranked by its squared distance from its target.
/// @param pool    (slots, C, h, w); targets (b.targets, observed, h, w)
/// @param scores  [batch] scratch, overwritten with the mean squared distances; order [batch] overwritten
template <class T>
void rank_pool(const Exec& exec, const PoolBatch& b, ConstView<T> pool, ConstView<T> targets, double* scores,
               int* order);

/// The batch in rank order: x (batch, C, h, w) from the pool, the worst from its seed, the last b.damaged with a disc
/// zeroed; y (batch, observed, h, w) the matching targets. Both overwritten.
template <class T>
void gather_pool(const Exec& exec, const PoolBatch& b, ConstView<T> pool, ConstView<T> seeds, ConstView<T> targets,
                 const int* order, View<T> x, View<T> y);

/// pool[b.slots[order[r]]] = x[r].
template <class T>
void scatter_pool(const Exec& exec, const PoolBatch& b, ConstView<T> x, const int* order, View<T> pool);

}  // namespace mg::train
