#pragma once
#include <memory>

#include "pde/flux_cell.hpp"
#include "pde/medium.hpp"
#include "pde/parameter.hpp"

namespace mg::pde {

/// The models that have a conservative form (pde/flux_cell.hpp).
enum class FluxModelKind { keller_segel, hillen_painter, advection_diffusion };

/// A model in conservative form: finite volumes, five-point diffusion, transport from upwind with a limiter. The sums of
/// the fields change by the reactions alone where padding is CIRCULAR or REPLICATE. Host only: a device gets DeviceError.
/// @param name, parameters  what the model is called and has; parameters in the order of the flux
/// @throws std::invalid_argument for stencils of scale 2 and more, and trainable boundary values
template <class T>
std::unique_ptr<Rhs<T>> make_flux_model(FluxModelKind kind, std::string_view name,
                                        std::span<const Parameter> parameters, const GridSpec& grid, Limiter limiter,
                                        std::vector<double> values, bool linear_diffusion = false);

}  // namespace mg::pde
