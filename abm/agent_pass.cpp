#include <algorithm>
#include <cmath>

#include "abm/agent_kernels.hpp"
#include "abm/agent_step.hpp"
#include "core/threads.hpp"

namespace mg::abm {

namespace host {
namespace {

constexpr int kChunk = 128;  ///< agents of one job: a partial sum of the weight gradient each

/// Everything that the passes of one step share. Lattices are channels-last, (batch, h, w, C).
template <class T>
class Pass {
 public:
  Pass(const AgentStepInputs<T>& in, const T* params, AgentState<const T> state, Workspace& workspace)
      : in_(in),
        spec_(*in.spec),
        params_(params),
        state_(state),
        workspace_(workspace),
        kernels_(agent_kernels<T>()),
        agents_(spec_.agents()),
        channels_(spec_.channels),
        row_(std::size_t(in.w) * std::size_t(channels_)),
        plane_(row_ * std::size_t(in.h)) {
    int first = 0;
    for (std::size_t s = 0; s < spec_.species.size(); ++s) {
      const int end = first + spec_.species[s];
      for (int a = first; a < end; a += kChunk) ++ranges_;
      first = end;
    }
    lattice_ = array("lattice", plane_);
    next_ = array("next", plane_);
    for (int d = 0; d < 2; ++d) slope_[d] = array(d == 0 ? "slope0" : "slope1", plane_);
    deposits_ = array("deposits", std::size_t(agents_) * std::size_t(channels_));
    temporary_ = array("temporary", plane_);
    row_scratch_ = workspace_.get<T>({}, "abm.rows", 3 * row_ * std::size_t(max_threads()));
    scratch_size_ = kernels_.scratch_size(spec_, *in.where);
    scratch_ = workspace_.get<T>({}, "abm.scratch", scratch_size_ * std::size_t(max_threads()));
  }

  T* array(const char* name, std::size_t size) {
    return workspace_.get<T>({}, std::string("abm.") + name, size * std::size_t(in_.batch));
  }
  /// body(sample, row, thread) for all rows of all samples.
  template <class Body>
  void rows(const Body& body) const {
    parallel_for(
        in_.batch * in_.h, [&](int job, int thread) { body(job / in_.h, job % in_.h, thread); },
        plane_ * std::size_t(in_.batch) > 4096);
  }
  T* row_of(T* lattice, int b, int r) const { return lattice + std::size_t(b) * plane_ + std::size_t(r) * row_; }
  T* sample(T* lattice, int b) const { return lattice + std::size_t(b) * plane_; }
  T* row_scratch(int thread, int k) const { return row_scratch_ + (std::size_t(thread) * 3 + k) * row_; }

  /// Row r of a (batch, C, h, w) array, channels-last.
  void pack_row(const T* from, int b, int r, T* to) const {
    for (int c = 0; c < channels_; ++c) {
      const T* line = from + ((std::size_t(b) * channels_ + c) * in_.h + r) * in_.w;
      for (int x = 0; x < in_.w; ++x) to[x * channels_ + c] = line[x];
    }
  }
  void unpack_row(const T* from, int b, int r, T* to) const {
    for (int c = 0; c < channels_; ++c) {
      T* line = to + ((std::size_t(b) * channels_ + c) * in_.h + r) * in_.w;
      for (int x = 0; x < in_.w; ++x) line[x] = from[x * channels_ + c];
    }
  }

  /// lattice_, and with Sensing::gradient slope_.
  void read_lattice() {
    const LatticeOperators<T>& op = *in_.operators;
    const bool slopes = spec_.sensing == Sensing::gradient;
    rows([&](int b, int r, int) {
      pack_row(state_.lattice, b, r, row_of(lattice_, b, r));
      if (slopes) kernels_.along_row(op.smooth[1], row_of(lattice_, b, r), channels_, row_of(temporary_, b, r));
    });
    if (!slopes) return;
    rows([&](int b, int r, int thread) {
      kernels_.combine_rows(op.derivative[0], r, sample(temporary_, b), row_, row_of(slope_[0], b, r));
      T* smooth = row_scratch(thread, 0);
      kernels_.combine_rows(op.smooth[0], r, sample(lattice_, b), row_, smooth);
      kernels_.along_row(op.derivative[1], smooth, channels_, row_of(slope_[1], b, r));
    });
  }

