#include "pde/eqx_rda.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <stdexcept>

#include "core/error.hpp"
#include "pde/neural_spec.hpp"

namespace mg::pde {
namespace {

using nlohmann::json;

/// Takes leaves one after another.
class Leaves {
 public:
  Leaves(const EqxFile& file, const std::string& where) : file_(file), where_(where) {}

  [[noreturn]] void fail(const std::string& why) const {
    throw DataError(where_ + ": leaf " + std::to_string(next_) + ": " + why);
  }
  const Tensor& peek(const std::string& name) const {
    if (next_ >= file_.leaves.size()) fail("the file ends before " + name);
    return file_.leaves[next_];
  }
  Tensor array(const std::string& name, const std::vector<std::size_t>& shape, std::vector<std::size_t> as) {
    Tensor t = peek(name);
    if ((t.dtype != "F32" && t.dtype != "F64") || t.shape != shape) {
      std::string text;
      for (const std::size_t d : t.shape) text += (text.empty() ? "" : ", ") + std::to_string(d);
      fail(name + " is " + t.dtype + " of shape (" + text + "), which is not what the JSON line promises");
    }
    ++next_;
    t.shape = std::move(as);
    return t;
  }
  double number(const std::string& name) {
    const Tensor& t = peek(name);
    if (!t.shape.empty() || t.dtype == "BOOL") fail(name + " is not a number, but " + t.dtype);
    ++next_;
    return t.as_double()[0];
  }
  void expect(const std::string& name, double value) {
    if (const double got = number(name); got != value) {
      --next_;
      fail(name + " is " + std::to_string(got) + ", the JSON line says " + std::to_string(value));
    }
  }

 private:
  const EqxFile& file_;
  const std::string& where_;
  std::size_t next_ = 0;
};

template <class V>
V value_or(const json& from, const char* key, V fallback, const std::string& where) {
  const auto it = from.find(key);
  if (it == from.end()) return fallback;
  try {
    return it->get<V>();
  } catch (const json::exception&) {
    throw DataError(where + ": " + key + " has an unexpected type in the JSON line");
  }
}

int whole(const json& from, const char* key, int fallback, int least, int most, const std::string& where) {
  const double v = value_or<double>(from, key, fallback, where);
  if (!(v >= least && v <= most) || v != std::floor(v))
    throw DataError(where + ": " + key + " is not a whole number from " + std::to_string(least) + " to " +
                    std::to_string(most));
  return int(v);
}

/// The reader of one file: what the JSON line says, then the leaves.
struct Reader {
  Reader(const EqxFile& file, const std::string& where_, const json& pde) : where(where_), leaves(file, where_) {
    channels = whole(pde, "N_CHANNELS", 0, 1, 1024, where);
    order = whole(pde, "ORDER", 1, 1, 8, where);
    layers = whole(pde, "N_LAYERS", 1, 0, 64, where);
    bias = value_or(pde, "USE_BIAS", true, where);
    dx = value_or(pde, "dx", 1.0, where);
    stability = value_or(pde, "STABILITY_FACTOR", 0.01, where);
    try {
      features = feature_count(channels, order);
    } catch (const std::invalid_argument& error) {
      throw DataError(where + ": " + error.what());
    }
  }

  void network(const std::string& name, int out) {
    const auto F = std::size_t(features);
    for (int l = 0; l <= layers; ++l) {
      const auto rows = std::size_t(l < layers ? channels : out);
      const std::string at = name + "." + std::to_string(l);
      params.tensors[at + ".weight"] = leaves.array(at + ".weight", {rows, F, 1, 1}, {rows, F});
      if (bias) params.tensors[at + ".bias"] = leaves.array(at + ".bias", {rows, 1, 1}, {rows});
    }
  }
  void constants() {
    const auto C = std::size_t(channels);
    params.tensors["diffusion.constants"] = leaves.array("diffusion constants", {C, 1, 1}, {C});
  }
  void stencils() {
    leaves.expect("dx", dx);
    for (int k = 0; k < 4; ++k) {
      const Tensor t = leaves.array("stencil", {1, 1, 3, 3}, {3, 3});
      if (k == 0) smoothing = t.as_double()[0] != 0 ? 1 : 0;
    }
  }

