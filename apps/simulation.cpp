#include "apps/simulation.hpp"

#include <algorithm>
#include <charconv>

#include "apps/bounds.hpp"
#include "apps/data.hpp"
#include "core/suggest.hpp"
#include "train/samples.hpp"

namespace mg::apps {

namespace {

const std::vector<std::string> kDamageKinds = {"disc", "lower", "upper", "left", "right"};

[[noreturn]] void usage(const std::string& message) { throw Error(ExitCode::usage, message); }

int parse_int(std::string_view text, int min, int max, const std::string& option) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max)
    usage(option + ": expected " + std::to_string(min) + " to " + std::to_string(max) + ", got \"" + std::string(text) +
          "\"");
  return value;
}

/// `data` with every frame in the middle of a lattice of `size`.
train::Trajectory centred(const train::Trajectory& data, Grid size) {
  if (size.h < data.grid.h || size.w < data.grid.w)
    usage("--size " + std::to_string(size.h) + "x" + std::to_string(size.w) + " is smaller than the data, " +
          std::to_string(data.grid.h) + "x" + std::to_string(data.grid.w));
  if (!data.boundary.empty()) usage("--size: the data have a boundary mask of their own size");
  train::Trajectory out = data;
  out.grid = size;
  const int y0 = size.h / 2 - data.grid.h / 2, x0 = size.w / 2 - data.grid.w / 2;  // keeps the centre cell the centre
  for (auto& frame : out.frames) {
    std::vector<float> wide(std::size_t(data.channels) * size.h * size.w);
    for (int c = 0; c < data.channels; ++c)
      for (int y = 0; y < data.grid.h; ++y)
        std::copy_n(&frame[(std::size_t(c) * data.grid.h + y) * data.grid.w], data.grid.w,
                    &wide[(std::size_t(c) * size.h + y + y0) * size.w + x0]);
    frame = std::move(wide);
  }
  return out;
}

/// Room for a start of `planes` planes of numbers, and for the states of one sample with its picture.
template <class T>
void require_room(const System<T>& system, Grid grid, double planes) {
  const auto state = double(system.state_layout(grid).size()),
             conditions = double(system.condition_layout(grid).size());
  require_memory("a lattice of " + std::to_string(grid.h) + "x" + std::to_string(grid.w),
                 sizeof(T) * (3 * state + 2 * conditions) + sizeof(float) * (state + planes * grid.h * grid.w));
}

bool inside(const std::string& kind, int y, int x, int h, int w) {
  if (kind == "lower") return y >= h / 2;
  if (kind == "upper") return y < h / 2;
  if (kind == "left") return x < w / 2;
  if (kind == "right") return x >= w / 2;
  const double dy = y + 0.5 - h / 2.0, dx = x + 0.5 - w / 2.0, r = std::min(h, w) / 4.0;
  return dy * dy + dx * dx < r * r;
}

}  // namespace

Grid parse_size(const std::string& text) {
  const auto x = text.find('x');
  const int h = parse_int(std::string_view(text).substr(0, x), 1, 16384, "--size");
  return {h, x == std::string::npos ? h : parse_int(std::string_view(text).substr(x + 1), 1, 16384, "--size")};
}

Damage parse_damage(const std::string& text) {
  const auto colon = text.find(':');
  Damage damage{parse_int(std::string_view(text).substr(0, colon), 0, 1 << 30, "--damage"), "disc"};
  if (colon != std::string::npos) damage.kind = text.substr(colon + 1);
  if (std::find(kDamageKinds.begin(), kDamageKinds.end(), damage.kind) == kDamageKinds.end())
    usage("--damage: expected STEP or STEP:KIND with KIND one of " + join(kDamageKinds) + ", got \"" + damage.kind +
          "\"" + did_you_mean(damage.kind, kDamageKinds));
  return damage;
}

template <class T>
Start<T> make_start(const ModelSource& source, const System<T>& system, std::optional<Grid> size, int sample) {
  Start<T> start;
  train::Trajectory data;
  if (source.experiment && source.experiment->has("data")) {
    const Config config = source.experiment->at("data");
    auto all = load_data(config, {});
    if (sample >= int(all.size()))
      usage("--sample: the data have " + std::to_string(all.size()) + " trajectories, 0 to " +
            std::to_string(all.size() - 1));
    train::Trajectory& chosen = all[std::size_t(sample)];
    require_room(system, size.value_or(chosen.grid), double(chosen.frames.size()) * chosen.channels);
    data = size ? centred(chosen, *size) : std::move(chosen);
    train::observed_channels(system, {data});
    const auto premultiply = config.json().find("premultiply");
    start.premultiplied = premultiply != config.json().end() && premultiply->template get<bool>();
    start.data = data;
  } else {
    data.name = "seed cell";
    data.grid = size.value_or(Grid{72, 72});
    const int channels = system.state_layout(data.grid).blocks().front().dims.at(0);
    data.channels = std::min(channels, 4);
    require_room(system, data.grid, data.channels);
    data.seed_cell = true;
    data.frames.emplace_back(std::size_t(data.channels) * data.grid.h * data.grid.w);
    for (int c = channels > 3 ? 3 : 0; c < data.channels; ++c)
      data.frames[0][(std::size_t(c) * data.grid.h + data.grid.h / 2) * data.grid.w + data.grid.w / 2] = 1;
  }
  start.grid = data.grid;
  start.observed = data.channels;
  const int channels = system.state_layout(data.grid).blocks().front().dims.at(0);
  train::append_state(data, 0, channels, start.state);
  train::append_conditions(data, system.condition_layout(data.grid), 1, start.conditions);
  return start;
}

