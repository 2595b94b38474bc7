#pragma once
#include <cstdint>
#include <vector>

#include "abm/assignment_cell.hpp"
#include "abm/line_operator.hpp"
#include "core/activation.hpp"
#include "core/layout.hpp"

namespace mg::abm {

/// What an agent feels. gradient: the lattice under it and its slopes ahead and to the left. sensors: the lattice at
/// the tips of its sensor arms.
enum class Sensing { gradient, sensors };
enum class DepositActivation { linear, softplus };
enum class TurnActivation { tanh, hard_tanh };
/// Of the lattice after deposits: identity, P / sqrt(1 + P^2), log(1 + e^P).
enum class FieldActivation { identity, soft_saturation, softplus };

/// Everything that defines a model of agents over a lattice, except the values of its parameters.
struct AgentSpec {
  std::vector<int> species = {1000};  ///< agents of each; species k owns the next species[k] agents and its own policy
  int channels = 1;                   ///< C of the lattice
  double dt = 1;                      ///< [model time]
  Assignment assignment = Assignment::tsc;
  Domain domain = Domain::periodic;
  Sensing sensing = Sensing::gradient;
  double derivative_sigma = 0;    ///< width of the derivative stencil [nodes]; 0: Sobel / 8
  bool absolute_heading = false;  ///< the heading is a feature too: breaks the symmetry under rotations
  double sensor_length = 3;       ///< initial length of the arms [nodes]
  std::vector<double> sensor_angles = {0, 0.6, -0.6};  ///< initial angles to the heading [rad]
  std::vector<int> hidden = {16};                      ///< widths of the trunk
  std::vector<int> head_hidden = {16};                 ///< widths inside each of the three heads
  Activation activation = Activation::tanh;
  DepositActivation deposit = DepositActivation::linear;
  TurnActivation turn = TurnActivation::tanh;
  double max_speed = 1, max_turn = 1;  ///< [nodes / time], [rad / time]
  bool renormalise = true;             ///< the heading back to length 1 at every step
  FieldActivation field = FieldActivation::identity;
  int blur_radius = 1;
  double blur_sigma = 1;
  double decay = 0.96, blend = 0.1;  ///< initial lambda and kappa of every channel, inside (0, 1)
  bool noise = false;
  double rotation_noise = 0.1, translation_noise = 0.05;  ///< initial D_R [rad^2 / time], D_T [nodes^2 / time]

  int agents() const;
  int features() const;  ///< inputs of the policy
  int points() const { return sensing == Sensing::sensors ? int(sensor_angles.size()) : 1; }
};

/// @throws std::invalid_argument naming the field and what it may be
void check(const AgentSpec& spec);

/// One affine layer of a policy: `weight` [out][in] and `bias` [out] at these offsets of the species' parameters.
struct DenseLayer {
  int in = 0, out = 0;
  std::size_t weight = 0;
  std::ptrdiff_t bias = -1;  ///< -1: none
};

/// Where everything of one species and of the field lies in the flat parameter buffer.
struct AgentParams {
  Layout layout;
  std::vector<DenseLayer> trunk, deposit, speed, turn;    ///< offsets from the start of a species
  std::size_t policy_size = 0;                            ///< parameters of one species
  std::size_t sensor_length = 0, sensor_angles = 0;       ///< offsets in a species; of Sensing::sensors
  std::size_t decay = 0, blend = 0;                       ///< [C] logits of lambda and kappa
  std::size_t rotation_noise = 0, translation_noise = 0;  ///< logarithms of D_R and D_T; with noise only
};
/// Names: "speciesK.trunk.L.weight" ... "speciesK.sensor.angles", "field.decay", "field.blend", "noise.rotation".
AgentParams agent_params(const AgentSpec& spec);

}  // namespace mg::abm
