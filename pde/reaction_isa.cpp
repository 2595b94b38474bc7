#include <cstdint>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "pde/reaction_cell.hpp"
#include "pde/reaction_path.hpp"

// The rows of a reaction-diffusion pass, several cells in one vector. Everything lives in namespace MG_ISA or is a template
// on its vectors, so that no copy is linked in place of another.
namespace mg::pde::reaction::MG_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

template <class T>
struct Vector {
  static constexpr int kLanes = kBytes / int(sizeof(T));
  using Word = decltype([] {
    if constexpr (sizeof(T) == 4)
      return std::int32_t{};
    else
      return std::int64_t{};
  }());
  typedef T V __attribute__((vector_size(kBytes)));
  typedef Word M __attribute__((vector_size(kBytes)));

  static inline V load(const T* p) {
    V v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  static inline V load(const T* p, int count, T rest) {
    V v;
    for (int i = 0; i < kLanes; ++i) v[i] = i < count ? p[i] : rest;
    return v;
  }
  /// Lanes moved up by one; lane 0 gets `first`.
  static inline V after(V v, T first) {
    M m;
    for (int i = 0; i < kLanes; ++i) m[i] = Word(i == 0 ? kLanes : i - 1);
    return __builtin_shuffle(v, V{} + first, m);
  }
  /// Lanes moved down by one; the last lane gets `last`.
  static inline V before(V v, T last) {
    M m;
    for (int i = 0; i < kLanes; ++i) m[i] = Word(i + 1);
    return __builtin_shuffle(v, V{} + last, m);
  }
  static inline void stream(T* p, V v) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(p), reinterpret_cast<__m512i>(v));
#elif defined(__AVX2__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(v));
#elif defined(__SSE2__)
    _mm_stream_si128(reinterpret_cast<__m128i*>(p), reinterpret_cast<__m128i>(v));
#else
    __builtin_memcpy(p, &v, sizeof v);
#endif
  }
};

/// Where a vector of cells lies in its row: the first, the last or the only one takes outer neighbours from the padding; a
/// rest has fewer cells than lanes, or is taken lane by lane.
enum class At { inside, first, last, only, rest };

template <class T, int kFields>
struct Row {
  using Vec = Vector<T>;
  using V = typename Vec::V;
  static constexpr int kLanes = Vec::kLanes;

  const Pass<T>& s;
  int number;                  ///< of the row
  std::size_t begin[kFields];  ///< of the row in an array of fields
  const T *up[kFields], *mid[kFields], *down[kFields];
  T up_weight = 1, down_weight = 1;  ///< other than 1 in the rows next to a mirror (adjoint)

  /// Adjoint of a mirrored border: cell 1 receives what cell 0 read as its outer neighbour, hence has its inner neighbour
  /// twice, and nothing is read from outside.
  Row(const Pass<T>& pass, const T* stencil_of, int row) : s(pass), number(row) {
    const int n = row / s.h, y = row % s.h;
    for (int c = 0; c < kFields; ++c) {
      const std::size_t plane = (std::size_t(n) * kFields + c) * s.h;
      begin[c] = (plane + y) * s.w;
      const auto line = [&](int k, bool outside) {
        return k < 0 || (s.fold && outside) ? s.zero_row : stencil_of + (plane + k) * s.w;
      };
      mid[c] = stencil_of + begin[c];
      up[c] = line(s.row_of[y], y == 0);
      down[c] = line(s.row_of[y + 2], y == s.h - 1);
    }
    if (s.fold) up_weight = y == 1 ? 2 : 1, down_weight = y == s.h - 2 ? 2 : 1;
  }

  /// Sum of the two rows beside at column x; 0 outside.
  T beside(int c, int x) const { return x < 0 ? T(0) : up_weight * up[c][x] + down_weight * down[c][x]; }

