#pragma once
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/safetensors.hpp"

namespace mg::test {

/// One golden case: tensors and the JSON of its metadata key "case".
struct Golden {
  std::string name;  ///< file stem
  TensorFile file;
  nlohmann::json what;  ///< the whole case object
  const nlohmann::json& params() const { return what.at("params"); }
  std::vector<double> values(const std::string& tensor) const { return file.at(tensor).as_double(); }
  std::vector<std::size_t> shape(const std::string& tensor) const { return file.at(tensor).shape; }
};

/// All files <area>/<prefix>*.safetensors of golden_dir(), sorted; fails the current test when there is none.
std::vector<std::filesystem::path> golden_files(const std::string& area, const std::string& prefix);
Golden load_golden(const std::filesystem::path& path);

/// Relative L2 |got - want| / |want|. Reports the worst index through `where`, is infinite on NaN or unequal sizes.
template <class A, class B>
double relative_l2(const A& got, const B& want, std::string* where = nullptr);

/// Fails with the worst index unless relative_l2 <= bound (or both are below `floor` in norm).
#define MG_EXPECT_CLOSE(got, want, bound)                                                \
  do {                                                                                   \
    std::string mg_where_;                                                               \
    EXPECT_LE(::mg::test::relative_l2((got), (want), &mg_where_), (bound)) << mg_where_; \
  } while (0)

template <class A, class B>
double relative_l2(const A& got, const B& want, std::string* where) {
  if (got.size() != want.size()) {
    if (where) *where = "sizes differ: " + std::to_string(got.size()) + " and " + std::to_string(want.size());
    return std::numeric_limits<double>::infinity();
  }
  double error = 0, norm = 0, worst = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double d = double(got[i]) - double(want[i]);
    if (!(std::abs(d) <= worst)) worst = std::abs(d), at = i;
    error += d * d;
    norm += double(want[i]) * double(want[i]);
  }
  if (where && !got.empty())
    *where = "worst at " + std::to_string(at) + ": got " + std::to_string(double(got[at])) + ", want " +
             std::to_string(double(want[at]));
  if (!(error >= 0)) return std::numeric_limits<double>::infinity();
  return norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
}

}  // namespace mg::test
