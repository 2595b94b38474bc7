#pragma once
#include <span>
#include <string>
#include <vector>

#include "pde/neural_rhs.hpp"
#include "pde/rda.hpp"
#include "pde/rdc.hpp"
#include "tests/support/config.hpp"
#include "tests/support/golden.hpp"

namespace mg::test {

/// The configuration of the reference's arguments F(N_CHANNELS, PADDING, ...).
inline nlohmann::json rda_json(const nlohmann::json& p) {
  nlohmann::json c{{"channels", p.at("N_CHANNELS")}, {"padding", p.at("PADDING")}, {"terms", p.at("TERMS")}};
  const auto take = [&](const char* from, const char* to) {
    if (p.contains(from)) c[to] = p.at(from);
  };
  take("dx", "dx"), take("ORDER", "order"), take("N_LAYERS", "layers");
  take("INTERNAL_ACTIVATION", "activation"), take("ADVECTION_OUTER_ACTIVATION", "advection_activation");
  take("USE_BIAS", "bias"), take("STABILITY_FACTOR", "stability");
  take("INIT_SCALE", "init_scale"), take("INIT_TYPE", "init"), take("ZERO_INIT", "zero_init");
  return c;
}
inline nlohmann::json rdc_json(const nlohmann::json& p) {
  const auto name = [&](const char* key) {
    const std::string text = p.at(key);
    return text == "identity" ? "linear" : text;
  };
  return {{"cell_channels", p.at("CELL_CHANNELS")},
          {"signal_channels", p.at("SIGNAL_CHANNELS")},
          {"padding", p.at("PADDING")},
          {"dx", p.at("dx")},
          {"activation", name("INTERNAL_ACTIVATION")},
          {"outer_activation", name("OUTER_ACTIVATION")},
          {"bias", p.at("USE_BIAS")},
          {"stability", p.at("STABILITY_FACTOR")},
          {"init_scale", p.at("INIT_SCALE")}};
}
inline pde::NeuralSpec rda_of(const nlohmann::json& config) {
  return pde::rda_spec(configure(pde::rda_schema(), config.dump()));
}
inline pde::NeuralSpec rdc_of(const nlohmann::json& config) {
  return pde::rdc_spec(configure(pde::rdc_schema(), config.dump()));
}

/// The reference's name of a parameter of ours, e.g. reaction.0.weight -> f_r.layers.0.weight; its layers count the
/// activations between them.
inline std::string reference_name(const std::string& type, const std::string& name) {
  if (name == "diffusion.constants") return "f_d.diffusion_constants";
  if (name == "signal_diffusion.constants") return "signal_diffusion.diffusion_constants.weight";
  const auto kind = name.rfind('.'), layer = name.rfind('.', kind - 1);
  const std::string net = name.substr(0, layer);
  const std::string tail =
      "." + std::to_string(2 * std::stoi(name.substr(layer + 1, kind - layer - 1))) + name.substr(kind);
  const std::vector<std::pair<std::string, std::string>> nets =
      type == "rda"
          ? std::vector<std::pair<std::string, std::string>>{{"reaction", "f_r.layers"},
                                                             {"reaction.production", "f_r.production_layers"},
                                                             {"reaction.decay", "f_r.decay_layers"},
                                                             {"advection", "f_v.layers"},
                                                             {"diffusion", "f_d.layers"}}
          : std::vector<std::pair<std::string, std::string>>{{"motility", "cell_motility.motility_layers"},
                                                             {"chemotaxis", "cell_motility.chemotaxis_layers"},
                                                             {"reaction", "cell_reaction.layers"},
                                                             {"production", "signal_reaction.production_layers"},
                                                             {"decay", "signal_reaction.decay_layers"}};
  for (const auto& [ours, theirs] : nets)
    if (ours == net) return theirs + tail;
  return "?" + name;
}

/// Calls of a right-hand side on any backend with everything in host memory.
template <class T>
class NeuralOn {
 public:
  NeuralOn(const Exec& exec, pde::NeuralSpec spec, Shape shape, const std::vector<double>& params)
      : rhs(std::move(spec)), exec_(exec), shape_(shape), params_(upload(params)) {}

  std::vector<T> slope(const std::vector<double>& x) {
    const Buffer<T> from = upload(x), out(exec_, shape_.size());
    rhs.rhs(context(), view(from), out.data(), {});
    return out.to_vector();
  }
  std::vector<T> adjoint(const std::vector<double>& x, const std::vector<double>& bar, std::vector<T>* params_bar) {
    const Buffer<T> from = upload(x), g = upload(bar), out(exec_, shape_.size());
    Buffer<T> sums(exec_, params_.size());
    sums.zero();
    rhs.rhs_adjoint(context(), view(from), view(g), out.data(), {}, params_bar != nullptr ? sums.data() : nullptr);
    if (params_bar != nullptr) *params_bar = sums.to_vector();
    return out.to_vector();
  }
  std::vector<T> tangent(const std::vector<double>& x, const std::vector<double>& x_dot) {
    const Buffer<T> from = upload(x), dot = upload(x_dot), out(exec_, shape_.size());
    rhs.rhs_tangent(context(), view(from), view(dot), out.data());
    return out.to_vector();
  }
  Buffer<T> upload(const std::vector<double>& v) const {
    Buffer<T> b(exec_, v.size());
    b.upload(std::vector<T>(v.begin(), v.end()));
    return b;
  }
  View<const T> view(const Buffer<T>& b) const { return {b.data(), shape_}; }
  pde::RhsContext<T> context() { return {exec_, 0, params_.data(), {}, &workspace_}; }

  pde::NeuralRhs<T> rhs;

 private:
  Exec exec_;
  Shape shape_;
  Buffer<T> params_;
  Workspace workspace_;
};

}  // namespace mg::test
