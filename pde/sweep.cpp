#include "pde/sweep.hpp"

#include <algorithm>
#include <cstdint>

#include "core/cpu.hpp"
#include "core/threads.hpp"
#include "pde/reaction_cell.hpp"
#include "pde/sweep_line.hpp"

namespace mg::pde::sweep {

#define MG_DECLARE(isa)             \
  namespace isa {                   \
  template <class T>                \
  const Value<T>* values();         \
  template <class T>                \
  void add_up(const SumLine<T>& s); \
  void finish_streams();            \
  }
MG_DECLARE(isa_baseline)
MG_DECLARE(isa_avx2)
MG_DECLARE(isa_avx512)
#undef MG_DECLARE

namespace host {
namespace {

/// The functions of the best instruction set.
template <class T>
struct Code {
  const Value<T>* models;
  void (*add_up)(const SumLine<T>&);
  void (*finish_streams)();
};
template <class T>
const Code<T>& code() {
  static const Code<T> chosen =
      of_isa(best_isa(), Code<T>{isa_baseline::values<T>(), isa_baseline::add_up<T>, isa_baseline::finish_streams},
             Code<T>{isa_avx2::values<T>(), isa_avx2::add_up<T>, isa_avx2::finish_streams},
             Code<T>{isa_avx512::values<T>(), isa_avx512::add_up<T>, isa_avx512::finish_streams});
  return chosen;
}

constexpr std::size_t kStreamBytes = std::size_t{32} << 20;  ///< output that no cache keeps until it is read again
constexpr std::size_t kThreadWork = 24576;  ///< cells and passes; less stays in the calling thread: some microseconds
constexpr int kChunk = 512;                 ///< columns that go through a pass and its sums together
constexpr std::size_t kCacheBytes = std::size_t{640} << 10;  ///< of one thread, for the rings of a sweep
constexpr int kMostSteps = 8;

/// An array that passes write or read.
template <class T>
struct Array {
  const T* full;         ///< as the caller knows it
  bool temporary;        ///< needed in the sweep only
  int writer = -1;       ///< pass
  int last_read = -1;    ///< largest lag of a reader
  int mask = 0;          ///< rows of its ring - 1
  std::size_t ring = 0;  ///< its place in the memory of a thread
  bool has_ring() const { return last_read >= 0; }
};

/// A sum with its arrays looked up.
struct SumPlan {
  int out, base;
  int term[14];
};
struct PassPlan {
  int lag = 0, extent = 0;  ///< rows behind the first pass; rows beyond the strip that later passes read
  int x = -1, slope = -1;
  SumPlan sum[2];
};

template <class T>
class Sweep {
  static constexpr int kMostArrays = 128;
  using Pass = RhsPass<T>;

 public:
  Sweep(const Setting<T>& setting, std::span<const Pass> passes)
      : s_(setting), passes_(passes), plane_(setting.shape.plane()) {
    for (std::size_t i = 0; i < passes.size(); ++i) plan(int(i));
    for (int i = int(passes.size()) - 1; i >= 0; --i) spread(i);
    lay_rings();
    s_stream_ = s_.shape.size() * sizeof(T) > kStreamBytes && std::size_t(s_.shape.w) * sizeof(T) % 64 == 0;
  }

  std::size_t memory() const { return memory_; }

  /// Rows [first, last) of all n h.
  void rows(int first, int last, T* memory) {
    const int h = s_.shape.h;
    while (first < last) {
      const int n = first / h, end = std::min(last, (n + 1) * h);
      strip(n, first - n * h, end - n * h, memory);
      first = end;
    }
    if (s_stream_) code<T>().finish_streams();
  }

