#include "train/class_augmenter.hpp"

#include "core/error.hpp"
#include "core/philox.hpp"
#include "train/samples.hpp"

namespace mg::train {

template <class T>
ClassAugmenter<T>::ClassAugmenter(const ClassOptions& options, const AugmenterInputs<T>& inputs)
    : options_(options), seed_(inputs.seed), count_(inputs.data.size()) {
  SampleGroup<T> group;
  group.grid = inputs.data.front().grid;
  group.count = options_.batch;
  group.observed = 1;
  group.save_times = {options_.time};
  const Block fields = inputs.system->state_layout(group.grid).blocks().front();
  group.state_layout.add(fields.name, fields.dims);
  group.condition_layout = inputs.system->condition_layout(group.grid);
  plane_ = std::size_t(group.grid.h) * std::size_t(group.grid.w);
  state_ = fields.size;
  std::vector<T> pictures, labels;
  for (const Trajectory& d : inputs.data) {
    if (!(d.grid == group.grid) || d.channels != 1)
      throw DataError(d.name + ": pictures of one size and channel are wanted");
    pictures.insert(pictures.end(), d.frames.front().begin(), d.frames.front().end());
    labels.insert(labels.end(), d.frames.back().begin(), d.frames.back().end());
  }
  pictures_ = uploaded(inputs.exec, pictures);
  labels_ = uploaded(inputs.exec, labels);
  group.start = Buffer<T>(inputs.exec, state_ * std::size_t(options_.batch));
  group.target = Buffer<T>(inputs.exec, plane_ * std::size_t(options_.batch));
  groups_.push_back(std::move(group));
}

template <class T>
void ClassAugmenter<T>::begin(const Exec& exec, std::int64_t iteration) {
  auto& group = groups_.front();
  group.start.zero();
  for (int n = 0; n < options_.batch; ++n) {
    const RandomStream stream{seed_, RandomPurpose::pool, std::uint32_t(iteration), 0, std::uint32_t(n)};
    const std::size_t k = uniform_below(stream.words(0).v[0], std::uint32_t(count_)), at = std::size_t(n);
    copy_bytes(exec, group.start.data() + at * state_, exec.backend, pictures_.data() + k * plane_, exec.backend,
               plane_ * sizeof(T));
    copy_bytes(exec, group.target.data() + at * plane_, exec.backend, labels_.data() + k * plane_, exec.backend,
               plane_ * sizeof(T));
  }
}

Schema class_schema() {
  const ClassOptions d;
  return Schema("classes", "Labelled pictures, for a model that sorts them")
      .integer("batch", d.batch, {1, 65536}, "pictures of one iteration")
      .number("time", d.time, {0, 1e9, true, false}, "when the scores are read [model time]");
}

ClassOptions class_options(const Config& c) { return {c.get<int>("batch"), c.get<double>("time")}; }

template class ClassAugmenter<float>;
template class ClassAugmenter<double>;

}  // namespace mg::train
