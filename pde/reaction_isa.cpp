#include "pde/isa_reaction.hpp"
#include "pde/reaction_cell.hpp"
#include "pde/reaction_path.hpp"

// The rows of a reaction-diffusion pass, several cells in one vector. Everything lives in namespace MG_ISA or is a template
// on its vectors, so that no copy is linked in place of another.
namespace mg::pde::reaction::MG_ISA {
namespace {

/// A full vector of cells, or one taken lane by lane: the rest of a row, or cells beside a mirror.
enum class At { full, lanes };

template <class T, int kFields>
struct Row {
  using Vec = Vector<T>;
  using V = typename Vec::V;
  static constexpr int kLanes = Vec::kLanes;

  const Pass<T>&s, &original;  ///< a local copy for what is inlined, and what it is a copy of
  const T* of;                 ///< field that the stencil reads
  int number;                  ///< of the row
  std::size_t begin[kFields];  ///< of the row in an array of fields
  const T *up[kFields], *mid[kFields], *down[kFields];
  T up_weight = 1, down_weight = 1;  ///< other than 1 in the rows next to a mirror (adjoint)

  /// Adjoint of a mirrored border: cell 1 receives what cell 0 read as its outer neighbour, hence has its inner neighbour
  /// twice, and nothing is read from outside.
  MG_INLINE Row(const Pass<T>& pass, const Pass<T>& copied_from, const T* stencil_of, int row)
      : s(pass), original(copied_from), of(stencil_of), number(row) {
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
  MG_INLINE T beside(int c, int x) const { return x < 0 ? T(0) : up_weight * up[c][x] + down_weight * down[c][x]; }

  MG_INLINE T middle(int c, int x) const { return x < 0 ? T(0) : mid[c][x]; }

  /// What a 3x3 stencil reads in three vectors of a row: the sum of the rows beside, and the row itself.
  struct Window {
    V v_before = {}, v = {}, v_after = {}, m_before = {}, m = {}, m_after = {};
  };
  /// The window at column 0; `after` is not there yet.
  MG_INLINE void open_window(Window (&window)[kFields]) const {
    for (int c = 0; c < kFields; ++c) {
      Window& o = window[c];
      o.v_before = V{} + beside(c, s.left), o.m_before = V{} + middle(c, s.left);
      o.v = Vec::load(up[c]) + Vec::load(down[c]), o.m = Vec::load(mid[c]);
    }
  }
  /// The Laplacians of the vector at x; then the window moves on.
  MG_INLINE void slide(Window (&window)[kFields], int x, V (&lap)[kFields]) const {
    const int next = x + kLanes;
    for (int c = 0; c < kFields; ++c) {
      Window& o = window[c];
      if (next + kLanes <= s.w) {
        o.v_after = Vec::load(up[c] + next) + Vec::load(down[c] + next), o.m_after = Vec::load(mid[c] + next);
      } else {
        const int k = next < s.w ? next : s.right;
        o.v_after = V{} + beside(c, k), o.m_after = V{} + middle(c, k);
      }
      lap[c] = s.centre * o.m + s.edge * (o.v + (Vec::left(o.m_before, o.m) + Vec::right(o.m, o.m_after))) +
               s.corner * (Vec::left(o.v_before, o.v) + Vec::right(o.v, o.v_after));
      o.v_before = o.v, o.v = o.v_after, o.m_before = o.m, o.m = o.m_after;
    }
  }
  /// The Laplacians of `count` cells from x on, lane by lane.
  [[gnu::noinline]] static void by_lanes(const Pass<T>& pass, const T* stencil_of, int row, int x, int count, V* lap) {
    const Row own(pass, pass, stencil_of, row);
    const bool fold = pass.fold;
    for (int c = 0; c < kFields; ++c)
      for (int i = 0; i < kLanes; ++i) {
        const int k = x + (i < count ? i : count - 1);
        const int l = k > 0 ? k - 1 : fold ? -1 : pass.left, r = k < pass.w - 1 ? k + 1 : fold ? -1 : pass.right;
        const T lw = fold && k == 1 ? 2 : 1, rw = fold && k == pass.w - 2 ? 2 : 1;
        lap[c][i] = pass.centre * own.mid[c][k] +
                    pass.edge * (own.beside(c, k) + (lw * own.middle(c, l) + rw * own.middle(c, r))) +
                    pass.corner * (lw * own.beside(c, l) + rw * own.beside(c, r));
      }
  }
  MG_INLINE void lanes(int x, int count, V (&lap)[kFields]) const {
    V own[kFields];
    by_lanes(original, of, number, x, count, own);
    for (int c = 0; c < kFields; ++c) lap[c] = own[c];
  }

  template <At at>
  MG_INLINE V load(const T* field, int c, int x, int count, T rest) const {
    const T* from = field + begin[c] + x;
    return at == At::lanes ? Vec::load(from, count, rest) : Vec::load(from);
  }
  template <At at>
  MG_INLINE void store(T* field, int c, int x, int count, V v) const {
    T* to = field + begin[c] + x;
    if constexpr (at == At::lanes) {
      for (int i = 0; i < count; ++i) to[i] = v[i];
    } else if (s.stream) {
      Vec::stream(to, v);
    } else {
      __builtin_memcpy(to, &v, sizeof v);
    }
  }
  /// 1 in the medium, 0 in obstacles.
  template <At at>
  MG_INLINE V open(int x, int count) const {
    if (s.open == nullptr) return V{} + T(1);
    const T* from = s.open + (std::size_t(number / s.h) * (s.h + 2) + number % s.h + 1) * (s.w + 2) + x + 1;
    return at == At::lanes ? Vec::load(from, count, 0) : Vec::load(from);
  }
  /// Writes the result of channel c and its sums.
  template <At at>
  MG_INLINE void write(int c, int x, int count, V r) const {
    if (s.out != nullptr) store<at>(s.out, c, x, count, r);
    for (int k = 0; k < s.sums.count; ++k) {
      const Combination<T>& sum = s.sums.sum[k];
      V total = sum.base != nullptr ? load<at>(sum.base, c, x, count, 0) : V{};
      for (int j = 0; j < sum.terms; ++j) total += sum.weight[j] * load<at>(sum.term[j], c, x, count, 0);
      store<at>(sum.out, c, x, count, total + sum.r_weight * r);
    }
  }

  /// Calls body.template operator()<at>(x, count, laplacians) for all vectors of the row.
  template <class Body>
  MG_INLINE void each(const Body& body) const {
    const int full = s.w / kLanes, rest = s.w % kLanes;
    // Rows and columns beside a mirror are taken lane by lane.
    const bool row_beside = s.fold && (up_weight != 1 || down_weight != 1);
    V lap[kFields] = {};
    Window window[kFields];
    if (full > 0 && s.lap == nullptr) open_window(window);
    for (int b = 0; b < full; ++b) {
      const int x = b * kLanes;
      if (s.lap == nullptr) {
        slide(window, x, lap);
        if (s.fold && (row_beside || b == 0 || x + kLanes > s.w - 2)) lanes(x, kLanes, lap);
      } else {
        for (int c = 0; c < kFields; ++c) lap[c] = Vec::load(s.lap + begin[c] + x);
      }
      body.template operator()<At::full>(x, kLanes, lap);
    }
    if (rest == 0) return;
    if (s.lap == nullptr)
      lanes(full * kLanes, rest, lap);
    else
      for (int c = 0; c < kFields; ++c) lap[c] = Vec::load(s.lap + begin[c] + full * kLanes, rest, 0);
    body.template operator()<At::lanes>(full * kLanes, rest, lap);
  }
};

template <class T>
void finish(const Pass<T>& s) {
#if defined(__SSE2__)
  if (s.stream) _mm_sfence();
#endif
}

template <class M, class T>
[[gnu::flatten]] void value(const Pass<T>& pass, int first, int last) {
  using V = typename Vector<T>::V;
  const Pass<T> s = pass;  // no store can change a local
  T p[M::kParams];
  for (int k = 0; k < M::kParams; ++k) p[k] = s.p[k];
  for (int line = first; line < last; ++line) {
    const Row<T, M::kFields> row(s, pass, s.x, line);
    row.each([&]<At at>(int x, int count, const V(&lap)[M::kFields]) {
      V u[M::kFields], r[M::kFields];
      for (int c = 0; c < M::kFields; ++c) {
        u[c] = row.template load<at>(s.x, c, x, count, s.x[row.begin[c] + x]);
        r[c] = p[c] * lap[c];
      }
      M::template value<T, V>(p, u, r);
      if (s.open != nullptr)
        for (int c = 0; c < M::kFields; ++c) r[c] = row.template open<at>(x, count) > V{} ? r[c] : V{};
      for (int c = 0; c < M::kFields; ++c) row.template write<at>(c, x, count, r[c]);
    });
  }
  finish(s);
}

// <d, D L x> = <L^T d, D x>: the gradient of a diffusion coefficient needs no stencil of x.
template <class M, class T>
[[gnu::flatten]] void adjoint(const Pass<T>& pass, int first, int last) {
  using V = typename Vector<T>::V;
  const Pass<T> s = pass;  // no store can change a local
  T p[M::kParams];
  for (int k = 0; k < M::kParams; ++k) p[k] = s.p[k];
  for (int line = first; line < last; ++line) {
    const Row<T, M::kFields> row(s, pass, s.d, line);
    V p_bar[M::kParams] = {};
    row.each([&]<At at>(int x, int count, const V(&lap)[M::kFields]) {
      V u[M::kFields], d[M::kFields], x_bar[M::kFields];
      for (int c = 0; c < M::kFields; ++c) {
        u[c] = row.template load<at>(s.x, c, x, count, s.x[row.begin[c] + x]);
        d[c] = row.template load<at>(s.d, c, x, count, 0);
        V l = lap[c];
        if constexpr (at == At::lanes)
          for (int i = count; i < Vector<T>::kLanes; ++i) l[i] = 0;
        p_bar[c] += u[c] * l;
        x_bar[c] = p[c] * l;
      }
      if (s.open != nullptr)
        for (int c = 0; c < M::kFields; ++c) {
          const auto inside = row.template open<at>(x, count) > V{};
          d[c] = inside ? d[c] : V{}, u[c] = inside ? u[c] : V{} + T(1);  // the value in an obstacle may be a pole
        }
      M::template adjoint<T, V>(p, u, d, x_bar, p_bar);
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
[[gnu::flatten]] void tangent(const Pass<T>& pass, int first, int last) {
  using V = typename Vector<T>::V;
  const Pass<T> s = pass;  // no store can change a local
  T p[M::kParams];
  for (int k = 0; k < M::kParams; ++k) p[k] = s.p[k];
  for (int line = first; line < last; ++line) {
    const Row<T, M::kFields> row(s, pass, s.d, line);
    row.each([&]<At at>(int x, int count, const V(&lap)[M::kFields]) {
      V u[M::kFields], d[M::kFields], r[M::kFields];
      for (int c = 0; c < M::kFields; ++c) {
        u[c] = row.template load<at>(s.x, c, x, count, s.x[row.begin[c] + x]);
        d[c] = row.template load<at>(s.d, c, x, count, 0);
        r[c] = p[c] * lap[c];
      }
      M::template tangent<T, V>(p, u, d, r);
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