 private:
  int find(const T* data) {
    if (data == nullptr) return -1;
    for (int k = arrays_ - 1; k >= 0; --k)
      if (array_[k].full == data) return k;
    const T* begin = s_.temporary.data();
    const bool inside = data >= begin && data < begin + s_.temporary.size();
    array_[arrays_] = {.full = data, .temporary = inside};
    return arrays_++;
  }
  int written(const T* data, int pass) {
    const int k = find(data);
    if (k >= 0) array_[k].writer = pass;
    return k;
  }
  /// Pass i reads array k: it runs after the writer, by one row when a stencil reads.
  int read(const T* data, int i, bool stencil) {
    const int k = find(data);
    if (k < 0) return -1;
    const Array<T>& a = array_[k];
    if (a.writer >= 0) plan_[i].lag = std::max(plan_[i].lag, plan_[a.writer].lag + (stencil ? 1 : 0));
    return k;
  }
  void plan(int i) {
    const Pass& pass = passes_[std::size_t(i)];
    PassPlan& p = plan_[i];
    p.x = read(pass.x, i, true);
    for (int k = 0; k < pass.sums.count; ++k) {
      const Combination<T>& sum = pass.sums.sum[k];
      p.sum[k].base = read(sum.base, i, false);
      for (int j = 0; j < sum.terms; ++j) p.sum[k].term[j] = read(sum.term[j], i, false);
    }
    p.slope = written(pass.slope, i);
    for (int k = 0; k < pass.sums.count; ++k) p.sum[k].out = written(pass.sums.sum[k].out, i);
  }
  /// What pass i reads of earlier passes, beyond the strip and until when.
  void spread(int i) {
    const Pass& pass = passes_[std::size_t(i)];
    const PassPlan& p = plan_[i];
    const auto need = [&](int k, bool stencil) {
      if (k < 0 || array_[k].writer < 0 || array_[k].writer >= i) return;
      array_[k].last_read = std::max(array_[k].last_read, p.lag + (stencil ? 1 : 0));
      int& extent = plan_[array_[k].writer].extent;
      extent = std::max(extent, p.extent + (stencil ? 1 : 0));
    };
    need(p.x, true);
    for (int k = 0; k < pass.sums.count; ++k) {
      need(p.sum[k].base, false);
      for (int j = 0; j < pass.sums.sum[k].terms; ++j) need(p.sum[k].term[j], false);
    }
  }
  void lay_rings() {
    constexpr std::size_t kLine = 64 / sizeof(T);
    stride_ =
        (std::size_t(s_.shape.w) + kLine - 1) / kLine * kLine + kLine;  // rows do not lie at equal places of pages
    row_ = stride_ * std::size_t(s_.shape.c);
    memory_ = std::size_t(s_.shape.c) * (kChunk + kLine);  // results that nobody keeps
    for (int k = 0; k < arrays_; ++k) {
      Array<T>& a = array_[k];
      if (a.writer < 0 || !a.has_ring()) continue;
      int rows = 1;
      while (rows < a.last_read - plan_[a.writer].lag + 1) rows *= 2;
      a.mask = rows - 1;
      a.ring = memory_;
      memory_ += std::size_t(rows) * row_;
    }
  }

  /// Where a thread is at work.
  struct Place {
    int n, a, b;  ///< sample, strip of rows
    T* memory;
  };
  /// Row y of array k, which may lie beyond the lattice of a torus.
  RowOf<T> row(const Place& at, int k, int y) const {
    const Array<T>& a = array_[k];
    const bool own = y >= at.a && y < at.b;
    if (a.writer >= 0 && a.has_ring() && (a.temporary || !own))
      return {at.memory + a.ring + std::size_t(y & a.mask) * row_, stride_};
    const int h = s_.shape.h;
    if (y < 0 || y >= h) y = padded_index(Padding::circular, y, h);
    const std::size_t offset = std::size_t(at.n) * s_.shape.c * plane_ + std::size_t(y) * s_.shape.w;
    return {const_cast<T*>(a.full) + offset, plane_};
  }
  RowOf<const T> constant_row(const Place& at, int k, int y) const {
    const RowOf<T> r = row(at, k, y);
    return {r.p, r.stride};
  }
  /// Whether row y of array k is kept by anyone.
  bool kept(const Place& at, int k, int y) const {
    if (k < 0) return false;
    const Array<T>& a = array_[k];
    return a.has_ring() || (!a.temporary && y >= at.a && y < at.b);
  }

  void strip(int n, int a, int b, T* memory) {
    const Place at{n, a, b, memory};
    const int count = int(passes_.size()), h = s_.shape.h;
    const bool torus = s_.padding == Padding::circular;
    int low[PassList<T>::kMost], high[PassList<T>::kMost], from = b, to = a;
    for (int i = 0; i < count; ++i) {
      low[i] = a - plan_[i].extent, high[i] = b + plan_[i].extent;
      if (!torus) low[i] = std::max(low[i], 0), high[i] = std::min(high[i], h);
      from = std::min(from, low[i] + plan_[i].lag), to = std::max(to, high[i] + plan_[i].lag);
    }
    for (int r = from; r < to; ++r)
      for (int i = 0; i < count; ++i) {
        const int y = r - plan_[i].lag;
        if (y >= low[i] && y < high[i]) pass_row(at, i, y);
      }
  }

  RowOf<const T> stencil_row(const Place& at, int k, int y) const {
    if (s_.padding != Padding::circular) y = padded_index(s_.padding, y, s_.shape.h);
    if (y < 0 && s_.padding == Padding::zeros) return {zeros, 0};
    return constant_row(at, k, y);
  }

