#include <cmath>

#include "abm/ant_mind.hpp"
#include "abm/ant_senses.hpp"
#include "abm/ant_system.hpp"
#include "abm/line_operator.hpp"
#include "core/error.hpp"
#include "core/threads.hpp"

namespace mg::abm {

double wall_signal(int h, int w, int i, int j) {
  const auto ramp = [](int k, int n) { return std::max(0.0, 1 - double(std::min(k, n - 1 - k)) / kWallWidth); };
  const double r = ramp(i, h), s = ramp(j, w), both = r + s - r * s;
  return both * both;
}

template <class T>
T ant_wall(int n, T& y, T& v) {
  const T slope = y > 0 && y < T(n) ? T(1) : y == 0 || y == T(n) ? T(0.5) : T(0);
  y = y < 0 ? T(0) : y > T(n) ? T(n) : y;  // NaN stays
  const T node = std::rint(y);
  if (node == 0 || node == T(n)) v = -v;
  return slope;
}

template <class T>
void ant_diffuse(const AntSpec& spec, int h, int w, const T* in, T* out) {
  const int b = spec.blur;
  if (b == 0) {
    std::copy_n(in, std::size_t(h) * std::size_t(w), out);
    return;
  }
  const bool raw = spec.quirks.raw_diffusion;
  const std::vector<double> normal = line_kernels(b, 1, 0).blur;
  constexpr double kNormalPeak = 0.3989422804014327;  // 1 / sqrt(2 pi)
  const double scale = raw ? kNormalPeak / normal[std::size_t(b)] : 1.0;
  AntSpec edges = spec;  // the stencil sees 0 outside even on a torus
  edges.periodic = spec.periodic && !raw;
  edges.quirks.drop_outside = raw;
  for (int i = 0; i < h; ++i)
    for (int j = 0; j < w; ++j) {
      T sum = 0;
      for (int a = -b; a <= b; ++a)
        for (int c = -b; c <= b; ++c) {
          const int node = ant_node(edges, h, w, i + a, j + c);
          if (node >= 0) sum += T(scale * scale * normal[std::size_t(a + b)] * normal[std::size_t(c + b)]) * in[node];
        }
      out[i * w + j] = T(0.9) * in[i * w + j] + T(0.1) * sum;
    }
}

namespace {

/// One sample during a step; everything that the adjoint needs of it.
template <class T>
struct AntPass {
  const AntSpec& spec;
  const AntParams& where;
  const T* params;
  int h, w;
  const T *x = nullptr, *v = nullptr, *lattice = nullptr;  // [N][2], [N][2], [C][h * w]
  std::vector<T> z{};                                      // [F] of the agent looked at
  std::vector<T> deposits{};                               // [N][C]
  std::vector<T> x_next{}, v_next{};                       // [N][2]
  std::vector<T> slope{}, sign{};       // [N][2] derivative of x_next and v_next by those before the walls
  std::vector<T> speed{}, angle{};      // [N]
  std::vector<int> winner{};            // [h * w] agent whose deposit counts, -1: none
  std::vector<T> deposited{}, faded{};  // [C][h * w] after deposits; after diffusion and decay, before the clip

  std::size_t nodes() const { return std::size_t(h) * std::size_t(w); }
  const T* plane(int c) const { return lattice + std::size_t(c) * nodes(); }
  bool clips() const { return spec.quirks.lattice_clip && spec.kind != AntKind::slime; }
  bool marks_walls() const { return spec.quirks.wall_signal && !spec.periodic; }
  /// The node that agent a deposits on; index n is lost, on a torus, too.
  int node_of(int a) const {
    AntSpec edges = spec;
    edges.periodic = spec.periodic && !spec.quirks.drop_outside;
    return ant_node(edges, h, w, nearest_index(x[2 * a]), nearest_index(x[2 * a + 1]));
  }

  AntSenses<T> sense(int a) {
    const AntSenses<T> s(spec, h, w, x + 2 * a, v + 2 * a);
    z.resize(std::size_t(spec.features()));
    for (int k = 0; k < 3; ++k)
      for (int c = 0; c < spec.channels; ++c) z[std::size_t(k * spec.channels + c)] = s.feel(k, plane(c));
    if (s.turns) z[std::size_t(3 * spec.channels)] = s.cosine, z[std::size_t(3 * spec.channels + 1)] = s.sine;
    return s;
  }