  /// Laplacian of channel c in the cells x .. x + kLanes - 1, of which `count` exist.
  template <At at>
  inline V laplacian(int c, int x, int count) const {
    if (s.lap != nullptr)
      return at == At::rest ? Vec::load(s.lap + begin[c] + x, count, 0) : Vec::load(s.lap + begin[c] + x);
    V v, vl, vr, m, ml, mr;
    if constexpr (at == At::rest) {
      for (int i = 0; i < kLanes; ++i) {
        const int k = x + (i < count ? i : count - 1);
        const int l = k > 0 ? k - 1 : s.fold ? -1 : s.left, r = k < s.w - 1 ? k + 1 : s.fold ? -1 : s.right;
        const T lw = s.fold && k == 1 ? 2 : 1, rw = s.fold && k == s.w - 2 ? 2 : 1;
        v[i] = beside(c, k), vl[i] = lw * beside(c, l), vr[i] = rw * beside(c, r);
        m[i] = mid[c][k], ml[i] = l < 0 ? T(0) : lw * mid[c][l], mr[i] = r < 0 ? T(0) : rw * mid[c][r];
      }
    } else {
      const auto weighted = [&](int k) {
        return up_weight * Vec::load(up[c] + k) + down_weight * Vec::load(down[c] + k);
      };
      v = weighted(x), m = Vec::load(mid[c] + x);
      if constexpr (at == At::first || at == At::only) {
        vl = Vec::after(v, beside(c, s.left)), ml = Vec::after(m, s.left < 0 ? T(0) : mid[c][s.left]);
      } else {
        vl = weighted(x - 1), ml = Vec::load(mid[c] + x - 1);
      }
      if constexpr (at == At::last || at == At::only) {
        vr = Vec::before(v, beside(c, s.right)), mr = Vec::before(m, s.right < 0 ? T(0) : mid[c][s.right]);
      } else {
        vr = weighted(x + 1), mr = Vec::load(mid[c] + x + 1);
      }
    }
    return s.centre * m + s.edge * (v + ml + mr) + s.corner * (vl + vr);
  }

  template <At at>
  inline V load(const T* field, int c, int x, int count, T rest) const {
    const T* from = field + begin[c] + x;
    return at == At::rest ? Vec::load(from, count, rest) : Vec::load(from);
  }
  template <At at>
  inline void store(T* field, int c, int x, int count, V v) const {
    T* to = field + begin[c] + x;
    if constexpr (at == At::rest) {
      for (int i = 0; i < count; ++i) to[i] = v[i];
    } else if (s.stream) {
      Vec::stream(to, v);
    } else {
      __builtin_memcpy(to, &v, sizeof v);
    }
  }
  /// 1 in the medium, 0 in obstacles.
  template <At at>
  inline V open(int x, int count) const {
    if (s.open == nullptr) return V{} + T(1);
    const T* from = s.open + (std::size_t(number / s.h) * (s.h + 2) + number % s.h + 1) * (s.w + 2) + x + 1;
    return at == At::rest ? Vec::load(from, count, 0) : Vec::load(from);
  }
  /// Writes the result of channel c and its sums.
  template <At at>
  inline void write(int c, int x, int count, V r) const {
    if (s.out != nullptr) store<at>(s.out, c, x, count, r);
    for (int k = 0; k < s.sums.count; ++k) {
      const Combination<T>& sum = s.sums.sum[k];
      V total = sum.base != nullptr ? load<at>(sum.base, c, x, count, 0) : V{};
      for (int j = 0; j < sum.terms; ++j) total += sum.weight[j] * load<at>(sum.term[j], c, x, count, 0);
      store<at>(sum.out, c, x, count, total + sum.r_weight * r);
    }
  }

  /// Calls body.template operator()<at>(x, count) for all vectors of the row.
  template <class Body>
  inline void each(const Body& body) const {
    const int full = s.w / kLanes, rest = s.w % kLanes;
    // A folded border is taken lane by lane: two columns on each side.
    const auto bordering = [&](int block) { return block == 0 || (block + 1) * kLanes > s.w - 2; };
    for (int b = 0; b < full; ++b) {
      const int x = b * kLanes;
      const bool first = b == 0, last = x + kLanes == s.w;
      if (!first && !last && !s.fold)
        body.template operator()<At::inside>(x, kLanes);
      else if (s.fold && s.lap == nullptr)
        bordering(b) ? body.template operator()<At::rest>(x, kLanes) : body.template operator()<At::inside>(x, kLanes);
      else if (first)
        last ? body.template operator()<At::only>(x, kLanes) : body.template operator()<At::first>(x, kLanes);
      else
        last ? body.template operator()<At::last>(x, kLanes) : body.template operator()<At::inside>(x, kLanes);
    }
    if (rest > 0) body.template operator()<At::rest>(full * kLanes, rest);
  }
};

template <class T>
void finish(const Pass<T>& s) {
#if defined(__SSE2__)
  if (s.stream) _mm_sfence();
#endif
}

