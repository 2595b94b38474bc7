#pragma once
#include <memory>
#include <span>

#include "pde/medium.hpp"
#include "pde/parameter.hpp"

namespace mg::pde {

/// What a model of one or two stages (pde/model_cell.hpp) says about itself.
struct StencilModelInfo {
  std::string_view name;
  std::vector<std::string_view> fields;  ///< intermediate ones last
  int intermediates;
  std::vector<Parameter> parameters;
};
/// hillen_painter, keller_segel, cahn_hilliard, swift_hohenberg, kuramoto_sivashinsky
const std::vector<StencilModelInfo>& stencil_models();

/// @param values  initial values of the parameters
/// @param linear_diffusion  of hillen_painter: D L c instead of N(D c, c)
template <class T>
std::unique_ptr<Rhs<T>> make_stencil_model(int model, const GridSpec& grid, std::vector<double> values,
                                           bool linear_diffusion = false);

/// cahn_hilliard with the scaled stencils of the reference implementation; values gamma, D.
template <class T>
std::unique_ptr<Rhs<T>> make_scaled_cahn_hilliard(const GridSpec& grid, std::vector<double> values);

}  // namespace mg::pde
