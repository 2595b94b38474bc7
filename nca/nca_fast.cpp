#include "nca/nca_fast.hpp"

#include <algorithm>
#include <numeric>

#include "core/stencil.hpp"
#include "core/threads.hpp"
#include "nca/nca_cell.hpp"
#include "nca/nca_fast_path.hpp"

namespace mg::nca {

namespace isa_baseline {
extern const fast::Kernels kKernels;
}
namespace isa_avx2 {
extern const fast::Kernels kKernels;
}
namespace isa_avx512 {
extern const fast::Kernels kKernels;
}

namespace host {
namespace {

constexpr int kUnitCells = 900;  ///< cells of a strip, about: its features and their cotangent fit the second cache
constexpr int kMinUnits = 8;     ///< strips of a small batch, so that several threads have work
constexpr int kGroups = 64;      ///< partial sums of the weight gradient, at most

const fast::Kernels& kernels(Isa isa) {
  return *of_isa(isa, &isa_baseline::kKernels, &isa_avx2::kKernels, &isa_avx512::kKernels);
}

int round_up(int n, int m) { return (n + m - 1) / m * m; }
int ceil_div(int n, int m) { return (n + m - 1) / m; }
/// Partial sums of the weight gradient for so many strips: few, as they pass through memory, yet enough for many threads.
int weight_groups(int units) { return std::min({units, kGroups, std::max(kMinUnits, ceil_div(units, 2))}); }

/// out[tile][k][R] = a[tile R + i][k] of a matrix with `rows` rows and `cols` columns; rows beyond are 0.
template <class At>
void pack(int rows, int cols, int padded_rows, int r, float* out, const At& at) {
  for (int tile = 0; tile < padded_rows; tile += r)
    for (int k = 0; k < cols; ++k)
      for (int i = 0; i < r; ++i) *out++ = tile + i < rows ? at(tile + i, k) : 0.0F;
}

/// A fast::Step with the memory behind its pointers, which the workspace owns.
struct Prepared {
  Prepared(const fast::Kernels& k, const NcaSpec& spec, const float* params, const NcaInputs<float>& in, Shape shape,
           bool adjoint, Workspace& workspace) {
    sizes(k, spec, shape);
    weights(k, spec, params, adjoint, workspace);
    masks(spec, in);
    stencils(spec, shape, workspace);
    scratch_size = k.scratch(s);
    scratch = workspace.get<float>({}, "nca.scratch", scratch_size * max_threads());
  }
  int units() const { return s.n * s.strips; }
  /// Whether a step is worth several threads.
  bool worthwhile() const { return double(s.n) * s.h * s.w * s.H * (s.F + s.O) > 2e6; }

  fast::Step s{};
  std::size_t scratch_size = 0;
  float* scratch = nullptr;

 private:
  void sizes(const fast::Kernels& k, const NcaSpec& spec, Shape shape) {
    s.n = shape.n, s.C = shape.c, s.h = shape.h, s.w = shape.w;
    s.F = spec.features(), s.H = spec.hidden_width(), s.O = spec.outputs();
    s.Hp = round_up(s.H, k.tile_rows), s.Op = round_up(s.O, k.tile_rows), s.Fp = round_up(s.F, k.tile_rows);
    s.Fv = round_up(s.F, 16), s.Ov = round_up(s.O, 16);
    s.strips = std::min(s.h, std::max(ceil_div(s.h * s.w, kUnitCells), ceil_div(kMinUnits, s.n)));
    s.strip_rows = ceil_div(s.h, s.strips);
    s.strips = ceil_div(s.h, s.strip_rows);
    s.activation = int(spec.activation);
    s.gated = spec.gated;
    s.hidden_bias = spec.hidden_bias;
  }

