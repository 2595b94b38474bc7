// Solvers that the reference stored: the model read back, and files that are damaged.
#include "pde/eqx_rda.hpp"

#include <gtest/gtest.h>

#include "pde/neural_spec.hpp"
#include "tests/pde/neural_case.hpp"

namespace mg::pde {
namespace {

std::string bytes_of(const test::Golden& g) {
  std::string bytes;
  for (const double v : g.values("eqx_bytes")) bytes += char(int(v));
  return bytes;
}

TEST(EqxRdaGolden, StoredSolvers) {
  for (const auto& path : test::golden_files("pde", "eqx_rda_")) {
    SCOPED_TRACE(path.filename().string());
    const test::Golden g = test::load_golden(path);
    ImportedRda rda = import_eqx_rda(parse_eqx(bytes_of(g), "file.eqx"), "file.eqx");
    const nlohmann::json want = g.params().at("solver"), solver = rda.model.at("solver");
    EXPECT_EQ(solver.at("type"), want.at("SOLVER"));
    EXPECT_EQ(solver.at("dt"), want.at("dt"));
    EXPECT_EQ(solver.contains("adaptive"), want.at("ADAPTIVE").get<bool>());
    if (solver.contains("adaptive")) {
      EXPECT_EQ(solver.at("adaptive").at("atol"), want.at("atol"));
    }
    rda.model.erase("solver");
    rda.model.erase("type");
    const NeuralSpec spec = test::rda_of(rda.model);
    EXPECT_EQ(spec.dx, g.params().at("pde").at("dx"));
    const Layout layout = neural_param_layout(spec);
    EXPECT_EQ(layout.blocks().size(), rda.params.tensors.size());
    for (const Block& block : layout.blocks()) {
      const Tensor& tensor = rda.params.at(block.name);
      EXPECT_EQ(std::vector<std::size_t>(block.dims.begin(), block.dims.end()), tensor.shape) << block.name;
      MG_EXPECT_CLOSE(tensor.as_double(), g.values("param." + test::reference_name("rda", block.name)), 1e-15);
    }
  }
}

TEST(EqxRda, DamageIsNamed) {
  const test::Golden g = test::load_golden(test::golden_files("pde", "eqx_rda_").front());
  const EqxFile good = parse_eqx(bytes_of(g), "file.eqx");
  const auto error = [](const EqxFile& file) {
    try {
      import_eqx_rda(file, "file.eqx");
    } catch (const DataError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(error(good), "");
  EqxFile file = good;
  file.leaves.resize(2);
  EXPECT_NE(error(file).find("the file ends before"), std::string::npos);
  file = good;
  file.leaves.erase(file.leaves.begin());
  EXPECT_NE(error(file).find("leaf 0"), std::string::npos);
  for (const char* line : {R"({"pde": {"N_CHANNELS": 2.5}})", R"({"pde": {"N_CHANNELS": 1e9}})", R"({"pde": 3})",
                           R"({"pde": {"N_CHANNELS": 3, "ORDER": "two"}})", R"({"pde": {"CELL_CHANNELS": 1}})"}) {
    file = good;
    file.json = line;
    EXPECT_NE(error(file), "") << line;
  }
  file.json.reset();
  EXPECT_FALSE(is_eqx_pde(file));
}

}  // namespace
}  // namespace mg::pde
