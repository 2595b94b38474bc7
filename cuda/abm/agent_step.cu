#include "abm/agent_step.hpp"

#include <bit>

#include "cuda/abm/agent_policy.cuh"
#include "cuda/core/for_each.cuh"
#include "cuda/core/reduce.cuh"
#include "cuda/core/sort.cuh"

namespace mg::abm::cuda {
namespace {

using mg::cuda::for_each_index;

/// Where element i of a (batch, C, h, w) array lies.
struct Place {
  int c, row, column;
  std::size_t plane;  ///< first element of its plane
  __device__ Place(std::size_t i, int channels, int h, int w)
      : c(int(i / std::size_t(w) / std::size_t(h) % std::size_t(channels))),
        row(int(i / std::size_t(w) % std::size_t(h))),
        column(int(i % std::size_t(w))),
        plane(i / std::size_t(w) / std::size_t(h) * std::size_t(h) * std::size_t(w)) {}
};

/// out (+)= line, or its transposed, along `axis` of a (batch, C, h, w) array.
template <class T>
struct ApplyLine {
  Line<T> line;
  Domain domain;
  int channels, h, w, axis;
  bool transposed, add;
  const T* in;
  T* out;
  __device__ void operator()(std::size_t i) const {
    const Place at(i, channels, h, w);
    const T* plane = in + at.plane;
    const auto read = [&](int k) {
      return axis == 0 ? plane[std::size_t(k) * std::size_t(w) + std::size_t(at.column)]
                       : plane[std::size_t(at.row) * std::size_t(w) + std::size_t(k)];
    };
    const int n = axis == 0 ? h : w, k = axis == 0 ? at.row : at.column;
    const T value = transposed ? line.transposed_at(domain, n, k, read) : line.at(domain, n, k, read);
    out[i] = add ? out[i] + value : value;
  }
};

/// Every point and pair of taps becomes an entry with the node it touches as key.
template <class T>
struct PointEntries {
  Assignment assignment;
  Domain domain;
  int h, w, per_sample;
  const T* points;
  unsigned* keys;
  int* entries;
  __device__ void operator()(std::size_t p) const {
    const AxisTaps<T> t0 = axis_taps(assignment, domain, points[2 * p], h);
    const AxisTaps<T> t1 = axis_taps(assignment, domain, points[2 * p + 1], w);
    const int count = tap_count(assignment);
    const std::size_t sample = p / std::size_t(per_sample);
    for (int i = 0; i < count; ++i)
      for (int j = 0; j < count; ++j) {
        const std::size_t at = (p * std::size_t(count) + std::size_t(i)) * std::size_t(count) + std::size_t(j);
        keys[at] =
            unsigned((sample * std::size_t(h) + std::size_t(t0.node[i])) * std::size_t(w) + std::size_t(t1.node[j]));
        entries[at] = int(p) * kMostTaps * kMostTaps + i * kMostTaps + j;
      }
  }
};
/// start[k] = number of entries with keys below k, for k up to the number of nodes.
struct EntryStarts {
  const unsigned* keys;
  std::size_t count, nodes;
  int* start;
  __device__ void operator()(std::size_t e) const {
    const std::size_t from = e == 0 ? 0 : std::size_t(keys[e - 1]) + 1;
    const std::size_t to = e == count ? nodes : std::size_t(keys[e]);
    for (std::size_t k = from; k <= to; ++k) start[k] = int(e);
  }
};
/// out = base (or 0) + factor sum of the entries' weights times values[point][field][c].
template <class T>
struct ScatterEntries {
  Assignment assignment;
  Domain domain;
  int channels, h, w, fields, field;
  const T *points, *values, *base;
  T factor;
  const int *entries, *start;
  T* out;
  __device__ void operator()(std::size_t i) const {
    const Place at(i, channels, h, w);
    const std::size_t sample = at.plane / std::size_t(h) / std::size_t(w) / std::size_t(channels);
    const std::size_t node = (sample * std::size_t(h) + std::size_t(at.row)) * std::size_t(w) + std::size_t(at.column);
    T sum = base != nullptr ? base[i] : T(0);
    for (int e = start[node]; e < start[node + 1]; ++e) {
      const auto p = std::size_t(entries[e] / (kMostTaps * kMostTaps));
      const int tap = entries[e] % (kMostTaps * kMostTaps);
      const AxisTaps<T> t0 = axis_taps(assignment, domain, points[2 * p], h);
      const AxisTaps<T> t1 = axis_taps(assignment, domain, points[2 * p + 1], w);
      const T value =
          values[(p * std::size_t(fields) + std::size_t(field)) * std::size_t(channels) + std::size_t(at.c)];
      sum += factor * t0.w[tap / kMostTaps] * t1.w[tap % kMostTaps] * value;
    }
    out[i] = sum;
  }
};

template <class T>
struct ActivateField {
  FieldActivation field;
  T* a;
  __device__ void operator()(std::size_t i) const { a[i] = field_value(field, a[i]); }
};
/// P' = lambda ((1 - kappa) A + kappa K A)
template <class T>
struct MixField {
  const T* params;
  std::size_t decay, blend;
  int channels, h, w;
  const T *a, *blurred;
  T* out;
  __device__ void operator()(std::size_t i) const {
    const Place at(i, channels, h, w);
    const T lambda = logistic(params[decay + std::size_t(at.c)]), kappa = logistic(params[blend + std::size_t(at.c)]);
    out[i] = lambda * ((1 - kappa) * a[i] + kappa * blurred[i]);
  }
};
/// deposited_bar = act'(Pt) lambda ((1 - kappa) g + kappa K g)
template <class T>
struct MixFieldAdjoint {
  const T* params;
  std::size_t decay, blend;
  int channels, h, w;
  FieldActivation field;
  const T *g, *blurred, *pt;
  T* out;
  __device__ void operator()(std::size_t i) const {
    const Place at(i, channels, h, w);
    const T lambda = logistic(params[decay + std::size_t(at.c)]), kappa = logistic(params[blend + std::size_t(at.c)]);
    out[i] = field_slope(field, pt[i]) * lambda * ((1 - kappa) * g[i] + kappa * blurred[i]);
  }
};
/// Sums over samples and nodes of one channel, for the logits of lambda and kappa.
template <class T>
struct FieldParamValue {
  const T* params;
  std::size_t decay, blend;
  int batch, channels;
  std::size_t nodes;
  FieldActivation field;
  const T *g, *blurred, *pt;
  __device__ std::size_t length(std::size_t) const { return std::size_t(batch) * nodes; }
  __device__ ReduceValues<2> operator()(std::size_t c, std::size_t k) const {
    const std::size_t i = (k / nodes * std::size_t(channels) + c) * nodes + k % nodes;
    const T lambda = logistic(params[decay + c]), kappa = logistic(params[blend + c]);
    const double a = double(field_value(field, pt[i]));
    return {{double((1 - kappa) * g[i] + kappa * blurred[i]) * a * double(lambda * (1 - lambda)),
             double(blurred[i] - g[i]) * a * double(lambda * kappa * (1 - kappa))}};
  }
};
template <class T>
struct AddFieldParams {
  T* params_bar;
  std::size_t decay, blend;
  __device__ void operator()(std::size_t c, const ReduceValues<2>& r) const {
    params_bar[decay + c] += T(r.v[0]);
    params_bar[blend + c] += T(r.v[1]);
  }
};

/// Sums over the agents of one species in all samples: of outer products of bars and inputs, of bars, of extra rows.
template <class T>
struct SpeciesSum {
  Agents<T> g;
  int first, count, bar_row, input_row, inputs;  ///< input_row < 0: the bars alone
  const T* rows;                                 // [..][all]
  __device__ std::size_t length(std::size_t) const { return std::size_t(g.batch) * std::size_t(count); }
  __device__ ReduceValues<1> operator()(std::size_t s, std::size_t k) const {
    const std::size_t a = k / std::size_t(count) * std::size_t(g.agents) + std::size_t(first) + k % std::size_t(count);
    if (input_row < 0) return {{double(rows[(std::size_t(bar_row) + s) * g.all() + a])}};
    const int o = int(s / std::size_t(inputs)), i = int(s % std::size_t(inputs));
    return {{double(g.bar(bar_row + o, a)) * double(g.unit(input_row + i, a))}};
  }
};
template <class T>
struct AddSum {
  T* to;
  __device__ void operator()(std::size_t s, const ReduceValues<1>& r) const { to[s] += T(r.v[0]); }
};

/// All launches of one step.
template <class T>
class Pass {
 public:
  Pass(CUstream_st* stream, const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
       Workspace& workspace)
      : stream_(stream), in_(in), workspace_(workspace), g_(in, params, state) {
    size_ = std::size_t(g_.batch) * std::size_t(g_.channels) * g_.nodes();
    g_.units = array("units", std::size_t(g_.rows) * g_.all());
    deposits_ = array("deposits", g_.all() * std::size_t(g_.channels));
    temporary_ = array("temporary", size_);
    pt_ = array("deposited", size_);
    blurred_ = array("blurred", size_);
    if (g_.sensing != Sensing::gradient) return;
    for (int d = 0; d < 2; ++d) {
      T* out = array(d == 0 ? "slope0" : "slope1", size_);
      line(in_.kernels->smooth, 1 - d, false, false, g_.lattice, temporary_);
      line(in_.kernels->derivative, d, false, false, temporary_, out);
      g_.slope[d] = out;
    }
  }