  /// Packs what the step, or its adjoint, reads.
  void weights(const fast::Kernels& k, const NcaSpec& spec, const float* w0, bool adjoint, Workspace& workspace) {
    const int r = k.tile_rows;
    const float* b0 = w0 + std::size_t(s.H) * s.F;
    const float* w1 = b0 + (spec.hidden_bias ? s.H : 0);
    const float* b1 = w1 + std::size_t(s.O) * s.H;
    const std::size_t a = std::size_t(s.Hp) * s.F, b = std::size_t(s.Op) * s.Hp, c = std::size_t(s.Hp) * s.O,
                      d = std::size_t(s.Fp) * s.Hp;
    float* out = workspace.get<float>({}, "nca.weights", a + b + c + d + s.Hp + s.Op);
    pack(s.H, s.F, s.Hp, r, out, [&](int j, int f) { return w0[std::size_t(j) * s.F + f]; });
    s.w0 = std::exchange(out, out + a);
    if (!adjoint || spec.gated || spec.alive)
      pack(s.O, s.Hp, s.Op, r, out, [&](int o, int j) { return j < s.H ? w1[std::size_t(o) * s.H + j] : 0.0F; });
    s.w1 = std::exchange(out, out + b);
    if (adjoint) pack(s.H, s.O, s.Hp, r, out, [&](int j, int o) { return w1[std::size_t(o) * s.H + j]; });
    s.w1t = std::exchange(out, out + c);
    if (adjoint)
      pack(s.F, s.Hp, s.Fp, r, out, [&](int f, int j) { return j < s.H ? w0[std::size_t(j) * s.F + f] : 0.0F; });
    s.w0t = std::exchange(out, out + d);
    for (int j = 0; j < s.Hp; ++j) out[j] = spec.hidden_bias && j < s.H ? b0[j] : 0.0F;
    s.b0 = std::exchange(out, out + s.Hp);
    for (int o = 0; o < s.Op; ++o) out[o] = spec.output_bias && o < s.O ? b1[o] : 0.0F;
    s.b1 = out;
  }

  void masks(const NcaSpec& spec, const NcaInputs<float>& in) {
    const FireRule rule = fire_rule(spec, in.index);
    s.override_mask = in.fire_override.data;
    s.always = rule.always && s.override_mask == nullptr;
    s.per_cell = rule.per_cell;
    s.threshold = std::uint32_t(std::min<std::uint64_t>(rule.threshold, 0xFFFFFFFFU));
    s.key0 = std::uint32_t(rule.stream.seed), s.key1 = std::uint32_t(rule.stream.seed >> 32);
    s.counter1 = rule.stream.step | (std::uint32_t(rule.stream.purpose) << 24);
    s.sample0 = rule.stream.sample, s.counter3 = rule.stream.iteration;
    s.boundary = int(spec.boundary);
    s.mask_rows = spec.mask_rows();
    s.boundary_mask = in.boundary.data;
  }

  void stencils(const NcaSpec& spec, Shape shape, Workspace& workspace) {
    const PerceptionSpec& p = spec.perception;
    s.id = p.id, s.grad = p.grad, s.av = p.av, s.lap = p.lap;
    const auto set = make_stencils<float>(p.padding, 1, p.smoothing, p.dx);
    s.taps = {set.grad0[2], set.grad0[5],   set.lap[0],     set.lap[1],
              set.lap[4],   set.average[0], set.average[1], set.average[4]};
    int* row_of = workspace.get<int>({}, "nca.row_of", std::size_t(shape.h) + 2);
    for (int y = -1; y <= shape.h; ++y) row_of[y + 1] = padded_index(p.padding, y, shape.h);
    s.row_of = row_of;
    s.left = padded_index(p.padding, -1, shape.w), s.right = padded_index(p.padding, shape.w, shape.w);
  }
};

/// out = 1 where `in(cell)` holds somewhere in the 3x3 neighbourhood, rows [y0, y1) of a lattice (h, w).
template <class In>
void around(Padding padding, int h, int w, int y0, int y1, std::uint8_t* out, const In& in) {
  const auto any_of_row = [&](int y, int x) {
    if (y < 0) return false;
    const int a = padded_index(padding, x - 1, w), b = padded_index(padding, x + 1, w);
    const std::size_t row = std::size_t(y) * w;
    return in(row + x) || (a >= 0 && in(row + a)) || (b >= 0 && in(row + b));
  };
  for (int y = y0; y < y1; ++y) {
    const int up = padded_index(padding, y - 1, h), down = padded_index(padding, y + 1, h);
    for (int x = 0; x < w; ++x)
      out[std::size_t(y) * w + x] = any_of_row(y, x) || any_of_row(up, x) || any_of_row(down, x);
  }
}

/// Alive masking of a batch: which cells live in x, which are near one that does, which live before and after.
struct Alive {
  Alive(const NcaSpec& spec, Shape shape, Workspace& workspace) : spec_(spec), shape_(shape) {
    const std::size_t cells = shape.cells();
    before = workspace.get<std::uint8_t>({}, "nca.alive", 3 * cells);
    near = before + cells;
    keep = near + cells;
  }
  void look_at(View<const float> x) {
    lives(x, before, nullptr);
    parallel_for(
        shape_.n,
        [&](int n, int) {
          const std::uint8_t* b = before + n * shape_.plane();
          around(spec_.perception.padding, shape_.h, shape_.w, 0, shape_.h, near + n * shape_.plane(),
                 [&](std::size_t i) { return b[i] != 0; });
        },
        worthwhile());
  }
  void look_at_result(View<const float> y) { lives(y, keep, before); }

