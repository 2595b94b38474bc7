#pragma once
namespace mg::apps {

/// Status lines go to stderr: "morphogen: text", warnings and errors with their level; colour only on a terminal and
/// without NO_COLOR. `quiet` keeps warnings and errors, `verbose` adds details.
void configure_logging(bool quiet, bool verbose);

/// Whether stderr is a terminal that wants colour and animation (NO_COLOR and TERM=dumb say no).
bool lively_terminal();

}  // namespace mg::apps
