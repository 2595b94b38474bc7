#include "apps/progress.hpp"

#include <cstdio>

#include "apps/logging.hpp"
#include "core/log.hpp"

namespace mg::apps {
namespace {
constexpr double kLivelySeconds = 0.1, kPlainSeconds = 5, kMemory = 0.95;
constexpr int kUncounted = 2;
}  // namespace

std::string clock_text(double seconds) {
  const auto s = (long long)(seconds + 0.5);
  char text[32];
  std::snprintf(text, sizeof text, "%02lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  return text;
}

Progress::Progress(std::int64_t iterations, bool quiet)
    : iterations_(iterations), quiet_(quiet), lively_(lively_terminal()), last_step_(Clock::now()) {}

std::string Progress::line(const train::StepReport& r, double best) const {
  const std::int64_t done = r.iteration + 1;
  char text[200];
  int n = std::snprintf(text, sizeof text, "step %lld/%lld %3d%%  loss %.4g", (long long)done, (long long)iterations_,
                        int(100 * done / iterations_), r.loss);
  if (best < 1e8) n += std::snprintf(text + n, sizeof text - std::size_t(n), "  best %.4g", best);
  n += std::snprintf(text + n, sizeof text - std::size_t(n), "  lr %.3g", r.learning_rate);
  if (step_seconds_ > 0)
    std::snprintf(text + n, sizeof text - std::size_t(n), "  %.3g it/s  ETA %s", 1 / step_seconds_,
                  clock_text(double(iterations_ - done) * step_seconds_).c_str());
  return text;
}

void Progress::update(const train::StepReport& report, double best) {
  const auto now = Clock::now();
  const double took = std::chrono::duration<double>(now - last_step_).count();
  last_step_ = now;
  if (++steps_ > kUncounted) step_seconds_ = step_seconds_ > 0 ? kMemory * step_seconds_ + (1 - kMemory) * took : took;
  if (!report.problem.empty()) {
    finish();
    log::warn("step {}: {}; nothing was changed", report.iteration + 1, report.problem);
  }
  if (quiet_) return;
  const bool last = report.iteration + 1 == iterations_;
  const double since = std::chrono::duration<double>(now - last_line_).count();
  if (!last && since < (lively_ ? kLivelySeconds : kPlainSeconds)) return;
  last_line_ = now;
  if (lively_) {
    std::fprintf(stderr, "\r%s\x1b[K", line(report, best).c_str());
    open_ = true;
  } else {
    log::info("{}", line(report, best));
  }
}

void Progress::finish() {
  if (open_) std::fputc('\n', stderr);
  open_ = false;
}

}  // namespace mg::apps
