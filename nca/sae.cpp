#include "nca/sae.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "nca/nca_cell.hpp"

namespace mg::nca {
namespace {

using Vec = std::vector<double>;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("sparse auto-encoder: " + what); }

/// The parameters by name; P is double or const double.
template <class P>
struct Parts {
  Parts(const SparseAutoencoder& s, P* p)
      : encoder(p),
        decoder(encoder + std::size_t(s.latents) * s.inputs),
        b0(decoder + std::size_t(s.latents) * s.inputs),
        b1(b0 + s.inputs),
        b2(b1 + s.latents) {}
  P *encoder, *decoder, *b0, *b1, *b2;
};

/// W x + b
Vec affine(const double* w, const double* b, int rows, std::span<const double> x) {
  Vec out(b, b + rows);
  for (int r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < x.size(); ++i) out[std::size_t(r)] += w[std::size_t(r) * x.size() + i] * x[i];
  return out;
}

/// We (v - b0) + b1
Vec before_code(const SparseAutoencoder& s, const double* params, std::span<const double> v) {
  const Parts<const double> p(s, params);
  Vec centred(v.begin(), v.end());
  for (std::size_t i = 0; i < centred.size(); ++i) centred[i] -= p.b0[i];
  return affine(p.encoder, p.b1, s.latents, centred);
}

/// 1 where a latent passes, else 0.
Vec passes(const SparseAutoencoder& s, const Vec& z) {
  Vec through(z.size(), s.code == SparseCode::identity ? 1.0 : 0.0);
  if (s.code == SparseCode::relu)
    for (std::size_t i = 0; i < z.size(); ++i) through[i] = z[i] > 0 ? 1 : 0;
  if (s.code == SparseCode::topk)
    for (const int i : sparse_ranks(s, z)) through[std::size_t(i)] = 1;
  return through;
}

/// The layers of one cell, the chosen one passed through `replace`.
template <class Replace>
Vec update_of_cell(const NcaSpec& spec, const double* params, CellLayer at, Vec v, const Replace& replace) {
  const int H = spec.hidden_width(), O = spec.outputs(), C = spec.channels;
  const double* w0 = params;
  const double* b0 = w0 + std::size_t(H) * v.size();
  const double* w1 = b0 + (spec.hidden_bias ? H : 0);
  const double* b1 = w1 + std::size_t(O) * H;
  const Vec zeros(std::size_t(std::max(H, O)));
  const auto through = [&](CellLayer layer) {
    if (layer == at) v = replace(v);
  };
  through(CellLayer::perception);
  v = affine(w0, spec.hidden_bias ? b0 : zeros.data(), H, v);
  through(CellLayer::linear_hidden);
  for (double& z : v) z = activate(spec.activation, z);
  through(CellLayer::activation);
  v = affine(w1, spec.output_bias ? b1 : zeros.data(), O, v);
  through(CellLayer::linear_output);
  if (!spec.gated) return v;
  for (int c = 0; c < C; ++c) v[std::size_t(c)] = gate(v[std::size_t(c)], v[std::size_t(c + C)]);
  v.resize(std::size_t(C));
  through(CellLayer::gate_func);
  return v;
}

}  // namespace

Layout SparseAutoencoder::layout() const {
  Layout l;
  return l.add("encoder", {latents, inputs})
      .add("decoder", {inputs, latents})
      .add("b0", {inputs})
      .add("b1", {latents})
      .add("b2", {inputs});
}

void SparseAutoencoder::check() const {
  if (inputs < 1 || latents < 1) refuse(std::to_string(inputs) + " inputs and " + std::to_string(latents) + " latents");
  if (keep < 1 || keep > latents)
    refuse("keeps " + std::to_string(keep) + " of " + std::to_string(latents) + " latents");
}

int layer_width(const NcaSpec& spec, CellLayer layer) {
  if (layer == CellLayer::perception) return spec.features();
  if (layer == CellLayer::linear_hidden || layer == CellLayer::activation) return spec.hidden_width();
  if (layer == CellLayer::linear_output) return spec.outputs();
  if (!spec.gated) refuse("the automaton has no gate");
  return spec.channels;
}

Vec sparse_encode(const SparseAutoencoder& s, const double* params, std::span<const double> v) {
  Vec z = before_code(s, params, v);
  const Vec through = passes(s, z);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = through[i] != 0 ? z[i] : 0;
  return z;
}

Vec sparse_decode(const SparseAutoencoder& s, const double* params, std::span<const double> z) {
  const Parts<const double> p(s, params);
  return affine(p.decoder, p.b2, s.inputs, z);
}

Vec sparse_encode_adjoint(const SparseAutoencoder& s, const double* params, std::span<const double> v,
                          std::span<const double> z_bar, double* params_bar) {
  const Parts<const double> p(s, params);
  const Parts<double> bar(s, params_bar);
  const Vec through = passes(s, before_code(s, params, v));
  Vec v_bar(v.size());
  for (std::size_t k = 0; k < through.size(); ++k) {
    const double b = through[k] * z_bar[k];
    bar.b1[k] += b;
    for (std::size_t i = 0; i < v.size(); ++i) {
      bar.encoder[k * v.size() + i] += b * (v[i] - p.b0[i]);
      v_bar[i] += b * p.encoder[k * v.size() + i];
    }
  }
  for (std::size_t i = 0; i < v.size(); ++i) bar.b0[i] -= v_bar[i];
  return v_bar;
}

