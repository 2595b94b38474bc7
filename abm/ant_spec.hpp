#pragma once
#include <array>
#include <string>

#include "abm/agent_cell.hpp"
#include "core/layout.hpp"

namespace mg::abm {

/// The three neural models of the reference implementation. slime: three sensor windows and a velocity; chemotaxis and
/// wavelet: mass and slopes around the agent (3x3 Sobel, or the derivative of a Gaussian), a speed and a turn.
enum class AntKind { slime, chemotaxis, wavelet };

/// What the reference does otherwise than one would expect; true (or the given value) is as the reference has it.
struct AntQuirks {
  bool mirrored_frame = true;  ///< slopes are taken of the transposed block: the heading mirrored in the diagonal
  bool raw_gains = true;       ///< plain sums of a window and unnormalised slopes (8, about 2.3); else means, slope 1
  bool shifted_slopes = true;  ///< with walls the block of the slopes lies (r, r) off and is clamped at the far edges
  bool last_deposit_wins = true;  ///< deposits are set, not added: of all agents on a node the last one counts; relu
  bool drop_outside = true;       ///< beyond walls there is 0 (else mirrored nodes); deposits on index n are lost
  bool raw_diffusion = true;      ///< normal densities that do not sum to 1, and 0 outside, also on a torus
  bool lattice_clip = true;       ///< the lattice is clipped to [0, 1] (not in slime)
  bool turn_of_first = true;      ///< every agent turns by the angle of agent 0
  bool sticky_walls = true;  ///< positions are clipped to [0, n], velocities flip within 1/2 of a wall; else reflection
  bool wall_signal = true;   ///< with walls the last channel is overwritten by a ramp
  Activation activation = Activation::relu;
  TurnActivation turn = TurnActivation::hard_tanh;

  /// None of them: additive deposits, normalised stencils, reflecting walls, tanh.
  static AntQuirks none();
};

/// Agents whose state is a velocity, that stand on the nearest node (half to even): no derivative by positions.
/// @source the reference implementation
struct AntSpec {
  AntKind kind = AntKind::chemotaxis;
  int agents = 1000, channels = 16;
  double dt = 0.1;
  double sensor_angle = 0.6, sensor_length = 3;  ///< of slime
  int length_scale = 2;                          ///< width of the wavelets [nodes]
  int blur = 0;                                  ///< radius of the diffusion stencil; 0: none
  double decay = 0.99;
  bool periodic = true;
  AntQuirks quirks;

  int features() const { return kind == AntKind::slime ? 3 * channels : 3 * channels + 2; }
  int radius() const { return kind == AntKind::wavelet ? 2 * length_scale : 1; }
};
inline constexpr int kMostAntRadius = 8, kMostAntTaps = (2 * kMostAntRadius + 1) * (2 * kMostAntRadius + 1);
inline constexpr int kWallWidth = 20;  ///< of the ramp that marks the walls [nodes]

/// @throws std::invalid_argument naming the field and what it may be
void check(const AntSpec& spec);

/// Where the networks lie in the flat parameters: weight [out][in], bias -1 = none.
struct AntLayer {
  int in = 0, out = 0;
  std::size_t weight = 0;
  std::ptrdiff_t bias = -1;
};
struct AntParams {
  Layout layout;  ///< "trunk.0.weight", "deposit.0.weight", "speed.0.weight", "turn.0.weight", "velocity.0.weight", ...
  std::vector<AntLayer> trunk, deposit, speed, turn, velocity;
};
AntParams ant_params(const AntSpec& spec);

}  // namespace mg::abm
