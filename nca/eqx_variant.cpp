#include "nca/eqx_variant.hpp"

#include <cmath>

#include "core/error.hpp"
#include "nca/variant_spec.hpp"

namespace mg::nca {
namespace {

using Shape4 = std::vector<std::size_t>;

bool is_scalar(const Tensor& t) { return t.shape.empty(); }
bool is_flag(const Tensor& t) { return t.shape.empty() && t.dtype == "BOOL"; }
bool is_matrix(const Tensor& t, std::size_t rank) { return t.shape.size() == rank && t.dtype[0] == 'F'; }

/// Reads leaves one after another.
class Leaves {
 public:
  Leaves(const EqxFile& file, const std::string& where) : file_(file), where_(where) {}
  [[noreturn]] void fail(const std::string& why) const {
    throw DataError(where_ + ": leaf " + std::to_string(at_ - 1) + ": " + why);
  }
  double number(const char* name) {
    const Tensor& t = next(name);
    if (!is_scalar(t)) fail(std::string(name) + " is no number");
    return t.as_double()[0];
  }
  int count(const char* name) {
    const double v = number(name);
    if (!(v >= 1 && v <= kMaxFeatures) || v != std::floor(v)) fail(std::string(name) + " is no positive integer");
    return int(v);
  }
  /// An array of exactly this size, in another shape.
  Tensor array(const char* name, const Shape4& shape, const Shape4& as) {
    Tensor t = next(name);
    if (t.dtype[0] != 'F' || t.shape != shape) fail(std::string(name) + " has another type or shape than expected");
    t.shape = as;
    return t;
  }
  void skip(int leaves) {
    for (int i = 0; i < leaves; ++i) next("a leaf");
  }
  const Tensor& peek(const char* name) {
    const Tensor& t = next(name);
    --at_;
    return t;
  }

