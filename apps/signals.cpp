#include "apps/signals.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <initializer_list>

namespace mg::apps {
namespace {

volatile std::sig_atomic_t requested = 0;

bool scheduled = false;  // by Slurm, who warns twice: by the signal asked for and by SIGTERM

void on_signal(int number) {
  if (requested != 0 && (number == SIGINT || !scheduled)) ::_exit(128 + number);
  requested = number;
}

}  // namespace

void watch_signals() {
  requested = 0;
  scheduled = std::getenv("SLURM_JOB_ID") != nullptr;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (int number : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) sigaction(number, &action, nullptr);
  std::signal(SIGCONT, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool stop_requested() { return requested != 0; }

}  // namespace mg::apps
