#include "nca/variant_spec.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "core/stencil.hpp"

namespace mg::nca {
namespace {

using std::to_string;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("NCA: " + what); }

std::string prefix(const VariantSpec& spec, int i) {
  return spec.scales.size() > 1 ? "scale" + to_string(i) + "." : "";
}

int sides(const VariantSpec& spec) { return 2 * spec.base.perception.scale + 1; }

/// Appends layers to a chain.
class ChainBuilder {
 public:
  explicit ChainBuilder(int features) : rows_(features) {}
  chain::Layer& dense(int sets, int groups, int in, int out, std::size_t weight, std::size_t bias = chain::kNone) {
    chain::Layer layer;
    layer.kind = chain::Kind::dense;
    layer.sets = sets, layer.groups = groups, layer.in = in, layer.out = out;
    layer.weight = weight, layer.bias = bias;
    return add(layer, sets * groups * in, sets * groups * out);
  }
  void activation(Activation kind, int rows) {
    chain::Layer layer;
    layer.kind = chain::Kind::activation;
    layer.activation = kind;
    add(layer, rows, rows);
  }
  void basis(const BasisRule& rule) {
    chain::Layer layer;
    layer.kind = chain::Kind::basis;
    layer.basis = rule;
    add(layer, rows_, rows_ * rule.terms);
  }
  void attention(const AttentionShape& shape) {
    chain::Layer layer;
    layer.kind = chain::Kind::attention;
    layer.attention = shape;
    const int rows = shape.length * shape.heads;
    add(layer, 3 * rows * shape.head, rows * shape.head + rows);
  }
  const chain::Chain& chain() const { return chain_; }

 private:
  chain::Layer& add(chain::Layer layer, int in, int out) {
    layer.rows_in = in, layer.rows_out = rows_ = out;
    chain_.layer[chain_.layers] = layer;
    return chain_.layer[chain_.layers++];
  }
  chain::Chain chain_;
  int rows_;
};

}  // namespace

int monomials(int n, int order) {
  double total = 0, of_degree = 1;
  for (int p = 1; p <= order; ++p) {
    of_degree = of_degree * (n + p - 1) / p;
    total += of_degree;
  }
  return total > kMaxFeatures ? kMaxFeatures + 1 : int(total + 0.5);
}

int VariantSpec::expanded() const { return monomials(base.channels, order); }

int VariantSpec::bank_kernels() const {
  const PerceptionSpec& p = base.perception;
  if (bank == Bank::learned) return kernels;
  if (bank == Bank::legacy) return int(p.id) + int(p.av) + 2 * int(p.diff) + int(p.lap);
  return int(p.id) + int(p.av) + 2 * wavelets * int(p.diff) + int(p.lap);
}

int VariantSpec::perceived() const {
  return bank == Bank::stencils ? base.perception.features(expanded()) : bank_kernels() * expanded();
}