  void forward(AgentState<T> next) {
    for_each_index("agents_move", stream_, g_.all(), MoveAgents<T>{g_, next.x, next.u, deposits_});
    deposit();
    for_each_index("agents_activate_field", stream_, size_, ActivateField<T>{g_.field, pt_});
    blur(pt_);
    for_each_index("agents_mix_field", stream_, size_,
                   MixField<T>{g_.params, g_.decay, g_.blend, g_.channels, g_.h, g_.w, pt_, blurred_, next.lattice});
  }

  void adjoint(AgentState<const T> next_bar, AgentState<T> bar, T* params_bar) {
    g_.slopes = array("unit_slopes", std::size_t(g_.rows) * g_.all());
    g_.bars = array("bars", std::size_t(g_.rows) * g_.all());
    // The moved agents are not wanted: their arrays take what the adjoint overwrites.
    for_each_index("agents_move", stream_, g_.all(), MoveAgents<T>{g_, bar.x, bar.u, deposits_});
    deposit();
    blur(next_bar.lattice);
    T* deposited_bar = array("deposited_bar", size_);
    for_each_index("agents_mix_field_adjoint", stream_, size_,
                   MixFieldAdjoint<T>{g_.params, g_.decay, g_.blend, g_.channels, g_.h, g_.w, g_.field,
                                      next_bar.lattice, blurred_, pt_, deposited_bar});
    mg::cuda::reduce_segments<Add, 2>("agents_field_params", stream_, std::size_t(g_.channels),
                                      std::size_t(g_.batch) * g_.nodes(),
                                      FieldParamValue<T>{g_.params, g_.decay, g_.blend, g_.batch, g_.channels,
                                                         g_.nodes(), g_.field, next_bar.lattice, blurred_, pt_},
                                      AddFieldParams<T>{params_bar, g_.decay, g_.blend}, workspace_);

    const bool gradient = g_.sensing == Sensing::gradient;
    const int points = gradient ? 1 : g_.arms, fields = gradient ? 3 : 1;
    T* sources = array("sources", g_.all() * std::size_t(points * fields * g_.channels));
    T* tips = gradient ? nullptr : array("tips", 2 * g_.all() * std::size_t(points));
    T* extra = array("extra", std::size_t(3 + g_.arms) * g_.all());
    for_each_index(
        "agents_move_adjoint", stream_, g_.all(),
        MoveAgentsAdjoint<T>{g_, next_bar.x, next_bar.u, deposited_bar, deposits_, bar.x, bar.u, sources, tips, extra});
    parameters_adjoint(extra, params_bar);
    lattice_adjoint(deposited_bar, sources, gradient ? g_.x : tips, points, fields, bar.lattice);
  }

