// Streams, events and graphs: queues of work that run when somebody waits for them.
#include <chrono>
#include <cstdlib>
#include <deque>
#include <exception>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "emulator.hpp"
#include "queue.hpp"

namespace mg::emulation {
namespace {

struct Queue {
  std::deque<Work> work;
  std::uint64_t added = 0, done = 0;
  bool blocking = true;  ///< ordered with the default stream
  cudaGraph_t capture = nullptr;
};
using QueuePtr = std::shared_ptr<Queue>;

std::list<QueuePtr> queues;  // of all streams that live; the default stream's is the first
bool failed = false;         // a kernel threw since the last report
int captures = 0;
constexpr std::size_t kLongQueue = 4096;

}  // namespace
}  // namespace mg::emulation

using mg::emulation::Queue;
using mg::emulation::QueuePtr;
using mg::emulation::Work;

struct CUstream_st {
  QueuePtr queue;
};
struct CUevent_st {
  QueuePtr queue;  // where it was recorded
  std::uint64_t target = 0;
  cudaGraph_t capture = nullptr;
  std::shared_ptr<std::chrono::steady_clock::time_point> when;
};
struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};

namespace mg::emulation {
namespace {

const QueuePtr& default_queue() {
  if (queues.empty()) {
    queues.push_back(std::make_shared<Queue>());
    std::atexit([] { (void)run_all_queues(); });  // among the work left are the frees of the last buffers
  }
  return queues.front();
}
const QueuePtr& queue_of(cudaStream_t stream) {
  const QueuePtr& first = default_queue();
  return stream == nullptr ? first : stream->queue;
}

/// Runs a queue until `target` pieces of its work are done.
void run_until(Queue& queue, std::uint64_t target) {
  const OnDevice scope;
  while (queue.done < target && !queue.work.empty()) {
    const Work work = std::move(queue.work.front());
    queue.work.pop_front();
    ++queue.done;
    try {
      work();
    } catch (const std::exception& e) {
      failed = true;
      set_failure_text(e.what());
    }
  }
}

Work wait_for(const QueuePtr& queue, std::uint64_t target) {
  return [queue, target] { run_until(*queue, target); };
}

void push(Queue& queue, Work work) {
  queue.work.push_back(std::move(work));
  ++queue.added;
}

/// The default stream waits for the blocking streams, and they for it.
void order_with_default(const QueuePtr& queue) {
  const QueuePtr first = default_queue();
  if (queue == first) {
    for (const QueuePtr& other : queues)
      if (other != first && other->blocking && other->added > other->done) push(*queue, wait_for(other, other->added));
  } else if (queue->blocking && first->added > first->done) {
    push(*queue, wait_for(first, first->added));
  }
}

cudaError_t take_failure() { return report(std::exchange(failed, false) ? cudaErrorLaunchFailure : cudaSuccess); }

}  // namespace

bool is_capturing(cudaStream_t stream) { return stream != nullptr && stream->queue->capture != nullptr; }
bool any_capture() { return captures > 0; }

cudaError_t enqueue(cudaStream_t stream, Work work) {
  const std::lock_guard guard(device_lock());
  const QueuePtr queue = queue_of(stream);
  if (queue->capture != nullptr) {
    queue->capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  order_with_default(queue);
  push(*queue, std::move(work));
  if (queue->work.size() > kLongQueue) run_until(*queue, queue->added);
  return cudaSuccess;
}

cudaError_t run_all_queues() {
  const std::lock_guard guard(device_lock());
  for (const QueuePtr& queue : queues) run_until(*queue, queue->added);
  return take_failure();
}

cudaError_t enqueue_kernel(const char* name, const void* function, dim3 grid, dim3 block, std::size_t shared_bytes,
                           cudaStream_t stream, std::function<void()> kernel) {
  const std::lock_guard guard(device_lock());
  cudaFuncAttributes attributes{};
  get_attributes(&attributes, function);
  const auto threads = std::uint64_t{block.x} * block.y * block.z;
  const bool runs = threads >= 1 && threads <= 1024 && block.z <= 64 && grid.x >= 1 && grid.x <= 0x7fffffffU &&
                    grid.y >= 1 && grid.y <= 65535 && grid.z >= 1 && grid.z <= 65535;
  if (!runs) return report(cudaErrorInvalidConfiguration);
  if (shared_bytes > std::size_t(attributes.maxDynamicSharedSizeBytes)) return report(cudaErrorInvalidValue);
  return enqueue(stream, [=, kernel = std::move(kernel)] { run(name, grid, block, shared_bytes, kernel); });
}

}  // namespace mg::emulation

using namespace mg::emulation;

// ---- streams -------------------------------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const std::lock_guard guard(device_lock());
  default_queue();
  auto queue = std::make_shared<Queue>();
  queue->blocking = flags != cudaStreamNonBlocking;
  queues.push_back(queue);
  *stream = new CUstream_st{std::move(queue)};
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (stream == nullptr) return report(cudaErrorInvalidResourceHandle);
  const std::lock_guard guard(device_lock());
  run_until(*stream->queue, stream->queue->added);
  queues.remove(stream->queue);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard guard(device_lock());
  if (is_capturing(stream)) return report(cudaErrorStreamCaptureUnsupported);
  const QueuePtr queue = queue_of(stream);
  if (stream == nullptr) order_with_default(queue);
  run_until(*queue, queue->added);
  return take_failure();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const std::lock_guard guard(device_lock());
  const QueuePtr queue = queue_of(stream);
  if (queue->done == queue->added) return cudaSuccess;
  run_until(*queue, queue->done + 1);  // asking again and again gets there
  return cudaErrorNotReady;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data) {
  return enqueue(stream, [=] { function(data); });
}

