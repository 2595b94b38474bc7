#include "train/optimiser.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <stdexcept>

#include "train/grouped_optimiser.hpp"
#include "train/lbfgs_optimiser.hpp"
#include "train/optimiser_cell.hpp"

namespace mg::train {

namespace host {
/// f(element, factor of its tensor)
template <class T, class F>
void for_tensors(const UpdateArrays<T>& a, const F& f) {
  for (std::size_t t = 0; t < a.tensors; ++t) {
    const T factor = T(a.factors[t]);
    const long long begin = (long long)(a.offsets[t]), end = (long long)(a.offsets[t + 1]);
#pragma omp parallel for simd schedule(static) if (end - begin > 16384)
    for (long long i = begin; i < end; ++i) f(std::size_t(i), factor);
  }
}

template <class T>
void update(const OptimiserSettings& s, const UpdateArrays<T>& a, Workspace& workspace) {
  if (s.needs_norms())
    mg::host::reduce_segments<Add, 3>(a.tensors, a.largest, TensorSumsAt<T>{a.theta, a.gradient, a.offsets},
                                      StoreTensorSums{a.sums}, workspace);
  prepare(s, a);
  if (!a.scalars->apply) return;
  const UpdateElement<T> element(s, *a.scalars);
  for_tensors(a, [&](std::size_t i, T factor) { update_element(s, element, a, i, factor); });
  if (!s.two_passes()) return;
  mg::host::reduce_segments<Add, 3>(a.tensors, a.largest, TensorSumsAt<T>{a.theta, a.gradient, a.offsets},
                                    StoreTensorSums{a.sums}, workspace);
  prepare_trust(a);
  for_tensors(a, [&](std::size_t i, T factor) { trust_element(a, i, factor); });
}

/// mean += (gradient - mean) / n, the running mean of n gradients; after the last one it replaces the gradient.
template <class T>
void accumulate(T* mean, T* gradient, std::size_t size, int n, bool last) {
  for (std::size_t i = 0; i < size; ++i) accumulate_element(mean[i], gradient[i], n, last);
}
}  // namespace host

#if MG_WITH_CUDA
namespace cuda {  // cuda/train/optimiser.cu
template <class T>
void update(CUstream_st* stream, const OptimiserSettings& s, const UpdateArrays<T>& a, Workspace& workspace);
template <class T>
void accumulate(CUstream_st* stream, T* mean, T* gradient, std::size_t size, int n, bool last);
}  // namespace cuda
#endif

namespace {

template <class U>
Buffer<U> uploaded(const Exec& exec, const std::vector<U>& values) {
  Buffer<U> b(exec, values.size());
  b.upload(values);
  return b;
}

template <class T>
class FusedOptimiser final : public Optimiser<T> {
  using SavedState = typename Optimiser<T>::SavedState;

 public:
  FusedOptimiser(const OptimiserSettings& settings, int accumulate, const Layout& params, const Exec& exec)
      : settings_(settings), accumulate_(accumulate), size_(params.size()) {
    std::vector<std::size_t> offsets;
    for (const Block& b : params.blocks()) {
      offsets.push_back(b.offset);
      largest_ = std::max(largest_, b.size);
    }
    tensors_ = offsets.size();
    offsets.push_back(size_);
    offsets_ = uploaded(exec, offsets);
    counters_ = uploaded(exec, std::vector<OptimiserCounters>(1));
    scalars_ = Buffer<UpdateScalars>(exec, 1);
    sums_ = Buffer<TensorSums>(exec, tensors_);
    sums_.zero();
    factors_ = Buffer<double>(exec, tensors_);
    const auto zeros = [&](bool present) { return uploaded(exec, std::vector<T>(present ? size_ : 0)); };
    m_.buffer = zeros(settings.has_moments());
    v_.buffer = zeros(settings.has_second_moments());
    if (settings.rule == UpdateRule::adagrad) v_.buffer.upload(std::vector<T>(size_, T(settings.accumulator)));
    mean_.buffer = zeros(accumulate > 1);
  }