 private:
  T* array(const char* name, std::size_t size) {
    return workspace_.get<T>({Backend::cuda, stream_}, std::string("abm.") + name, size);
  }
  void line(const std::vector<double>& taps, int axis, bool transposed, bool add, const T* in, T* out) {
    for_each_index("agents_line", stream_, size_,
                   ApplyLine<T>{Line<T>(taps), g_.domain, g_.channels, g_.h, g_.w, axis, transposed, add, in, out});
  }
  /// blurred_ = K in
  void blur(const T* in) {
    line(in_.kernels->blur, 1, false, false, in, temporary_);
    line(in_.kernels->blur, 0, false, false, temporary_, blurred_);
  }
  /// Sorts the entries of `per_sample` points of every sample by node.
  void sort_points(const T* points, int per_sample) {
    const Exec exec{Backend::cuda, stream_};
    const int taps = tap_count(g_.assignment);
    const std::size_t count = std::size_t(g_.batch) * std::size_t(per_sample), all = count * std::size_t(taps * taps);
    const std::size_t nodes = std::size_t(g_.batch) * g_.nodes();
    if (count * kMostTaps * kMostTaps > std::size_t(0x7fffffff))
      throw DeviceError("agents: " + std::to_string(count) + " points are more than one deposit can sort");
    unsigned* keys = workspace_.get<unsigned>(exec, "abm.keys", 2 * all);
    int* entries = workspace_.get<int>(exec, "abm.entries", 2 * all);
    start_ = workspace_.get<int>(exec, "abm.starts", nodes + 1);
    entries_ = entries + all;
    for_each_index("agents_entries", stream_, count,
                   PointEntries<T>{g_.assignment, g_.domain, g_.h, g_.w, per_sample, points, keys, entries});
    mg::cuda::sort_pairs(stream_, keys, keys + all, entries, entries + all, all, std::bit_width(nodes), workspace_);
    for_each_index("agents_entry_starts", stream_, all + 1, EntryStarts{keys + all, all, nodes, start_});
  }
  void scatter(const T* points, const T* values, int fields, int field, T factor, const T* base, T* out) {
    for_each_index("agents_scatter", stream_, size_,
                   ScatterEntries<T>{g_.assignment, g_.domain, g_.channels, g_.h, g_.w, fields, field, points, values,
                                     base, factor, entries_, start_, out});
  }
  void deposit() {
    sort_points(g_.x, g_.agents);
    scatter(g_.x, deposits_, 1, 0, g_.dt, g_.lattice, pt_);
  }

