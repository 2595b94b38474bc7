#include "pde/stepping.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mg::pde {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

[[noreturn]] void too_many(double n, const Stepping& stepping) {
  char text[160];
  std::snprintf(text, sizeof text, "time grid: %.0f steps of dt = %g, but max_steps is %lld", n, stepping.dt,
                stepping.max_steps);
  throw std::invalid_argument(text);
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

/// Ends of the steps in the time type Time, as the rules of the reference make them.
template <class Time>
std::vector<double> ends_of(const Stepping& stepping, double from, double to) {
  const Time t0 = Time(from), t1 = Time(to), dt = Time(stepping.dt);
  std::vector<double> ends;
  if (stepping.rule == GridRule::diffrax_072) {
    const double n = std::ceil((t1 - t0) / std::nextafter(dt, std::numeric_limits<Time>::infinity()));
    if (n > double(stepping.max_steps)) too_many(n, stepping);
    for (Time k = 1; k < Time(n); ++k) ends.push_back(k == 1 ? t0 + dt : t0 + (t1 - t0) * (k / Time(n)));
    ends.push_back(t1);
    return ends;
  }
  const Time tolerance = sizeof(Time) == 4 ? Time(1e-6) : Time(1e-10);
  for (Time t = t0, end = std::min(t0 + dt, t1); t < t1;) {
    if (double(ends.size()) >= double(stepping.max_steps)) too_many(std::ceil((to - from) / stepping.dt), stepping);
    ends.push_back(end);
    t = std::min(end, t1);
    const Time after = end + dt;
    if (after == end)
      throw std::invalid_argument("time grid: dt = " + number(stepping.dt) + " is lost in t = " + number(end));
    end = after > t1 - tolerance ? t1 : after;
  }
  return ends;
}

void add_ends(TimeGrid& grid, double t0, const std::vector<double>& ends) {
  for (const double end : ends) {
    grid.steps.push_back({t0, end - t0});
    t0 = end;
  }
}

/// n steps of one length; of a span that is a whole number of dt, of dt itself.
void add_equal(TimeGrid& grid, const Stepping& stepping, double t0, double t1) {
  const double ratio = (t1 - t0) / stepping.dt, whole = std::round(ratio);
  const double n = std::max(1., std::abs(ratio - whole) <= 1e-9 * whole ? whole : std::ceil(ratio));
  if (n + double(grid.steps.size()) > double(stepping.max_steps)) too_many(n + double(grid.steps.size()), stepping);
  const double h = (t1 - t0) / n;
  for (double k = 0; k < n; ++k) grid.steps.push_back({t0 + k * h, h});
}

void add_prescribed(TimeGrid& grid, const Stepping& stepping, double t0, double t1) {
  const auto& times = stepping.times;
  const double slack = 1e-9 * std::max(std::abs(t0), std::abs(t1));
  if (times.size() < 2 || std::abs(times.front() - t0) > slack || times.back() < t1 - slack)
    throw std::invalid_argument("time grid: the prescribed times do not reach from " + number(t0) + " to " +
                                number(t1));
  for (std::size_t k = 0; k + 1 < times.size() && times[k] < t1 - slack; ++k) {
    if (!(times[k + 1] > times[k]))
      throw std::invalid_argument("time grid: the prescribed times do not grow at " + number(times[k + 1]));
    grid.steps.push_back({times[k], times[k + 1] - times[k]});
  }
}

}  // namespace

void check_saves(double t0, std::span<const double> saves) {
  double previous = t0;
  for (const double time : saves) {
    if (!std::isfinite(time)) throw std::invalid_argument("save times: " + number(time) + " is not finite");
    if (time < previous)
      throw std::invalid_argument("save times: " + number(time) + " comes after " + number(previous));
    previous = time;
  }
  if (saves.empty() || !(saves.back() > t0))
    throw std::invalid_argument("save times: none is later than the start at " + number(t0));
}

