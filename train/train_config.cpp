#include "train/train_config.hpp"

#include <cmath>

namespace mg::train {

Schema train_schema() {
  const TrainerOptions d;
  const SessionOptions s;
  return Schema("train", "The training loop")
      .integer("iterations", s.iterations, {1, std::int64_t(1) << 40}, "updates of the parameters")
      .integer("warmup", d.warmup, {0, std::int64_t(1) << 40},
               "iterations that are always accepted, and during which no best model is kept")
      .choice("accept", "margin", {"margin", "always"},
              "which iterations hand their final states on: those whose total is below the best plus accept_margin, or "
              "all; a refused one is tried again with other random numbers")
      .number("accept_margin", d.accept_margin, {}, "how much worse than the best an accepted total may be")
      .choice(
          "best_params", "post", {"post", "pre"},
          "parameters kept as the best: after the update that followed the best loss, or those it was measured with")
      .number("loss_threshold", d.loss_threshold, {0, std::numeric_limits<double>::infinity(), true, false},
              "a larger total counts as diverged")
      .choice("on_nan", "stop", {"stop", "skip", "rollback"},
              "when a loss, gradient or state is not finite: stop with exit code 6, skip the update, or go back to the "
              "last checkpoint with a lower learning rate")
      .object("compat",
              Schema("compat", "As the reference implementation has it")
                  .boolean("nan_loss_is_zero", d.nan_loss_is_zero,
                           "an iteration is judged by its total alone, where a prediction that is NaN counts as 0: it "
                           "can become the best model"),
              "compatibility")
      .integer("max_skips", d.max_skips, {0, 1000000}, "skipped iterations in a row before giving up")
      .integer("rollbacks", s.rollbacks, {0, 1000}, "rollbacks before giving up")
      .number("rollback_rate", s.rollback_rate, {0, 1, true, false}, "factor on the learning rate at every rollback")
      .number("max_seconds", s.max_seconds, {0, 1e9},
              "stop with a checkpoint and exit code 75 after so long; 0 = never")
      .choice("memory", "auto", {"auto", "store_all", "sqrt", "revolve"},
              "which states of a rollout are kept for its adjoint; the others are computed again")
      .number("memory_budget", 0, {0, 1e9},
              "for those states [MiB]; 0 = 80 % of the free memory for auto, else no limit")
      .integer("memory_slots", 0, {0, 1000000}, "states that revolve keeps; 0 = as many as fit");
}

Schema checkpoint_schema() {
  return Schema("checkpoint", "What a run keeps to go on from")
      .integer("every", SessionOptions().checkpoint_every, {0, std::int64_t(1) << 40},
               "iterations between checkpoints; 0 = only at the end or when stopped")
      .integer("keep_last", 2, {1, 100000}, "newest checkpoints that stay")
      .boolean("fsync", true, "wait until checkpoints are on the disk");
}

TrainerOptions trainer_options(const Config& c) {
  TrainerOptions o;
  o.warmup = c.get<std::int64_t>("warmup");
  o.accept_margin = c.get<double>("accept_margin");
  o.accept_always = c.get<std::string>("accept") == "always";
  o.best_after_update = c.get<std::string>("best_params") == "post";
  o.loss_threshold = c.get<double>("loss_threshold");
  const auto policy = c.get<std::string>("on_nan");
  o.on_divergence = policy == "stop"   ? OnDivergence::stop
                    : policy == "skip" ? OnDivergence::skip
                                       : OnDivergence::rollback;
  o.nan_loss_is_zero = c.at("compat").get<bool>("nan_loss_is_zero");
  o.max_skips = c.get<int>("max_skips");
  o.memory = c.get<std::string>("memory");
  o.memory_budget = std::size_t(std::ceil(c.get<double>("memory_budget") * (1 << 20)));
  o.memory_slots = c.get<int>("memory_slots");
  return o;
}

SessionOptions session_options(const Config& train, const Config& checkpoint) {
  SessionOptions o;
  o.iterations = train.get<std::int64_t>("iterations");
  o.checkpoint_every = checkpoint.get<std::int64_t>("every");
  o.rollbacks = train.get<int>("rollbacks");
  o.rollback_rate = train.get<double>("rollback_rate");
  o.max_seconds = train.get<double>("max_seconds");
  return o;
}

}  // namespace mg::train
