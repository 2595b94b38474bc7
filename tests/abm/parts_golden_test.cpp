// The parts of the agent step alone: assignment kernels, the update of the lattice, and the closed-form table.
#include <gtest/gtest.h>

#include <cmath>

#include "abm/agent_step.hpp"
#include "tests/support/golden.hpp"

namespace mg::abm {
namespace {

using test::Golden;

Domain domain_of(const Golden& g) { return g.params().at("boundary") == "mirror" ? Domain::mirror : Domain::periodic; }

/// Weights of one point over the nodes, and their derivatives, from the taps of both axes.
struct Weights {
  std::vector<double> w, d0, d1;  // [h * w]
};
Weights weights_of(Assignment a, Domain domain, const double* x, int h, int w) {
  const AxisTaps<double> t0 = axis_taps(a, domain, x[0], h), t1 = axis_taps(a, domain, x[1], w);
  Weights all{std::vector<double>(std::size_t(h * w)), std::vector<double>(std::size_t(h * w)),
              std::vector<double>(std::size_t(h * w))};
  for (int i = 0; i < tap_count(a); ++i)
    for (int j = 0; j < tap_count(a); ++j) {
      const auto node = std::size_t(t0.node[i] * w + t1.node[j]);
      all.w[node] += t0.w[i] * t1.w[j];
      all.d0[node] += t0.dw[i] * t1.w[j];
      all.d1[node] += t0.w[i] * t1.dw[j];
    }
  return all;
}

TEST(AssignmentGolden, GatherScatterAndTheirCotangents) {
  for (const auto& path : test::golden_files("abm", "kernel_")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    const Assignment a = g.params().at("kernel") == "cic" ? Assignment::cic : Assignment::tsc;
    const auto shape = g.shape("in/P");
    const int channels = int(shape[0]), h = int(shape[1]), w = int(shape[2]), nodes = h * w;
    const auto x = g.values("in/x"), p = g.values("in/P"), v = g.values("in/v");
    const auto gather_cot = g.values("cot/gather"), scatter_cot = g.values("cot/scatter");
    std::vector<double> gathered, gradient, scattered(p.size()), p_bar(p.size()), gather_x_bar, scatter_x_bar, v_bar;
    for (std::size_t i = 0; i < x.size() / 2; ++i) {
      const Weights weights = weights_of(a, domain_of(g), x.data() + 2 * i, h, w);
      double gx[2] = {}, sx[2] = {};
      for (int c = 0; c < channels; ++c) {
        const auto at = std::size_t(c * nodes), k = i * std::size_t(channels) + std::size_t(c);
        double q = 0, q0 = 0, q1 = 0, b = 0, b0 = 0, b1 = 0;
        for (std::size_t n = 0; n < std::size_t(nodes); ++n) {
          q += weights.w[n] * p[at + n], q0 += weights.d0[n] * p[at + n], q1 += weights.d1[n] * p[at + n];
          b += weights.w[n] * scatter_cot[at + n];
          b0 += weights.d0[n] * scatter_cot[at + n], b1 += weights.d1[n] * scatter_cot[at + n];
          scattered[at + n] += weights.w[n] * v[k];
          p_bar[at + n] += weights.w[n] * gather_cot[k];
        }
        gathered.push_back(q);
        gradient.insert(gradient.end(), {q0, q1});
        v_bar.push_back(b);
        gx[0] += gather_cot[k] * q0, gx[1] += gather_cot[k] * q1;
        sx[0] += v[k] * b0, sx[1] += v[k] * b1;
      }
      gather_x_bar.insert(gather_x_bar.end(), gx, gx + 2);
      scatter_x_bar.insert(scatter_x_bar.end(), sx, sx + 2);
    }
    MG_EXPECT_CLOSE(gathered, g.values("out/gather"), 1e-10);
    MG_EXPECT_CLOSE(gradient, g.values("out/grad_gather"), 1e-10);
    MG_EXPECT_CLOSE(scattered, g.values("out/scatter"), 1e-10);
    MG_EXPECT_CLOSE(p_bar, g.values("bar/gather/P"), 1e-10);
    MG_EXPECT_CLOSE(gather_x_bar, g.values("bar/gather/x"), 1e-10);
    MG_EXPECT_CLOSE(scatter_x_bar, g.values("bar/scatter/x"), 1e-10);
    MG_EXPECT_CLOSE(v_bar, g.values("bar/scatter/v"), 1e-10);
  }
}

/// A world whose only agent deposits nothing: a step is the update of the lattice.
struct FieldOnly {
  explicit FieldOnly(const Golden& g) {
    spec.species = {1};
    const auto shape = g.shape("in/P");
    spec.channels = int(shape[0]);
    spec.domain = domain_of(g);
    spec.hidden = spec.head_hidden = {1};
    spec.blur_radius = g.params().at("blur_radius"), spec.blur_sigma = g.params().at("blur_sigma");
    const std::string act = g.params().at("field_act");
    spec.field = act == "identity"  ? FieldActivation::identity
                 : act == "softsat" ? FieldActivation::soft_saturation
                                    : FieldActivation::softplus;
    where = agent_params(spec);
    params.assign(where.layout.size(), 0.0);
    for (const auto& [name, at] : {std::pair{"param/lambda", where.decay}, {"param/kappa", where.blend}}) {
      const auto v = g.values(name);
      for (std::size_t c = 0; c < v.size(); ++c) params[at + c] = std::log(v[c] / (1 - v[c]));
    }
    operators = lattice_operators<double>(spec.domain, int(shape[1]), int(shape[2]),
                                          line_kernels(spec.blur_radius, spec.blur_sigma, 0));
    in.spec = &spec, in.where = &where, in.operators = &operators;
    in.h = int(shape[1]), in.w = int(shape[2]);
  }
  std::vector<double> step(const std::vector<double>& p) {
    std::vector<double> next(p.size());
    double x[2], u[2];
    agent_step<double>({}, in, params.data(), {x0, u0, p.data()}, {x, u, next.data()}, workspace);
    return next;
  }
  AgentSpec spec;
  AgentParams where;
  LatticeOperators<double> operators;
  AgentStepInputs<double> in;
  std::vector<double> params;
  double x0[2] = {1, 1}, u0[2] = {1, 0};
  Workspace workspace;
};

TEST(AgentFieldGolden, DiffusionAndDecay) {
  for (const auto& path : test::golden_files("abm", "field_")) {
    const Golden g = test::load_golden(path);
    SCOPED_TRACE(g.name);
    FieldOnly f(g);
    auto p = f.step(g.values("in/P"));
    MG_EXPECT_CLOSE(p, g.values("out/P"), 1e-10);
    for (int k = 1; k < 5; ++k) p = f.step(p);
    MG_EXPECT_CLOSE(p, g.values("out/P5"), 1e-10);

    const auto start = g.values("in/P"), bar = g.values("cot/P");
    std::vector<double> p_bar(start.size()), params_bar(f.params.size());
    const double zero[2] = {};
    double x_bar[2], u_bar[2];
    agent_step_adjoint<double>({}, f.in, f.params.data(), {f.x0, f.u0, start.data()}, {zero, zero, bar.data()},
                               {x_bar, u_bar, p_bar.data()}, params_bar.data(), f.workspace);
    // The agent still senses, but nothing depends on what it does: no cotangent but that of the lattice.
    MG_EXPECT_CLOSE(p_bar, g.values("bar/P"), 1e-10);
    for (const auto& [name, at] : {std::pair{"lambda", f.where.decay}, {"kappa", f.where.blend}}) {
      auto want = g.values(std::string("bar/") + name);
      const auto value = g.values(std::string("param/") + name);
      std::vector<double> got;
      for (std::size_t c = 0; c < want.size(); ++c) {
        got.push_back(params_bar[at + c]);
        want[c] *= value[c] * (1 - value[c]);
      }
      MG_EXPECT_CLOSE(got, want, 1e-10);
    }
  }
}

}  // namespace
}  // namespace mg::abm
