#include "train/session.hpp"

#include <chrono>

#include "core/error.hpp"
#include "core/log.hpp"
#include "train/model_file.hpp"

namespace mg::train {
namespace {
using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }
}  // namespace

template <class T>
Session<T>::Session(Trainer<T>& trainer, const Layout& param_layout, RunDirectory& run, CheckpointStore& store,
                    SessionOptions options, SessionHooks hooks)
    : trainer_(trainer),
      layout_(param_layout),
      run_(run),
      store_(store),
      options_(std::move(options)),
      hooks_(std::move(hooks)) {
  trainer_.save(initial_);
}

template <class T>
std::int64_t Session<T>::resume(const Checkpoint* from) {
  std::optional<Checkpoint> latest;
  if (from == nullptr && (latest = store_.load_latest())) {
    from = &*latest;
    saved_at_ = from->step;
  }
  if (from != nullptr) {
    const auto changes = require_same_fingerprint(from->fingerprint, options_.fingerprint, options_.allow_change);
    try {
      trainer_.restore(from->state);
    } catch (const DataError& error) {
      throw CheckpointError(std::string("the checkpoint belongs to another optimiser or augmenter: ") + error.what());
    }
    for (const auto& change : changes) log::warn("going on with a change: {}", change);
    rollbacks_ = trainer_.stream();
    initial_ = {};
    trainer_.save(initial_);
  }
  run_.confirm();
  seconds_ = run_.rewind_metrics(trainer_.iteration());
  return trainer_.iteration();
}

template <class T>
void Session<T>::save() {
  if (saved_at_ == trainer_.iteration()) return;
  Checkpoint c;
  c.step = trainer_.iteration();
  c.model = model_file(layout_, trainer_.params(), options_.model_json);
  if (trainer_.has_best()) {
    c.best = model_file(layout_, trainer_.best_params(), options_.model_json);
    c.best_step = trainer_.best_iteration() + 1;
    c.best_loss = trainer_.best();
  }
  trainer_.save(c.state);
  c.fingerprint = options_.fingerprint;
  store_.write(c);
  saved_at_ = c.step;
}

template <class T>
void Session<T>::record(const StepReport& r) {
  nlohmann::json line{{"step", r.iteration + 1}, {"loss", r.loss},   {"lr", r.learning_rate},
                      {"seconds", seconds_},     {"total", r.total}, {"gradient_norm", r.gradient_norm},
                      {"accepted", r.accepted},  {"best", r.best}};
  for (std::size_t k = 1; k < r.terms.size(); ++k) line[r.terms[k].first] = r.terms[k].second;
  if (!r.problem.empty()) line["problem"] = r.problem;
  run_.append_metrics(line);
}

template <class T>
void Session<T>::roll_back(const StepReport& r) {
  if (++rollbacks_ > options_.rollbacks)
    throw DivergedError("iteration " + std::to_string(r.iteration) + ": " + r.problem + ", and " +
                        std::to_string(options_.rollbacks) + " rollbacks are spent; lower the learning rate");
  const auto latest = store_.load_latest();
  trainer_.restore(latest ? latest->state : initial_);
  trainer_.retry(rollbacks_, options_.rollback_rate);
  run_.rewind_metrics(trainer_.iteration());
  saved_at_ = -1;
  log::warn("iteration {}: {}; back to iteration {} with {} of the learning rate (rollback {} of {})", r.iteration,
            r.problem, trainer_.iteration(), trainer_.rate_scale(), rollbacks_, options_.rollbacks);
}

template <class T>
SessionEnd Session<T>::run() {
  const auto start = Clock::now();
  auto heartbeat = start;
  const double earlier = seconds_;
  run_.status("running", 0, trainer_.iteration(), options_.iterations, "");
  while (trainer_.iteration() < options_.iterations) {
    const StepReport report = trainer_.step();
    seconds_ = earlier + since(start);
    record(report);
    if (hooks_.progress) hooks_.progress(report, seconds_);
    if (!report.problem.empty() && trainer_.options().on_divergence == OnDivergence::rollback) roll_back(report);
    if (options_.checkpoint_every > 0 && trainer_.iteration() % options_.checkpoint_every == 0) save();
    if (since(heartbeat) > 10) {
      heartbeat = Clock::now();
      run_.status("running", 0, trainer_.iteration(), options_.iterations, "");
    }
    const bool late = options_.max_seconds > 0 && since(start) > options_.max_seconds;
    if (trainer_.iteration() < options_.iterations && (late || (hooks_.stop && hooks_.stop()))) {
      save();
      run_.status("stopped", int(ExitCode::stopped_early), trainer_.iteration(), options_.iterations,
                  late ? "time limit" : "signal");
      return SessionEnd::stopped;
    }
  }
  save();
  return SessionEnd::finished;
}

template class Session<float>;
template class Session<double>;

}  // namespace mg::train
