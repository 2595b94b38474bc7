#pragma once
#include <cmath>

#include "core/config.hpp"
#include "core/macros.hpp"
#include "core/schema.hpp"

namespace mg::train {

/// Learning rate as a function of the number k = 0, 1, ... of updates made so far. Plain data, so that a device
/// evaluates it beside the counter it depends on.
///   constant     initial
///   exponential  initial rate^(k / steps), k / steps rounded down with `staircase`
///   piecewise    initial times the scales of all boundaries <= k
///   cosine       last + (initial - last) (1 + cos(pi min(k, steps) / steps)) / 2
///   linear       initial + (last - initial) min(k, steps) / steps
/// Before that, for k < warmup, a straight line from warmup_start to the first value; the rest then counts from warmup.
/// @source the schedules of optax
struct Schedule {
  enum class Kind { constant, exponential, piecewise, cosine, linear };
  static constexpr int kMaxBoundaries = 32;

  Kind kind = Kind::constant;
  double initial = 1e-3, last = 0;
  double steps = 1, rate = 1;
  bool staircase = false;
  bool float32 =
      false;  ///< evaluate an exponential schedule in single precision, as optax does whatever the parameters
  int boundaries = 0;
  double boundary[kMaxBoundaries] = {}, scale[kMaxBoundaries] = {};
  double warmup = 0, warmup_start = 0;

  MG_HD double at(long long k) const {
    const double n = double(k);
    if (n >= warmup) return plain(n - warmup);
    return warmup_start + (plain(0) - warmup_start) * (n / warmup);
  }

 private:
  MG_HD double plain(double k) const {
    const double part = k < steps ? k / steps : 1;
    switch (kind) {
      case Kind::constant:
        return initial;
      case Kind::exponential: {
        if (float32) {
          float p = float(k) / float(steps);
          if (staircase) p = floorf(p);
          return double(float(initial) * float(pow(double(float(rate)), double(p))));
        }
        return initial * pow(rate, staircase ? floor(k / steps) : k / steps);
      }
      case Kind::piecewise: {
        double value = initial;
        for (int i = 0; i < boundaries; ++i) value *= k >= boundary[i] ? scale[i] : 1;
        return value;
      }
      case Kind::cosine:
        return last + (initial - last) * 0.5 * (1 + cos(3.141592653589793 * part));
      case Kind::linear:
        return initial + (last - initial) * part;
    }
    return initial;
  }
};

/// The kinds a configuration can name; a bare number stands for a constant rate.
Variants schedule_variants();
/// @throws ConfigError on boundaries that do not increase
Schedule make_schedule(const Config& config);

}  // namespace mg::train