  void run() {
    const int n = spec.agents, c_count = spec.channels;
    deposits.resize(std::size_t(n) * std::size_t(c_count));
    for (auto* pair : {&x_next, &v_next, &slope, &sign}) pair->resize(2 * std::size_t(n));
    speed.resize(std::size_t(n)), angle.resize(std::size_t(n));
    AntMind<T> mind(spec, where, params);
    T turn_of_first = 0;
    for (int a = 0; a < n; ++a) {
      sense(a);
      mind.think(z.data());
      std::copy(mind.deposit.begin(), mind.deposit.end(), deposits.begin() + std::ptrdiff_t(a) * c_count);
      if (a == 0) turn_of_first = mind.turn;
      move(a, mind, spec.quirks.turn_of_first ? turn_of_first : mind.turn);
    }
    deposit();
    update_field();
  }

  void move(int a, const AntMind<T>& mind, T turn) {
    const auto i = 2 * std::size_t(a);
    const T dt = T(spec.dt);
    Vec2<T> velocity = mind.velocity;
    if (spec.kind != AntKind::slime) {
      speed[std::size_t(a)] = mind.speed;
      const T now = angle[std::size_t(a)] = std::atan2(v[i + 1], v[i]) + dt * turn;
      velocity = {{mind.speed * std::cos(now), mind.speed * std::sin(now)}};
    }
    for (std::size_t d = 0; d < 2; ++d) {
      T y = x[i + d] + dt * velocity[int(d)];
      const int size = d == 0 ? h : w;
      slope[i + d] = sign[i + d] = 1;
      if (spec.periodic) {
        y = std::fmod(y, T(size));
        if (y < 0) y += T(size);
      } else if (spec.quirks.sticky_walls) {
        slope[i + d] = ant_wall(size, y, sign[i + d]);
      } else {
        const WallResult<T> wall = meet_walls(Domain::mirror, y, size);
        y = wall.x, slope[i + d] = sign[i + d] = wall.sign;
      }
      x_next[i + d] = y, v_next[i + d] = sign[i + d] * velocity[int(d)];
    }
  }
  void deposit() {
    deposited.assign(lattice, lattice + std::size_t(spec.channels) * nodes());
    winner.assign(nodes(), -1);
    for (int a = 0; a < spec.agents; ++a) {
      const int node = node_of(a);
      if (node < 0) continue;
      winner[std::size_t(node)] = a;
      for (int c = 0; c < spec.channels; ++c) {
        T& to = deposited[std::size_t(c) * nodes() + std::size_t(node)];
        const T gain = T(spec.dt) * deposits[std::size_t(a) * std::size_t(spec.channels) + std::size_t(c)];
        to = spec.quirks.last_deposit_wins ? std::max(plane(c)[node] + gain, T(0)) : to + gain;
      }
    }
  }
  void update_field() {
    faded.resize(deposited.size());
    for (int c = 0; c < spec.channels; ++c)
      ant_diffuse(spec, h, w, deposited.data() + std::size_t(c) * nodes(), faded.data() + std::size_t(c) * nodes());
    for (T& p : faded) p *= T(spec.decay);
  }
  void write(T* x_to, T* v_to, T* lattice_to) const {
    std::copy(x_next.begin(), x_next.end(), x_to);
    std::copy(v_next.begin(), v_next.end(), v_to);
    for (std::size_t i = 0; i < faded.size(); ++i)
      lattice_to[i] = clips() ? std::min(std::max(faded[i], T(0)), T(1)) : faded[i];
    if (!marks_walls()) return;
    T* last = lattice_to + std::size_t(spec.channels - 1) * nodes();
    for (int i = 0; i < h; ++i)
      for (int j = 0; j < w; ++j) last[i * w + j] = T(wall_signal(h, w, i, j));
  }
};

/// Adjoint of one sample: x_bar, v_bar, lattice_bar overwritten, params_bar accumulated.
template <class T>
struct AntPassAdjoint {
  AntPass<T>& pass;
  const T *x_next_bar, *v_next_bar, *lattice_next_bar;
  T *x_bar, *v_bar, *lattice_bar, *params_bar;
  std::vector<T> deposits_bar;          // [N][C]
  std::vector<T> speed_bar, angle_bar;  // [N] of the angle after the turn
  std::vector<Vec2<T>> velocity_bar;    // [N]

