// Known answers of the corrected step: closed-form inputs, three steps, sums with ten digits.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "abm/agent_system.hpp"
#include "tests/support/golden.hpp"

namespace mg::abm {
namespace {

using test::Golden;
using Values = std::vector<double>;

struct Case {
  AgentSpec spec;
  Values params, start, cotangent;
};

/// M[o,k] = .4 sin(1 + 1.7 o + .9 k + s)
void fill(const AgentParams& where, Values& params, const std::string& name, double shift) {
  const Block& b = where.layout.at("species0." + name);
  for (int o = 0; o < b.dims[0]; ++o)
    for (int k = 0; k < b.dims[1]; ++k)
      params[b.offset + std::size_t(o * b.dims[1] + k)] = 0.4 * std::sin(1 + 1.7 * o + 0.9 * k + shift);
}

Case case_of(const nlohmann::json& p) {
  Case c;
  AgentSpec& s = c.spec;
  s.species = {3}, s.channels = 2, s.dt = p.at("dt");
  s.assignment = p.at("kernel") == "cic" ? Assignment::cic : Assignment::tsc;
  s.domain = p.at("boundary") == "mirror" ? Domain::mirror : Domain::periodic;
  s.sensing = p.at("sensing") == "grad" ? Sensing::gradient : Sensing::sensors;
  s.absolute_heading = p.at("absolute_heading"), s.renormalise = p.at("renormalise");
  s.hidden = s.head_hidden = {4};
  s.max_speed = p.at("v_max"), s.max_turn = p.at("t_max");
  s.blur_radius = p.at("blur_radius"), s.blur_sigma = p.at("blur_sigma");
  s.decay = p.at("lambda"), s.blend = p.at("kappa");
  s.sensor_length = p.at("L"), s.sensor_angles = p.at("phi").get<Values>();
  const AgentSystem<double> system(s);
  c.params.resize(system.param_layout().size());
  system.initialise(0, c.params);
  const std::pair<const char*, double> weights[] = {
      {"trunk.0.weight", 0}, {"deposit.0.weight", 1}, {"deposit.1.weight", 2}, {"speed.0.weight", 3},
      {"speed.1.weight", 4}, {"turn.0.weight", 5},    {"turn.1.weight", 6}};
  for (const auto& [name, shift] : weights) fill(system.where(), c.params, name, shift);
  const std::pair<const char*, double> biases[] = {{"trunk.0.bias", 0}, {"deposit.0.bias", 1}, {"deposit.1.bias", 2}};
  for (const auto& [name, shift] : biases) {
    const Block& b = system.where().layout.at(std::string("species0.") + name);
    for (std::size_t o = 0; o < b.size; ++o) c.params[b.offset + o] = 0.1 * std::cos(double(o) + shift);
  }
  c.start = {1.3, 2.8, 6.9, 0.2, -0.2, 7.4};
  if (s.domain == Domain::periodic) c.start[4] += 8;
  for (const double angle : {0.4, 2.0, -2.4}) c.start.insert(c.start.end(), {std::cos(angle), std::sin(angle)});
  for (int i = 0; i < 64; ++i) c.start.push_back(0.4 + 0.2 * std::sin(0.8 * (i / 8) + 0.5 * (i % 8)));
  for (int i = 0; i < 64; ++i) c.start.push_back(0.3 + 0.2 * std::cos(0.6 * (i / 8) - 0.9 * (i % 8)));
  for (int a = 0; a < 3; ++a) c.cotangent.insert(c.cotangent.end(), {std::cos(2.0 * a), std::cos(2.0 * a + 1)});
  for (int a = 0; a < 3; ++a) c.cotangent.insert(c.cotangent.end(), {std::sin(2.0 * a), std::sin(2.0 * a + 1)});
  for (const double factor : {1.0, -0.5})
    for (int i = 0; i < 64; ++i) c.cotangent.push_back(factor * std::cos(0.7 * (i / 8) - 0.3 * (i % 8)));
  return c;
}
double sum(const double* v, std::size_t n, bool squares = false) {
  double s = 0;
  for (std::size_t i = 0; i < n; ++i) s += squares ? v[i] * v[i] : v[i];
  return s;
}

/// sum x, x[2,0], sum u, sum P, sum P^2, l, sum x_bar, sum u_bar, sum P_bar^2, sum W1_bar^2, sum Wt2_bar^2
const std::map<std::string, std::array<double, 11>> kTable = {
    {"kat_cic_periodic_grad",
     {26.9027062124, 7.24338920737, 0.298273177081, 39.101058023, 14.1783061727, -0.118326990419, -0.00934595536722,
      0.193589950583, 27.9388844426, 0.366571146709, 0.174562683121}},
    {"kat_cic_periodic_sensors",
     {26.7232651088, 7.24323090669, 0.387189052012, 39.0418284846, 13.977120971, -0.555663314504, 0.0557323564995,
      0.147871187181, 28.0574514034, 0.116378895798, 0.00691110767753}},
    {"kat_cic_mirror_grad",
     {19.4481402389, -0.213750301732, 1.94295474922, 39.1349047237, 14.2997923093, 3.48914003906, 1.12646632362,
      3.06500523449, 30.39359864, 0.164438846443, 0.0293889285702}},
    {"kat_cic_mirror_sensors",
     {19.2202485654, -0.246145490718, 1.85866122607, 39.068333454, 14.0877068614, 3.22064750634, 1.10996239626,
      2.55760938358, 30.3956234647, 0.135947331581, 0.0141154893587}},
    {"kat_tsc_periodic_grad",
     {26.9023722705, 7.24326806228, 0.298506438996, 39.099631768, 14.1500694238, -0.124705756412, 0.0148391283093,
      0.197507008271, 27.9238758066, 0.338184875366, 0.176203045896}},
    {"kat_tsc_periodic_sensors",
     {26.7190828752, 7.24312464818, 0.384813232355, 39.0435265202, 13.9673986666, -0.556021124761, 0.0636839052947,
      0.178667724755, 28.0152842733, 0.118356194787, 0.00585214508756}},
    {"kat_tsc_mirror_grad",
     {19.4490128307, -0.213052953508, 1.94560491222, 39.1337505109, 14.2756815085, 3.47199328784, 1.06594572891,
      3.05099431295, 30.377965798, 0.157866956287, 0.0294600794342}},
    {"kat_tsc_mirror_sensors",
     {19.2194904859, -0.245591784265, 1.8581396921, 39.0670325719, 14.0784472655, 3.21013495862, 1.11202112452,
      2.59624969756, 30.3454774254, 0.135309473219, 0.0115974745265}}};

TEST(AgentKnownAnswersGolden, TableAndTensors) {
  for (const auto& path : test::golden_files("abm", "kat_")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    Case c = case_of(g.params());
    const AgentSystem<double> system(c.spec);
    const Layout layout = system.state_layout({8, 8});
    Workspace workspace;
    std::vector<Values> states = {c.start};
    for (int k = 0; k < 3; ++k) {
      Values next(layout.size());
      system.step({}, {}, c.params.data(), {}, {states.back().data(), &layout, 1}, {next.data(), &layout, 1},
                  workspace);
      states.push_back(std::move(next));
    }
    Values bar = c.cotangent, params_bar(c.params.size());
    const Values& end = states.back();
    double l = 0;
    for (std::size_t i = 0; i < bar.size(); ++i) l += bar[i] * end[i];
    for (std::size_t k = 3; k-- > 0;) {
      Values before(bar.size());
      system.step_adjoint({}, {}, c.params.data(), {}, {states[k].data(), &layout, 1}, {bar.data(), &layout, 1},
                          {before.data(), &layout, 1}, params_bar.data(), workspace);
      bar = std::move(before);
    }
    const Block &w1 = system.param_layout().at("species0.trunk.0.weight"),
                &wt2 = system.param_layout().at("species0.turn.1.weight");
    const Values got = {sum(end.data(), 6),
                        end[4],
                        sum(end.data() + 6, 6),
                        sum(end.data() + 12, 128),
                        sum(end.data() + 12, 128, true),
                        l,
                        sum(bar.data(), 6),
                        sum(bar.data() + 6, 6),
                        sum(bar.data() + 12, 128, true),
                        sum(params_bar.data() + w1.offset, w1.size, true),
                        sum(params_bar.data() + wt2.offset, wt2.size, true)};
    const auto table = g.values("table");
    for (std::size_t k = 0; k < got.size(); ++k) {
      EXPECT_NEAR(got[k], table[k], 1e-10 * std::max(1.0, std::abs(table[k]))) << "column " << k;
      const auto printed = kTable.at(g.name)[k];
      EXPECT_NEAR(got[k], printed, 1e-10 * std::max(0.1, std::abs(printed))) << "column " << k;
    }
    const auto part = [](const Values& v, std::size_t from, std::size_t n) {
      return Values(v.begin() + std::ptrdiff_t(from), v.begin() + std::ptrdiff_t(from + n));
    };
    MG_EXPECT_CLOSE(part(bar, 0, 6), g.values("bar/x"), 1e-9);
    MG_EXPECT_CLOSE(part(bar, 6, 6), g.values("bar/u"), 1e-9);
    MG_EXPECT_CLOSE(part(bar, 12, 128), g.values("bar/P"), 1e-9);
    MG_EXPECT_CLOSE(part(params_bar, w1.offset, w1.size), g.values("bar/W1"), 1e-9);
    Values x, u, lattice;
    for (const Values& s : states) {
      const auto add = [&](Values& to, std::size_t from, std::size_t n) {
        to.insert(to.end(), s.begin() + std::ptrdiff_t(from), s.begin() + std::ptrdiff_t(from + n));
      };
      add(x, 0, 6), add(u, 6, 6), add(lattice, 12, 128);
    }
    MG_EXPECT_CLOSE(x, g.values("traj/x"), 1e-11);
    MG_EXPECT_CLOSE(u, g.values("traj/u"), 1e-11);
    MG_EXPECT_CLOSE(lattice, g.values("traj/P"), 1e-11);
  }
}

}  // namespace
}  // namespace mg::abm
