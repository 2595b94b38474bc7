#include "apps/sweep_points.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/philox.hpp"

namespace mg::apps {
namespace {

constexpr std::int64_t kMostPoints = 1000000;

Schema axis(const char* doc) {
  return Schema("axis", doc)
      .text("path", std::nullopt, "key, as for --set")
      .list("values", element::text(), std::nullopt, "its values, as for --set", 1);
}

std::string assignment(const Config& axis, std::size_t k) {
  return axis.get<std::string>("path") + "=" + axis.json().at("values").at(k).get<std::string>();
}

std::string drawn(const Config& axis, const Philox4& words) {
  const double low = axis.get<double>("low"), high = axis.get<double>("high"), u = uniform01<double>(words.v[0]);
  if (!(low < high)) axis.fail("high", "must be above low");
  double value = low + u * (high - low);
  if (axis.get<bool>("log")) {
    if (!(low > 0)) axis.fail("low", "must be above 0 on a logarithmic axis");
    value = low * std::pow(high / low, u);
  }
  char text[40];
  if (axis.get<bool>("integer"))
    std::snprintf(text, sizeof text, "%lld", static_cast<long long>(std::floor(value)));
  else
    std::snprintf(text, sizeof text, "%.9g", value);
  return axis.get<std::string>("path") + "=" + text;
}

}  // namespace

Variants sweep_variants() {
  return {{"product", Schema("product", "Every combination; the last axis varies fastest")
                          .list("axes", element::object(axis("one dimension")), std::nullopt, "the dimensions", 1)},
          {"zip", Schema("zip", "First values together, then second values, ...")
                      .list("axes", element::object(axis("one key")), std::nullopt, "keys of equally many values", 1)},
          {"list", Schema("list", "Points written out")
                       .list("points", element::list(element::text()), std::nullopt,
                             "for every point its overrides \"path=value\"", 1)},
          {"random", Schema("random", "Random points, the same for the same seed")
                         .integer("count", std::nullopt, {1, kMostPoints}, "number of points")
                         .integer("seed", 0, {0, std::numeric_limits<std::int64_t>::max()}, "key of the draws")
                         .list("axes",
                               element::object(Schema("range", "one key")
                                                   .text("path", std::nullopt, "key, as for --set")
                                                   .number("low", std::nullopt, {}, "smallest value")
                                                   .number("high", std::nullopt, {}, "largest value")
                                                   .boolean("log", false, "uniform in the logarithm")
                                                   .boolean("integer", false, "rounded down")),
                               std::nullopt, "ranges", 1)}};
}

std::int64_t sweep_size(const Config& s) {
  if (s.type() == "random") return s.get<std::int64_t>("count");
  if (s.type() == "list") return std::int64_t(s.json().at("points").size());
  const auto axes = s.list("axes");
  std::int64_t size = s.type() == "zip" ? std::int64_t(axes.front().json().at("values").size()) : 1;
  for (const Config& a : axes) {
    const auto n = std::int64_t(a.json().at("values").size());
    if (s.type() == "zip") {
      if (size != n) a.fail("values", "needs as many values as the first axis");
    } else if ((size *= n) > kMostPoints) {
      s.fail("axes", "more than " + std::to_string(kMostPoints) + " points");
    }
  }
  return size;
}

std::vector<std::string> sweep_point(const Config& s, std::int64_t index) {
  const std::int64_t size = sweep_size(s);
  if (index < 0 || index >= size)
    s.fail("", "has points 0 to " + std::to_string(size - 1) + ", not " + std::to_string(index));
  std::vector<std::string> point;
  if (s.type() == "list") {
    for (const auto& one : s.json().at("points").at(std::size_t(index))) point.push_back(one.get<std::string>());
    return point;
  }
  const auto axes = s.list("axes");
  std::int64_t stride = size;  // points between two values of an axis
  for (std::size_t a = 0; a < axes.size(); ++a) {
    if (s.type() == "random") {
      const RandomStream stream{std::uint64_t(s.get<std::int64_t>("seed")), RandomPurpose::noise, std::uint32_t(index),
                                0, std::uint32_t(a)};
      point.push_back(drawn(axes[a], stream.words(0)));
      continue;
    }
    const auto n = std::int64_t(axes[a].json().at("values").size());
    stride = std::max<std::int64_t>(stride / n, 1);
    point.push_back(assignment(axes[a], std::size_t(s.type() == "zip" ? index : index / stride % n)));
  }
  return point;
}

std::vector<std::int64_t> worker_points(std::int64_t points, std::int64_t worker, std::int64_t workers) {
  std::vector<std::int64_t> mine;
  for (std::int64_t k = worker; k < points; k += workers) mine.push_back(k);
  return mine;
}

std::string point_name(std::int64_t index) {
  char text[24];
  std::snprintf(text, sizeof text, "%04lld", static_cast<long long>(index));
  return text;
}

}  // namespace mg::apps