  void species_sum(int first, int count, std::size_t segments, int bar_row, int input_row, int inputs, const T* rows,
                   T* to) {
    mg::cuda::reduce_segments<Add, 1>("agents_params", stream_, segments, std::size_t(g_.batch) * std::size_t(count),
                                      SpeciesSum<T>{g_, first, count, bar_row, input_row, inputs, rows}, AddSum<T>{to},
                                      workspace_);
  }
  void parameters_adjoint(const T* extra, T* params_bar) {
    for (int s = 0, first = 0; s < g_.species; first = g_.species_end[s++]) {
      const int count = g_.species_end[s] - first;
      T* to = params_bar + std::size_t(s) * g_.policy_size;
      for (const Chain* chain : {&g_.trunk, &g_.deposit, &g_.speed, &g_.turn})
        for (int k = 0; k < chain->count; ++k) {
          const DenseLayer& layer = chain->layer[k];
          const int input = k > 0 ? chain->row[k - 1] : chain->input_row;
          species_sum(first, count, std::size_t(layer.in) * std::size_t(layer.out), chain->row[k], input, layer.in,
                      nullptr, to + layer.weight);
          if (layer.bias >= 0)
            species_sum(first, count, std::size_t(layer.out), chain->row[k], -1, 0, g_.bars, to + layer.bias);
        }
      if (g_.sensing != Sensing::sensors) continue;
      species_sum(first, count, 1, 2, -1, 0, extra, to + g_.sensor_length);
      species_sum(first, count, std::size_t(g_.arms), 3, -1, 0, extra, to + g_.sensor_angles);
    }
    if (g_.noise == nullptr) return;
    species_sum(0, g_.agents, 1, 0, -1, 0, extra, params_bar + g_.rotation_noise);
    species_sum(0, g_.agents, 1, 1, -1, 0, extra, params_bar + g_.translation_noise);
  }

  void lattice_adjoint(const T* deposited_bar, const T* sources, const T* points, int per_agent, int fields,
                       T* lattice_bar) {
    if (fields == 1) sort_points(points, g_.agents * per_agent);
    scatter(points, sources, fields, 0, T(1), deposited_bar, lattice_bar);
    if (fields == 1) return;
    for (int d = 0; d < 2; ++d) {  // the slope along axis d: smoothed across, differentiated along
      scatter(points, sources, 3, 1 + d, T(1), nullptr, blurred_);
      line(in_.kernels->derivative, d, true, false, blurred_, temporary_);
      line(in_.kernels->smooth, 1 - d, true, true, temporary_, lattice_bar);
    }
  }

  CUstream_st* stream_;
  const AgentStepInputs<T>& in_;
  Workspace& workspace_;
  Agents<T> g_;
  std::size_t size_ = 0;
  T *deposits_, *temporary_, *pt_, *blurred_;
  int *entries_ = nullptr, *start_ = nullptr;
};

template <class T>
struct AgentNoise {
  StepIndex index;
  int agents;
  T* noise;
  __device__ void operator()(std::size_t i) const {
    agent_noise_at(index, int(i / std::size_t(agents)), int(i % std::size_t(agents)), noise + 3 * i);
  }
};

}  // namespace

template <class T>
void agent_noise(CUstream_st* stream, const StepIndex& index, int batch, int agents, T* noise) {
  for_each_index("agents_noise", stream, std::size_t(batch) * std::size_t(agents), AgentNoise<T>{index, agents, noise});
}
template <class T>
void agent_step(CUstream_st* stream, const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                AgentState<T> next, Workspace& workspace) {
  Pass<T>(stream, in, params, state, workspace).forward(next);
}
template <class T>
void agent_step_adjoint(CUstream_st* stream, const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                        AgentState<const T> next_bar, AgentState<T> bar, T* params_bar, Workspace& workspace) {
  Pass<T>(stream, in, params, state, workspace).adjoint(next_bar, bar, params_bar);
}
#define MG_INSTANTIATE(T)                                                                                         \
  template void agent_noise(CUstream_st*, const StepIndex&, int, int, T*);                                        \
  template void agent_step(CUstream_st*, const AgentStepInputs<T>&, const T*, AgentState<const T>, AgentState<T>, \
                           Workspace&);                                                                           \
  template void agent_step_adjoint(CUstream_st*, const AgentStepInputs<T>&, const T*, AgentState<const T>,        \
                                   AgentState<const T>, AgentState<T>, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::abm::cuda