  AgentInputs<T> inputs(int b) const {
    const std::size_t at = std::size_t(b) * std::size_t(agents_);
    AgentInputs<T> a;
    a.spec = &spec_, a.where = in_.where, a.params = params_, a.h = in_.h, a.w = in_.w;
    a.lattice = sample(lattice_, b);
    for (int d = 0; d < 2; ++d) a.slope[d] = sample(slope_[d], b);
    a.x = state_.x + 2 * at, a.u = state_.u + 2 * at;
    a.noise = in_.noise != nullptr ? in_.noise + 3 * at : nullptr;
    return a;
  }
  /// Job `job` of batch x ranges.
  AgentRange range(int job) const {
    int left = job % ranges_, first = 0;
    for (int s = 0;; ++s) {
      const int count = spec_.species[std::size_t(s)], chunks = (count + kChunk - 1) / kChunk;
      if (left < chunks) return {s, first + left * kChunk, first + std::min(count, (left + 1) * kChunk)};
      left -= chunks;
      first += count;
    }
  }
  int jobs() const { return in_.batch * ranges_; }
  T* scratch(int thread) const { return scratch_ + std::size_t(thread) * scratch_size_; }

  /// deposits_, and the moved agents.
  void move_agents(AgentState<T> next) const {
    parallel_for(jobs(), [&](int job, int thread) {
      const int b = job / ranges_;
      const std::size_t at = 2 * std::size_t(b) * std::size_t(agents_);
      kernels_.forward(inputs(b), range(job), next.x + at, next.u + at,
                       deposits_ + std::size_t(b) * std::size_t(agents_) * std::size_t(channels_), scratch(thread));
    });
  }

  /// Sorts `per_sample` points of every sample by lattice row, stably.
  void sort_points(const T* points, int per_sample) {
    const int taps = tap_count(spec_.assignment);
    points_ = points, per_sample_ = per_sample;
    const std::size_t entries = std::size_t(per_sample) * std::size_t(taps);
    starts_ = workspace_.get<int>({}, "abm.row_start", std::size_t(in_.batch) * std::size_t(in_.h + 2));
    entries_ = workspace_.get<int>({}, "abm.entries", std::size_t(in_.batch) * entries);
    parallel_for(in_.batch, [&](int b, int) {
      int* start = starts_ + std::size_t(b) * std::size_t(in_.h + 2);
      int* entry = entries_ + std::size_t(b) * entries;
      const T* p = points + 2 * std::size_t(b) * std::size_t(per_sample);
      std::fill_n(start, in_.h + 2, 0);
      for (int i = 0; i < per_sample; ++i) {
        const AxisTaps<T> t = axis_taps(spec_.assignment, spec_.domain, p[2 * i], in_.h);
        for (int k = 0; k < taps; ++k) ++start[t.node[k] + 2];
      }
      for (int r = 0; r < in_.h; ++r) start[r + 2] += start[r + 1];
      for (int i = 0; i < per_sample; ++i) {  // start[r + 1] runs from the start of row r to its end
        const AxisTaps<T> t = axis_taps(spec_.assignment, spec_.domain, p[2 * i], in_.h);
        for (int k = 0; k < taps; ++k) entry[start[t.node[k] + 1]++] = i * kMostTaps + k;
      }
    });
  }
  /// rows[f] += values [points][fields][C] times factor, at the points sorted last.
  void scatter_row(int b, int r, const T* values, int fields, T factor, T* const* rows) const {
    const std::size_t entries = std::size_t(per_sample_) * std::size_t(tap_count(spec_.assignment));
    Scatter<T> s;
    s.assignment = spec_.assignment, s.domain = spec_.domain;
    s.h = in_.h, s.w = in_.w, s.channels = channels_, s.fields = fields;
    s.points = points_ + 2 * std::size_t(b) * std::size_t(per_sample_);
    s.values = values + std::size_t(b) * std::size_t(per_sample_) * std::size_t(fields) * std::size_t(channels_);
    s.factor = factor;
    s.row_start = starts_ + std::size_t(b) * std::size_t(in_.h + 2);
    s.entries = entries_ + std::size_t(b) * entries;
    kernels_.scatter_row(s, r, rows);
  }
  /// Row r of the lattice after the deposits (the points sorted last are the agents).
  void deposit_row(int b, int r, T* out) const {
    std::copy_n(row_of(lattice_, b, r), row_, out);
    scatter_row(b, r, deposits_, 1, T(spec_.dt), &out);
  }

  void forward(AgentState<T> next) {
    read_lattice();
    move_agents(next);
    sort_points(state_.x, agents_);
    const LatticeOperators<T>& op = *in_.operators;
    rows([&](int b, int r, int) {
      T* a = row_of(next_, b, r);
      deposit_row(b, r, a);
      for (std::size_t i = 0; i < row_; ++i) a[i] = field_value(spec_.field, a[i]);
      kernels_.along_row(op.blur[1], a, channels_, row_of(temporary_, b, r));
    });
    rows([&](int b, int r, int thread) {
      T* blurred = row_scratch(thread, 0);
      kernels_.combine_rows(op.blur[0], r, sample(temporary_, b), row_, blurred);
      const T* a = row_of(next_, b, r);
      for (int c = 0; c < channels_; ++c) {
        const T lambda = logistic(params_[in_.where->decay + std::size_t(c)]);
        const T kappa = logistic(params_[in_.where->blend + std::size_t(c)]);
        for (std::size_t i = std::size_t(c); i < row_; i += std::size_t(channels_))
          blurred[i] = lambda * ((1 - kappa) * a[i] + kappa * blurred[i]);
      }
      unpack_row(blurred, b, r, next.lattice);
    });
  }

