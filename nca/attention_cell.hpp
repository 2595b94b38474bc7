#pragma once
#include "core/macros.hpp"

// Multi-head attention over the `length` rows of a sequence that lies inside one cell. Query, key and value of position s
// are rows (which length + s) heads head + r of the input, which = 0, 1, 2; the result has length heads head rows and
// behind them length heads rows with log sum_t exp l_st.
namespace mg::nca {

struct AttentionShape {
  int length = 0, heads = 0, head = 0;
  MG_HD int row(int which, int position, int h) const { return ((which * length + position) * heads + h) * head; }
  MG_HD int norm_row(int s, int h) const { return length * heads * head + s * heads + h; }
};

/// l_st = <q_s, k_t> / sqrt(head)
template <class M, class Rows>
MG_HD typename M::V attention_logit(const AttentionShape& a, const Rows& in, int h, int s, int t) {
  typename M::V sum = M::splat(0.0);
  for (int e = 0; e < a.head; ++e) sum = sum + in.get(a.row(0, s, h) + e) * in.get(a.row(1, t, h) + e);
  return sum * M::splat(1.0 / __builtin_sqrt(double(a.head)));
}

/// out_s = sum_t w_st v_t, w_st = softmax over t of l_st.
template <class M, class Rows, class Out>
MG_HD void attention_cell(const AttentionShape& a, const Rows& in, int h, int s, const Out& out) {
  using V = typename M::V;
  V top = attention_logit<M>(a, in, h, s, 0);
  for (int t = 1; t < a.length; ++t) top = M::max(top, attention_logit<M>(a, in, h, s, t));
  const int at = a.row(0, s, h);
  for (int e = 0; e < a.head; ++e) out.set(at + e, M::splat(0.0));
  V sum = M::splat(0.0);
  for (int t = 0; t < a.length; ++t) {
    const V w = M::exp(attention_logit<M>(a, in, h, s, t) - top);
    sum = sum + w;
    for (int e = 0; e < a.head; ++e) out.set(at + e, out.get(at + e) + w * in.get(a.row(2, t, h) + e));
  }
  for (int e = 0; e < a.head; ++e) out.set(at + e, out.get(at + e) / sum);
  out.set(a.norm_row(s, h), top + M::log(sum));
}

/// w_st and the cotangent of l_st: w_st (<out_bar_s, v_t> - <out_bar_s, out_s>).
template <class M, class Rows, class Out, class Bar>
MG_HD void attention_pair(const AttentionShape& a, const Rows& in, const Out& out, const Bar& out_bar, int h, int s,
                          int t, typename M::V& weight, typename M::V& logit_bar) {
  weight = M::exp(attention_logit<M>(a, in, h, s, t) - out.get(a.norm_row(s, h)));
  typename M::V along = M::splat(0.0);
  for (int e = 0; e < a.head; ++e) {
    const int at = a.row(0, s, h) + e;
    along = along + out_bar.get(at) * (in.get(a.row(2, t, h) + e) - out.get(at));
  }
  logit_bar = weight * along;
}

/// Cotangent of q_s: sum_t l_bar_st k_t / sqrt(head). Overwrites its rows of in_bar.
template <class M, class Rows, class Out, class Bar, class InBar>
MG_HD void attention_query_bar(const AttentionShape& a, const Rows& in, const Out& out, const Bar& out_bar, int h,
                               int s, const InBar& in_bar) {
  using V = typename M::V;
  const V scale = M::splat(1.0 / __builtin_sqrt(double(a.head)));
  const int at = a.row(0, s, h);
  for (int e = 0; e < a.head; ++e) in_bar.set(at + e, M::splat(0.0));
  for (int t = 0; t < a.length; ++t) {
    V w, l;
    attention_pair<M>(a, in, out, out_bar, h, s, t, w, l);
    for (int e = 0; e < a.head; ++e) in_bar.set(at + e, in_bar.get(at + e) + scale * l * in.get(a.row(1, t, h) + e));
  }
}

/// Cotangents of k_t, sum_s l_bar_st q_s / sqrt(head), and v_t, sum_s w_st out_bar_s. Overwrites their rows of in_bar.
template <class M, class Rows, class Out, class Bar, class InBar>
MG_HD void attention_key_bar(const AttentionShape& a, const Rows& in, const Out& out, const Bar& out_bar, int h, int t,
                             const InBar& in_bar) {
  using V = typename M::V;
  const V scale = M::splat(1.0 / __builtin_sqrt(double(a.head)));
  const int key = a.row(1, t, h), value = a.row(2, t, h);
  for (int e = 0; e < a.head; ++e) in_bar.set(key + e, M::splat(0.0)), in_bar.set(value + e, M::splat(0.0));
  for (int s = 0; s < a.length; ++s) {
    V w, l;
    attention_pair<M>(a, in, out, out_bar, h, s, t, w, l);
    for (int e = 0; e < a.head; ++e) {
      const int at = a.row(0, s, h) + e;
      in_bar.set(key + e, in_bar.get(key + e) + scale * l * in.get(at));
      in_bar.set(value + e, in_bar.get(value + e) + w * out_bar.get(at));
    }
  }
}

}  // namespace mg::nca
