#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "abm/ant_spec.hpp"
#include "core/activation.hpp"

namespace mg::abm {

/// The network of one agent and its adjoint.
///   h = act(W z + b), deposit = linear (tanh in slime), speed = logistic, turn = hard tanh or tanh, velocity = tanh
template <class T>
class AntMind {
 public:
  AntMind(const AntSpec& spec, const AntParams& where, const T* params) : spec_(spec), where_(where), params_(params) {
    deposit.resize(std::size_t(spec.channels));
  }

  /// @param z  [features]
  void think(const T* z) {
    z_ = z;
    const T* h = run(where_.trunk, true, z, trunk_);
    const bool slime = spec_.kind == AntKind::slime;
    const T* d = run(where_.deposit, false, h, deposit_);
    for (std::size_t c = 0; c < deposit.size(); ++c) deposit[c] = slime ? std::tanh(d[c]) : d[c];
    if (slime) {
      const T* v = run(where_.velocity, false, h, velocity_);
      velocity = {{std::tanh(v[0]), std::tanh(v[1])}};
      return;
    }
    speed = logistic(run(where_.speed, false, h, speed_)[0]);
    raw_turn_ = run(where_.turn, false, h, turn_)[0];
    turn = turn_value(spec_.quirks.turn, raw_turn_);
  }

  /// Adjoint of the last think().
  /// @param z_bar  [features] overwritten   @param params_bar  accumulated
  void adjoint(const T* deposit_bar, T speed_bar, T turn_bar, Vec2<T> velocity_bar, T* z_bar, T* params_bar) {
    const bool slime = spec_.kind == AntKind::slime;
    h_bar_.assign(std::size_t(spec_.channels), T(0));
    std::vector<T> bar(deposit.size());
    for (std::size_t c = 0; c < deposit.size(); ++c)
      bar[c] = slime ? deposit_bar[c] * (1 - deposit[c] * deposit[c]) : deposit_bar[c];
    back(where_.deposit, false, hidden(), deposit_, bar, h_bar_.data(), params_bar);
    if (slime) {
      for (int k = 0; k < 2; ++k) velocity_bar[k] *= 1 - velocity[k] * velocity[k];
      back(where_.velocity, false, hidden(), velocity_, {velocity_bar[0], velocity_bar[1]}, h_bar_.data(), params_bar);
    } else {
      back(where_.speed, false, hidden(), speed_, {speed_bar * speed * (1 - speed)}, h_bar_.data(), params_bar);
      back(where_.turn, false, hidden(), turn_, {turn_bar * turn_slope(spec_.quirks.turn, raw_turn_)}, h_bar_.data(),
           params_bar);
    }
    std::fill_n(z_bar, spec_.features(), T(0));
    back(where_.trunk, true, z_, trunk_, h_bar_, z_bar, params_bar);
  }

  std::vector<T> deposit;  // [C] per unit of time
  T speed = 0, turn = 0;
  Vec2<T> velocity{};

 private:
  /// Of one chain: values before and after the activation of every layer.
  struct Tape {
    std::vector<std::vector<T>> raw, out;
  };
  const T* hidden() const { return trunk_.out.back().data(); }

  const T* run(const std::vector<AntLayer>& layers, bool activate_last, const T* in, Tape& tape) const {
    tape.raw.resize(layers.size()), tape.out.resize(layers.size());
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const AntLayer& layer = layers[l];
      tape.raw[l].resize(std::size_t(layer.out)), tape.out[l].resize(std::size_t(layer.out));
      for (int o = 0; o < layer.out; ++o) {
        T sum = layer.bias >= 0 ? params_[layer.bias + o] : T(0);
        const T* w = params_ + layer.weight + std::size_t(o) * std::size_t(layer.in);
        for (int i = 0; i < layer.in; ++i) sum += w[i] * in[i];
        tape.raw[l][std::size_t(o)] = sum;
        const bool active = activate_last || l + 1 < layers.size();
        tape.out[l][std::size_t(o)] = active ? activate(spec_.quirks.activation, sum) : sum;
      }
      in = tape.out[l].data();
    }
    return in;
  }
  void back(const std::vector<AntLayer>& layers, bool activate_last, const T* in, const Tape& tape, std::vector<T> bar,
            T* in_bar, T* params_bar) const {
    for (std::size_t l = layers.size(); l-- > 0;) {
      const AntLayer& layer = layers[l];
      const T* x = l > 0 ? tape.out[l - 1].data() : in;
      std::vector<T> below(l > 0 ? std::size_t(layer.in) : 0);
      T* x_bar = l > 0 ? below.data() : in_bar;
      for (int o = 0; o < layer.out; ++o) {
        T b = bar[std::size_t(o)];
        if (activate_last || l + 1 < layers.size())
          b *= activate_derivative(spec_.quirks.activation, tape.raw[l][std::size_t(o)]);
        const std::size_t row = layer.weight + std::size_t(o) * std::size_t(layer.in);
        for (int i = 0; i < layer.in; ++i) {
          params_bar[row + std::size_t(i)] += b * x[i];
          x_bar[i] += b * params_[row + std::size_t(i)];
        }
        if (layer.bias >= 0) params_bar[layer.bias + o] += b;
      }
      bar = std::move(below);
    }
  }

  const AntSpec& spec_;
  const AntParams& where_;
  const T* params_;
  const T* z_ = nullptr;
  Tape trunk_, deposit_, speed_, turn_, velocity_;
  T raw_turn_ = 0;
  std::vector<T> h_bar_;
};

}  // namespace mg::abm
