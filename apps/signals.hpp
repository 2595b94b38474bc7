#pragma once

namespace mg::apps {

/// From here on SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 ask for an orderly stop; a second one ends the process at once with
/// 128 + its number; in a job of Slurm, which sends several, only SIGINT does. SIGCONT, which schedulers send along with a warning, is ignored. SIGXFSZ is ignored, too: a file
/// that grows too large is an error of the write.
void watch_signals();
/// Whether a stop was asked for.
bool stop_requested();

}  // namespace mg::apps
