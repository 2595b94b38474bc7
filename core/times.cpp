#include "core/times.hpp"

#include <cmath>

namespace mg {

namespace {

constexpr NumberRange kTime{-1e15, 1e15};
constexpr std::int64_t kMostTimes = 1000000;

std::vector<double> linspace(const Config& config) {
  const auto from = config.get<double>("from"), to = config.get<double>("to");
  const auto count = config.get<int>("count");
  if (!(to > from)) config.fail("to", "the last time must be after the first");
  std::vector<double> times;
  for (int k = 0; k < count; ++k) times.push_back(k + 1 == count ? to : from + (to - from) * k / (count - 1));
  return times;
}

std::vector<double> every(const Config& config) {
  const auto from = config.get<double>("from"), to = config.get<double>("to"), step = config.get<double>("step");
  if (!(to > from)) config.fail("to", "the last time must be after the first");
  const double parts = (to - from) / step;
  if (parts > double(kMostTimes)) config.fail("step", "more than a million times");
  std::vector<double> times;
  for (int k = 0; k < parts * (1 - 1e-12); ++k) times.push_back(from + k * step);
  times.push_back(to);
  return times;
}

std::vector<double> listed(const Config& config) {
  auto times = config.get<std::vector<double>>("values");
  for (std::size_t k = 1; k < times.size(); ++k)
    if (!(times[k] > times[k - 1]))
      config.fail("values", "times must increase, but " + std::to_string(times[k]) + " (number " + std::to_string(k) +
                                ") follows " + std::to_string(times[k - 1]));
  return times;
}

}  // namespace

Variants times_variants() {
  return {{"linspace", Schema("linspace", "Evenly spread times, both ends included")
                           .number("from", 0, kTime, "first time [model time]")
                           .number("to", std::nullopt, kTime, "last time [model time]")
                           .integer("count", 100, {2, kMostTimes}, "how many")},
          {"every", Schema("every", "Times in steps from the first on, and the last")
                        .number("from", 0, kTime, "first time [model time]")
                        .number("to", std::nullopt, kTime, "last time [model time]")
                        .number("step", std::nullopt, {.min = 0, .min_exclusive = true}, "between times [model time]")},
          {"list", Schema("list", "Times one by one")
                       .list("values", element::number(kTime), std::nullopt, "times, increasing [model time]", 2,
                             std::size_t(kMostTimes))}};
}

std::vector<double> read_times(const Config& config) {
  const std::string type = config.type();
  return type == "linspace" ? linspace(config) : type == "every" ? every(config) : listed(config);
}

}  // namespace mg