  std::uint8_t *before, *near, *keep;  // (n, h, w)

 private:
  void lives(View<const float> z, std::uint8_t* out, const std::uint8_t* and_also) {
    const float threshold = float(spec_.alive_threshold);
    parallel_for(
        shape_.n,
        [&](int n, int) {
          const float* alpha = z.plane(n, spec_.alive_channel);
          std::uint8_t* to = out + n * shape_.plane();
          around(spec_.perception.padding, shape_.h, shape_.w, 0, shape_.h, to,
                 [&](std::size_t i) { return alpha[i] > threshold; });
          if (and_also != nullptr)
            for (std::size_t i = 0; i < shape_.plane(); ++i) to[i] &= and_also[n * shape_.plane() + i];
        },
        worthwhile());
  }
  bool worthwhile() const { return shape_.cells() > 10000; }
  const NcaSpec& spec_;
  Shape shape_;
};

void run_forward(const fast::Kernels& k, const Prepared& p, const float* x, float* next) {
  parallel_for(
      p.units(), [&](int unit, int thread) { k.forward(p.s, x, next, unit, p.scratch + p.scratch_size * thread); },
      p.worthwhile());
}

/// next = 0 where not kept, then the boundary.
void finish(const NcaSpec& spec, const NcaInputs<float>& in, const std::uint8_t* keep, View<float> next) {
  const Shape s = next.shape;
  parallel_for(
      s.n * s.c,
      [&](int i, int) {
        const int n = i / s.c, c = i % s.c, row = boundary_row(spec.boundary, s.c, spec.mask_rows(), c);
        float* y = next.plane(n, c);
        const std::uint8_t* k = keep + n * s.plane();
        for (std::size_t q = 0; q < s.plane(); ++q) y[q] = k[q] != 0 ? y[q] : 0.0F;
        if (row >= 0)
          for (std::size_t q = 0; q < s.plane(); ++q)
            y[q] = apply_boundary(spec.boundary, y[q], in.boundary.plane(n, row)[q]);
      },
      s.size() > 100000);
}

/// x_bar += what the strips sent to the rows above and below them, in the order of the strips.
void add_halos(const Prepared& p, const float* halo, View<float> x_bar) {
  const fast::Step& s = p.s;
  parallel_for(
      s.n * s.C,
      [&](int i, int) {
        const int n = i / s.C, c = i % s.C;
        for (int strip = 0; strip < s.strips; ++strip)
          for (int side = 0; side < 2; ++side) {
            const int y0 = strip * s.strip_rows, y1 = std::min(s.h, y0 + s.strip_rows);
            const int row = s.row_of[side == 0 ? y0 : y1 + 1];
            if (row < 0) continue;
            const float* from = halo + ((std::size_t(n * s.strips + strip) * 2 + side) * s.C + c) * s.w;
            float* to = x_bar.plane(n, c) + std::size_t(row) * s.w;
            for (int x = 0; x < s.w; ++x) to[x] += from[x];
          }
      },
      p.worthwhile());
}

/// partials[0] += the other groups' sums, in their order. Threads own whole runs of memory: shared cache lines would
/// cost more than the additions.
void sum_groups(const Prepared& p, float* partials, std::size_t size, int groups) {
  constexpr std::size_t kRun = 1024;
  parallel_for(
      int((size + kRun - 1) / kRun),
      [&](int run, int) {
        const std::size_t begin = std::size_t(run) * kRun, count = std::min(kRun, size - begin);
        float sums[kRun];
        std::copy_n(partials + begin, count, sums);
        for (int g = 1; g < groups; ++g) {
          const float* from = partials + size * g + begin;
          for (std::size_t i = 0; i < count; ++i) sums[i] += from[i];
        }
        std::copy_n(sums, count, partials + begin);
      },
      p.worthwhile());
}

/// params_bar += the sums of all groups.
void add_sums(const fast::Step& s, const NcaSpec& spec, const float* sums, float* params_bar) {
  const float *w1 = sums + std::size_t(s.Hp) * s.Fv, *b0 = w1 + std::size_t(s.Hp) * s.Ov;
  const auto add_lanes = [](const float* lanes, int count, float* to) {
    for (int i = 0; i < count; ++i, lanes += fast::kBiasLanes)
      to[i] += std::accumulate(lanes, lanes + fast::kBiasLanes, 0.0F);
  };
  float* out = params_bar;
  for (int j = 0; j < s.H; ++j)
    for (int f = 0; f < s.F; ++f) *out++ += sums[std::size_t(j) * s.Fv + f];
  if (spec.hidden_bias) add_lanes(b0, s.H, std::exchange(out, out + s.H));
  for (int o = 0; o < s.O; ++o)
    for (int j = 0; j < s.H; ++j) *out++ += w1[std::size_t(j) * s.Ov + o];
  if (spec.output_bias) add_lanes(b0 + std::size_t(fast::kBiasLanes) * s.Hp, s.O, out);
}

}  // namespace

bool fast_supports(const NcaSpec& spec) { return spec.perception.scale == 1 && !spec.perception.diff; }

void fast_step(Isa isa, const NcaSpec& spec, const float* params, const NcaInputs<float>& in, View<const float> x,
               View<float> next, Workspace& workspace) {
  const fast::Kernels& k = kernels(isa);
  Prepared p(k, spec, params, in, x.shape, false, workspace);
  if (!spec.alive) return run_forward(k, p, x.data, next.data);
  Alive alive(spec, x.shape, workspace);
  alive.look_at(x);
  p.s.near = alive.near;
  run_forward(k, p, x.data, next.data);
  alive.look_at_result(next);
  finish(spec, in, alive.keep, next);
}

void fast_step_adjoint(Isa isa, const NcaSpec& spec, const float* params, const NcaInputs<float>& in,
                       View<const float> x, View<const float> next_bar, View<float> x_bar, float* params_bar,
                       Workspace& workspace) {
  const fast::Kernels& k = kernels(isa);
  Prepared p(k, spec, params, in, x.shape, true, workspace);
  if (spec.alive) {  // y is needed once more; x_bar serves as its memory
    Alive alive(spec, x.shape, workspace);
    alive.look_at(x);
    p.s.near = alive.near;
    run_forward(k, p, x.data, x_bar.data);
    alive.look_at_result(x_bar);
    p.s.near = p.s.keep = alive.keep;
  }
  const int groups = weight_groups(p.units());
  const std::size_t size = k.partial(p.s);
  float* partials = workspace.get<float>({}, "nca.partials", size * groups);
  float* halo = workspace.get<float>({}, "nca.halo", std::size_t(p.units()) * 2 * p.s.C * p.s.w);
  const fast::Adjoint in_adjoint{x.data, next_bar.data, x_bar.data, halo};
  parallel_for(
      groups,
      [&](int g, int thread) {
        float* partial = partials + size * g;
        std::fill_n(partial, size, 0.0F);
        const auto first = [&](int group) { return int(std::int64_t(p.units()) * group / groups); };
        for (int unit = first(g); unit < first(g + 1); ++unit)
          k.adjoint(p.s, in_adjoint, unit, partial, p.scratch + p.scratch_size * thread);
      },
      p.worthwhile());
  add_halos(p, halo, x_bar);
  sum_groups(p, partials, size, groups);
  add_sums(p.s, spec, partials, params_bar);
}

}  // namespace host
}  // namespace mg::nca
