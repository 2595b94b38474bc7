#include "abm/ant_senses.hpp"

#include <algorithm>
#include <cmath>

namespace mg::abm {

int ant_node(const AntSpec& spec, int h, int w, int i, int j) {
  if (!spec.periodic && spec.quirks.drop_outside) return i >= 0 && i < h && j >= 0 && j < w ? i * w + j : -1;
  const Domain domain = spec.periodic ? Domain::periodic : Domain::mirror;
  return wrapped_node(domain, i, h) * w + wrapped_node(domain, j, w);
}

template <class T>
void AntSenses<T>::window(int k, const AntSpec& spec, int h, int w, int row, int column, int radius) {
  int t = 0;
  for (int a = -radius; a <= radius; ++a)
    for (int b = -radius; b <= radius; ++b) node[k][t++] = ant_node(spec, h, w, row + a, column + b);
}

template <class T>
void AntSenses<T>::shifted_window(int k, int h, int w, int row, int column, int radius) {
  int t = 0;
  for (int a = 0; a <= 2 * radius; ++a)
    for (int b = 0; b <= 2 * radius; ++b) {
      const int i = std::clamp(row + a, 0, h - 1), j = std::clamp(column + b, 0, w - 1);
      const bool inside = i == row + a && j == column + b;
      node[k][t++] = inside ? i * w + j : -2 - (i * w + j);
    }
}

/// Weights of the two slopes, ahead and to the left. With the mirrored frame tap (a, b) gets the weight of (b, a).
template <class T>
void AntSenses<T>::slopes(const AntSpec& spec) {
  const int r = spec.radius(), side = 2 * r + 1;
  const bool wavelet = spec.kind == AntKind::wavelet;
  const T sigma = T(spec.length_scale);
  for (int k = 1; k <= 2; ++k) {
    T norm = 0, norm_by_angle = 0, gain = 0;
    for (int a = -r; a <= r; ++a)
      for (int b = -r; b <= r; ++b) {
        const T ahead = T(a) * cosine + T(b) * sine, left = -T(a) * sine + T(b) * cosine;
        T value, by_angle;  // of (a, b) in the frame of the heading; d ahead / d angle = left, d left = -ahead
        if (wavelet) {
          constexpr double kFrequency = 2 * 3.141592653589793 / 10000;
          const T envelope = std::exp(-(ahead * ahead + left * left) / (2 * sigma * sigma));
          const T s = k == 1 ? ahead : left, ds = k == 1 ? left : -ahead;
          value = envelope * std::sin(T(kFrequency) * s);
          by_angle = envelope * std::cos(T(kFrequency) * s) * T(kFrequency) * ds;
        } else {
          const T down = T(a * (2 - std::abs(b))), right = T(b * (2 - std::abs(a)));
          value = k == 1 ? cosine * down + sine * right : cosine * right - sine * down;
          by_angle = k == 1 ? cosine * right - sine * down : -sine * right - cosine * down;
        }
        const std::size_t t =
            spec.quirks.mirrored_frame ? std::size_t((b + r) * side + a + r) : std::size_t((a + r) * side + b + r);
        weight[k][t] = value, weight_by_angle[k][t] = by_angle;
        norm += std::abs(value);
        norm_by_angle += value > 0 ? by_angle : value < 0 ? -by_angle : T(0);
        gain += value * (k == 1 ? ahead : left);  // response to unit slope in that direction
      }
    for (int t = 0; t < taps; ++t) {
      if (!spec.quirks.raw_gains) {  // the gain does not depend on the angle, up to the frequency's fourth power
        weight[k][t] /= gain, weight_by_angle[k][t] /= gain;
      } else if (wavelet) {
        weight_by_angle[k][t] = (weight_by_angle[k][t] - weight[k][t] * norm_by_angle / norm) / norm;
        weight[k][t] /= norm;
      }
    }
  }
}

template <class T>
AntSenses<T>::AntSenses(const AntSpec& spec, int h, int w, const T* x, const T* v) {
  const T angle = std::atan2(v[1], v[0]);
  cosine = std::cos(angle), sine = std::sin(angle);
  const int r = spec.radius();
  taps = (2 * r + 1) * (2 * r + 1);
  turns = spec.kind != AntKind::slime;
  const T mass = spec.quirks.raw_gains ? T(1) : 1 / T(taps);
  for (int k = 0; k < 3; ++k) {
    std::fill_n(weight[k], taps, mass);
    std::fill_n(weight_by_angle[k], taps, T(0));
  }
  if (!turns) {
    const double angles[3] = {0, spec.sensor_angle, -spec.sensor_angle};
    for (int k = 0; k < 3; ++k) {
      const T phi = angle + T(angles[k]);
      window(k, spec, h, w, nearest_index(x[0] + T(spec.sensor_length) * std::cos(phi)),
             nearest_index(x[1] + T(spec.sensor_length) * std::sin(phi)), r);
    }
    return;
  }
  const int row = nearest_index(x[0]), column = nearest_index(x[1]);
  const bool shifted = !spec.periodic && spec.quirks.shifted_slopes;
  for (int k = 0; k < 3; ++k) {
    if (k > 0 && shifted)
      shifted_window(k, h, w, row, column, r);
    else
      window(k, spec, h, w, row, column, r);
  }
  slopes(spec);
}

template struct AntSenses<float>;
template struct AntSenses<double>;

}  // namespace mg::abm