  void adjoint(AgentState<const T> next_bar, AgentState<T> bar, T* params_bar) {
    AgentState<T> discarded{array("discarded_x", 2 * std::size_t(agents_)),
                            array("discarded_u", 2 * std::size_t(agents_)), nullptr};
    read_lattice();
    move_agents(discarded);
    sort_points(state_.x, agents_);
    T* deposited_bar = array("deposited_bar", plane_);
    field_adjoint(next_bar.lattice, deposited_bar, params_bar);

    const bool gradient = spec_.sensing == Sensing::gradient;
    const int points = spec_.points(), fields = gradient ? 3 : 1;
    T* sources = array("sources", std::size_t(agents_) * std::size_t(gradient ? 3 : points) * std::size_t(channels_));
    T* tips = gradient ? nullptr : array("tips", 2 * std::size_t(agents_) * std::size_t(points));
    agents_adjoint(next_bar, bar, deposited_bar, sources, tips, params_bar);
    if (!gradient) sort_points(tips, agents_ * points);
    lattice_adjoint(deposited_bar, sources, fields, bar.lattice);
  }

 private:
  /// deposited_bar = act'(Pt) (d P' / d A)^T next_bar; decay and blend of params_bar.
  void field_adjoint(const T* next_bar, T* deposited_bar, T* params_bar) {
    const LatticeOperators<T>& op = *in_.operators;
    const std::size_t jobs = std::size_t(in_.batch) * std::size_t(in_.h);
    double* sums = workspace_.get<double>({}, "abm.field_sums", jobs * 2 * std::size_t(channels_));
    rows([&](int b, int r, int) {
      pack_row(next_bar, b, r, row_of(next_, b, r));
      kernels_.along_row(op.blur[1], row_of(next_, b, r), channels_, row_of(temporary_, b, r));
    });
    rows([&](int b, int r, int thread) {
      T *blurred = row_scratch(thread, 0), *pt = row_scratch(thread, 1);
      kernels_.combine_rows(op.blur[0], r, sample(temporary_, b), row_, blurred);  // K is its own adjoint
      deposit_row(b, r, pt);
      const T* g = row_of(next_, b, r);
      T* out = row_of(deposited_bar, b, r);
      double* sum = sums + (std::size_t(b) * in_.h + r) * 2 * channels_;
      for (int c = 0; c < channels_; ++c) {
        const T lambda = logistic(params_[in_.where->decay + std::size_t(c)]);
        const T kappa = logistic(params_[in_.where->blend + std::size_t(c)]);
        double decay = 0, blend = 0;
        for (std::size_t i = std::size_t(c); i < row_; i += std::size_t(channels_)) {
          const T mixed = (1 - kappa) * g[i] + kappa * blurred[i], a = field_value(spec_.field, pt[i]);
          decay += double(mixed) * double(a);
          blend += double(blurred[i] - g[i]) * double(a);
          out[i] = field_slope(spec_.field, pt[i]) * lambda * mixed;
        }
        sum[c] = decay * double(lambda) * double(1 - lambda);
        sum[channels_ + c] = blend * double(lambda) * double(kappa) * double(1 - kappa);
      }
    });
    for (int c = 0; c < 2 * channels_; ++c) {
      double total = 0;
      for (std::size_t j = 0; j < jobs; ++j) total += sums[j * 2 * std::size_t(channels_) + std::size_t(c)];
      const std::size_t at =
          c < channels_ ? in_.where->decay + std::size_t(c) : in_.where->blend + std::size_t(c - channels_);
      params_bar[at] += T(total);
    }
  }

