#include "pde/isa_reaction.hpp"
#include "pde/reaction_cell.hpp"
#include "pde/sweep_line.hpp"

// Rows of reaction-diffusion passes whose Laplacian sees padding only, several cells in one vector.
namespace mg::pde::sweep::MG_ISA {
namespace {

using reaction::MG_ISA::Vector;

/// The first `count` values, `next` behind them, then zeros.
template <class T>
typename Vector<T>::V load_part(const T* p, int count, T next) {
  T part[Vector<T>::kLanes] = {};
  for (int i = 0; i < count; ++i) part[i] = p[i];
  part[count] = next;
  return Vector<T>::load(part);
}
template <class T>
void store_part(T* p, int count, typename Vector<T>::V v) {
  T part[Vector<T>::kLanes];
  __builtin_memcpy(part, &v, sizeof v);
  for (int i = 0; i < count; ++i) p[i] = part[i];
}

/// Calls body(x, laplacians, middles) for all vectors of the line; lanes beyond the row are to be ignored.
template <class T, int kFields, class Body>
MG_INLINE void each_vector(const Line<T>& s, const Body& body) {
  using Vec = Vector<T>;
  using V = typename Vec::V;
  constexpr int L = Vec::kLanes;
  const T *up[kFields], *mid[kFields], *down[kFields];
  V v_before[kFields], v[kFields], m_before[kFields], m[kFields], v_tail[kFields], m_tail[kFields];
  const int full = s.w / L * L, rest = s.w - full;
  for (int c = 0; c < kFields; ++c) {
    up[c] = s.up.p + std::size_t(c) * s.up.stride, mid[c] = s.mid.p + std::size_t(c) * s.mid.stride;
    down[c] = s.down.p + std::size_t(c) * s.down.stride;
    const auto beside = [&](int k) { return k < 0 ? T(0) : up[c][k] + down[c][k]; };
    const auto middle = [&](int k) { return k < 0 ? T(0) : mid[c][k]; };
    // What follows the last full vector: the rest of the row, or what lies beyond it.
    if (rest == 0) {
      v_tail[c] = V{} + beside(s.right), m_tail[c] = V{} + middle(s.right);
    } else {
      v_tail[c] = load_part(up[c] + full, rest, T(0)) + load_part(down[c] + full, rest, T(0));
      m_tail[c] = load_part(mid[c] + full, rest, middle(s.right));
      v_tail[c][rest] = beside(s.right);
    }
    if (s.x0 == 0)
      v_before[c] = V{} + beside(s.left), m_before[c] = V{} + middle(s.left);
    else
      v_before[c] = Vec::load(up[c] + s.x0 - L) + Vec::load(down[c] + s.x0 - L),
      m_before[c] = Vec::load(mid[c] + s.x0 - L);
    if (s.x0 < full)
      v[c] = Vec::load(up[c] + s.x0) + Vec::load(down[c] + s.x0), m[c] = Vec::load(mid[c] + s.x0);
    else
      v[c] = v_tail[c], m[c] = m_tail[c];
  }
  for (int x = s.x0; x < s.x1; x += L) {
    V lap[kFields], here[kFields];
    const int next = x + L;
    for (int c = 0; c < kFields; ++c) {
      V v_after, m_after;
      if (next < full)
        v_after = Vec::load(up[c] + next) + Vec::load(down[c] + next), m_after = Vec::load(mid[c] + next);
      else
        v_after = v_tail[c], m_after = m_tail[c];
      lap[c] = s.centre * m[c] + s.edge * (v[c] + (Vec::left(m_before[c], m[c]) + Vec::right(m[c], m_after))) +
               s.corner * (Vec::left(v_before[c], v[c]) + Vec::right(v[c], v_after));
      here[c] = m[c];
      v_before[c] = v[c], v[c] = v_after, m_before[c] = m[c], m[c] = m_after;
    }
    body(x, lap, here);
  }
}

template <class T>
MG_INLINE void store_result(const Line<T>& s, int c, int x, typename Vector<T>::V v) {
  T* to = s.r.p + std::size_t(c) * s.r.stride + (x - s.x0);
  if (x + Vector<T>::kLanes <= s.x1)
    __builtin_memcpy(to, &v, sizeof v);
  else
    store_part(to, s.x1 - x, v);
}

template <class M, class T>
void value(const Line<T>& call) {
  using V = typename Vector<T>::V;
  const Line<T> s = call;  // no store can change a local
  T p[M::kParams];
  for (int k = 0; k < M::kParams; ++k) p[k] = s.params[k];
  each_vector<T, M::kFields>(
      s, [&](int x, const V(&lap)[M::kFields], const V(&u)[M::kFields]) __attribute__((always_inline)) {
        V r[M::kFields];
        for (int c = 0; c < M::kFields; ++c) r[c] = p[c] * lap[c];
        M::template value<T, V>(p, u, r);
        for (int c = 0; c < M::kFields; ++c) store_result(s, c, x, r[c]);
      });
}

/// kTerms < 0: any number of terms.
template <class T, int kTerms>
void add_up(const SumLine<T>& call) {
  using Vec = Vector<T>;
  using V = typename Vec::V;
  const SumLine<T> s = call;
  const int terms = kTerms < 0 ? s.terms : kTerms;
  const T* term[kTerms > 0 ? kTerms : 1];
  T weight[kTerms > 0 ? kTerms : 1];
  for (int k = 0; k < kTerms; ++k) term[k] = s.term[k], weight[k] = s.weight[k];
  const auto value = [&]<class W>(W, int i) __attribute__((always_inline)) {
    W total = {}, part;
    if (s.base != nullptr) __builtin_memcpy(&total, s.base + i, sizeof total);
    for (int k = 0; k < terms; ++k) {
      __builtin_memcpy(&part, (kTerms < 0 ? s.term[k] : term[k]) + i, sizeof part);
      total += (kTerms < 0 ? s.weight[k] : weight[k]) * part;
    }
    if (s.r != nullptr) {
      __builtin_memcpy(&part, s.r + i, sizeof part);
      total += s.r_weight * part;
    }
    return total;
  };
  int i = 0;
  if (s.stream) {
    for (; i + Vec::kLanes <= s.n; i += Vec::kLanes) Vec::stream(s.out + i, value(V{}, i));
  } else {
    for (; i + Vec::kLanes <= s.n; i += Vec::kLanes) {
      const V v = value(V{}, i);
      __builtin_memcpy(s.out + i, &v, sizeof v);
    }
  }
  for (; i < s.n; ++i) s.out[i] = value(T{}, i);
}

}  // namespace

template <class T>
void add_up(const SumLine<T>& s) {
  switch (s.terms) {
    case 0:
      return add_up<T, 0>(s);
    case 1:
      return add_up<T, 1>(s);
    case 2:
      return add_up<T, 2>(s);
    case 3:
      return add_up<T, 3>(s);
    case 4:
      return add_up<T, 4>(s);
    case 5:
      return add_up<T, 5>(s);
    case 6:
      return add_up<T, 6>(s);
    default:
      return add_up<T, -1>(s);
  }
}
template void add_up(const SumLine<float>&);
template void add_up(const SumLine<double>&);

void finish_streams() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

/// Of each model, in the order of MG_REACTIONS.
#define MG_VALUE(M) value<M, T>,
template <class T>
const Value<T>* values() {
  static constexpr Value<T> kAll[] = {MG_REACTIONS(MG_VALUE)};
  return kAll;
}
#undef MG_VALUE
template const Value<float>* values<float>();
template const Value<double>* values<double>();

}  // namespace mg::pde::sweep::MG_ISA
