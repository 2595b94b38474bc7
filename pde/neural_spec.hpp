#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/layout.hpp"
#include "core/padding.hpp"
#include "pde/net_activation.hpp"
#include "pde/neural_plan.hpp"

namespace mg::pde {

/// How weights are drawn: s N(0, 1); s times the corner of a random rotation; s (0.9 unit matrix + 0.1 N(0, 1)), its columns
/// as they are or permuted.  @source the reference implementation
enum class NetInit { normal, orthogonal, diagonal, permuted };
inline constexpr std::string_view kNetInitNames[] = {"normal", "orthogonal", "diagonal", "permuted"};

/// One per-cell network (see neural::Net) and how it starts.
struct NeuralNet {
  std::string name;  ///< of its parameters: name.0.weight, name.0.bias, ...
  neural::Role role = neural::Role::add;
  int first = 0, out = 1, layers = 1;
  NetActivation inner = NetActivation::tanh, outer = NetActivation::linear;
  bool bias = true;
  double scale = 0.5;
  NetInit init = NetInit::normal;
  bool zero = false;  ///< the last layer starts at 0
  bool tied = false;  ///< of an advection: both components start with equal output weights
};

/// A right-hand side of per-cell networks, 3x3 stencils and linear diffusion; rda.hpp and rdc.hpp make one.
struct NeuralSpec {
  std::string type;
  int channels = 1;
  Padding padding = Padding::circular;
  double dx = 1;
  int smoothing = 1;
  int order = 1;
  double stability = 0.01;
  int cubic = 0, cubic_end = 0;  ///< channels with the term - stability x^3
  std::vector<NeuralNet> nets;
  int linear = 0, linear_end = 0;  ///< channels of linear diffusion
  std::string linear_name;         ///< of its constants
  neural::LinearMap linear_map = neural::LinearMap::none;
  double linear_scale = 0.5;
  bool linear_uniform = false;  ///< constants start as |U(-1, 1)|, else scale N(0, 1)
  int cells = 0, signals = 0;   ///< of chemotaxis
  double relu6_edge = 0;
};

/// Monomials of degree 1 .. order of `in` values.
/// @throws std::invalid_argument for more than 2^20
int feature_count(int in, int order);

/// @throws std::invalid_argument naming what is out of range
void check(const NeuralSpec& spec);

/// name.l.weight [rows, features], name.l.bias [rows] of each network, then the constants of linear diffusion.
Layout neural_param_layout(const NeuralSpec& spec);

void neural_initialise(const NeuralSpec& spec, std::uint64_t seed, std::span<double> params);

/// The networks that begin without a gradient: the last layer at 0 under an output activation that is flat there.
std::vector<std::string> dead_starts(const NeuralSpec& spec);

/// The plan of `spec` on fields (n, channels, h, w), without pointers.
template <class T>
neural::Plan<T> neural_plan(const NeuralSpec& spec, Shape shape);

}  // namespace mg::pde