  void run() {
    field();
    for (int a = 0; a < pass.spec.agents; ++a) move(a);
    T first = 0;
    for (const T bar : angle_bar) first += bar;
    for (int a = 0; a < pass.spec.agents; ++a) {
      const bool shared = pass.spec.quirks.turn_of_first;
      think(a, T(pass.spec.dt) * (shared ? (a == 0 ? first : T(0)) : angle_bar[std::size_t(a)]));
    }
  }

 private:
  /// lattice_bar of what deposits left alone, and deposits_bar.
  void field() {
    const std::size_t nodes = pass.nodes();
    const int channels = pass.spec.channels;
    deposits_bar.assign(pass.deposits.size(), T(0));
    std::vector<T> bar(nodes), deposited_bar(nodes);
    for (int c = 0; c < channels; ++c) {
      const bool overwritten = pass.marks_walls() && c == channels - 1;
      for (std::size_t i = 0; i < nodes; ++i) {
        const T value = pass.faded[std::size_t(c) * nodes + i];
        // Where a value meets a bound of the clip, half the cotangent passes, as in the reference.
        const T gate = !pass.clips() || (value > 0 && value < 1) ? T(1) : value == 0 || value == 1 ? T(0.5) : T(0);
        bar[i] = overwritten ? T(0) : T(pass.spec.decay) * gate * lattice_next_bar[std::size_t(c) * nodes + i];
      }
      ant_diffuse(pass.spec, pass.h, pass.w, bar.data(), deposited_bar.data());
      deposits(c, deposited_bar);
    }
  }
  void deposits(int c, const std::vector<T>& deposited_bar) {
    const std::size_t nodes = pass.nodes(), channels = std::size_t(pass.spec.channels);
    T* p_bar = lattice_bar + std::size_t(c) * nodes;
    std::copy(deposited_bar.begin(), deposited_bar.end(), p_bar);
    const auto of = [&](int a) -> T& { return deposits_bar[std::size_t(a) * channels + std::size_t(c)]; };
    if (!pass.spec.quirks.last_deposit_wins) {
      for (int a = 0; a < pass.spec.agents; ++a)
        if (const int node = pass.node_of(a); node >= 0) of(a) = T(pass.spec.dt) * deposited_bar[std::size_t(node)];
      return;
    }
    for (std::size_t i = 0; i < nodes; ++i) {
      if (pass.winner[i] < 0) continue;
      p_bar[i] *= pass.deposited[std::size_t(c) * nodes + i] > 0 ? T(1) : T(0);
      of(pass.winner[i]) = T(pass.spec.dt) * p_bar[i];
    }
  }
  void move(int a) {
    const auto i = 2 * std::size_t(a);
    Vec2<T> bar;
    for (std::size_t d = 0; d < 2; ++d) {
      x_bar[i + d] = pass.slope[i + d] * x_next_bar[i + d];
      bar[int(d)] = pass.sign[i + d] * v_next_bar[i + d] + T(pass.spec.dt) * x_bar[i + d];
    }
    velocity_bar[std::size_t(a)] = bar;
    if (pass.spec.kind == AntKind::slime) return;
    const T cosine = std::cos(pass.angle[std::size_t(a)]), sine = std::sin(pass.angle[std::size_t(a)]);
    speed_bar[std::size_t(a)] = cosine * bar[0] + sine * bar[1];
    angle_bar[std::size_t(a)] = pass.speed[std::size_t(a)] * (cosine * bar[1] - sine * bar[0]);
  }
  void think(int a, T turn_bar) {
    const AntSpec& spec = pass.spec;
    const int channels = spec.channels;
    const AntSenses<T> s = pass.sense(a);
    AntMind<T> mind(spec, pass.where, pass.params);
    mind.think(pass.z.data());
    std::vector<T> z_bar(pass.z.size());
    mind.adjoint(deposits_bar.data() + std::ptrdiff_t(a) * channels, speed_bar[std::size_t(a)], turn_bar,
                 velocity_bar[std::size_t(a)], z_bar.data(), params_bar);
    T angle = angle_bar[std::size_t(a)];  // the angle before the turn: the same, and what the senses read
    for (int k = 0; k < 3; ++k)
      for (int c = 0; c < channels; ++c) {
        const T bar = z_bar[std::size_t(k * channels + c)];
        s.spread(k, bar, lattice_bar + std::size_t(c) * pass.nodes());
        if (s.turns) angle += bar * s.feel_by_angle(k, pass.plane(c));
      }
    if (s.turns) angle += s.cosine * z_bar[std::size_t(3 * channels + 1)] - s.sine * z_bar[std::size_t(3 * channels)];
    const T *v = pass.v + 2 * a, square = v[0] * v[0] + v[1] * v[1];
    const T by_square = square > 0 ? angle / square : T(0);  // an agent at rest has no angle to change
    v_bar[2 * a] = -v[1] * by_square, v_bar[2 * a + 1] = v[0] * by_square;
  }