  const std::string& where;
  Leaves leaves;
  int channels = 0, order = 1, layers = 1, features = 0, smoothing = 1;
  bool bias = true;
  double dx = 1, stability = 0.01;
  TensorFile params;
};

json solver_json(const json& file, const std::string& where) {
  std::string type = value_or<std::string>(file, "SOLVER", "heun", where);
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  json solver{{"type", type}, {"dt", value_or(file, "dt", 0.1, where)}};
  if (value_or(file, "ADAPTIVE", false, where))
    solver["adaptive"] = {{"rtol", value_or(file, "rtol", 1e-3, where)}, {"atol", value_or(file, "atol", 1e-3, where)}};
  return solver;
}

}  // namespace

bool is_eqx_pde(const EqxFile& file) {
  return file.json && json::accept(*file.json) && json::parse(*file.json).contains("pde");
}

ImportedRda import_eqx_rda(const EqxFile& file, const std::string& where) {
  if (!is_eqx_pde(file)) throw DataError(where + ": its first line names no \"pde\"");
  const json line = json::parse(*file.json);
  const json& pde = line.at("pde");
  if (!pde.is_object() || !pde.contains("N_CHANNELS"))
    throw DataError(where +
                    ": \"pde\" has no N_CHANNELS; only reaction-diffusion-advection models are stored this way");
  const auto given = value_or<std::vector<std::string>>(pde, "TERMS", {"reaction", "advection", "diffusion"}, where);
  const auto has = [&](const char* term) { return std::find(given.begin(), given.end(), term) != given.end(); };
  // The first of each kind that the reference looks for.
  const auto first_of = [&](std::vector<const char*> terms) {
    for (const char* term : terms)
      if (has(term)) return std::string(term);
    return std::string();
  };
  const std::string reaction = first_of({"reaction_split", "reaction_pure"}), advection = first_of({"advection"}),
                    diffusion = first_of({"diffusion_nonlinear", "diffusion_linear", "diffusion"});

  Reader in(file, where, pde);
  if (!advection.empty()) {
    in.network("advection", 2 * in.channels);
    in.leaves.expect("N_CHANNELS", in.channels);
    in.leaves.number("dimensions");
    in.stencils();
    in.leaves.expect("ORDER", in.order);
  }
  if (!reaction.empty()) {
    if (reaction == "reaction_split") {
      in.network("reaction.production", in.channels);
      in.network("reaction.decay", in.channels);
    } else {
      in.network("reaction", in.channels);
    }
    in.leaves.expect("N_CHANNELS", in.channels);
    in.stability = in.leaves.number("STABILITY_FACTOR");
    in.leaves.expect("ORDER", in.order);
  }
  if (!diffusion.empty()) {
    if (diffusion != "diffusion_linear") in.network("diffusion", in.channels);
    if (diffusion != "diffusion_nonlinear") in.constants();
    in.stencils();
    in.leaves.expect("N_CHANNELS", in.channels);
    if (diffusion != "diffusion_linear") in.leaves.expect("ORDER", in.order);
  }
  in.leaves.expect("N_CHANNELS", in.channels);
  in.leaves.expect("N_LAYERS", in.layers);
  in.leaves.expect("ORDER", in.order);

  ImportedRda out;
  json terms = json::array();
  for (const std::string& term : {reaction, advection, diffusion})
    if (!term.empty()) terms.push_back(term);
  std::string padding = value_or<std::string>(pde, "PADDING", "CIRCULAR", where);
  std::transform(padding.begin(), padding.end(), padding.begin(),
                 [](unsigned char c) { return char(std::toupper(c)); });
  out.model = {{"type", "rda"},
               {"channels", in.channels},
               {"padding", padding},
               {"dx", in.dx},
               {"smoothing", in.smoothing},
               {"terms", terms},
               {"activation", value_or<std::string>(pde, "INTERNAL_ACTIVATION", "tanh", where)},
               {"advection_activation", value_or<std::string>(pde, "ADVECTION_OUTER_ACTIVATION", "tanh", where)},
               {"bias", in.bias},
               {"stability", in.stability},
               {"order", in.order},
               {"layers", in.layers},
               {"solver", solver_json(line.value("solver", json::object()), where)}};
  out.params = std::move(in.params);
  return out;
}

}  // namespace mg::pde
