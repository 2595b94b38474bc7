#include "pde/neural_spec.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "core/philox.hpp"
#include "core/stencil.hpp"

namespace mg::pde {
namespace {

using neural::Role;

/// Random numbers of one block of parameters.
class Draw {
 public:
  Draw(std::uint64_t seed, std::size_t block) : stream_{seed, RandomPurpose::init, 0, std::uint32_t(block)} {}
  std::vector<double> normals(std::size_t count) {
    std::vector<double> out(count);
    for (std::size_t i = 0; i < count; i += 4) {
      const Philox4 words = stream_.words(site_++);
      double four[4];
      normal2(words.v[0], words.v[1], four);
      normal2(words.v[2], words.v[3], four + 2);
      for (std::size_t j = i; j < std::min(count, i + 4); ++j) out[j] = four[j - i];
    }
    return out;
  }
  std::uint32_t word() { return stream_.words(site_++).v[0]; }

 private:
  RandomStream stream_;
  std::uint32_t site_ = 0;
};

/// A rotation from the Haar measure: Gram-Schmidt, twice for accuracy, on the columns of a normal matrix.
std::vector<double> random_rotation(Draw& draw, int n) {
  std::vector<double> q = draw.normals(std::size_t(n) * n);  // row j is the j-th vector
  for (int j = 0; j < n; ++j) {
    double* v = q.data() + std::size_t(j) * n;
    for (int pass = 0; pass < 2; ++pass)
      for (int i = 0; i < j; ++i) {
        const double* u = q.data() + std::size_t(i) * n;
        const double along = std::inner_product(v, v + n, u, 0.0);
        for (int k = 0; k < n; ++k) v[k] -= along * u[k];
      }
    const double norm = std::sqrt(std::inner_product(v, v + n, v, 0.0));
    for (int k = 0; k < n; ++k) v[k] /= norm;
  }
  return q;
}

void draw_weight(NetInit init, double scale, int rows, int columns, Draw draw, double* out) {
  const std::size_t size = std::size_t(rows) * columns;
  if (init == NetInit::orthogonal) {
    const int n = std::max(rows, columns);
    const auto q = random_rotation(draw, n);
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j) out[std::size_t(i) * columns + j] = scale * q[std::size_t(j) * n + i];
    return;
  }
  const auto noise = draw.normals(size);
  if (init == NetInit::normal) {
    for (std::size_t i = 0; i < size; ++i) out[i] = scale * noise[i];
    return;
  }
  std::vector<int> column(columns);
  std::iota(column.begin(), column.end(), 0);
  if (init == NetInit::permuted)
    for (int j = columns - 1; j > 0; --j)
      std::swap(column[j], column[uniform_below(draw.word(), std::uint32_t(j + 1))]);
  for (std::size_t i = 0; i < size; ++i) out[i] = scale * 0.1 * noise[i];
  for (int j = 0; j < columns; ++j)
    if (column[j] < rows) out[std::size_t(column[j]) * columns + j] += scale * 0.9;
}

}  // namespace

int feature_count(int in, int order) {
  double sum = 0, count = 1;
  for (int p = 1; p <= order; ++p) sum += count = count * (in + p - 1) / p;
  if (!(sum <= 1 << 20))
    throw std::invalid_argument(std::to_string(in) + " channels have too many monomials of order " +
                                std::to_string(order));
  return int(sum + 0.5);
}

void check(const NeuralSpec& s) {
  const auto refuse = [&](const std::string& what) { throw std::invalid_argument(s.type + ": " + what); };
  if (s.channels < 1) refuse(std::to_string(s.channels) + " channels");
  if (s.order < 1) refuse("features of order " + std::to_string(s.order));
  if (!(s.dx > 0 && std::isfinite(s.dx))) refuse("a cell size of " + std::to_string(s.dx));
  if (s.nets.size() > std::size_t(neural::kMostNets)) refuse("too many networks");
  if (s.nets.empty() && s.linear == s.linear_end) refuse("no term is chosen");
  feature_count(s.channels, s.order);
  for (const NeuralNet& net : s.nets)
    if (net.layers < 0 || net.out < 1) refuse(net.name + " has no outputs or a negative number of layers");
}

