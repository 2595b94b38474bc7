// What the relatives of the automaton are made of: basis functions, monomials, model files.
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "core/eqx.hpp"
#include "nca/eqx_variant.hpp"
#include "nca/variant_cell.hpp"
#include "nca/variant_system.hpp"
#include "tests/nca/variant_case.hpp"
#include "tests/support/config.hpp"

namespace mg::nca {
namespace {

using nlohmann::json;
using test::Golden;

struct Scalar {
  using V = double;
  static double splat(double v) { return v; }
  static double exp(double v) { return std::exp(v); }
  static double tanh(double v) { return std::tanh(v); }
  static double sin(double v) { return std::sin(v); }
  static double cos(double v) { return std::cos(v); }
};

/// out_o = sum_ik w[i, o, k] phi_k(x_i), and what is pulled back to x and w.
void check_layer(const Golden& g, const std::string& name, const BasisRule& rule) {
  SCOPED_TRACE(name);
  const auto x = g.values("x"), w = g.values(name + ".weight"), out_bar = g.values(name + ".out_bar");
  const std::size_t B = g.shape("x")[0], I = g.shape("x")[1], O = g.shape(name + ".weight")[1];
  const std::size_t K = g.shape(name + ".weight")[2];
  std::vector<double> out(B * O), x_bar(B * I), w_bar(w.size());
  for (std::size_t b = 0; b < B; ++b)
    for (std::size_t i = 0; i < I; ++i)
      basis_values<Scalar>(rule, x[b * I + i], [&](int k, double v, double d) {
        for (std::size_t o = 0; o < O; ++o) {
          const std::size_t at = (i * O + o) * K + std::size_t(k);
          out[b * O + o] += w[at] * v;
          x_bar[b * I + i] += w[at] * d * out_bar[b * O + o];
          w_bar[at] += v * out_bar[b * O + o];
        }
      });
  MG_EXPECT_CLOSE(out, g.values(name + ".out"), 1e-12);
  MG_EXPECT_CLOSE(x_bar, g.values(name + ".x_bar"), 1e-12);
  MG_EXPECT_CLOSE(w_bar, g.values(name + ".weight_bar"), 1e-12);
}

TEST(VariantPartsGolden, BasisFunctions) {
  for (const auto& path : test::golden_files("common", "kan")) {
    const Golden g = test::load_golden(path);
    int seen = 0;
    for (const auto& [name, order] : g.params().at("orders").items()) {
      BasisRule rule{Basis::gauss, order, g.params().at("gaussKAN width"), g.params().at("gaussKAN bounds"), true};
      const auto is = [&](const char* kind) { return name.starts_with(kind); };
      rule.kind = is("func")    ? Basis::mean
                  : is("poly")  ? Basis::polynomial
                  : is("leg")   ? Basis::legendre
                  : is("gauss") ? Basis::gauss
                                : throw std::runtime_error("unknown basis " + name);
      check_layer(g, name == "func" ? name + std::to_string(order.get<int>()) : name, rule);
      ++seen;
    }
    EXPECT_GE(seen, 4);
  }
}

TEST(VariantPartsGolden, Monomials) {
  for (const auto& path : test::golden_files("common", "helpers")) {
    const Golden g = test::load_golden(path);
    int seen = 0;
    for (const auto& [tensor, unused] : g.file.tensors) {
      int n = 0, order = 0;
      if (std::sscanf(tensor.c_str(), "poly_n%d_p%d.", &n, &order) != 2 || !tensor.ends_with(".x")) continue;
      SCOPED_TRACE(tensor);
      const std::string name = tensor.substr(0, tensor.size() - 2);
      const int count = int(g.shape(name + ".out")[0]);
      EXPECT_EQ(monomials(n, order), count);
      const test::Field<double> x({1, n, 1, 1}, g.values(tensor)), bar({1, count, 1, 1}, g.values(name + ".out_bar"));
      test::Field<double> e({1, count, 1, 1}), x_bar({1, n, 1, 1});
      Expand<double>{x.view(), e.view()}(0);
      for (int i = 0; i < n; ++i) ExpandAdjoint<double>{x.view(), bar.view(), x_bar.view()}(std::size_t(i));
      MG_EXPECT_CLOSE(e.data, g.values(name + ".out"), 1e-14);
      MG_EXPECT_CLOSE(x_bar.data, g.values(name + ".x_bar"), 1e-14);
      ++seen;
    }
    EXPECT_GE(seen, 3);
  }
}

EqxFile eqx_of(const Golden& g) {
  std::string bytes;
  for (const double v : g.values("eqx_bytes")) bytes += char(int(v));
  return parse_eqx(bytes, g.name);
}

TEST(VariantPartsGolden, FilesOfTheReferenceAreImported) {
  int seen = 0;
  for (const auto& path : test::golden_files("nca", "eqx_")) {
    const Golden g = test::load_golden(path);
    const std::string family = g.name.substr(4, g.name.find('_', 4) - 4);
    if (family == "nca" || family == "gnca" || family == "sae") continue;  // not relatives
    ++seen;
    SCOPED_TRACE(g.name);
    const EqxFile file = eqx_of(g);
    ASSERT_TRUE(is_eqx_variant(file));
    ImportedVariant v = import_eqx_variant(file, g.name);
    EXPECT_EQ(v.model.at("type"), family);
    EXPECT_EQ(v.model.at("fire_rate"), 0.5);
    ASSERT_EQ(v.blocks, 2);
    v.model["kernels"] = {"ID", "LAP"};
    Schema root("test", "");
    root.variant("model", variant_schemas(), std::nullopt, "");
    const VariantSpec spec = variant_spec(test::configure(root, json{{"model", v.model}}.dump()).at("model"));
    const Layout layout = variant_param_layout(spec);
    EXPECT_EQ(layout.blocks().size(), v.params.tensors.size());
    std::multiset<double> ours, theirs;
    for (const Block& block : layout.blocks()) {
      const auto& t = v.params.at(block.name);
      EXPECT_EQ(t.shape, std::vector<std::size_t>(block.dims.begin(), block.dims.end())) << block.name;
      for (double x : t.as_double()) ours.insert(x);
    }
    for (int i = 0; g.file.contains("trainable" + std::to_string(i)); ++i)
      for (double x : g.values("trainable" + std::to_string(i))) theirs.insert(x);
    EXPECT_EQ(ours, theirs);
    for (std::size_t cut = 0; cut < file.leaves.size(); ++cut) {  // no file that is cut short gets through
      EqxFile part = file;
      part.leaves.resize(cut);
      EXPECT_THROW(import_eqx_variant(part, "cut"), DataError) << cut;
    }
  }
  EXPECT_GE(seen, 1);
}

}  // namespace
}  // namespace mg::nca