 public:
  explicit AntPassAdjoint(AntPass<T>& p) : pass(p) {
    const auto n = std::size_t(p.spec.agents);
    speed_bar.resize(n), angle_bar.resize(n), velocity_bar.resize(n);
  }
};

template <class T>
AntPass<T> pass_of(const AntSpec& spec, const AntParams& where, const T* params, ConstStateView<T> state, int b) {
  const auto& dims = state.layout->at("lattice").dims;
  AntPass<T> pass{spec, where, params, dims[1], dims[2]};
  const auto at = [&](std::size_t block) {
    return state.block(block) + std::size_t(b) * state.layout->blocks()[block].size;
  };
  pass.x = at(0), pass.v = at(1), pass.lattice = at(2);
  return pass;
}
void require_host(const Exec& exec) {
  if (exec.backend != Backend::host) throw DeviceError("ants: the model runs on backend 'host' only");
}

}  // namespace

template <class T>
void AntSystem<T>::step(const Exec& exec, const StepIndex&, const T* params, ConstStateView<T>, ConstStateView<T> state,
                        StateView<T> next, Workspace&) const {
  require_host(exec);
  parallel_for(state.batch, [&](int b, int) {
    AntPass<T> pass = pass_of(spec_, where_, params, state, b);
    pass.run();
    const auto at = [&](std::size_t k) { return next.block(k) + std::size_t(b) * next.layout->blocks()[k].size; };
    pass.write(at(0), at(1), at(2));
  });
}

template <class T>
void AntSystem<T>::step_adjoint(const Exec& exec, const StepIndex&, const T* params, ConstStateView<T>,
                                ConstStateView<T> state, ConstStateView<T> next_bar, StateView<T> state_bar,
                                T* params_bar, Workspace& workspace) const {
  require_host(exec);
  const std::size_t size = where_.layout.size();
  T* partials = workspace.get<T>(exec, "abm.ant_partials", size * std::size_t(state.batch));
  std::fill_n(partials, size * std::size_t(state.batch), T(0));
  parallel_for(state.batch, [&](int b, int) {
    AntPass<T> pass = pass_of(spec_, where_, params, state, b);
    pass.run();
    AntPassAdjoint<T> adjoint(pass);
    const auto offset = [&](std::size_t k) { return std::size_t(b) * state.layout->blocks()[k].size; };
    adjoint.x_next_bar = next_bar.block(0) + offset(0), adjoint.v_next_bar = next_bar.block(1) + offset(1);
    adjoint.lattice_next_bar = next_bar.block(2) + offset(2);
    adjoint.x_bar = state_bar.block(0) + offset(0), adjoint.v_bar = state_bar.block(1) + offset(1);
    adjoint.lattice_bar = state_bar.block(2) + offset(2);
    adjoint.params_bar = partials + size * std::size_t(b);
    adjoint.run();
  });
  for (int b = 0; b < state.batch; ++b)  // in the order of the samples, whatever the threads did
    for (std::size_t i = 0; i < size; ++i) params_bar[i] += partials[std::size_t(b) * size + i];
}

#define MG_INSTANTIATE(T)                                                                                         \
  template void ant_diffuse(const AntSpec&, int, int, const T*, T*);                                              \
  template T ant_wall(int, T&, T&);                                                                               \
  template void AntSystem<T>::step(const Exec&, const StepIndex&, const T*, ConstStateView<T>, ConstStateView<T>, \
                                   StateView<T>, Workspace&) const;                                               \
  template void AntSystem<T>::step_adjoint(const Exec&, const StepIndex&, const T*, ConstStateView<T>,            \
                                           ConstStateView<T>, ConstStateView<T>, StateView<T>, T*, Workspace&) const;
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::abm