Vec sparse_decode_adjoint(const SparseAutoencoder& s, const double* params, std::span<const double> z,
                          std::span<const double> v_bar, double* params_bar) {
  const Parts<const double> p(s, params);
  const Parts<double> bar(s, params_bar);
  Vec z_bar(z.size());
  for (std::size_t i = 0; i < v_bar.size(); ++i) {
    bar.b2[i] += v_bar[i];
    for (std::size_t k = 0; k < z.size(); ++k) {
      bar.decoder[i * z.size() + k] += v_bar[i] * z[k];
      z_bar[k] += v_bar[i] * p.decoder[i * z.size() + k];
    }
  }
  return z_bar;
}

std::vector<int> sparse_ranks(const SparseAutoencoder& s, std::span<const double> z) {
  std::vector<int> order(z.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return z[std::size_t(a)] > z[std::size_t(b)]; });
  order.resize(std::size_t(s.keep));
  return order;
}

void sparse_edit(const SparseAutoencoder& s, const SparseEdit& edit, Vec& z) {
  if (edit.kind == SparseEdit::Kind::none) return;
  const bool ranks = edit.kind == SparseEdit::Kind::mult_top_k;
  const int most = ranks ? s.keep : s.latents;
  if (edit.positions.size() != edit.values.size()) refuse("an edit with unequal numbers of positions and values");
  const std::vector<int> order = ranks ? sparse_ranks(s, z) : std::vector<int>{};
  for (std::size_t i = 0; i < edit.positions.size(); ++i) {
    const int at = edit.positions[i];
    if (at < 0 || at >= most) refuse("position " + std::to_string(at) + " outside 0.." + std::to_string(most - 1));
    if (ranks)
      z[std::size_t(order[std::size_t(at)])] *= edit.values[i];
    else
      z[std::size_t(at)] = edit.values[i];
  }
}

SparseRecord sparse_step(const NcaSpec& spec, const double* params, const SparseAutoencoder& sae,
                         const double* sae_params, const SparseEdit& edit, const NcaInputs<double>& in,
                         View<const double> x, View<double> next) {
  check(spec);
  sae.check();
  if (spec.alive) refuse("automata with alive masking are not supported");
  if (layer_width(spec, sae.layer) != sae.inputs)
    refuse("the layer has " + std::to_string(layer_width(spec, sae.layer)) + " numbers, the auto-encoder takes " +
           std::to_string(sae.inputs));
  const Shape s = x.shape, f{s.n, spec.features(), s.h, s.w};
  const std::size_t plane = s.plane();
  if (s.c != spec.channels || !(next.shape == s)) refuse("states of a wrong shape");
  Vec features(f.size());
  perceive<double>({}, spec.perception, x, {features.data(), f});
  SparseRecord record;
  record.latents.resize(s.cells() * std::size_t(sae.latents));
  record.top_values.resize(s.cells() * std::size_t(sae.keep));
  record.top_positions.resize(record.top_values.size());
  const FireRule rule = fire_rule(spec, in.index);
  for (int n = 0; n < s.n; ++n)
    for (std::size_t cell = 0; cell < plane; ++cell) {
      const auto at = [&](int rows, int row) {
        return (std::size_t(n) * std::size_t(rows) + std::size_t(row)) * plane + cell;
      };
      Vec v(std::size_t(f.c));
      for (int k = 0; k < f.c; ++k) v[std::size_t(k)] = features[at(f.c, k)];
      const Vec d = update_of_cell(spec, params, sae.layer, std::move(v), [&](const Vec& layer) {
        Vec z = sparse_encode(sae, sae_params, layer);
        for (int k = 0; k < sae.latents; ++k) record.latents[at(sae.latents, k)] = z[std::size_t(k)];
        const auto ranks = sparse_ranks(sae, z);
        for (int k = 0; k < sae.keep; ++k) {
          record.top_positions[at(sae.keep, k)] = ranks[std::size_t(k)];
          record.top_values[at(sae.keep, k)] = z[std::size_t(ranks[std::size_t(k)])];
        }
        sparse_edit(sae, edit, z);
        return sparse_decode(sae, sae_params, z);
      });
      for (int c = 0; c < s.c; ++c) {
        const std::size_t i = at(s.c, c);
        const bool fires = in.fire_override.data != nullptr
                               ? in.fire_override.data[i] != 0
                               : rule.fires(n, c, std::uint32_t(cell), std::uint32_t(plane));
        double y = x.data[i] + (fires ? d[std::size_t(c)] : 0.0);
        const int row = boundary_row(spec.boundary, s.c, spec.mask_rows(), c);
        if (row >= 0) y = apply_boundary(spec.boundary, y, in.boundary.plane(n, row)[cell]);
        next.data[i] = y;
      }
    }
  return record;
}

}  // namespace mg::nca
