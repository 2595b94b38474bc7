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
Session<T>::Session(Trainer<T>& trainer, const Layout& param_layout, SessionPlace place, SessionOptions options,
                    SessionHooks hooks)
    : trainer_(trainer), layout_(param_layout), place_(place), options_(std::move(options)), hooks_(std::move(hooks)) {
  if (place_.comm != nullptr && place_.comm->size() == 1) place_.comm = nullptr;
  trainer_.save(initial_);
}

/// What rank 0 has, on all ranks.
template <class T>
std::optional<TensorFile> Session<T>::shared(std::optional<TensorFile> state) const {
  if (place_.comm == nullptr) return state;
  std::string bytes = state ? safetensors_bytes(*state) : std::string();
  place_.comm->broadcast(bytes);
  if (root() || bytes.empty()) return state;
  return parse_safetensors(bytes, "the checkpoint that rank 0 sent");
}

template <class T>
void Session<T>::status(const char* state, int code, const char* reason) const {
  if (root()) place_.run->status(state, code, trainer_.iteration(), options_.iterations, reason);
}

template <class T>
std::int64_t Session<T>::resume(const Checkpoint* from) {
  std::optional<Checkpoint> latest;
  if (root() && from == nullptr && (latest = place_.store->load_latest())) {
    from = &*latest;
    saved_at_ = from->step;
  }
  std::vector<std::string> changes;
  if (from != nullptr)
    changes = require_same_fingerprint(from->fingerprint, options_.fingerprint, options_.allow_change);
  if (const auto state = shared(from != nullptr ? std::optional(from->state) : std::nullopt)) {
    try {
      trainer_.restore(*state);
    } catch (const DataError& error) {
      throw CheckpointError(std::string("the checkpoint belongs to another optimiser or augmenter: ") + error.what());
    }
    for (const auto& change : changes) log::warn("going on with a change: {}", change);
    rollbacks_ = trainer_.stream();
    initial_ = {};
    trainer_.save(initial_);
  }
  if (root()) {
    place_.run->confirm();
    seconds_ = place_.run->rewind_metrics(trainer_.iteration());
  }
  return trainer_.iteration();
}

template <class T>
void Session<T>::save() {
  if (!root() || saved_at_ == trainer_.iteration()) return;
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
  place_.store->write(c);
  saved_at_ = c.step;
}

template <class T>
void Session<T>::record(const StepReport& r) {
  if (!root()) return;
  nlohmann::json line{{"step", r.iteration + 1}, {"loss", r.loss},   {"lr", r.learning_rate},
                      {"seconds", seconds_},     {"total", r.total}, {"gradient_norm", r.gradient_norm},
                      {"accepted", r.accepted},  {"best", r.best}};
  for (std::size_t k = 1; k < r.terms.size(); ++k) line[r.terms[k].first] = r.terms[k].second;
  if (!r.problem.empty()) line["problem"] = r.problem;
  place_.run->append_metrics(line);
}

template <class T>
void Session<T>::roll_back(const StepReport& r) {
  if (++rollbacks_ > options_.rollbacks)
    throw DivergedError("iteration " + std::to_string(r.iteration) + ": " + r.problem + ", and " +
                        std::to_string(options_.rollbacks) + " rollbacks are spent; lower the learning rate");
  std::optional<TensorFile> latest;
  if (root())
    if (const auto checkpoint = place_.store->load_latest()) latest = checkpoint->state;
  latest = shared(latest);
  trainer_.restore(latest ? *latest : initial_);
  trainer_.retry(rollbacks_, options_.rollback_rate);
  if (root()) place_.run->rewind_metrics(trainer_.iteration());
  saved_at_ = -1;
  if (!root()) return;
  log::warn("iteration {}: {}; back to iteration {} with {} of the learning rate (rollback {} of {})", r.iteration,
            r.problem, trainer_.iteration(), trainer_.rate_scale(), rollbacks_, options_.rollbacks);
}

template <class T>
SessionEnd Session<T>::run() {
  const auto start = Clock::now();
  auto heartbeat = start;
  const double earlier = seconds_;
  const bool alone = place_.comm == nullptr;
  const auto late = [&] { return options_.max_seconds > 0 && since(start) > options_.max_seconds; };
  status("running", 0, "");
  while (trainer_.iteration() < options_.iterations) {
    trainer_.vote_stop(!alone && stop_wanted(late()));
    const StepReport report = trainer_.step();
    seconds_ = earlier + since(start);
    record(report);
    if (hooks_.progress) hooks_.progress(report, seconds_);
    if (!report.problem.empty() && trainer_.options().on_divergence == OnDivergence::rollback) roll_back(report);
    if (options_.checkpoint_every > 0 && trainer_.iteration() % options_.checkpoint_every == 0) save();
    if (since(heartbeat) > 10) {
      heartbeat = Clock::now();
      status("running", 0, "");
    }
    const bool stop = alone ? stop_wanted(late()) : report.stop_votes > 0;
    if (trainer_.iteration() < options_.iterations && stop) {
      save();
      status("stopped", int(ExitCode::stopped_early), late() ? "time limit" : "signal");
      return SessionEnd::stopped;
    }
  }
  save();
  return SessionEnd::finished;
}

template class Session<float>;
template class Session<double>;

}  // namespace mg::train