Layout neural_param_layout(const NeuralSpec& s) {
  Layout layout;
  const int features = feature_count(s.channels, s.order);
  for (const NeuralNet& net : s.nets)
    for (int l = 0; l <= net.layers; ++l) {
      const int rows = l < net.layers ? s.channels : net.out;
      const std::string name = net.name + "." + std::to_string(l);
      layout.add(name + ".weight", {rows, features});
      if (net.bias) layout.add(name + ".bias", {rows});
    }
  if (s.linear < s.linear_end) layout.add(s.linear_name, {s.linear_end - s.linear});
  return layout;
}

void neural_initialise(const NeuralSpec& s, std::uint64_t seed, std::span<double> params) {
  const Layout layout = neural_param_layout(s);
  std::size_t index = 0;
  const auto next = [&] { return layout.blocks()[index].offset; };
  for (const NeuralNet& net : s.nets)
    for (int l = 0; l <= net.layers; ++l) {
      const Block& weight = layout.blocks()[index];
      double* w = params.data() + next();
      draw_weight(net.init, net.scale, weight.dims[0], weight.dims[1], Draw(seed, index), w);
      if (l == net.layers && net.tied) std::copy_n(w, weight.size / 2, w + weight.size / 2);
      const bool zero = l == net.layers && net.zero;
      if (zero) std::fill_n(w, weight.size, 0.0);
      ++index;
      if (!net.bias) continue;
      const auto noise = Draw(seed, index).normals(layout.blocks()[index].size);
      for (std::size_t i = 0; i < noise.size(); ++i) params[next() + i] = zero ? 0 : net.scale * noise[i];
      ++index;
    }
  if (s.linear == s.linear_end) return;
  Draw draw(seed, index);
  const auto noise = draw.normals(layout.blocks()[index].size);
  for (std::size_t i = 0; i < noise.size(); ++i)
    params[next() + i] =
        s.linear_uniform ? std::abs(2 * uniform01<double>(draw.word()) - 1) : s.linear_scale * noise[i];
}

std::vector<std::string> dead_starts(const NeuralSpec& s) {
  std::vector<std::string> names;
  for (const NeuralNet& net : s.nets)
    if (net.zero && (net.outer == NetActivation::relu || (net.outer == NetActivation::relu6 && s.relu6_edge == 0)))
      names.push_back(net.name);
  return names;
}

template <class T>
neural::Plan<T> neural_plan(const NeuralSpec& s, Shape shape) {
  neural::Plan<T> p{};
  p.n = shape.n, p.C = s.channels, p.h = shape.h, p.w = shape.w;
  p.nets = int(s.nets.size());
  p.diffusion = p.chemotaxis = -1;
  const int features = feature_count(s.channels, s.order);
  std::size_t at = 0;
  // The planes of an advection come first, whatever the order of the networks.
  for (const NeuralNet& net : s.nets)
    if (net.role == Role::advection) p.advection = p.planes = net.out;
  for (int i = 0; i < p.nets; ++i) {
    const NeuralNet& from = s.nets[i];
    neural::Net& net = p.net[i];
    net = {from.role,       from.first,      -1,        s.channels, from.out, s.order, from.layers, features,
           int(from.inner), int(from.outer), from.bias, at};
    at += (std::size_t(features) + from.bias) * (std::size_t(s.channels) * from.layers + from.out);
    if (from.role == Role::advection) net.plane = 0;
    if (from.role == Role::diffusion || from.role == Role::chemotaxis) {
      (from.role == Role::diffusion ? p.diffusion : p.chemotaxis) = i;
      net.plane = p.planes;
      p.planes += from.out;
    }
  }
  p.cells = s.cells, p.signals = s.signals;
  p.linear = s.linear, p.linear_end = s.linear_end, p.linear_at = at, p.linear_map = int(s.linear_map);
  p.params_count = at + std::size_t(s.linear_end - s.linear);
  p.stability = T(s.stability), p.cubic = s.cubic, p.cubic_end = s.cubic_end;
  p.relu6_edge = T(s.relu6_edge);
  const auto set = make_stencils<T>(s.padding, 1, s.smoothing, s.dx);
  p.taps = {set.grad0[2], set.grad0[5], set.lap[0], set.lap[1], set.lap[4]};
  p.left = padded_index(s.padding, -1, shape.w), p.right = padded_index(s.padding, shape.w, shape.w);
  return p;
}
template neural::Plan<float> neural_plan(const NeuralSpec&, Shape);
template neural::Plan<double> neural_plan(const NeuralSpec&, Shape);

}  // namespace mg::pde