// ---- events --------------------------------------------------------------------------------------------------------

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard guard(device_lock());
  const QueuePtr queue = queue_of(stream);
  event->capture = queue->capture;
  event->when = std::make_shared<std::chrono::steady_clock::time_point>();
  const cudaError_t status = enqueue(stream, [when = event->when] { *when = std::chrono::steady_clock::now(); });
  event->queue = queue;
  event->target = queue->added;
  return status;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const std::lock_guard guard(device_lock());
  if (event->queue == nullptr) return cudaSuccess;  // never recorded
  if (event->capture != nullptr) {                  // joins the capture: its list is in the order of the calls
    if (stream != nullptr) stream->queue->capture = event->capture;
    return cudaSuccess;
  }
  return enqueue(stream, wait_for(event->queue, event->target));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::lock_guard guard(device_lock());
  if (event->queue != nullptr) run_until(*event->queue, event->target);
  return take_failure();
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard guard(device_lock());
  if (event->queue == nullptr || event->queue->done >= event->target) return cudaSuccess;
  run_until(*event->queue, event->queue->done + 1);
  return cudaErrorNotReady;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  const std::lock_guard guard(device_lock());
  if (from->queue == nullptr || to->queue == nullptr) return report(cudaErrorInvalidResourceHandle);
  if (from->queue->done < from->target || to->queue->done < to->target) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(*to->when - *from->when).count();
  return cudaSuccess;
}

// ---- graphs --------------------------------------------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const std::lock_guard guard(device_lock());
  if (stream == nullptr) return report(cudaErrorStreamCaptureUnsupported);
  if (is_capturing(stream)) return report(cudaErrorInvalidValue);
  stream->queue->capture = new CUgraph_st;
  ++captures;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard guard(device_lock());
  if (!is_capturing(stream)) return report(cudaErrorInvalidValue);
  *graph = stream->queue->capture;
  for (const QueuePtr& queue : queues)
    if (queue->capture == *graph) queue->capture = nullptr;
  --captures;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = is_capturing(stream) ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  for (const Work& work : exec->work) enqueue(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  if (nodes == nullptr) *count = graph->work.size();
  return cudaSuccess;
}