void check(const VariantSpec& s) {
  NcaSpec base = s.base;
  if (s.bank != Bank::stencils) base.perception.id = true;  // its kernels are counted below
  check(base);
  if (s.base.alive) refuse("alive masking is for nca and gnca");
  if (s.order < 1 || s.order > kMaxOrder) refuse("order " + to_string(s.order) + " outside 1.." + to_string(kMaxOrder));
  if (s.expanded() > kMaxFeatures)
    refuse("order " + to_string(s.order) + " of " + to_string(s.base.channels) + " channels gives more than " +
           to_string(kMaxFeatures) + " polynomial features");
  if (s.bank != Bank::stencils) {
    if (s.bank_kernels() < 1) refuse("it perceives nothing: no kernel is chosen");
    if (s.base.perception.scale > kMaxBankScale)
      refuse("kernels of radius " + to_string(s.base.perception.scale) + ", at most " + to_string(kMaxBankScale));
    if (s.wavelets < 1 || s.wavelets > 4) refuse(to_string(s.wavelets) + " wavelengths outside 1..4");
  }
  if (s.features() > kMaxFeatures) refuse("more than " + to_string(kMaxFeatures) + " features");
  if (s.scales.empty() || s.scales.size() > kMaxScales)
    refuse(to_string(s.scales.size()) + " scales, 1 to " + to_string(kMaxScales) + " are possible");
  for (int scale : s.scales)
    if (scale < 1) refuse("a scale of " + to_string(scale));
  if (s.base.channels % int(s.scales.size()) != 0)
    refuse(to_string(s.base.channels) + " channels cannot be shared among " + to_string(s.scales.size()) + " scales");
  if (s.goals > 0 && s.scales != std::vector<int>{1}) refuse("goal channels need a single scale of 1");
  if (s.goals > 0 && s.base.boundary != Boundary::none) refuse("goal channels and a boundary at once");
  if (s.bounded && (s.observed < 0 || s.observed > s.base.channels))
    refuse(to_string(s.observed) + " observed channels of " + to_string(s.base.channels));
  if (s.update == Update::kan && s.basis.terms < 1) refuse("a basis of " + to_string(s.basis.terms) + " functions");
  if (s.basis.reference && s.basis.kind == Basis::legendre && s.basis.terms > 7)
    refuse("the reference's Legendre polynomials end at 7 terms");
  if (s.update == Update::attention && (s.heads < 1 || s.heads > s.base.channels))
    refuse(to_string(s.heads) + " heads for sequences of " + to_string(s.base.channels) + " channels");
  if (!(s.rate > 0)) refuse("rate " + to_string(s.rate));
}

Layout variant_param_layout(const VariantSpec& spec) {
  Layout layout;
  const int F = spec.features(), O = spec.outputs(), C = spec.base.channels, K = spec.basis.terms;
  const int H = spec.base.hidden > 0 ? spec.base.hidden : F, d = C / spec.heads * spec.heads;
  if (spec.bank == Bank::learned) layout.add("kernels", {spec.kernels, sides(spec), sides(spec)});
  for (int i = 0; i < int(spec.scales.size()); ++i) {
    const std::string p = prefix(spec, i);
    if (spec.update == Update::mlp) {
      layout.add(p + "hidden.weight", {H, F});
      if (spec.base.hidden_bias) layout.add(p + "hidden.bias", {H});
    } else if (spec.update == Update::kan) {
      layout.add(p + "kan0.weight", {F, H, K}).add(p + "kan1.weight", {H, O, K});
      continue;
    } else {
      for (const char* name : {"query_in", "key_in", "value_in"}) layout.add(p + name + ".weight", {C * C, F});
      for (const char* name : {"query_in", "key_in", "value_in"}) layout.add(p + name + ".bias", {C * C});
      for (const char* name : {"query", "key", "value"}) layout.add(p + "attention." + name + ".weight", {d, C});
      layout.add(p + "attention.output.weight", {C, d});
    }
    layout.add(p + "output.weight", {O, spec.update == Update::mlp ? H : C * C});
    if (spec.base.output_bias) layout.add(p + "output.bias", {O});
  }
  return layout;
}