  void pass_row(const Place& at, int i, int y) const {
    const Pass& pass = passes_[std::size_t(i)];
    const PassPlan& p = plan_[i];
    const Value<T> value = code<T>().models[s_.model];
    const int w = s_.shape.w;
    Line<T> line;
    line.w = w;
    line.left = padded_index(s_.padding, -1, w), line.right = padded_index(s_.padding, w, w);
    line.corner = s_.corner, line.edge = s_.edge, line.centre = s_.centre, line.params = s_.params;
    line.up = stencil_row(at, p.x, y - 1), line.mid = constant_row(at, p.x, y);
    line.down = stencil_row(at, p.x, y + 1);
    const bool keep = kept(at, p.slope, y);
    const RowOf<T> slope = keep ? row(at, p.slope, y) : RowOf<T>{at.memory, kChunk + 64 / sizeof(T)};
    SumLine<T> sums[2];
    RowOf<const T> base[2], term[2][Combination<T>::kMost];
    RowOf<T> to[2];
    int wanted = 0;
    for (int k = 0; k < pass.sums.count; ++k) {
      const SumPlan& plan = p.sum[k];
      if (!kept(at, plan.out, y)) continue;
      const Combination<T>& sum = pass.sums.sum[k];
      SumLine<T>& s = sums[wanted];
      to[wanted] = row(at, plan.out, y);
      s.stream = s_stream_ && !array_[plan.out].has_ring() && reinterpret_cast<std::uintptr_t>(to[wanted].p) % 64 == 0;
      s.r_weight = sum.r_weight, s.terms = sum.terms, s.weight = sum.weight;
      base[wanted] = plan.base >= 0 ? constant_row(at, plan.base, y) : RowOf<const T>{};
      for (int j = 0; j < sum.terms; ++j) term[wanted][j] = constant_row(at, plan.term[j], y);
      ++wanted;
    }
    for (int x = 0; x < w; x += kChunk) {
      const int end = std::min(w, x + kChunk);
      line.x0 = x, line.x1 = end;
      line.r = {slope.p + (keep ? x : 0), slope.stride};
      value(line);
      for (int k = 0; k < wanted; ++k) {
        SumLine<T>& s = sums[k];
        s.n = end - x;
        for (int c = 0; c < s_.shape.c; ++c) {
          const T* terms[Combination<T>::kMost];
          const auto field = [&](const RowOf<const T>& a) {
            return a.p == nullptr ? nullptr : a.p + std::size_t(c) * a.stride + x;
          };
          for (int j = 0; j < s.terms; ++j) terms[j] = field(term[k][j]);
          s.out = to[k].p + std::size_t(c) * to[k].stride + x;
          s.base = field(base[k]);
          s.r = line.r.p + std::size_t(c) * line.r.stride;
          s.term = terms;
          code<T>().add_up(s);
        }
      }
    }
  }

  const Setting<T>& s_;
  std::span<const Pass> passes_;
  std::size_t plane_, stride_ = 0, row_ = 0, memory_ = 0;
  bool s_stream_ = false;
  int arrays_ = 0;
  Array<T> array_[kMostArrays];
  PassPlan plan_[PassList<T>::kMost];

 public:
  const T* zeros = nullptr;  // [w]
};

}  // namespace

template <class T>
void run(const Setting<T>& setting, std::span<const RhsPass<T>> passes, Workspace& workspace) {
  const Shape shape = setting.shape;
  const int rows = shape.n * shape.h;
  Sweep<T> sweep(setting, passes);
  if (setting.padding == Padding::zeros) {
    T* zeros = workspace.get<T>({}, "pde.sweep.zeros", std::size_t(shape.w));
    std::fill_n(zeros, shape.w, T(0));
    sweep.zeros = zeros;
  }
  const std::size_t work = std::size_t(rows) * shape.w * passes.size();
  const int parts = std::clamp(int(work / kThreadWork), 1, std::min(max_threads(), std::max(1, rows / 8)));
  T* const memory = workspace.get<T>({}, "pde.sweep", sweep.memory() * std::size_t(parts));
#pragma omp parallel for schedule(static) if (parts > 1)
  for (int k = 0; k < parts; ++k)
    sweep.rows(int((long long)(rows)*k / parts), int((long long)(rows) * (k + 1) / parts),
               memory + std::size_t(k) * sweep.memory());
}

template <class T>
int steps_of_one_sweep(Shape shape, int passes) {
  if (shape.size() * sizeof(T) < kStreamBytes / 8) return 1;
  const std::size_t step = std::size_t(4 * passes) * shape.c * shape.w * sizeof(T);  // rings of four rows
  return std::clamp(int(kCacheBytes / step), 1, std::min(kMostSteps, PassList<T>::kMost / passes));
}

template <class T>
void add_up(const Combinations<T>& sums, const T* r, std::size_t size) {
  constexpr std::size_t kBlock = 4096;
  const long long blocks = (long long)((size + kBlock - 1) / kBlock);
  for (int k = 0; k < sums.count; ++k) {
    const Combination<T>& sum = sums.sum[k];
#pragma omp parallel for schedule(static) if (size > 65536)
    for (long long b = 0; b < blocks; ++b) {
      const std::size_t begin = std::size_t(b) * kBlock;
      const T* term[Combination<T>::kMost];
      for (int j = 0; j < sum.terms; ++j) term[j] = sum.term[j] + begin;
      const auto at = [&](const T* p) { return p == nullptr ? nullptr : p + begin; };
      code<T>().add_up({sum.out + begin, at(sum.base), at(r), sum.r_weight, sum.terms,
                        int(std::min(kBlock, size - begin)), sum.weight, term, false});
    }
  }
}

#define MG_INSTANTIATE(T)                                                        \
  template void run(const Setting<T>&, std::span<const RhsPass<T>>, Workspace&); \
  template int steps_of_one_sweep<T>(Shape, int);                                \
  template void add_up(const Combinations<T>&, const T*, std::size_t);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace host
}  // namespace mg::pde::sweep
