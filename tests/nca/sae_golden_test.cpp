// The reference's sparse auto-encoder: codes, adjoints, edits, and a step with a layer replaced.
#include <gtest/gtest.h>

#include "nca/sae.hpp"
#include "tests/nca/nca_case.hpp"
#include "tests/support/gradcheck.hpp"

namespace mg::nca {
namespace {

using test::Field;
using test::Golden;
using test::Vec;

struct Case {
  explicit Case(const Golden& golden) : g(golden) {
    const auto& p = g.params();
    sae.layer = CellLayer(test::name_index(kCellLayerNames, p.at("TARGET_LAYER")));
    sae.code = SparseCode(test::name_index(kSparseCodeNames, p.at("ACTIVATION")));
    sae.latents = p.at("latent_dim"), sae.keep = p.at("sparsity_param");
    sae.inputs = int(g.shape("v")[1]);
    rows = g.shape("v")[0];
    params = flat("", "");
    edit.positions = p.at("edit_positions").get<std::vector<int>>();
    edit.values = p.at("edit_values").get<std::vector<double>>();
    // "gNCA swish REPLICATE ID,GRAD,LAP"
    if (p.at("model") != "gNCA swish REPLICATE ID,GRAD,LAP") throw std::runtime_error("unknown model of a golden case");
    spec.channels = p.at("N_CHANNELS");
    spec.gated = p.at("GATED");
    spec.activation = Activation::swish;
    spec.perception.grad = true;
    spec.perception.padding = Padding::replicate;
    spec.fire_rate = p.at("FIRE_RATE");
  }
  Vec flat(const std::string& prefix, const std::string& suffix) const {
    Vec all;
    const Layout layout = sae.layout();
    for (const Block& block : layout.blocks())
      for (double v : g.values(prefix + block.name + suffix)) all.push_back(v);
    return all;
  }
  Vec row(const std::string& name, std::size_t r) const {
    const auto all = g.values(name);
    const std::size_t width = all.size() / rows;
    return {all.begin() + long(r * width), all.begin() + long((r + 1) * width)};
  }
  Golden g;
  SparseAutoencoder sae;
  NcaSpec spec;
  SparseEdit edit;
  std::size_t rows = 0;
  Vec params;
};

void check_codes(Case& c) {
  Vec encode_bar(c.params.size()), both_bar(c.params.size());
  for (std::size_t r = 0; r < c.rows; ++r) {
    const Vec v = c.row("v", r), z = sparse_encode(c.sae, c.params.data(), v);
    MG_EXPECT_CLOSE(z, c.row("encode.out", r), 1e-12);
    MG_EXPECT_CLOSE(sparse_decode(c.sae, c.params.data(), z), c.row("reconstruct.out", r), 1e-12);
    MG_EXPECT_CLOSE(sparse_encode_adjoint(c.sae, c.params.data(), v, c.row("encode.out_bar", r), encode_bar.data()),
                    c.row("encode.v_bar", r), 1e-12);
    const Vec z_bar =
        sparse_decode_adjoint(c.sae, c.params.data(), z, c.row("reconstruct.out_bar", r), both_bar.data());
    MG_EXPECT_CLOSE(sparse_encode_adjoint(c.sae, c.params.data(), v, z_bar, both_bar.data()),
                    c.row("reconstruct.v_bar", r), 1e-12);
    const auto ranks = sparse_ranks(c.sae, z);
    const Vec positions = c.row("top.positions", r), values = c.row("top.values", r);
    for (std::size_t k = 0; k < ranks.size(); ++k) {
      EXPECT_EQ(ranks[k], int(positions[k]));
      EXPECT_NEAR(z[std::size_t(ranks[k])], values[k], 1e-12);
    }
    for (const auto& [kind, name] : {std::pair{SparseEdit::Kind::mult_top_k, "edit.mult_top_k"},
                                     std::pair{SparseEdit::Kind::set_absolute, "edit.set_absolute"}}) {
      Vec edited = z;
      c.edit.kind = kind;
      sparse_edit(c.sae, c.edit, edited);
      MG_EXPECT_CLOSE(edited, c.row(name, r), 1e-12);
    }
  }
  MG_EXPECT_CLOSE(encode_bar, c.flat("encode.", "_bar"), 1e-12);
  MG_EXPECT_CLOSE(both_bar, c.flat("reconstruct.", "_bar"), 1e-12);
}

void check_steps(Case& c) {
  const Shape shape = test::shape_of(c.g.shape("x"));
  const Field<double> x(shape, c.g.values("x")), mask(shape, c.g.values("mask"));
  Vec params;
  for (const char* name : {"model.layer0.weight", "model.layer1.weight", "model.layer1.bias"})
    for (double v : c.g.values(name)) params.push_back(v);
  ASSERT_EQ(params.size(), nca_param_layout(c.spec).size());
  NcaInputs<double> in;
  in.fire_override = mask.view();
  for (const auto& [kind, name] :
       {std::pair{SparseEdit::Kind::none, "step.none"}, std::pair{SparseEdit::Kind::mult_top_k, "step.mult_top_k"},
        std::pair{SparseEdit::Kind::set_absolute, "step.set_absolute"}}) {
    SCOPED_TRACE(name);
    c.edit.kind = kind;
    Field<double> next(shape);
    const SparseRecord record =
        sparse_step(c.spec, params.data(), c.sae, c.params.data(), c.edit, in, x.view(), next.view());
    const std::string prefix = std::string(name) + ".";
    MG_EXPECT_CLOSE(next.data, c.g.values(prefix + "out"), 1e-12);
    MG_EXPECT_CLOSE(record.top_values, c.g.values(prefix + "top_values"), 1e-12);
    MG_EXPECT_CLOSE(record.top_positions, c.g.values(prefix + "top_positions"), 0);
    if (kind == SparseEdit::Kind::none) MG_EXPECT_CLOSE(record.latents, c.g.values(prefix + "latents"), 1e-12);
  }
}

TEST(SaeGolden, CodesEditsAndSteps) {
  for (const auto& path : test::golden_files("nca", "sae_")) {
    SCOPED_TRACE(path.filename().string());
    Case c(test::load_golden(path));
    check_codes(c);
    check_steps(c);
  }
}

TEST(Sae, RefusesWhatDoesNotFit) {
  NcaSpec plain;
  EXPECT_THROW(layer_width(plain, CellLayer::gate_func), std::invalid_argument);
  SparseAutoencoder sae{CellLayer::activation, SparseCode::topk, 3, 5, 6};
  EXPECT_THROW(sae.check(), std::invalid_argument);
  sae.keep = 2;
  Vec z(5, 1.0);
  EXPECT_THROW(sparse_edit(sae, {SparseEdit::Kind::mult_top_k, {2}, {1.0}}, z), std::invalid_argument);
  EXPECT_THROW(sparse_edit(sae, {SparseEdit::Kind::set_absolute, {0}, {}}, z), std::invalid_argument);
}

}  // namespace
}  // namespace mg::nca
