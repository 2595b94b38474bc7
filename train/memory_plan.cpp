#include "train/memory_plan.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace mg::train {
namespace {

using Op = RolloutProgram::Op;
using Kind = MemoryPlan::Kind;

constexpr int kCotangents = 2;   // of x_{k+1} and x_k
constexpr int kWorkBuffers = 2;  // revolve advances through them

/// (c + r)! / (c! r!), cut off far above any number of steps; 0 for r < 0.
long long beta(long long c, long long r) {
  if (r < 0) return 0;
  constexpr long long kEnough = 1LL << 40;
  long long b = 1;
  for (long long i = 1; i <= std::min(c, r); ++i) {
    b = b * (std::max(c, r) + i) / i;
    if (b > kEnough) return kEnough;
  }
  return b;
}

/// Least number of repetitions r with beta(slots, r) >= steps.
long long repetitions(long long steps, long long slots) {
  if (slots == 1) return steps - 1;
  long long r = 0;
  while (beta(slots, r) < steps) ++r;
  return r;
}

/// Length of the first part when `steps` steps are reversed with `slots` slots (>= 2); any value in the optimal range.
int revolve_split(long long steps, long long slots) {
  const long long r = repetitions(steps, slots);
  return int(std::max({1LL, beta(slots, r - 2), steps - beta(slots - 1, r)}));
}

/// Emits the operations of the binomial schedule.
class Revolve {
 public:
  Revolve(int steps, int slots) : steps_(steps), slots_(slots) {
    work_ = slots;
    program_.buffers = slots + (slots < steps ? kWorkBuffers : 0) + 1;
  }

  RolloutProgram build() {
    reverse(0, steps_, 0);
    return std::move(program_);
  }

 private:
  std::vector<Op>& sweep() { return reached_end_ ? program_.backward : program_.forward; }

  /// Steps x_a in buffer `from` on to x_b in buffer `to`, through the work buffers.
  void advance(int a, int b, int from, int to) {
    for (int k = a; k < b; ++k) {
      int target = to;
      if (k + 1 < b) target = from == work_ ? work_ + 1 : work_;
      sweep().push_back({Op::Kind::step, k, from, target});
      from = target;
    }
  }

  /// Adjoint of step k whose state x_a is in `slot`. The first one of all ends the first sweep.
  void turn(int k, int a, int slot) {
    if (!reached_end_) {
      advance(a, steps_, slot, program_.final_buffer());
      reached_end_ = true;
    }
    int from = slot;
    if (k == steps_ - 1) {
      from = program_.forward.back().from;
    } else if (k != a) {
      from = (k - a) % 2 == 1 ? work_ : work_ + 1;  // where the walk through the work buffers ends
      advance(a, k, slot, from);
    }
    program_.backward.push_back({Op::Kind::adjoint, k, from, -1});
  }

  /// Adjoints of the steps a .. a + l - 1 with x_a in `slot` and the slots behind it free.
  void reverse(int a, int l, int slot) {
    while (l > 1 && slot + 1 < slots_) {
      const int m = revolve_split(l, slots_ - slot);
      advance(a, a + m, slot, slot + 1);
      reverse(a + m, l - m, slot + 1);
      l = m;
    }
    for (int k = a + l - 1; k >= a; --k) turn(k, a, slot);
  }

  int steps_, slots_, work_ = 0;
  bool reached_end_ = false;
  RolloutProgram program_;
};

/// Lengths of the segments of the two-level plan. While segment j is reversed, the starts 0 .. j are needed and all its
/// other states: j + l_j slots. So the lengths S, S - 1, S - 2, ... share S slots, the fewest that serve; the first one
/// is shortened to what the others leave.
std::vector<int> segment_lengths(int steps) {
  int slots = 1;
  while ((long long)slots * (slots + 1) / 2 < steps) ++slots;
  std::vector<int> lengths;
  int sum = 0;
  for (int l = slots; sum < steps; sum += l--) lengths.push_back(l);
  lengths.front() -= sum - steps;
  return lengths;
}
int two_level_slots(const std::vector<int>& lengths) { return int(lengths.size()) - 1 + lengths.back(); }

/// Segment j starts in slot j and puts its other states behind it, over the starts of segments that are done with. The
/// first sweep keeps those of the last segment only; the others pass through the buffer of the final state and the last
/// slot.
RolloutProgram two_level_program(int steps) {
  const std::vector<int> lengths = segment_lengths(steps);
  const int last = int(lengths.size()) - 1, slots = two_level_slots(lengths);
  RolloutProgram p;
  p.buffers = slots + 1;
  int k = 0, at = 0;
  const auto forward_to = [&](int to) {
    p.forward.push_back({Op::Kind::step, k++, at, to});
    at = to;
  };
  for (int j = 0; j < last; ++j) {
    for (int i = 1; i < lengths[std::size_t(j)]; ++i) forward_to(i % 2 == 1 ? p.final_buffer() : slots - 1);
    forward_to(j + 1);
  }
  while (k + 1 < steps) forward_to(at + 1);
  forward_to(p.final_buffer());
  for (int j = last; j >= 0; --j) {
    const int length = lengths[std::size_t(j)], start = k - length;
    if (j < last)
      for (int i = 0; i + 1 < length; ++i) p.backward.push_back({Op::Kind::step, start + i, j + i, j + i + 1});
    for (int i = length - 1; i >= 0; --i) p.backward.push_back({Op::Kind::adjoint, start + i, j + i, -1});
    k = start;
  }
  return p;
}

MemoryPlan make_plan(Kind kind, int steps, int slots, std::size_t state_bytes, int held) {
  MemoryPlan plan{kind, steps, slots, 0, held, 0, 0};
  if (kind == Kind::sqrt) {
    const std::vector<int> lengths = segment_lengths(steps);
    plan.slots = two_level_slots(lengths);
    plan.recomputed_steps = steps - plan.slots;
    plan.states = plan.slots + 1 + kCotangents;
  } else {
    plan.slots = std::min(slots, steps);
    plan.recomputed_steps = revolve_forward_steps(steps, plan.slots) - (steps - 1);
    plan.states = plan.slots + (plan.slots < steps ? kWorkBuffers : 0) + 1 + kCotangents;
  }
  plan.states += held;
  plan.bytes = std::size_t(plan.states) * state_bytes;
  return plan;
}

}  // namespace

