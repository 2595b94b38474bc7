// The reference's neural agents, executed: features, three steps, its own derivatives, and their parts alone.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "abm/ant_mind.hpp"
#include "abm/ant_senses.hpp"
#include "abm/ant_system.hpp"
#include "tests/support/golden.hpp"

namespace mg::abm {
namespace {

using test::Golden;
using Values = std::vector<double>;

/// Name in the goldens of every block of the parameters.
std::string golden_name(const std::string& block, AntKind kind) {
  static const std::map<std::string, std::string> names = {{"trunk.0", "layers.1"},
                                                           {"deposit.0", "layers_pheremone.0"},
                                                           {"deposit.1", "layers_pheremone.2"},
                                                           {"turn.0", "layers_d_angle.0"},
                                                           {"turn.1", "layers_d_angle.2"},
                                                           {"speed.0", "layers_velocity_mag.0"},
                                                           {"speed.1", "layers_velocity_mag.2"},
                                                           {"velocity.0", "layers_velocity.0"}};
  const auto dot = block.rfind('.');
  EXPECT_TRUE(kind == AntKind::slime || !block.starts_with("velocity"));
  return names.at(block.substr(0, dot)) + block.substr(dot);
}
Values params_of(const Golden& g, const Layout& layout, AntKind kind, const std::string& prefix) {
  Values all(layout.size());
  for (const Block& block : layout.blocks()) {
    const auto v = g.values(prefix + golden_name(block.name, kind));
    EXPECT_EQ(v.size(), block.size) << block.name;
    std::copy(v.begin(), v.end(), all.begin() + std::ptrdiff_t(block.offset));
  }
  return all;
}
/// [2][N] of the reference as [N][2], and back.
Values swapped(const Values& v, std::size_t rows) {
  const std::size_t columns = v.size() / rows;
  Values out(v.size());
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) out[j * rows + i] = v[i * columns + j];
  return out;
}
Values slice(const Values& v, std::size_t index, std::size_t count) {
  const std::size_t size = v.size() / count;
  return {v.begin() + std::ptrdiff_t(index * size), v.begin() + std::ptrdiff_t((index + 1) * size)};
}
AntSpec spec_of(const Golden& g) {
  const auto& p = g.params();
  AntSpec s;
  s.kind = g.name.find("ref_slime") == 0     ? AntKind::slime
           : g.name.find("ref_wavelet") == 0 ? AntKind::wavelet
                                             : AntKind::chemotaxis;
  s.agents = p.at("N_AGENTS"), s.channels = p.at("N_CHANNELS");
  s.dt = p.at("dt");
  if (p.contains("sensor_angle")) s.sensor_angle = p.at("sensor_angle"), s.sensor_length = p.at("sensor_length");
  s.blur = p.at("gaussian_blur"), s.decay = p.at("decay_rate"), s.periodic = p.at("PERIODIC");
  if (p.contains("LENGTH_SCALE")) s.length_scale = p.at("LENGTH_SCALE");
  return s;
}
Values joined(std::initializer_list<Values> parts) {
  Values all;
  for (const Values& p : parts) all.insert(all.end(), p.begin(), p.end());
  return all;
}

void check_model(const Golden& g) {
  SCOPED_TRACE(g.name);
  const AntSpec spec = spec_of(g);
  const AntSystem<double> system(spec);
  const int side = g.params().at("GRID_SIZE");
  const Layout layout = system.state_layout({side, side});
  const Values params = params_of(g, system.param_layout(), spec.kind, "param/");
  const auto state = [&](const Values& pos, const Values& vel, const Values& ph) {
    return joined({swapped(pos, 2), swapped(vel, 2), ph});
  };
  const Values start = state(g.values("in/pos"), g.values("in/vel"), g.values("in/ph"));

  const auto features = g.values("mid/features");
  Values felt(features.size());
  const double* lattice = start.data() + 4 * spec.agents;
  for (int a = 0; a < spec.agents; ++a) {
    const AntSenses<double> s(spec, side, side, start.data() + 2 * a, start.data() + 2 * spec.agents + 2 * a);
    double* z = felt.data() + a * spec.features();
    for (int k = 0; k < 3; ++k)
      for (int c = 0; c < spec.channels; ++c) z[k * spec.channels + c] = s.feel(k, lattice + c * side * side);
    if (s.turns) z[3 * spec.channels] = s.cosine, z[3 * spec.channels + 1] = s.sine;
  }
  MG_EXPECT_CLOSE(felt, features, 1e-12);

  Workspace workspace;
  const std::size_t steps = g.shape("traj/pos")[0] - 1, lattices = g.shape("traj/ph")[0];
  std::vector<Values> states = {start};
  for (std::size_t k = 1; k <= steps; ++k) {
    Values next(layout.size());
    system.step({}, {}, params.data(), {}, {states.back().data(), &layout, 1}, {next.data(), &layout, 1}, workspace);
    const Values pos = slice(g.values("traj/pos"), k, steps + 1), vel = slice(g.values("traj/vel"), k, steps + 1);
    MG_EXPECT_CLOSE(Values(next.begin(), next.begin() + 2 * spec.agents), swapped(pos, 2), 1e-12);
    MG_EXPECT_CLOSE(Values(next.begin() + 2 * spec.agents, next.begin() + 4 * spec.agents), swapped(vel, 2), 1e-12);
    // The cases with walls hold the lattice after the first and the last step only.
    const bool all = lattices == steps + 1;
    if (all || k == 1 || k == steps)
      MG_EXPECT_CLOSE(Values(next.begin() + 4 * spec.agents, next.end()),
                      slice(g.values("traj/ph"),
                            all      ? k
                            : k == 1 ? 0
                                     : 1,
                            lattices),
                      1e-12);
    states.push_back(std::move(next));
  }

  Values bar = state(g.values("cot/pos"), g.values("cot/vel"), g.values("cot/ph")), params_bar(params.size());
  double l = 0;
  for (std::size_t i = 0; i < bar.size(); ++i) l += bar[i] * states.back()[i];
  EXPECT_NEAR(l, g.values("l")[0], 1e-10 * (1 + std::abs(l)));
  for (std::size_t k = steps; k-- > 0;) {
    Values before(bar.size());
    system.step_adjoint({}, {}, params.data(), {}, {states[k].data(), &layout, 1}, {bar.data(), &layout, 1},
                        {before.data(), &layout, 1}, params_bar.data(), workspace);
    bar = std::move(before);
  }
  MG_EXPECT_CLOSE(Values(bar.begin(), bar.begin() + 2 * spec.agents), swapped(g.values("bar/pos"), 2), 1e-9);
  MG_EXPECT_CLOSE(Values(bar.begin() + 2 * spec.agents, bar.begin() + 4 * spec.agents), swapped(g.values("bar/vel"), 2),
                  1e-9);
  MG_EXPECT_CLOSE(Values(bar.begin() + 4 * spec.agents, bar.end()), g.values("bar/ph"), 1e-9);
  MG_EXPECT_CLOSE(params_bar, params_of(g, system.param_layout(), spec.kind, "bar/"), 1e-9);
}

TEST(AntGolden, Models) {
  for (const auto& path : test::golden_files("abm", "ref_")) {
    const Golden g = test::load_golden(path);
    if (g.file.contains("mid/features")) check_model(g);  // parts, demos and training are elsewhere
  }
}

TEST(AntGolden, Networks) {
  for (const auto& path : test::golden_files("abm", "ref_agent_nn")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    AntSpec spec;
    spec.kind = g.file.contains("out/velocity") ? AntKind::slime : AntKind::chemotaxis;
    spec.channels = g.params().at("N_CHANNELS");
    const AntParams where = ant_params(spec);
    const Values params = params_of(g, where.layout, spec.kind, "param/");
    Values params_bar(params.size()), z_bar, deposit, other[2];
    const auto z = g.values("in/z"), deposit_cot = g.values("cot/deposit");
    const bool slime = spec.kind == AntKind::slime;
    const auto a_cot = g.values(slime ? "cot/velocity" : "cot/speed"), b_cot = slime ? a_cot : g.values("cot/turn");
    const std::size_t features = std::size_t(spec.features());
    for (std::size_t a = 0; a < z.size() / features; ++a) {
      AntMind<double> mind(spec, where, params.data());
      mind.think(z.data() + a * features);
      deposit.insert(deposit.end(), mind.deposit.begin(), mind.deposit.end());
      if (slime)
        other[0].insert(other[0].end(), {mind.velocity[0], mind.velocity[1]});
      else
        other[0].push_back(mind.speed), other[1].push_back(mind.turn);
      Values one(features);
      mind.adjoint(deposit_cot.data() + a * std::size_t(spec.channels), slime ? 0 : a_cot[a], slime ? 0 : b_cot[a],
                   slime ? Vec2<double>{{a_cot[2 * a], a_cot[2 * a + 1]}} : Vec2<double>{}, one.data(),
                   params_bar.data());
      z_bar.insert(z_bar.end(), one.begin(), one.end());
    }
    MG_EXPECT_CLOSE(deposit, g.values("out/deposit"), 1e-13);
    MG_EXPECT_CLOSE(other[0], g.values(slime ? "out/velocity" : "out/speed"), 1e-13);
    if (!slime) MG_EXPECT_CLOSE(other[1], g.values("out/turn"), 1e-13);
    MG_EXPECT_CLOSE(z_bar, g.values("bar/z"), 1e-12);
    MG_EXPECT_CLOSE(params_bar, params_of(g, where.layout, spec.kind, "bar/"), 1e-12);
  }
}

TEST(AntGolden, Diffusion) {
  for (const auto& path : test::golden_files("abm", "ref_diffuse")) {
    const Golden g = test::load_golden(path);
    const auto shape = g.shape("in/ph");
    const auto in = g.values("in/ph");
    for (int blur = 1; blur <= 3; ++blur) {
      AntSpec spec;
      spec.blur = blur;
      Values out(in.size());
      for (std::size_t c = 0; c < shape[0]; ++c)
        ant_diffuse(spec, int(shape[1]), int(shape[2]), in.data() + c * shape[1] * shape[2],
                    out.data() + c * shape[1] * shape[2]);
      MG_EXPECT_CLOSE(out, g.values("out/blur" + std::to_string(blur)), 1e-13);
    }
  }
}

TEST(AntGolden, Walls) {
  for (const auto& path : test::golden_files("abm", "ref_walls")) {
    const Golden g = test::load_golden(path);
    const int side = g.params().at("G");
    auto x = g.values("in/pos"), v = g.values("in/vel");
    for (std::size_t i = 0; i < x.size(); ++i) ant_wall(side, x[i], v[i]);
    MG_EXPECT_CLOSE(x, g.values("out/pos"), 0);
    MG_EXPECT_CLOSE(v, g.values("out/vel"), 0);
    Values wall;
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j) wall.push_back(wall_signal(side, side, i, j));
    MG_EXPECT_CLOSE(wall, g.values("out/wall"), 1e-13);
  }
}

}  // namespace
}  // namespace mg::abm
