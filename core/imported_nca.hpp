#pragma once
#include <string>
#include <vector>

#include "core/safetensors.hpp"

namespace mg {

/// A neural cellular automaton from a file of another project, in the names and the order of this one.
struct ImportedNca {
  std::string format;  ///< "eqx" or "distill"
  int channels = 0, features = 0, hidden = 0;
  bool gated = false;
  double fire_rate = 0.5;
  double dx = 1;                     ///< cell size [length]
  int scale = 1, smoothing = 1;      ///< of the stencils, told from those that the file holds
  std::vector<std::string> kernels;  ///< "ID", "GRAD" ...; empty when the format does not store them: ask the user
  /// "hidden.weight" [hidden, features], "hidden.bias" [hidden] if any, "output.weight" [outputs, hidden],
  /// "output.bias" [outputs]; outputs = channels, or twice that when gated. Feature f = block * channels + channel.
  TensorFile params;

  int blocks() const { return features / channels; }
};

}  // namespace mg
