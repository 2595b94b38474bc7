#include "abm/slime_demo.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "abm/assignment_cell.hpp"
#include "core/error.hpp"
#include "core/philox.hpp"
#include "core/threads.hpp"

namespace mg::abm {
namespace {

/// Sum of the lattice over rows and columns first .. last around a point, on the torus.
template <class T>
double smell(const T* lattice, int h, int w, double row, double column, int first, int last) {
  const int i0 = nearest_index(row), j0 = nearest_index(column);
  double sum = 0;
  for (int a = first; a <= last; ++a)
    for (int b = first; b <= last; ++b)
      sum += double(lattice[wrapped_node(Domain::periodic, i0 + a, h) * w + wrapped_node(Domain::periodic, j0 + b, w)]);
  return sum;
}
double wrapped(double x, double size) {
  const double r = std::fmod(x, size);
  return r < 0 ? r + size : r;
}
/// The three sensors: centre, to +angle, to -angle.
template <class T>
void smells(const SlimeDemoSpec& s, const T* lattice, int h, int w, const T* x, double angle, int first, int last,
            double (&out)[3]) {
  const double angles[3] = {0, s.sensor_angle, -s.sensor_angle};
  for (int k = 0; k < 3; ++k)
    out[k] = smell(lattice, h, w, double(x[0]) + s.sensor_length * std::cos(angle + angles[k]),
                   double(x[1]) + s.sensor_length * std::sin(angle + angles[k]), first, last);
}
template <class T>
void set_velocity(const SlimeDemoSpec& s, double angle, T* v) {
  v[0] = T(s.speed * std::cos(angle)), v[1] = T(s.speed * std::sin(angle));
}

template <class T>
void one_by_one(const SlimeDemoSpec& s, int h, int w, const double* chance, T* x, T* v, T* lattice) {
  const int last = s.symmetric_window ? 3 : 2;
  for (int a = 0; a < s.agents; ++a) {
    T *at = x + 2 * a, *u = v + 2 * a;
    lattice[wrapped_node(Domain::periodic, nearest_index(at[0]), h) * w +
            wrapped_node(Domain::periodic, nearest_index(at[1]), w)] += 1;
    const double angle = std::atan2(double(u[1]), double(u[0]));
    double p[3];  // centre, left, right
    smells(s, lattice, h, w, at, angle, -3, last, p);
    const double total = p[0] + p[1] + p[2];
    double right = p[2] / total, centre = p[0] / total;
    if (total < s.threshold) right = s.fair_when_empty ? 1.0 / 3 : 0.98, centre = s.fair_when_empty ? 1.0 / 3 : 0.01;
    const int way = chance[a] < right ? -1 : chance[a] < right + centre ? 0 : 1;
    set_velocity(s, angle + way * s.turn, u);
  }
  const int sizes[2] = {s.full_torus ? h : h - 1, s.full_torus ? w : w - 1};
  for (int k = 0; k < 2 * s.agents; ++k) x[k] = T(wrapped(double(x[k]) + double(v[k]), sizes[k % 2]));
  for (int i = 0; i < h * w; ++i) lattice[i] = T(double(lattice[i]) * s.decay);
}

template <class T>
void at_once(const SlimeDemoSpec& s, int h, int w, const double* chance, T* x, T* v, T* lattice) {
  std::vector<char> trodden(std::size_t(h) * std::size_t(w));  // a deposit is set: two on one node count once
  for (int a = 0; a < s.agents; ++a) {
    const int i = nearest_index(x[2 * a]), j = nearest_index(x[2 * a + 1]);
    if (i >= 0 && j >= 0 && i < h && j < w) trodden[std::size_t(i * w + j)] = 1;
  }
  for (int i = 0; i < h * w; ++i) lattice[i] = T((double(lattice[i]) + trodden[std::size_t(i)]) * s.decay);
  for (int a = 0; a < s.agents; ++a) {
    const double angle = std::atan2(double(v[2 * a + 1]), double(v[2 * a]));
    double p[3];
    smells(s, lattice, h, w, x + 2 * a, angle, -1, 1, p);
    const double total = p[0] + p[1] + p[2];
    double centre = p[0] / total, left = s.own_weights ? p[1] / total : centre;
    if (total < s.threshold) centre = s.fair_when_empty ? 1.0 / 3 : 0.98, left = s.fair_when_empty ? 1.0 / 3 : 0.01;
    const int way = chance[a] < centre ? 0 : chance[a] < centre + left ? 1 : -1;
    set_velocity(s, angle + way * s.turn, v + 2 * a);
  }
  for (int k = 0; k < 2 * s.agents; ++k) x[k] = T(wrapped(double(x[k]) + double(v[k]), k % 2 == 0 ? h : w));
}

}  // namespace

template <class T>
void slime_demo_step(const SlimeDemoSpec& spec, int h, int w, const double* chance, T* x, T* v, T* lattice) {
  if (spec.demo == SlimeDemo::one_by_one)
    one_by_one(spec, h, w, chance, x, v, lattice);
  else
    at_once(spec, h, w, chance, x, v, lattice);
}

template <class T>
SlimeDemoSystem<T>::SlimeDemoSystem(const SlimeDemoSpec& spec) : spec_(spec) {
  if (spec.agents < 1 || !(spec.sensor_length >= 0) || !(spec.decay >= 0 && spec.decay <= 1))
    throw std::invalid_argument("slime_demo: needs agents >= 1, sensor_length >= 0 and 0 <= decay <= 1");
}

template <class T>
Layout SlimeDemoSystem<T>::state_layout(Grid grid) const {
  if (grid.h < 2 || grid.w < 2) throw std::invalid_argument("slime_demo: needs a lattice of at least 2x2 nodes");
  Layout layout;
  layout.add("x", {spec_.agents, 2}).add("u", {spec_.agents, 2}).add("lattice", {1, grid.h, grid.w});
  return layout;
}

template <class T>
void SlimeDemoSystem<T>::step(const Exec& exec, const StepIndex& index, const T*, ConstStateView<T>,
                              ConstStateView<T> state, StateView<T> next, Workspace& workspace) const {
  if (exec.backend != Backend::host) throw DeviceError("slime_demo: the model runs on backend 'host' only");
  const auto& dims = state.layout->at("lattice").dims;
  const auto agents = std::size_t(spec_.agents);
  double* chance = workspace.get<double>(exec, "abm.chance", agents * std::size_t(state.batch));
  std::copy_n(state.data, state.size(), next.data);
  parallel_for(state.batch, [&](int b, int) {
    RandomStream stream;
    stream.seed = index.seed, stream.purpose = RandomPurpose::agents;
    stream.iteration = std::uint32_t(index.iteration), stream.step = std::uint32_t(index.step);
    stream.sample = std::uint32_t(index.sample0 + b);
    double* mine = chance + std::size_t(b) * agents;
    for (std::size_t a = 0; a < agents; ++a) mine[a] = uniform01<double>(stream.words(std::uint32_t(a)).v[0]);
    const auto at = [&](std::size_t k) { return next.block(k) + std::size_t(b) * next.layout->blocks()[k].size; };
    slime_demo_step(spec_, dims[1], dims[2], mine, at(0), at(1), at(2));
  });
}

template class SlimeDemoSystem<float>;
template class SlimeDemoSystem<double>;
template void slime_demo_step(const SlimeDemoSpec&, int, int, const double*, float*, float*, float*);
template void slime_demo_step(const SlimeDemoSpec&, int, int, const double*, double*, double*, double*);

Schema slime_demo_schema() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return Schema("slime_demo", "The two rule-based slime demos of the reference implementation. To run, not to train.")
      .choice("demo", "slime_np", {"slime_np", "slime_jax"}, "agents act one after another, or all at once")
      .integer("agents", 300, {1, 1 << 26}, "number of agents")
      .number("speed", 0.3, {0, kInfinity, false, true}, "nodes per step (slime_jax: 0.1)")
      .number("turn", 0.3, {0, 3.2}, "radians (slime_jax: 0.5)")
      .number("sensor_angle", 0.6, {0, 3.2}, "angle of the outer sensors in radians")
      .number("sensor_length", 3, {0, 1e6}, "distance of the sensors in nodes")
      .number("decay", 0.99, {0, 1}, "factor of the lattice at each step")
      .number("threshold", 0.1, {0, kInfinity, false, true}, "smell below which agents turn at random")
      .boolean("fair_when_empty", false, "then every way is as likely; else the reference's .98 to one of them")
      .boolean("symmetric_window", false, "sensors of slime_np look 3 nodes both ways instead of 3 and 2")
      .boolean("full_torus", false, "positions of slime_np wrap at the size of the lattice instead of one less")
      .boolean("own_weights", false, "outer sensors of slime_jax use their own smell instead of that of the centre");
}

SlimeDemoSpec slime_demo_spec(const Config& c) {
  SlimeDemoSpec s;
  s.demo = c.get<std::string>("demo") == "slime_np" ? SlimeDemo::one_by_one : SlimeDemo::at_once;
  s.agents = c.get<int>("agents");
  s.speed = c.get<double>("speed"), s.turn = c.get<double>("turn");
  s.sensor_angle = c.get<double>("sensor_angle"), s.sensor_length = c.get<double>("sensor_length");
  s.decay = c.get<double>("decay"), s.threshold = c.get<double>("threshold");
  s.fair_when_empty = c.get<bool>("fair_when_empty"), s.symmetric_window = c.get<bool>("symmetric_window");
  s.full_torus = c.get<bool>("full_torus"), s.own_weights = c.get<bool>("own_weights");
  return s;
}

}  // namespace mg::abm