template <class T>
Simulation<T>::Simulation(const Exec& exec, const Model<T>& model, const Start<T>& start, int samples,
                          std::uint64_t seed)
    : exec_(exec),
      system_(*model.system),
      state_layout_(model.system->state_layout(start.grid)),
      condition_layout_(model.system->condition_layout(start.grid)),
      samples_(samples),
      seed_(seed),
      params_(exec, model.params.size()),
      conditions_(exec, std::size_t(samples) * condition_layout_.size()),
      states_{Buffer<T>(exec, std::size_t(samples) * state_layout_.size()),
              Buffer<T>(exec, std::size_t(samples) * state_layout_.size())} {
  params_.upload(model.params);
  const auto repeated = [&](const std::vector<T>& one) {
    std::vector<T> all;
    for (int n = 0; n < samples; ++n) all.insert(all.end(), one.begin(), one.end());
    return all;
  };
  states_[0].upload(repeated(start.state));
  if (conditions_.size() > 0) conditions_.upload(repeated(start.conditions));
}

template <class T>
void Simulation<T>::advance(int steps) {
  const ConstStateView<T> conditions{conditions_.data(), &condition_layout_, samples_};
  for (int k = 0; k < steps; ++k, ++step_) {
    const StepIndex index{.seed = seed_, .iteration = 0, .step = step_, .sample0 = 0, .t = double(step_), .h = 1};
    const ConstStateView<T> now{states_[current_].data(), &state_layout_, samples_};
    const StateView<T> next{states_[1 - current_].data(), &state_layout_, samples_};
    system_.step(exec_, index, params_.data(), conditions, now, next, workspace_);
    current_ = 1 - current_;
  }
}

template <class T>
void Simulation<T>::damage(const std::string& kind) {
  auto values = state();
  const auto dims = state_layout_.blocks().front().dims;
  std::size_t at = 0;
  for (int plane = 0; plane < samples_ * dims.at(0); ++plane)
    for (int y = 0; y < dims.at(1); ++y)
      for (int x = 0; x < dims.at(2); ++x, ++at)
        if (inside(kind, y, x, dims[1], dims[2])) values[at] = T(0);
  states_[current_].upload(values);
}

template <class T>
Planes Simulation<T>::planes(int sample) const {
  const auto values = state();
  const auto& block = state_layout_.blocks().front();
  Planes planes(block.dims.at(0), block.dims.at(1), block.dims.at(2));
  std::copy_n(values.begin() + std::ptrdiff_t(std::size_t(sample) * block.size), block.size, planes.values.begin());
  return planes;
}

template <class T>
std::vector<double> Simulation<T>::distances(const std::vector<float>& target, int observed) const {
  const auto values = state();
  const auto& block = state_layout_.blocks().front();
  const std::size_t size = std::size_t(observed) * std::size_t(block.dims.at(1)) * std::size_t(block.dims.at(2));
  std::vector<double> all;
  for (int n = 0; n < samples_; ++n) {
    double sum = 0;
    for (std::size_t k = 0; k < size; ++k) {
      const double d = double(values[std::size_t(n) * block.size + k]) - double(target.at(k));
      sum += d * d;
    }
    all.push_back(sum / double(size));
  }
  return all;
}

template <class T>
std::vector<double> Simulation<T>::losses(const train::Loss<T>& loss, const std::vector<float>& target, int observed) {
  const auto& block = state_layout_.blocks().front();
  std::vector<T> repeated;
  for (int n = 0; n < samples_; ++n) repeated.insert(repeated.end(), target.begin(), target.end());
  Buffer<T> targets(exec_, repeated.size()), out(exec_, std::size_t(samples_));
  targets.upload(repeated);
  const ConstStateView<T> now{states_[current_].data(), &state_layout_, samples_};
  loss.value(exec_, now.field(0), {targets.data(), {samples_, observed, block.dims.at(1), block.dims.at(2)}}, {},
             out.data(), workspace_);
  const auto values = out.to_vector();
  return {values.begin(), values.end()};
}

#define MG_INSTANTIATE(T)                                                                              \
  template Start<T> make_start(const ModelSource&, const System<T>&, std::optional<Grid>, int sample); \
  template class Simulation<T>;
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::apps