  void step(const Exec& exec, T* params, T* gradient) override {
    const int part = int(calls_++ % accumulate_) + 1;
    if (accumulate_ > 1) {
      MG_DISPATCH(exec, accumulate, mean_.buffer.data(), gradient, size_, part, part == accumulate_);
      if (part < accumulate_) return;
    }
    UpdateArrays<T> a{};
    a.theta = params;
    a.gradient = gradient;
    a.m = m_.buffer.data();
    a.v = v_.buffer.data();
    a.offsets = offsets_.data();
    a.sums = sums_.data();
    a.factors = factors_.data();
    a.counters = counters_.data();
    a.scalars = scalars_.data();
    a.tensors = tensors_;
    a.size = size_;
    a.largest = largest_;
    MG_DISPATCH(exec, update, settings_, a, workspace_);
  }

  double learning_rate() const override {
    return settings_.rate(settings_.if_finite ? counters().updates : calls_ / accumulate_);
  }

  void scale_rate(double factor) override { settings_.rate_scale = factor; }

  SavedState save() const override {
    SavedState state;
    for (const Moment* moment : {&m_, &v_, &mean_})
      if (moment->buffer.size() != 0) state.arrays.emplace_back(moment->name, moment->buffer.to_vector());
    const OptimiserCounters c = counters();
    state.counters = {{"calls", calls_}, {"updates", c.updates}, {"bad", c.bad}, {"skipped", c.skipped}};
    return state;
  }

  void restore(const SavedState& state) override {
    const auto complain = [](const std::string& what) { throw CheckpointError("optimiser: " + what); };
    std::size_t taken = 0;
    for (Moment* moment : {&m_, &v_, &mean_}) {
      if (moment->buffer.size() == 0) continue;
      const auto it = std::find_if(state.arrays.begin(), state.arrays.end(),
                                   [&](const auto& saved) { return saved.first == moment->name; });
      if (it == state.arrays.end() || it->second.size() != size_)
        complain(std::string("saved '") + moment->name + "' is missing or of another size");
      moment->buffer.upload(it->second);
      ++taken;
    }
    if (taken != state.arrays.size()) complain("saved arrays that this rule does not have");
    OptimiserCounters c;
    for (const auto& [name, to] : std::initializer_list<std::pair<const char*, long long*>>{
             {"calls", &calls_}, {"updates", &c.updates}, {"bad", &c.bad}, {"skipped", &c.skipped}}) {
      const auto it = std::find_if(state.counters.begin(), state.counters.end(),
                                   [&, n = name](const auto& saved) { return saved.first == n; });
      if (it == state.counters.end()) complain(std::string("saved counter '") + name + "' is missing");
      *to = it->second;
    }
    counters_.upload(std::vector{c});
  }