void place_saves(TimeGrid& grid, std::span<const double> saves, bool ends_exact) {
  const double t0 = grid.steps.front().t;
  std::size_t k = 0;
  for (const double time : saves) {
    if (time <= t0) {
      grid.saves.push_back({-1, 1, true});
      continue;
    }
    const auto rounding = [&] { return 1e-13 * std::max(std::abs(t0), std::abs(time)) + 1e-12 * grid.steps[k].h; };
    while (k + 1 < grid.steps.size() && time > grid.steps[k].t + grid.steps[k].h + rounding()) ++k;
    const TimeStep& step = grid.steps[k];
    double theta = std::clamp((time - step.t) / step.h, 0., 1.);
    if (std::abs(time - (step.t + step.h)) <= rounding()) theta = 1;
    grid.saves.push_back({int(k), theta, ends_exact && theta == 1});
  }
}

TimeGrid fixed_grid(const Stepping& stepping, double t0, std::span<const double> saves, bool ends_exact) {
  check_saves(t0, saves);
  TimeGrid grid;
  const double t1 = saves.back();
  const auto fill = [&](double from, double to) {
    switch (stepping.rule) {
      case GridRule::equal:
        return add_equal(grid, stepping, from, to);
      case GridRule::prescribed:
        return add_prescribed(grid, stepping, from, to);
      default:
        return add_ends(
            grid, from,
            stepping.float32_times ? ends_of<float>(stepping, from, to) : ends_of<double>(stepping, from, to));
    }
  };
  if (!stepping.step_to_saves) {
    fill(t0, t1);
  } else {
    double from = t0;
    for (const double time : saves) {
      if (time > from) fill(from, time);
      from = time;
    }
  }
  if (double(grid.steps.size()) > double(stepping.max_steps)) too_many(double(grid.steps.size()), stepping);
  place_saves(grid, saves, ends_exact || stepping.step_to_saves);
  return grid;
}

namespace {

Schema control_schema() {
  return Schema(
             "adaptive",
             "Step size control: a step is accepted when E, the norm of the estimated error over atol + rtol |x|, is "
             "below 1; the next is longer by clip(safety r^((i+p+d)/q) r1^(-(p+2d)/q) r2^(d/q), ..) with r = 1/E now "
             "and after the last two accepted steps, q the order.")
      .number("rtol", 1e-3, {0, 1}, "relative tolerance")
      .number("atol", 1e-3, {0, kInfinity}, "absolute tolerance")
      .list("channel_atol", element::number({0, kInfinity}), nlohmann::json::array(),
            "absolute tolerance of every channel, instead of atol", 0, 64)
      .choice("norm", "rms", {"rms", "max"}, "of the error over all cells and channels")
      .number("pcoeff", 0.0, {-10, 10}, "proportional coefficient p")
      .number("icoeff", 1.0, {-10, 10}, "integral coefficient i")
      .number("dcoeff", 0.0, {-10, 10}, "derivative coefficient d")
      .number("safety", 0.9, {0, 1, true, false}, "factor on every proposed step")
      .number("factormin", 0.2, {0, 1, true, false}, "least factor after a rejected step")
      .number("factormax", 10.0, {1, kInfinity}, "largest factor after an accepted step")
      .number("dtmin", 0.0, {0, kInfinity}, "shortest step, 0 = no bound")
      .number("dtmax", 0.0, {0, kInfinity}, "longest step, 0 = no bound")
      .boolean("force_dtmin", true, "accept steps of dtmin whatever their error, instead of stopping");
}

StepControl step_control(const Config& config) {
  StepControl c;
  c.rtol = config.get<double>("rtol");
  c.atol = config.get<double>("atol");
  c.channel_atol = config.get<std::vector<double>>("channel_atol");
  double least = c.channel_atol.empty() ? c.atol : kInfinity;
  for (const double atol : c.channel_atol) least = std::min(least, atol);
  if (least == 0 && c.rtol == 0) config.fail("rtol", "rtol and atol are both 0: no step could be accepted");
  c.norm = config.get<std::string>("norm") == "max" ? ErrorNorm::max : ErrorNorm::rms;
  c.pcoeff = config.get<double>("pcoeff");
  c.icoeff = config.get<double>("icoeff");
  c.dcoeff = config.get<double>("dcoeff");
  if (!(c.pcoeff + c.icoeff + c.dcoeff > 0)) config.fail("icoeff", "pcoeff + icoeff + dcoeff must be positive");
  c.safety = config.get<double>("safety");
  c.factormin = config.get<double>("factormin");
  c.factormax = config.get<double>("factormax");
  c.dtmin = config.get<double>("dtmin");
  c.dtmax = config.get<double>("dtmax");
  c.force_dtmin = config.get<bool>("force_dtmin");
  if (c.dtmax > 0 && c.dtmin > c.dtmax) config.fail("dtmin", "must not be larger than dtmax");
  return c;
}

}  // namespace

