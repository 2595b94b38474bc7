#include "train/schedule.hpp"

namespace mg::train {
namespace {

constexpr NumberRange kRate{0, 1e6, false, false};
constexpr IntegerRange kSteps{1, 1000000000000};

Variants plain_variants() {
  const Schema boundary = Schema("boundary", "From one update on, the rate is scaled")
                              .integer("from", std::nullopt, kSteps, "first update with the new rate")
                              .number("scale", std::nullopt, kRate, "factor");
  return {
      {"constant", Schema("constant", "The same rate all the time").number("value", 1e-3, kRate, "learning rate")},
      {"exponential", Schema("exponential", "initial rate^(k / steps)")
                          .number("initial", 1e-3, kRate, "rate of the first update")
                          .integer("steps", std::nullopt, kSteps, "updates over which the rate falls by `rate`")
                          .number("rate", 0.99, {0, 1, true, false}, "factor per `steps` updates")
                          .boolean("staircase", false, "fall once per `steps` updates instead of continuously")
                          .boolean("float32", false, "evaluate in single precision, as optax does")},
      {"piecewise", Schema("piecewise", "A rate scaled at given updates")
                        .number("initial", 1e-3, kRate, "rate of the first update")
                        .list("boundaries", element::object(boundary), std::nullopt, "in increasing order", 1,
                              Schedule::kMaxBoundaries)},
      {"cosine", Schema("cosine", "Half a cosine from `initial` to `last`")
                     .number("initial", 1e-3, kRate, "rate of the first update")
                     .number("last", 0.0, kRate, "rate after `steps` updates and from then on")
                     .integer("steps", std::nullopt, kSteps, "length")},
      {"linear", Schema("linear", "A straight line from `initial` to `last`")
                     .number("initial", 1e-3, kRate, "rate of the first update")
                     .number("last", 0.0, kRate, "rate after `steps` updates and from then on")
                     .integer("steps", std::nullopt, kSteps, "length")},
  };
}

}  // namespace

Variants schedule_variants() {
  Variants all = plain_variants();
  all.emplace_back("warmup", Schema("warmup", "A straight line up to the first rate of another schedule")
                                 .integer("steps", std::nullopt, kSteps, "updates before the other schedule starts")
                                 .number("start", 0.0, kRate, "rate of the first update")
                                 .variant("then", plain_variants(), std::nullopt, "schedule after the warm-up")
                                 .number_form("constant", "value"));
  return all;
}

Schedule make_schedule(const Config& config) {
  const std::string type = config.type();
  if (type == "warmup") {
    Schedule s = make_schedule(config.at("then"));
    s.warmup = double(config.get<long long>("steps"));
    s.warmup_start = config.get<double>("start");
    return s;
  }
  Schedule s;
  s.initial = config.get<double>(type == "constant" ? "value" : "initial");
  if (type == "exponential") {
    s.kind = Schedule::Kind::exponential;
    s.rate = config.get<double>("rate");
    s.staircase = config.get<bool>("staircase");
    s.float32 = config.get<bool>("float32");
  } else if (type == "piecewise") {
    s.kind = Schedule::Kind::piecewise;
    for (const Config& piece : config.list("boundaries")) {
      s.boundary[s.boundaries] = double(piece.get<long long>("from"));
      s.scale[s.boundaries] = piece.get<double>("scale");
      if (s.boundaries > 0 && s.boundary[s.boundaries] <= s.boundary[s.boundaries - 1])
        piece.fail("from", "must be larger than that of the boundary before");
      ++s.boundaries;
    }
  } else if (type == "cosine" || type == "linear") {
    s.kind = type == "cosine" ? Schedule::Kind::cosine : Schedule::Kind::linear;
    s.last = config.get<double>("last");
  }
  if (config.has("steps")) s.steps = double(config.get<long long>("steps"));
  return s;
}

}  // namespace mg::train