long long revolve_forward_steps(int steps, int slots) {
  if (steps < 1 || slots < 1) throw std::invalid_argument("revolve_forward_steps: needs steps >= 1 and slots >= 1");
  if (slots == 1) return (long long)steps * (steps - 1) / 2;
  const long long r = repetitions(steps, slots);
  return r * steps - beta(slots + 1, r - 1);
}

std::string MemoryPlan::describe() const {
  static constexpr const char* kNames[] = {"store_all", "sqrt", "revolve"};
  const std::string mib = std::to_string(double(bytes) / (1 << 20));
  return std::string("memory plan ") + kNames[int(kind)] + ": " + std::to_string(steps) + " steps, " +
         std::to_string(slots) + " slots, " + std::to_string(states) + " states = " + mib.substr(0, mib.find('.') + 2) +
         " MiB, " + std::to_string(recomputed_steps) + " steps recomputed";
}

MemoryPlan plan_rollout(int steps, std::size_t state_bytes, std::size_t budget_bytes, const std::string& kind,
                        int slots, int held) {
  if (steps < 1) throw std::invalid_argument("plan_rollout: needs at least one step, got " + std::to_string(steps));
  if (slots < 0) throw std::invalid_argument("plan_rollout: slots must not be negative, got " + std::to_string(slots));
  const std::size_t fit =
      budget_bytes == 0 || state_bytes == 0 ? std::numeric_limits<std::size_t>::max() : budget_bytes / state_bytes;
  auto fits = [&](const MemoryPlan& p) { return std::size_t(p.states) <= fit; };
  auto within = [&](MemoryPlan p) {
    if (fits(p)) return p;
    throw std::invalid_argument("plan_rollout: " + kind + " needs " + std::to_string(p.bytes) +
                                " bytes, the budget is " + std::to_string(budget_bytes) +
                                "; use a larger budget, fewer samples or another plan");
  };
  const MemoryPlan all = make_plan(Kind::store_all, steps, steps, state_bytes, held);
  if (kind == "store_all") return within(all);
  const MemoryPlan two_level = make_plan(Kind::sqrt, steps, 0, state_bytes, held);
  if (kind == "sqrt") return within(two_level);
  if (kind != "revolve" && kind != "auto")
    throw std::invalid_argument("plan_rollout: unknown plan '" + kind + "'; known: auto, store_all, sqrt, revolve");
  if (kind == "auto" && fits(all)) return all;

  const std::size_t other = std::size_t(kWorkBuffers + 1 + kCotangents + held);
  const int most = fit > other ? int(std::min<std::size_t>(fit - other, std::size_t(steps))) : 1;
  const MemoryPlan binomial = within(make_plan(Kind::revolve, steps,
                                               fits(all) && slots == 0 ? steps
                                               : slots > 0             ? slots
                                                                       : most,
                                               state_bytes, held));
  if (kind == "auto" && fits(two_level) && two_level.recomputed_steps <= binomial.recomputed_steps) return two_level;
  return binomial;
}

RolloutProgram rollout_program(const MemoryPlan& plan) {
  if (plan.steps < 1 || plan.slots < 1) throw std::invalid_argument("rollout_program: an empty plan");
  if (plan.kind == Kind::sqrt) return two_level_program(plan.steps);
  return Revolve(plan.steps, plan.slots).build();
}

}  // namespace mg::train
