#include "abm/agent_kernels.hpp"
#include "abm/isa_policy.hpp"

namespace mg::abm::MG_ISA {
namespace {

/// Two-dimensional taps of one point.
template <class T>
struct PointTaps {
  AxisTaps<T> axis[2];
  int count;
  PointTaps(Assignment a, Domain d, const T* x, int h, int w)
      : axis{axis_taps(a, d, x[0], h), axis_taps(a, d, x[1], w)}, count(tap_count(a)) {}
  /// f(cell, weight, d weight / d x_0, d weight / d x_1)
  template <class F>
  void for_each(int w, const F& f) const {
    for (int i = 0; i < count; ++i)
      for (int j = 0; j < count; ++j)
        f(std::size_t(axis[0].node[i]) * std::size_t(w) + std::size_t(axis[1].node[j]), axis[0].w[i] * axis[1].w[j],
          axis[0].dw[i] * axis[1].w[j], axis[0].w[i] * axis[1].dw[j]);
  }
};

/// Arrays of one block of agents inside the scratch memory.
template <class T>
struct Block {
  int features, channels, stride;
  T *rows, *z, *felt;  // [kLanes][F], [F][kLanes], [kLanes][2][C] slopes
  ChainTape<T> trunk, deposit, speed, turn;
  T *bar, *trunk_bar, *z_bar, *z_bar_rows, *chain;  // [stride] each, [2 stride]
  T *d, *d_bar;                                     // [kLanes][C]
  static int units(const AgentSpec& s) {
    int most = std::max({s.features(), s.channels, 1});
    for (const auto* widths : {&s.hidden, &s.head_hidden})
      for (const int n : *widths) most = std::max(most, n);
    return row_stride(most);
  }
  static std::size_t size(const AgentSpec& s, const AgentParams& p) {
    const std::size_t layers = p.trunk.size() + p.deposit.size() + p.speed.size() + p.turn.size();
    return std::size_t(units(s)) * kLanes * (2 * layers + 12) + std::size_t(4 * s.channels) * kLanes;
  }
  Block(const AgentSpec& s, const AgentParams& p, T* scratch)
      : features(s.features()), channels(s.channels), stride(units(s) * kLanes) {
    const auto take = [&](std::size_t n) { return std::exchange(scratch, scratch + n); };
    const auto n = std::size_t(stride);
    rows = take(n), z = take(n);
    for (auto [tape, chain_layers] :
         {std::pair{&trunk, &p.trunk}, {&deposit, &p.deposit}, {&speed, &p.speed}, {&turn, &p.turn}}) {
      T* const y = take(n * chain_layers->size());
      *tape = {y, take(n * chain_layers->size()), stride};
    }
    bar = take(n), trunk_bar = take(n), z_bar = take(n), z_bar_rows = take(n), chain = take(2 * n);
    felt = take(std::size_t(2 * channels) * kLanes);
    d = take(std::size_t(channels) * kLanes), d_bar = take(std::size_t(channels) * kLanes);
  }
};

template <class T>
Vec2<T> pair_at(const T* a, int i) {
  return {{a[2 * i], a[2 * i + 1]}};
}

/// The tip of sensor arm k: x + L R(phi_k) u.
template <class T>
struct Arm {
  Vec2<T> direction, tip;
};
template <class T>
Arm<T> sensor_arm(const AgentInputs<T>& in, const T* policy, int k, int i) {
  const T phi = policy[in.where->sensor_angles + std::size_t(k)], length = policy[in.where->sensor_length];
  Arm<T> arm;
  arm.direction = rotated(pair_at(in.u, i), T(std::cos(phi)), T(std::sin(phi)));
  for (int d = 0; d < 2; ++d) arm.tip[d] = in.x[2 * i + d] + length * arm.direction[d];
  return arm;
}

template <class T>
void add_scaled(T* out, const T* in, T weight, int n) {
  for (int c = 0; c < n; ++c) out[c] += weight * in[c];
}

/// The taps of one point as a list of cells, so that sums over them stay in registers, channel block by channel block.
template <class T>
struct TapList {
  int count = 0;
  std::size_t cell[kMostTaps * kMostTaps];
  T weight[kMostTaps * kMostTaps];
  TapList(const AgentInputs<T>& in, const T* x) {
    PointTaps<T>(in.spec->assignment, in.spec->domain, x, in.h, in.w).for_each(in.w, [&](std::size_t at, T w, T, T) {
      cell[count] = at * std::size_t(in.spec->channels);
      weight[count++] = w;
    });
  }
  /// out[f][c] = sum over the taps of weight field[f][cell][c]
  template <int kFields>
  void gather(const T* const (&field)[kFields], int channels, T* const (&out)[kFields]) const {
    int c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      Lanes<T> sum[kFields] = {};
      for (int k = 0; k < count; ++k)
        for (int f = 0; f < kFields; ++f) sum[f] += weight[k] * load_lanes(field[f] + cell[k] + c);
      for (int f = 0; f < kFields; ++f) store_lanes(out[f] + c, sum[f]);
    }
    for (; c < channels; ++c)
      for (int f = 0; f < kFields; ++f) {
        T sum = 0;
        for (int k = 0; k < count; ++k) sum += weight[k] * field[f][cell[k] + std::size_t(c)];
        out[f][c] = sum;
      }
  }
};

/// The features of agent i: z [F]; slopes [2][C] for the adjoint.
template <class T>
void sense(const AgentInputs<T>& in, const T* policy, int i, T* z, T* felt) {
  const AgentSpec& s = *in.spec;
  const int channels = s.channels;
  if (s.sensing == Sensing::sensors) {
    for (int k = 0; k < int(s.sensor_angles.size()); ++k)
      TapList<T>(in, sensor_arm(in, policy, k, i).tip.v).template gather<1>({in.lattice}, channels, {z + k * channels});
    return;
  }
  TapList<T>(in, in.x + 2 * i)
      .template gather<3>({in.lattice, in.slope[0], in.slope[1]}, channels, {z, felt, felt + channels});
  const Vec2<T> u = pair_at(in.u, i);
  for (int c = 0; c < channels; ++c) {
    z[channels + c] = u[0] * felt[c] + u[1] * felt[channels + c];
    z[2 * channels + c] = u[0] * felt[channels + c] - u[1] * felt[c];
  }
  if (s.absolute_heading) z[3 * channels] = u[0], z[3 * channels + 1] = u[1];
}

/// Adjoint of sense(): adds to the cotangents of x and u, writes the sources.
template <class T>
void sense_adjoint(const AgentInputs<T>& in, const T* policy, int i, const T* z_bar, const T* felt,
                   const AgentBars<T>& bars, Vec2<T>& x_bar, Vec2<T>& u_bar) {
  const AgentSpec& s = *in.spec;
  const int channels = s.channels;
  if (s.sensing == Sensing::sensors) {
    const int arms = int(s.sensor_angles.size());
    const T length = policy[in.where->sensor_length];
    for (int k = 0; k < arms; ++k) {
      const Arm<T> arm = sensor_arm(in, policy, k, i);
      const T* q_bar = z_bar + k * channels;
      std::copy_n(q_bar, channels, bars.sources + (std::size_t(i) * std::size_t(arms) + std::size_t(k)) * channels);
      for (int d = 0; d < 2; ++d) bars.points[(std::size_t(i) * arms + k) * 2 + d] = arm.tip[d];
      Vec2<T> tip_bar{};
      PointTaps<T>(s.assignment, s.domain, arm.tip.v, in.h, in.w).for_each(in.w, [&](std::size_t cell, T, T d0, T d1) {
        const T* p = in.lattice + cell * std::size_t(channels);
        T sum = 0;
        for (int c = 0; c < channels; ++c) sum += q_bar[c] * p[c];
        tip_bar[0] += d0 * sum, tip_bar[1] += d1 * sum;
      });
      const T phi = policy[in.where->sensor_angles + std::size_t(k)];
      const Vec2<T> back = rotated(tip_bar, T(std::cos(phi)), -T(std::sin(phi)));
      for (int d = 0; d < 2; ++d) x_bar[d] += tip_bar[d], u_bar[d] += length * back[d];
      bars.policy[in.where->sensor_length] += arm.direction[0] * tip_bar[0] + arm.direction[1] * tip_bar[1];
      bars.policy[in.where->sensor_angles + std::size_t(k)] +=
          length * (arm.direction[0] * tip_bar[1] - arm.direction[1] * tip_bar[0]);
    }
    return;
  }
  const Vec2<T> u = pair_at(in.u, i);
  const T *q_bar = z_bar, *f_bar = z_bar + channels, *l_bar = z_bar + 2 * channels;
  T* source = bars.sources + std::size_t(i) * 3 * std::size_t(channels);
  for (int c = 0; c < channels; ++c) {
    const T fx = felt[c], fy = felt[channels + c];
    source[c] = q_bar[c];
    source[channels + c] = u[0] * f_bar[c] - u[1] * l_bar[c];
    source[2 * channels + c] = u[1] * f_bar[c] + u[0] * l_bar[c];
    u_bar[0] += f_bar[c] * fx + l_bar[c] * fy;
    u_bar[1] += f_bar[c] * fy - l_bar[c] * fx;
  }
  if (s.absolute_heading)
    for (int d = 0; d < 2; ++d) u_bar[d] += z_bar[3 * channels + d];
  PointTaps<T>(s.assignment, s.domain, in.x + 2 * i, in.h, in.w).for_each(in.w, [&](std::size_t cell, T, T d0, T d1) {
    const std::size_t at = cell * std::size_t(channels);
    T sum = 0;
    for (int c = 0; c < channels; ++c)
      sum += source[c] * in.lattice[at + c] + source[channels + c] * in.slope[0][at + c] +
             source[2 * channels + c] * in.slope[1][at + c];
    x_bar[0] += d0 * sum, x_bar[1] += d1 * sum;
  });
}

/// Features and network of the agents begin .. begin + kLanes - 1 (the last one repeated).
template <class T>
struct Thoughts {
  const T *deposit, *speed, *turn;  // raw outputs of the heads, [C][kLanes], [kLanes], [kLanes]
};
template <class T>
Thoughts<T> think(const AgentInputs<T>& in, const T* policy, int begin, int end, Block<T>& b) {
  const AgentSpec& s = *in.spec;
  const AgentParams& p = *in.where;
  for (int l = 0; l < kLanes; ++l)
    sense(in, policy, std::min(begin + l, end - 1), b.rows + l * b.features, b.felt + l * 2 * b.channels);
  rows_to_lanes(b.rows, b.features, b.features, b.z);
  const T* trunk = run_chain(p.trunk, s.activation, true, policy, b.z, b.trunk);
  return {run_chain(p.deposit, s.activation, false, policy, trunk, b.deposit),
          run_chain(p.speed, s.activation, false, policy, trunk, b.speed),
          run_chain(p.turn, s.activation, false, policy, trunk, b.turn)};
}

template <class T>
MoveNoise<T> noise_of(const AgentInputs<T>& in, int i) {
  MoveNoise<T> n;
  if (in.noise == nullptr) return n;
  const T dt = T(in.spec->dt);
  n.rotation_scale = std::sqrt(2 * std::exp(in.params[in.where->rotation_noise]) * dt);
  n.translation_scale = std::sqrt(2 * std::exp(in.params[in.where->translation_noise]) * dt);
  n.xi = in.noise[3 * i];
  n.zeta = {{in.noise[3 * i + 1], in.noise[3 * i + 2]}};
  return n;
}

template <class T>
struct Motion {
  T gate, speed, turn;
  MoveNoise<T> noise;
  Move<T> move;
};
template <class T>
Motion<T> motion_of(const AgentInputs<T>& in, const Thoughts<T>& t, int lane, int i) {
  const AgentSpec& s = *in.spec;
  Motion<T> m;
  m.gate = logistic(t.speed[lane]);
  m.speed = m.gate * T(s.max_speed);
  m.turn = turn_value(s.turn, t.turn[lane]) * T(s.max_turn);
  m.noise = noise_of(in, i);
  m.move = move_agent(pair_at(in.x, i), pair_at(in.u, i), m.speed, m.turn, T(s.dt), s.renormalise, m.noise);
  return m;
}

template <class T>
void forward(const AgentInputs<T>& in, AgentRange range, T* x_next, T* u_next, T* deposits, T* scratch) {
  const AgentSpec& s = *in.spec;
  Block<T> b(s, *in.where, scratch);
  const T* policy = in.params + std::size_t(range.species) * in.where->policy_size;
  for (int begin = range.begin; begin < range.end; begin += kLanes) {
    const Thoughts<T> t = think(in, policy, begin, range.end, b);
    for (int i = begin; i < std::min(begin + kLanes, range.end); ++i) {
      const int lane = i - begin;
      for (int c = 0; c < b.channels; ++c)
        deposits[std::size_t(i) * b.channels + c] = deposit_value(s.deposit, t.deposit[c * kLanes + lane]);
      const Motion<T> m = motion_of(in, t, lane, i);
      for (int d = 0; d < 2; ++d) {
        const WallResult<T> wall = meet_walls(s.domain, m.move.y[d], d == 0 ? in.h : in.w);
        x_next[2 * i + d] = wall.x;
        u_next[2 * i + d] = wall.sign * m.move.u[d];
      }
    }
  }
}

/// Cotangents of the heads' raw outputs of one agent; adds what the deposit and the move do to x and u.
template <class T>
void act_adjoint(const AgentInputs<T>& in, const AgentBars<T>& bars, const Thoughts<T>& t, Block<T>& b, int lane, int i,
                 T* deposit_bar, T* speed_bar, T* turn_bar, Vec2<T>& x_bar, Vec2<T>& u_bar) {
  const AgentSpec& s = *in.spec;
  const int channels = b.channels;
  const Motion<T> m = motion_of(in, t, lane, i);
  Vec2<T> y_bar, moved_bar;
  for (int d = 0; d < 2; ++d) {
    const T sign = meet_walls(s.domain, m.move.y[d], d == 0 ? in.h : in.w).sign;
    y_bar[d] = sign * bars.x_next[2 * i + d];
    moved_bar[d] = sign * bars.u_next[2 * i + d];
  }
  const MoveBars<T> move = move_agent_adjoint(m.move, m.speed, T(s.dt), s.renormalise, m.noise, y_bar, moved_bar);
  x_bar = y_bar;
  u_bar = move.u;
  *speed_bar = move.speed * T(s.max_speed) * m.gate * (1 - m.gate);
  *turn_bar = move.turn * T(s.max_turn) * turn_slope(s.turn, t.turn[lane]);
  if (in.noise != nullptr) {
    bars.noise[0] += m.noise.rotation_scale / 2 * move.rotation_scale;
    bars.noise[1] += m.noise.translation_scale / 2 * move.translation_scale;
  }
  T* d_bar = b.d_bar + lane * channels;
  T* d = b.d + lane * channels;
  for (int c = 0; c < channels; ++c) d[c] = deposit_value(s.deposit, t.deposit[c * kLanes + lane]);
  std::fill_n(d_bar, channels, T(0));
  PointTaps<T>(s.assignment, s.domain, in.x + 2 * i, in.h, in.w).for_each(in.w, [&](std::size_t cell, T w, T d0, T d1) {
    const T* bar = bars.deposited + cell * std::size_t(channels);
    T sum = 0;
    for (int c = 0; c < channels; ++c) {
      d_bar[c] += w * bar[c];
      sum += d[c] * bar[c];
    }
    x_bar[0] += T(s.dt) * d0 * sum, x_bar[1] += T(s.dt) * d1 * sum;
  });
  for (int c = 0; c < channels; ++c)
    deposit_bar[c * kLanes] = T(s.dt) * d_bar[c] * deposit_slope(s.deposit, t.deposit[c * kLanes + lane]);
}

template <class T>
void adjoint(const AgentInputs<T>& in, AgentRange range, const AgentBars<T>& bars, T* scratch) {
  const AgentSpec& s = *in.spec;
  const AgentParams& p = *in.where;
  Block<T> b(s, p, scratch);
  const T* policy = in.params + std::size_t(range.species) * p.policy_size;
  Vec2<T> x_bar[kLanes], u_bar[kLanes];
  for (int begin = range.begin; begin < range.end; begin += kLanes) {
    const Thoughts<T> t = think(in, policy, begin, range.end, b);
    const T* trunk = b.trunk.y + (p.trunk.size() - 1) * std::size_t(b.stride);
    const int lanes = std::min(kLanes, range.end - begin);
    // The heads one after another: their cotangents share `bar`, so those of speed and turn wait in two rows.
    T speed_bar[kLanes] = {}, turn_bar[kLanes] = {};
    std::fill_n(b.bar, b.stride, T(0));
    for (int l = 0; l < lanes; ++l)
      act_adjoint(in, bars, t, b, l, begin + l, b.bar + l, speed_bar + l, turn_bar + l, x_bar[l], u_bar[l]);
    std::fill_n(b.trunk_bar, b.stride, T(0));
    run_chain_adjoint(p.deposit, false, policy, trunk, b.deposit, b.bar, b.trunk_bar, bars.policy, b.chain);
    std::copy_n(speed_bar, kLanes, b.bar);
    run_chain_adjoint(p.speed, false, policy, trunk, b.speed, b.bar, b.trunk_bar, bars.policy, b.chain);
    std::copy_n(turn_bar, kLanes, b.bar);
    run_chain_adjoint(p.turn, false, policy, trunk, b.turn, b.bar, b.trunk_bar, bars.policy, b.chain);
    std::fill_n(b.z_bar, b.stride, T(0));
    run_chain_adjoint(p.trunk, true, policy, b.z, b.trunk, b.trunk_bar, b.z_bar, bars.policy, b.chain);
    lanes_to_rows(b.z_bar, b.features, b.z_bar_rows, b.features);
    for (int l = 0; l < lanes; ++l) {
      const int i = begin + l;
      sense_adjoint(in, policy, i, b.z_bar_rows + l * b.features, b.felt + l * 2 * b.channels, bars, x_bar[l],
                    u_bar[l]);
      for (int d = 0; d < 2; ++d) bars.x[2 * i + d] = x_bar[l][d], bars.u[2 * i + d] = u_bar[l][d];
    }
  }
}

template <class T>
std::size_t scratch_size(const AgentSpec& s, const AgentParams& p) {
  return Block<T>::size(s, p);
}

template <class T>
void scatter_row(const Scatter<T>& s, int row, T* const* rows) {
  const int count = tap_count(s.assignment);
  for (int e = s.row_start[row]; e < s.row_start[row + 1]; ++e) {
    const auto point = std::size_t(s.entries[e] / kMostTaps);
    const int tap = s.entries[e] % kMostTaps;
    const AxisTaps<T> across = axis_taps(s.assignment, s.domain, s.points[2 * point], s.h);
    const AxisTaps<T> along = axis_taps(s.assignment, s.domain, s.points[2 * point + 1], s.w);
    const T* values = s.values + point * std::size_t(s.fields) * std::size_t(s.channels);
    for (int f = 0; f < s.fields; ++f, values += s.channels)
      for (int j = 0; j < count; ++j)
        add_scaled(rows[f] + std::size_t(along.node[j]) * std::size_t(s.channels), values,
                   s.factor * across.w[tap] * along.w[j], s.channels);
  }
}

template <class T>
void combine_rows(const LineOperator<T>& op, int row, const T* in, std::size_t block, T* out) {
  const int first = op.start[std::size_t(row)], last = op.start[std::size_t(row) + 1];
  const auto from = [&](int k) { return in + std::size_t(op.index[std::size_t(k)]) * block; };
  std::size_t i = 0;
  for (; i + kLanes <= block; i += kLanes) {
    Lanes<T> sum{};
    for (int k = first; k < last; ++k) sum += op.weight[std::size_t(k)] * load_lanes(from(k) + i);
    store_lanes(out + i, sum);
  }
  for (; i < block; ++i) {
    T sum = 0;
    for (int k = first; k < last; ++k) sum += op.weight[std::size_t(k)] * from(k)[i];
    out[i] = sum;
  }
}

template <class T>
void along_row(const LineOperator<T>& op, const T* in, int channels, T* out) {
  for (int j = 0; j < op.n(); ++j) combine_rows(op, j, in, std::size_t(channels), out + j * channels);
}

template <class T>
constexpr AgentKernels<T> kTable = {scratch_size<T>, forward<T>,      adjoint<T>,
                                    scatter_row<T>,  combine_rows<T>, along_row<T>};

}  // namespace

const AgentKernels<float>& float_kernels() { return kTable<float>; }
const AgentKernels<double>& double_kernels() { return kTable<double>; }

}  // namespace mg::abm::MG_ISA