  void agents_adjoint(AgentState<const T> next_bar, AgentState<T> bar, const T* deposited_bar, T* sources, T* tips,
                      T* params_bar) {
    const std::size_t size = in_.where->policy_size + 2;  // and the two of the noise
    T* partials = workspace_.get<T>({}, "abm.partials", size * std::size_t(jobs()));
    parallel_for(jobs(), [&](int job, int thread) {
      const int b = job / ranges_;
      const std::size_t at = std::size_t(b) * std::size_t(agents_);
      AgentBars<T> bars;
      bars.x_next = next_bar.x + 2 * at, bars.u_next = next_bar.u + 2 * at;
      bars.deposited = deposited_bar + std::size_t(b) * plane_;
      bars.x = bar.x + 2 * at, bars.u = bar.u + 2 * at;
      const std::size_t points = std::size_t(spec_.points());
      bars.sources = sources + at * (tips == nullptr ? 3 : points) * std::size_t(channels_);
      if (tips != nullptr) bars.points = tips + 2 * at * points;
      bars.policy = partials + std::size_t(job) * size;
      bars.noise = bars.policy + in_.where->policy_size;
      std::fill_n(bars.policy, size, T(0));
      kernels_.adjoint(inputs(b), range(job), bars, scratch(thread));
    });
    for (int job = 0; job < jobs(); ++job) {  // in the order of the jobs, whatever the threads did
      const T* from = partials + std::size_t(job) * size;
      T* to = params_bar + std::size_t(range(job).species) * in_.where->policy_size;
      for (std::size_t k = 0; k < in_.where->policy_size; ++k) to[k] += from[k];
      if (!spec_.noise) continue;
      params_bar[in_.where->rotation_noise] += from[in_.where->policy_size];
      params_bar[in_.where->translation_noise] += from[in_.where->policy_size + 1];
    }
  }

  /// lattice_bar = deposited_bar + what sensing read, the slopes through their transposed stencils.
  void lattice_adjoint(const T* deposited_bar, const T* sources, int fields, T* lattice_bar) {
    const LatticeOperators<T>& op = *in_.operators;
    // next_ is free now; slope_ held what the agents read, now it takes the cotangents of the slopes.
    rows([&](int b, int r, int thread) {
      T* total = row_of(next_, b, r);
      std::copy_n(deposited_bar + std::size_t(b) * plane_ + std::size_t(r) * row_, row_, total);
      T* along = row_scratch(thread, 0);
      T* targets[3] = {total, row_of(slope_[0], b, r), along};
      if (fields == 3) {
        std::fill_n(targets[1], row_, T(0));
        std::fill_n(along, row_, T(0));
      }
      scatter_row(b, r, sources, fields, T(1), targets);
      if (fields == 3) kernels_.along_row(op.derivative_transposed[1], along, channels_, row_of(temporary_, b, r));
    });
    rows([&](int b, int r, int thread) {
      T* total = row_of(next_, b, r);
      if (fields == 3) {
        T *across = row_scratch(thread, 0), *smooth = row_scratch(thread, 1);
        kernels_.combine_rows(op.derivative_transposed[0], r, sample(slope_[0], b), row_, across);
        kernels_.along_row(op.smooth_transposed[1], across, channels_, smooth);
        kernels_.combine_rows(op.smooth_transposed[0], r, sample(temporary_, b), row_, across);
        for (std::size_t i = 0; i < row_; ++i) total[i] += smooth[i] + across[i];
      }
      unpack_row(total, b, r, lattice_bar);
    });
  }

  const AgentStepInputs<T>& in_;
  const AgentSpec& spec_;
  const T* params_;
  AgentState<const T> state_;
  Workspace& workspace_;
  const AgentKernels<T>& kernels_;
  int agents_, channels_, ranges_ = 0;
  std::size_t row_, plane_, scratch_size_ = 0;  ///< elements of a row (w, C) and of a lattice (h, w, C)
  T *lattice_, *next_, *slope_[2], *deposits_, *temporary_, *row_scratch_, *scratch_;
  const T* points_ = nullptr;
  int per_sample_ = 0;
  int *starts_ = nullptr, *entries_ = nullptr;
};

}  // namespace

template <class T>
void agent_step(const AgentStepInputs<T>& in, const T* params, AgentState<const T> state, AgentState<T> next,
                Workspace& workspace) {
  Pass<T>(in, params, state, workspace).forward(next);
}
template <class T>
void agent_step_adjoint(const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                        AgentState<const T> next_bar, AgentState<T> bar, T* params_bar, Workspace& workspace) {
  Pass<T>(in, params, state, workspace).adjoint(next_bar, bar, params_bar);
}

template <class T>
void agent_noise(const StepIndex& index, int batch, int agents, T* noise) {
  parallel_for(batch, [&](int b, int) {
    for (int i = 0; i < agents; ++i) agent_noise_at(index, b, i, noise + 3 * (std::size_t(b) * agents + i));
  });
}

#define MG_INSTANTIATE(T)                                                                                         \
  template void agent_noise(const StepIndex&, int, int, T*);                                                      \
  template void agent_step(const AgentStepInputs<T>&, const T*, AgentState<const T>, AgentState<T>, Workspace&);  \
  template void agent_step_adjoint(const AgentStepInputs<T>&, const T*, AgentState<const T>, AgentState<const T>, \
                                   AgentState<T>, T*, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE
}  // namespace host

}  // namespace mg::abm