chain::Chain variant_chain(const VariantSpec& spec, const Layout& params, int i) {
  const std::string p = prefix(spec, i);
  const auto at = [&](const char* name) {
    return params.contains(p + name) ? params.at(p + name).offset : chain::kNone;
  };
  const int F = spec.features(), O = spec.outputs(), C = spec.base.channels, K = spec.basis.terms;
  const int H = spec.base.hidden > 0 ? spec.base.hidden : F, head = C / spec.heads, d = head * spec.heads;
  ChainBuilder b(F);
  if (spec.update == Update::kan) {
    b.basis(spec.basis);
    b.dense(1, 1, F * K, H, at("kan0.weight")).terms = K;
    b.basis(spec.basis);
    b.dense(1, 1, H * K, O, at("kan1.weight")).terms = K;
    return b.chain();
  }
  const bool mlp = spec.update == Update::mlp;
  chain::Layer& first = mlp ? b.dense(1, 1, F, H, at("hidden.weight"), at("hidden.bias"))
                            : b.dense(1, 1, F, 3 * C * C, at("query_in.weight"), at("query_in.bias"));
  if (spec.bank == Bank::legacy || spec.bank == Bank::wavelet)
    first.blocks = spec.bank_kernels(), first.spread = spec.perceived();
  if (!mlp) {
    b.dense(3, C, C, d, at("attention.query.weight"));
    b.attention({C, spec.heads, head});
    b.dense(1, C, d, C, at("attention.output.weight"));
  }
  b.activation(spec.base.activation, mlp ? H : C * C);
  b.dense(1, 1, mlp ? H : C * C, O, at("output.weight"), at("output.bias"));
  return b.chain();
}

std::vector<double> bank_taps(const VariantSpec& spec) {
  const PerceptionSpec& p = spec.base.perception;
  const int s = p.scale, side = sides(spec);
  std::vector<double> taps;
  const auto add = [&](const auto& value) {
    for (int a = -s; a <= s; ++a)
      for (int b = -s; b <= s; ++b) taps.push_back(value(a, b));
  };
  if (spec.bank == Bank::legacy) {
    const auto set = make_stencils<double>(p.padding, s, p.smoothing, p.dx, p.original_scaled_kernels);
    const auto stencil = [&](const Taps<double>& t) {
      add([&](int a, int b) { return t[std::size_t((a + s) * side + b + s)]; });
    };
    if (p.id) add([](int a, int b) { return a == 0 && b == 0 ? 1.0 : 0.0; });
    if (p.av) add([&](int, int) { return 1.0 / (side * side); });
    if (p.diff) stencil(set.grad0), stencil(set.grad1);
    if (p.lap) stencil(set.lap);
    return taps;
  }
  const double sigma = s / 2.0, two = 2 * sigma * sigma;
  const auto bell = [&](int a, int b) { return std::exp(-(a * a + b * b) / two); };
  if (p.id) add([](int a, int b) { return a == 0 && b == 0 ? 1.0 : 0.0; });
  double sum = 0;
  for (int a = -s; a <= s; ++a)
    for (int b = -s; b <= s; ++b) sum += bell(a, b);
  if (p.av) add([&](int a, int b) { return bell(a, b) / sum; });
  // The Laplacian of a Gaussian: scaled to unit gain as in core/stencil.hpp, or as the reference has it.
  const bool original = p.original_scaled_kernels;
  double mean = 0, moment = 0;
  const auto raw = [&](int a, int b) {
    const double r2 = (a * a + b * b) / (sigma * sigma);
    return (original ? 4 * r2 - 1 : r2 - 2) * bell(a, b);
  };
  for (int a = -s; a <= s; ++a)
    for (int b = -s; b <= s; ++b) mean += raw(a, b) / (side * side);
  for (int a = -s; a <= s; ++a)
    for (int b = -s; b <= s; ++b)
      moment += original ? std::abs(raw(a, b) - mean) : (raw(a, b) - mean) * (a * a + b * b) / 4;
  for (int k = 0; k < spec.wavelets; ++k) {
    const double length = 8 * 3.141592653589793 / (1 << k);
    const auto wave = [&](int a, int b) { return bell(a, b) * std::sin(2 * 3.141592653589793 * b / length); };
    double norm = 0;
    for (int a = -s; a <= s; ++a)
      for (int b = -s; b <= s; ++b) norm += std::abs(wave(a, b));
    if (p.diff) {
      add([&](int a, int b) { return wave(a, b) / norm; });
      add([&](int a, int b) { return wave(b, a) / norm; });
    }
  }
  if (p.lap) add([&](int a, int b) { return (raw(a, b) - mean) / (moment * p.dx * p.dx); });
  return taps;
}

}  // namespace mg::nca