Schema& step_keys(Schema& schema, bool can_adapt) {
  schema.number("dt", 0.1, {0, kInfinity},
                can_adapt ? "step; with adaptive the first one, 0 = estimated [model time]" : "step [model time]");
  if (can_adapt) schema.object("adaptive", control_schema(), "step size control; null = fixed steps").nullable();
  return schema
      .choice("time_grid", "equal", {"equal", "diffrax_072", "accumulate", "prescribed"},
              "fixed steps: all equal; as diffrax 0.7.2 has them; t + dt summed up as diffrax 0.6 has it; or `times`")
      .choice("time_dtype", "float64", {"float64", "float32"}, "precision of the times of the diffrax grids")
      .list("times", element::number({}), nlohmann::json::array(), "start and step ends of a prescribed grid", 0,
            1 << 24)
      .choice("saves", "interpolate", {"interpolate", "step_to"},
              "states wanted between steps are interpolated, or steps end on their times")
      .integer("max_steps", 1000000, {1, 1LL << 40}, "steps, tried ones included, before giving up")
      .choice("stability", "warn", {"off", "warn", "error"}, "when fixed steps look too long for the equation");
}

Stepping stepping(const Config& config) {
  Stepping s;
  s.dt = config.get<double>("dt");
  s.adaptive = config.json().contains("adaptive") && config.has("adaptive");
  if (s.adaptive) s.control = step_control(config.at("adaptive"));
  const auto rule = config.get<std::string>("time_grid");
  s.rule = rule == "equal"         ? GridRule::equal
           : rule == "diffrax_072" ? GridRule::diffrax_072
           : rule == "accumulate"  ? GridRule::accumulate
                                   : GridRule::prescribed;
  s.float32_times = config.get<std::string>("time_dtype") == "float32";
  s.times = config.get<std::vector<double>>("times");
  s.step_to_saves = config.get<std::string>("saves") == "step_to";
  s.max_steps = config.get<long long>("max_steps");
  const auto advice = config.get<std::string>("stability");
  s.stability = advice == "off"    ? Stepping::Advice::off
                : advice == "warn" ? Stepping::Advice::warn
                                   : Stepping::Advice::error;
  const bool prescribed = s.rule == GridRule::prescribed;
  if (s.dt == 0 && !s.adaptive && !prescribed) config.fail("dt", "fixed steps need a positive dt");
  if (prescribed && s.adaptive) config.fail("time_grid", "an adaptive solver makes its own grid");
  if (prescribed && s.step_to_saves) config.fail("saves", "a prescribed grid cannot step to the save times");
  if (prescribed && s.times.size() < 2) config.fail("times", "a prescribed grid needs its times");
  for (std::size_t k = 1; k < s.times.size(); ++k)
    if (!(s.times[k] > s.times[k - 1])) config.fail("times", "must grow; element " + std::to_string(k) + " does not");
  return s;
}

}  // namespace mg::pde