template <class M, class T>
void value(const Pass<T>& s, int first, int last) {
  using V = typename Vector<T>::V;
  for (int line = first; line < last; ++line) {
    const Row<T, M::kFields> row(s, s.x, line);
    row.each([&]<At at>(int x, int count) {
      V u[M::kFields], r[M::kFields];
      for (int c = 0; c < M::kFields; ++c) {
        u[c] = row.template load<at>(s.x, c, x, count, s.x[row.begin[c] + x]);
        r[c] = s.p[c] * row.template laplacian<at>(c, x, count);
      }
      M::template value<T, V>(s.p, u, r);
      if (s.open != nullptr)
        for (int c = 0; c < M::kFields; ++c) r[c] = row.template open<at>(x, count) > V{} ? r[c] : V{};
      for (int c = 0; c < M::kFields; ++c) row.template write<at>(c, x, count, r[c]);
    });
  }
  finish(s);
}

// <d, D L x> = <L^T d, D x>: the gradient of a diffusion coefficient needs no stencil of x.
template <class M, class T>
void adjoint(const Pass<T>& s, int first, int last) {
  using V = typename Vector<T>::V;
  for (int line = first; line < last; ++line) {
    const Row<T, M::kFields> row(s, s.d, line);
    V p_bar[M::kParams] = {};
    row.each([&]<At at>(int x, int count) {
      V u[M::kFields], d[M::kFields], x_bar[M::kFields];
      for (int c = 0; c < M::kFields; ++c) {
        u[c] = row.template load<at>(s.x, c, x, count, s.x[row.begin[c] + x]);
        d[c] = row.template load<at>(s.d, c, x, count, 0);
        V lap = row.template laplacian<at>(c, x, count);
        if constexpr (at == At::rest)
          for (int i = count; i < Vector<T>::kLanes; ++i) lap[i] = 0;
        p_bar[c] += u[c] * lap;
        x_bar[c] = s.p[c] * lap;
      }
      if (s.open != nullptr)
        for (int c = 0; c < M::kFields; ++c) {
          const auto inside = row.template open<at>(x, count) > V{};
          d[c] = inside ? d[c] : V{}, u[c] = inside ? u[c] : V{} + T(1);  // the value in an obstacle may be a pole
        }
      M::template adjoint<T, V>(s.p, u, d, x_bar, p_bar);
      for (int c = 0; c < M::kFields; ++c) row.template write<at>(c, x, count, x_bar[c]);
    });
    if (s.partials == nullptr) continue;
    for (int k = 0; k < M::kParams; ++k) {
      double sum = 0;
      for (int i = 0; i < Vector<T>::kLanes; ++i) sum += double(p_bar[k][i]);
      s.partials[std::size_t(line) * M::kParams + k] = sum;
    }
  }
  finish(s);
}

template <class M, class T>
void tangent(const Pass<T>& s, int first, int last) {
  using V = typename Vector<T>::V;
  for (int line = first; line < last; ++line) {
    const Row<T, M::kFields> row(s, s.d, line);
    row.each([&]<At at>(int x, int count) {
      V u[M::kFields], d[M::kFields], r[M::kFields];
      for (int c = 0; c < M::kFields; ++c) {
        u[c] = row.template load<at>(s.x, c, x, count, s.x[row.begin[c] + x]);
        d[c] = row.template load<at>(s.d, c, x, count, 0);
        r[c] = s.p[c] * row.template laplacian<at>(c, x, count);
      }
      M::template tangent<T, V>(s.p, u, d, r);
      if (s.open != nullptr)
        for (int c = 0; c < M::kFields; ++c) r[c] = row.template open<at>(x, count) > V{} ? r[c] : V{};
      for (int c = 0; c < M::kFields; ++c) row.template write<at>(c, x, count, r[c]);
    });
  }
  finish(s);
}

}  // namespace

/// Of each model, in the order of MG_REACTIONS.
#define MG_KERNELS(M) {value<M, T>, adjoint<M, T>, tangent<M, T>},
template <class T>
const Kernels<T>* kernels() {
  static constexpr Kernels<T> kAll[] = {MG_REACTIONS(MG_KERNELS)};
  return kAll;
}
#undef MG_KERNELS
template const Kernels<float>* kernels<float>();
template const Kernels<double>* kernels<double>();

}  // namespace mg::pde::reaction::MG_ISA
