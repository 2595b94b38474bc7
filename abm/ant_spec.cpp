#include "abm/ant_spec.hpp"

#include <cmath>
#include <stdexcept>

namespace mg::abm {

AntQuirks AntQuirks::none() {
  AntQuirks q;
  q.mirrored_frame = q.raw_gains = q.shifted_slopes = q.last_deposit_wins = q.drop_outside = false;
  q.raw_diffusion = q.lattice_clip = q.turn_of_first = q.sticky_walls = q.wall_signal = false;
  q.activation = Activation::tanh, q.turn = TurnActivation::tanh;
  return q;
}

void check(const AntSpec& s) {
  const auto require = [](bool fine, const std::string& what) {
    if (!fine) throw std::invalid_argument("ants: " + what);
  };
  require(s.agents >= 1, "at least one agent is needed, got " + std::to_string(s.agents));
  require(s.channels >= 1, "the lattice needs at least one channel, got " + std::to_string(s.channels));
  require(s.dt > 0 && std::isfinite(s.dt), "dt must be positive, got " + std::to_string(s.dt));
  require(s.length_scale >= 1 && 2 * s.length_scale <= kMostAntRadius, "length_scale must be in [1, 4]");
  require(s.blur >= 0 && s.blur <= 64, "gaussian_blur must be in [0, 64]");
  require(s.decay >= 0 && s.decay <= 1, "decay_rate must be in [0, 1]");
}

AntParams ant_params(const AntSpec& s) {
  check(s);
  AntParams p;
  const auto layer = [&](std::vector<AntLayer>& chain, const char* name, int in, int out, bool bias) {
    const std::string full = name + std::string(".") + std::to_string(chain.size());
    AntLayer l{in, out, p.layout.size(), -1};
    p.layout.add(full + ".weight", {out, in});
    if (bias) {
      l.bias = std::ptrdiff_t(p.layout.size());
      p.layout.add(full + ".bias", {out});
    }
    chain.push_back(l);
  };
  const int c = s.channels;
  layer(p.trunk, "trunk", s.features(), c, true);
  layer(p.deposit, "deposit", c, c, true);
  if (s.kind == AntKind::slime) {
    layer(p.velocity, "velocity", c, 2, false);
    return p;
  }
  layer(p.deposit, "deposit", c, c, true);
  for (auto [chain, name] : {std::pair{&p.speed, "speed"}, {&p.turn, "turn"}}) {
    layer(*chain, name, c, c, false);
    layer(*chain, name, c, 1, false);
  }
  return p;
}

}  // namespace mg::abm