 private:
  OptimiserCounters counters() const {
    OptimiserCounters c;
    counters_.download({&c, 1});
    return c;
  }
  struct Moment {
    const char* name;
    Buffer<T> buffer;  // [size] or empty
  };
  OptimiserSettings settings_;
  int accumulate_;
  std::size_t size_, tensors_ = 0, largest_ = 0;
  long long calls_ = 0;
  Buffer<std::size_t> offsets_;         // [tensors + 1]
  Buffer<OptimiserCounters> counters_;  // [1]
  Buffer<UpdateScalars> scalars_;       // [1]
  Buffer<TensorSums> sums_;             // [tensors]
  Buffer<double> factors_;              // [tensors]
  Moment m_{"m", {}}, v_{"v", {}}, mean_{"mean", {}};
  Workspace workspace_;
};

constexpr NumberRange kPositive{0, 1e300, true, false};

Variants transform_variants() {
  return {
      {"param_block_norm",
       Schema("param_block_norm", "Multiplies the gradient of every tensor by the norm of the tensor")
           .number("min", 1e-3, kPositive, "smallest norm taken")},
      {"tensor_normalise", Schema("tensor_normalise", "Divides the gradient of every tensor by its norm")
                               .number("epsilon", 1e-8, kPositive, "added to the norm")},
      {"clip_global_norm", Schema("clip_global_norm", "Bounds the norm of the whole gradient")
                               .number("max", 1.0, kPositive, "largest norm left as it is")},
      {"clip_block_rms", Schema("clip_block_rms", "Bounds the root mean square of every tensor's gradient")
                             .number("max", 1.0, kPositive, "largest root mean square left as it is")},
      {"adaptive_clip", Schema("adaptive_clip", "Bounds every tensor's gradient by a multiple of the tensor's norm")
                            .number("max", 1.0, kPositive, "largest ratio of the two norms")},
      {"apply_if_finite", Schema("apply_if_finite", "Skips gradients that hold NaN or infinity")
                              .integer("max_consecutive", 8, {0, 1000000}, "bad gradients in a row that are skipped")},
  };
}

Schema rule_schema(const std::string& name, const std::string& doc) {
  Schema schema(name, doc);
  schema.variant("lr", schedule_variants(), nlohmann::json(1e-3), "learning rate: a number or a schedule")
      .number_form("constant", "value");
  const NumberRange decay{0, 1, false, true};
  if (name == "noisy_sgd")
    schema.number("eta", 0.01, {0, 1e6, false, false}, "variance of the noise on the first gradient")
        .number("gamma", 0.55, {0, 100, false, false}, "the variance of gradient k = 1, 2, ... is eta / k^gamma")
        .integer("seed", 0, {0, std::numeric_limits<std::int64_t>::max()}, "key of the noise");
  if (name == "adagrad") {
    schema.number("accumulator", 0.1, {0, 1e30, false, false}, "first value of the sum of squares")
        .number("eps", 1e-7, {0, 1, false, false}, "added under the root of the sum of squares");
  } else if (name.ends_with("sgd")) {
    schema.number("momentum", 0.0, decay, "share of the previous step kept, 0 = none")
        .boolean("nesterov", false, "look ahead along the momentum");
  } else {
    schema.number("b1", 0.9, decay, "decay of the first moment")
        .number("b2", 0.999, decay, "decay of the second moment")
        .number("eps", name == "lamb" ? 1e-6 : 1e-8, {0, 1, false, false}, "added to the root of the second moment")
        .number("eps_root", 0.0, {0, 1, false, false}, "added under the root");
    if (name.ends_with('w') || name == "lamb")
      schema.number("weight_decay", name == "lamb" ? 0.0 : 1e-4, {0, 1, false, false},
                    "pulls parameters to 0, times lr");
  }
  return schema
      .list("transforms", element::variant(transform_variants()), nlohmann::json::array(),
            "applied to the gradient before the rule, in this order", 0, OptimiserSettings::kMaxTransforms)
      .integer("accumulate", 1, {1, 1000000}, "gradients averaged into one update");
}

OptimiserSettings make_settings(const Config& config) {
  OptimiserSettings s;
  const std::string type = config.type();
  s.rule = type.ends_with("sgd")       ? UpdateRule::sgd
           : type == "adagrad"         ? UpdateRule::adagrad
           : type == "lamb"            ? UpdateRule::lamb
           : type.starts_with("nadam") ? UpdateRule::nadam
                                       : UpdateRule::adam;
  s.lr = make_schedule(config.at("lr"));
  if (type == "noisy_sgd") {
    s.noise_eta = config.get<double>("eta");
    s.noise_gamma = config.get<double>("gamma");
    s.noise_seed = std::uint64_t(config.get<std::int64_t>("seed"));
  }
  if (s.rule == UpdateRule::adagrad) {
    s.accumulator = config.get<double>("accumulator");
    s.eps = config.get<double>("eps");
  } else if (s.rule == UpdateRule::sgd) {
    s.momentum = config.get<double>("momentum");
    s.nesterov = config.get<bool>("nesterov");
    if (s.nesterov && s.momentum == 0) config.fail("nesterov", "needs a momentum");
  } else {
    s.b1 = config.get<double>("b1");
    s.b2 = config.get<double>("b2");
    s.eps = config.get<double>("eps");
    s.eps_root = config.get<double>("eps_root");
    if (config.json().contains("weight_decay")) s.weight_decay = config.get<double>("weight_decay");
  }
  for (const Config& t : config.list("transforms")) {
    const auto add = [&](TransformKind kind, const char* key) {
      s.transform[s.transforms++] = {kind, t.get<double>(key)};
    };
    if (t.type() == "param_block_norm") add(TransformKind::param_block_norm, "min");
    if (t.type() == "tensor_normalise") add(TransformKind::tensor_normalise, "epsilon");
    if (t.type() == "clip_global_norm") add(TransformKind::clip_global_norm, "max");
    if (t.type() == "clip_block_rms") add(TransformKind::clip_block_rms, "max");
    if (t.type() == "adaptive_clip") add(TransformKind::adaptive_clip, "max");
    if (t.type() == "apply_if_finite") {
      s.if_finite = true;
      s.max_consecutive = t.get<int>("max_consecutive");
    }
  }
  return s;
}

Variants rule_variants() {
  Variants all;
  for (const auto& [name, doc] : std::initializer_list<std::pair<const char*, const char*>>{
           {"adam", "Adam"},
           {"adamw", "Adam with decoupled weight decay"},
           {"nadam", "Adam with Nesterov momentum"},
           {"nadamw", "Adam with Nesterov momentum and decoupled weight decay"},
           {"lamb", "Adam whose step of every tensor is as long as the tensor, times lr"},
           {"adagrad", "Gradients divided by the root of the sum of their squares"},
           {"noisy_sgd", "Gradient descent with noise on the gradient that fades"},
           {"sgd", "Gradient descent, with momentum if asked"}})
    all.emplace_back(name, rule_schema(name, doc));
  return all;
}

Schema grouped_schema() {
  const Pruning d;
  const Schema group = Schema("group", "Parameters with a rule of their own")
                           .list("params", element::text(), std::nullopt,
                                 "which ones: starts of their names, or after a * any part of them", 1, 1000)
                           .variant("rule", rule_variants(), "nadam", "how they follow their gradient");
  const auto none = nlohmann::json::array();
  return Schema("grouped", "Groups of parameters with rules of their own; the first group that names one has it")
      .list("groups", element::object(group), std::nullopt, "together they name all parameters that are not frozen", 1,
            64)
      .list("frozen", element::text(), none, "parameters that never change", 0, 1000)
      .list("non_negative", element::text(), none, "parameters that are set to at least 0 after every update", 0, 1000)
      .list("bounded_gradient", element::text(), none,
            "parameters whose gradient, not step, is kept above minus their value, as the reference implementation has "
            "it; guarantees nothing",
            0, 1000)
      .object("prune",
              Schema("prune", "Magnitude pruning: the smallest elements of every tensor become 0")
                  .number("target", d.target, {0, 1, false, true}, "share of zeros at the end; 0 = none")
                  .integer("warmup", d.warmup, {0, std::int64_t(1) << 40}, "updates before it starts")
                  .integer("iterations", d.iterations, {1, std::int64_t(1) << 40},
                           "updates after which the target is reached; the share rises linearly")
                  .boolean("biases", d.biases, "prune biases, too"),
              "pruning");
}

GroupPlan group_plan(const Config& c) {
  using Names = std::vector<std::string>;
  GroupPlan plan;
  for (const Config& group : c.list("groups")) plan.groups.push_back(group.get<Names>("params"));
  plan.frozen = c.get<Names>("frozen");
  plan.non_negative = c.get<Names>("non_negative");
  plan.bounded_gradient = c.get<Names>("bounded_gradient");
  const Config prune = c.at("prune");
  plan.pruning = {prune.get<double>("target"), prune.get<std::int64_t>("warmup"), prune.get<std::int64_t>("iterations"),
                  prune.get<bool>("biases")};
  return plan;
}

template <class T>
std::unique_ptr<Optimiser<T>> make_grouped(const Config& config, const Layout& params, const Exec& exec) {
  std::vector<Config> rules;
  for (const Config& group : config.list("groups")) rules.push_back(group.at("rule"));
  try {
    return std::make_unique<GroupedOptimiser<T>>(group_plan(config), rules, &make_optimiser<T>, params, exec);
  } catch (const std::invalid_argument& error) {
    config.fail("groups", error.what());
  }
}

}  // namespace

Variants optimiser_variants() {
  Variants all = rule_variants();
  all.emplace_back("grouped", grouped_schema());
  all.emplace_back("lbfgs", lbfgs_schema());
  return all;
}

template <class T>
std::unique_ptr<Optimiser<T>> make_optimiser(const Config& config, const Layout& params, const Exec& exec) {
  if (params.size() == 0) throw std::invalid_argument("make_optimiser: no parameters");
  if (config.type() == "grouped") return make_grouped<T>(config, params, exec);
  if (config.type() == "lbfgs") return std::make_unique<LbfgsOptimiser<T>>(lbfgs_rule(config), params.size());
  return std::make_unique<FusedOptimiser<T>>(make_settings(config), config.get<int>("accumulate"), params, exec);
}

template std::unique_ptr<Optimiser<float>> make_optimiser(const Config&, const Layout&, const Exec&);
template std::unique_ptr<Optimiser<double>> make_optimiser(const Config&, const Layout&, const Exec&);

}  // namespace mg::train