 private:
  const Tensor& next(const char* name) {
    if (at_ >= file_.leaves.size()) throw DataError(where_ + ": ends before " + name);
    return file_.leaves[at_++];
  }
  const EqxFile& file_;
  const std::string& where_;
  std::size_t at_ = 0;
};

/// FIRE_RATE, dx and four stencils, which every model has after its sizes.
void read_cell(Leaves& l, ImportedVariant& v) {
  v.model["fire_rate"] = l.number("FIRE_RATE");
  v.model["dx"] = l.number("dx");
  const Shape4 shape = l.peek("stencil").shape;
  if (shape.size() != 4 || shape[3] < 3 || shape[3] > 33 || shape[3] % 2 == 0) l.skip(1), l.fail("is no stencil");
  for (int k = 0; k < 4; ++k) {
    const Tensor t = l.array("stencil", {1, 1, shape[3], shape[3]}, {shape[3], shape[3]});
    if (k == 0) v.model["smoothing"] = shape[3] > 3 || t.as_double()[0] != 0 ? 1 : 0;
  }
  v.model["kernel_scale"] = int(shape[3] / 2);
}

int blocks_of(Leaves& l, int features, int per_block) {
  if (features % per_block != 0) l.fail("the features are no multiple of the channels they are made of");
  return features / per_block;
}

/// W0, W1, b1 of a perceptron whose sizes come behind it.
void read_perceptron(Leaves& l, ImportedVariant& v, const std::string& prefix, int& features, int& outputs) {
  const Shape4 hidden = l.peek("hidden weight").shape;
  if (hidden.size() != 4) l.skip(1), l.fail("hidden weight is no convolution");
  const std::size_t f = hidden[1];
  v.params.tensors[prefix + "hidden.weight"] = l.array("hidden weight", {f, f, 1, 1}, {f, f});
  const Shape4 output = l.peek("output weight").shape;
  if (output.size() != 4) l.skip(1), l.fail("output weight is no convolution");
  const std::size_t o = output[0];
  v.params.tensors[prefix + "output.weight"] = l.array("output weight", {o, f, 1, 1}, {o, f});
  v.params.tensors[prefix + "output.bias"] = l.array("output bias", {o, 1, 1}, {o});
  features = int(f), outputs = int(o);
}

void read_higher_order(Leaves& l, ImportedVariant& v) {
  int features = 0, outputs = 0;
  read_perceptron(l, v, "", features, outputs);
  const int channels = l.count("N_CHANNELS");
  if (channels != outputs) l.fail("N_CHANNELS is not the number of outputs");
  if (l.count("N_FEATURES") != features) l.fail("N_FEATURES is not the number of hidden units");
  read_cell(l, v);
  const int order = l.count("ORDER");
  if (order > kMaxOrder) l.fail("ORDER is larger than " + std::to_string(kMaxOrder));
  v.model.update({{"type", "hnca"}, {"channels", channels}, {"order", order}});
  v.blocks = blocks_of(l, features, monomials(channels, order));
}

void read_multi_scale(Leaves& l, ImportedVariant& v, int scales) {
  std::vector<int> sides;
  int channels = 0, features = 0, outputs = 0;
  bool gated = false;
  for (int i = 0; i < scales; ++i) {
    read_perceptron(l, v, scales > 1 ? "scale" + std::to_string(i) + "." : "", features, outputs);
    channels = l.count("N_CHANNELS");
    l.skip(1);
    read_cell(l, v);
    l.skip(1);
    const int own = l.count("OUTPUT_CHANNEL_NUMBER");
    gated = l.number("GATED") != 0;
    if (own * scales != channels || own * (gated ? 2 : 1) != outputs) l.fail("the outputs do not fit the channels");
    sides.push_back(l.count("SCALE"));
  }
  v.model.update({{"type", "mnca"}, {"channels", channels}, {"scales", sides}, {"gated", gated}});
  v.blocks = blocks_of(l, features, channels);
}

void read_kan(Leaves& l, ImportedVariant& v) {
  const auto layer = [&](const char* name, int& in, int& out) {
    in = l.count("inputs"), out = l.count("outputs");
    const int terms = l.count("ORDER");
    const Shape4 shape{std::size_t(in), std::size_t(out), std::size_t(terms)};
    v.params.tensors[name] = l.array(name, shape, shape);
    v.model["basis_functions"] = terms;
    v.model["basis_bounds"] = l.number("bounds");
    v.model["basis_width"] = l.number("width");
    l.skip(4);
  };
  int features = 0, hidden = 0, outputs = 0;
  layer("kan0.weight", features, hidden);
  layer("kan1.weight", hidden, outputs);
  const int channels = l.count("N_CHANNELS");
  if (channels != outputs) l.fail("N_CHANNELS is not the number of outputs");
  l.skip(1);
  read_cell(l, v);
  v.model.update({{"type", "kanca"}, {"channels", channels}, {"hidden", hidden}});
  v.blocks = blocks_of(l, features, channels);
}

void read_attention(Leaves& l, ImportedVariant& v) {
  const Shape4 query = l.peek("query weight").shape;
  const std::size_t rows = query[0], c = query[1];
  auto& t = v.params.tensors;
  for (const char* name : {"query", "key", "value"})
    t[std::string("attention.") + name + ".weight"] = l.array(name, {rows, c}, {rows, c});
  t["attention.output.weight"] = l.array("attention output", {c, rows}, {c, rows});
  l.skip(2);
  t["output.weight"] = l.array("output weight", {c, c * c, 1, 1}, {c, c * c});
  t["output.bias"] = l.array("output bias", {c, 1, 1}, {c});
  if (std::size_t(l.count("N_CHANNELS")) != c) l.fail("N_CHANNELS is not the length of the sequence");
  const int features = l.count("N_FEATURES");
  read_cell(l, v);
  const std::size_t f = std::size_t(features);
  for (const char* name : {"query_in", "key_in", "value_in"}) {
    t[std::string(name) + ".weight"] = l.array(name, {c * c, f, 1, 1}, {c * c, f});
    t[std::string(name) + ".bias"] = l.array(name, {c * c, 1, 1}, {c * c});
  }
  v.model.update({{"type", "anca"}, {"channels", c}, {"heads", c / 4 * 4 == rows ? 4 : int(rows)}});
  v.blocks = blocks_of(l, features, int(c));
}

/// Number of sub-models of an mNCA with so many leaves; 0 = none.
int scales_of(std::size_t leaves) {
  return leaves > 3 && (leaves - 3) % 16 == 0 && (leaves - 3) / 16 <= std::size_t(kMaxScales) ? int(leaves - 3) / 16
                                                                                              : 0;
}

}  // namespace

bool is_eqx_variant(const EqxFile& file) {
  const auto& l = file.leaves;
  if (l.size() == 12) return is_matrix(l[0], 4) && is_scalar(l[11]);
  if (l.size() == 28) return is_scalar(l[0]) && is_matrix(l[3], 3);
  if (l.size() == 22) return is_matrix(l[0], 2) && is_flag(l[5]);
  return scales_of(l.size()) > 0 && is_matrix(l[0], 4) && is_flag(l[13]);
}

ImportedVariant import_eqx_variant(const EqxFile& file, const std::string& where) {
  if (!is_eqx_variant(file)) throw DataError(where + ": holds no hNCA, mNCA, aNCA or kaNCA");
  ImportedVariant v;
  v.model = nlohmann::json::object();
  Leaves l(file, where);
  const std::size_t count = file.leaves.size();
  if (count == 12)
    read_higher_order(l, v);
  else if (count == 28)
    read_kan(l, v);
  else if (count == 22)
    read_attention(l, v);
  else
    read_multi_scale(l, v, scales_of(count));
  return v;
}

}  // namespace mg::nca
