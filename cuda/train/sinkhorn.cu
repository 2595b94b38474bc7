#include "train/sinkhorn.hpp"

#include "cuda/train/sinkhorn_pass.cuh"

// Every pair of clouds of a batch goes through the same launches; what has converged is passed over. Once in
// `check_every` iterations the host asks whether anything is left to do.
namespace mg::train::cuda {
namespace {

template <int kDimensions, bool kWrap, class T>
class Run {
 public:
  Run(CUstream_st* stream, const SinkhornOptions& options, const CloudBatch<T>& x, const CloudBatch<T>& y,
      const SinkhornBatch<T>& out, Workspace& workspace)
      : stream_(stream), options_(options), out_(out), workspace_(workspace), batch_(x.counts.size()) {
    s_.cost = cloud_cost_of<T>(options.metric, options.length);
    s_.x = prepare_clouds(stream, x, s_.cost, options.length, "sinkhorn.x", workspace);
    s_.y = prepare_clouds(stream, y, s_.cost, options.length, "sinkhorn.y", workspace);
    s_.potentials = out.potentials;
    s_.update = workspace.get<T>(exec(), "sinkhorn.updates", places());
    s_.control = workspace.get<Control>(exec(), "sinkhorn.control", batch_);
    lanes_ = cloud_lanes(std::max(x.stride, y.stride));
    host_.resize(batch_);
  }

  void run(bool warm) {
    if (!warm) zero_bytes(exec(), s_.potentials, places() * sizeof(T));
    setup();
    const bool stops = options_.threshold > 0;
    for (int k = 0; k < options_.iterations; ++k) {
      const double factor = options_.annealing > 0 ? std::pow(options_.annealing, k) : 0;
      const bool look = stops && k > 0 && k % options_.check_every == 0;
      update({false, true, true, false, factor});
      if (look) check(false, factor, k);
      commit({false, true, true, false, factor});
      update({true, false, false, false, factor});
      if (look && all_done(0, 1)) break;
    }
    for (int k = 0; stops && k < options_.iterations; ++k) {  // inside a cloud the error only halves
      update({false, false, true, true, 0});
      check(true, 0, k);
      commit({false, false, true, true, 0});
      if (k % options_.check_every == 0 && all_done(1, 3)) break;
    }
    finish();
  }

 private:
  Exec exec() const { return {Backend::cuda, stream_}; }
  std::size_t places() const { return 2 * batch_ * (std::size_t(s_.x.stride) + std::size_t(s_.y.stride)); }

  void setup() {
    double* mean = nullptr;
    ReduceValues<8>* extremes = nullptr;
    if (options_.relative) {
      double* rows = workspace_.get<double>(exec(), "sinkhorn.sums", places());
      mean = workspace_.get<double>(exec(), "sinkhorn.mean_cost", batch_);
      mg::cuda::launch("sinkhorn_cost", {dim3(unsigned(s_.x.stride), unsigned(batch_)), dim3(lanes_)}, stream_,
                       sinkhorn_cost_kernel<kDimensions, kWrap, T>, s_, rows);
      const auto n = std::size_t(s_.x.stride);
      mg::cuda::reduce_segments<Add, 1>("sinkhorn_mean_cost", stream_, batch_, n,
                                        ReduceArray<double>{Reduction::sum, rows, n}, StoreReduced<double>{mean},
                                        workspace_);
    }
    if (options_.annealing > 0 && !(options_.annealing_start > 0)) {
      extremes = workspace_.get<ReduceValues<8>>(exec(), "sinkhorn.extremes", batch_);
      mg::cuda::reduce_segments<Max, 8>("sinkhorn_extremes", stream_, batch_,
                                        std::size_t(std::max(s_.x.stride, s_.y.stride)), Extremes<T>{s_.x, s_.y},
                                        StoreValuesOf<8>{extremes}, workspace_);
    }
    mg::cuda::for_each_index("sinkhorn_setup", stream_, batch_, Setup<T>{s_, options_, mean, extremes});
  }
  void update(const Pass& pass) {
    const auto blocks = [](int rows) { return unsigned((rows + kRows - 1) / kRows); };
    const unsigned count = (pass.f || pass.inside ? blocks(s_.x.stride) : 0U) + (pass.g ? blocks(s_.y.stride) : 0U) +
                           (pass.inside ? blocks(s_.y.stride) : 0U);
    mg::cuda::launch("sinkhorn_update", {dim3(count, unsigned(batch_)), dim3(lanes_)}, stream_,
                     sinkhorn_update_kernel<kDimensions, kWrap, T>, s_, pass);
  }
  void commit(const Pass& pass) { mg::cuda::for_each_index("sinkhorn_commit", stream_, places(), Commit<T>{s_, pass}); }
  void check(bool settling, double factor, int k) {
    const MarginalError<T> error{s_, settling};
    mg::cuda::reduce_segments<Add, 1>("sinkhorn_error", stream_, settling ? 2 * batch_ : batch_,
                                      std::size_t(std::max(s_.x.stride, s_.y.stride)), error,
                                      StopBelow<T>{error, options_.threshold, factor, k}, workspace_);
  }
  bool all_done(int begin, int end) {
    copy_bytes(exec(), host_.data(), Backend::host, s_.control, Backend::cuda, batch_ * sizeof(Control));
    synchronise(exec());
    for (const Control& c : host_)
      for (int k = begin; k < end; ++k)
        if (c.done[k] == 0) return false;
    return true;
  }
  void finish() {
    double* sums = workspace_.get<double>(exec(), "sinkhorn.sums", places());
    mg::cuda::launch("sinkhorn_plan", {dim3(unsigned(s_.x.stride + s_.y.stride), unsigned(batch_)), dim3(lanes_)},
                     stream_, sinkhorn_plan_kernel<kDimensions, kWrap, T>, s_, out_, sums);
    mg::cuda::reduce_segments<Add, 8>("sinkhorn_values", stream_, batch_,
                                      std::size_t(std::max(s_.x.stride, s_.y.stride)), Values<T>{s_, sums},
                                      StoreValues<T>{s_, options_.threshold, out_.reports}, workspace_);
  }

  CUstream_st* stream_;
  const SinkhornOptions& options_;
  const SinkhornBatch<T>& out_;
  Workspace& workspace_;
  std::size_t batch_;
  Solve<T> s_{};
  unsigned lanes_ = 0;
  std::vector<Control> host_;
};

}  // namespace

template <class T>
void sinkhorn_divergences(CUstream_st* stream, const SinkhornOptions& options, const CloudBatch<T>& x,
                          const CloudBatch<T>& y, bool warm, const SinkhornBatch<T>& out, Workspace& workspace) {
  if (options.metric == CloudMetric::chordal)
    Run<4, false, T>(stream, options, x, y, out, workspace).run(warm);
  else if (options.metric == CloudMetric::torus)
    Run<2, true, T>(stream, options, x, y, out, workspace).run(warm);
  else
    Run<2, false, T>(stream, options, x, y, out, workspace).run(warm);
}
#define MG_INSTANTIATE(T)                                                                                              \
  template void sinkhorn_divergences(CUstream_st*, const SinkhornOptions&, const CloudBatch<T>&, const CloudBatch<T>&, \
                                     bool, const SinkhornBatch<T>&, Workspace&);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

}  // namespace mg::train::cuda
