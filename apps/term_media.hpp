#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "train/augmenter.hpp"

namespace mg::apps {

/// One term of a learned right-hand side on a field.
struct LearnedTerm {
  std::string name;
  std::vector<double>
      slope;  // (channels, h, w): what the whole right-hand side loses when the term's parameters are off
};

/// The terms of an "rda" or "rdc" model at a state (channels, h, w), named as their parameters are: reaction, advection,
/// diffusion; or motility, chemotaxis, reaction, production, decay, signal_diffusion. A term is off when its weights are
/// 0, and its diffusion constants where their map is 0; terms whose output activation does not vanish at 0 are left out.
/// Empty for other models.
std::vector<LearnedTerm> learned_terms(const Config& model, const std::vector<double>& params, Grid grid,
                                       const std::vector<double>& state);

/// Draws them for the last frame of the data, one column a term and one row a channel; nothing for other models.
void write_term_media(const std::filesystem::path& file, const Config& model, const std::vector<double>& params,
                      const train::Trajectory& data);

}  // namespace mg::apps
