#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace mg::train {

/// How the states of a rollout are kept for its adjoint.
struct MemoryPlan {
  enum class Kind {
    store_all,  ///< x_0 .. x_{K-1}: nothing is computed twice
    sqrt,       ///< two levels: the first states of the segments ahead, and all states of one; no step runs three times
    revolve     ///< binomial checkpointing: the fewest recomputed steps for a number of slots
  };
  Kind kind = Kind::store_all;
  int steps = 0;                   ///< K
  int slots = 0;                   ///< states x_0 .. x_{K-1} kept at a time, x_0 included
  long long recomputed_steps = 0;  ///< forward steps of the adjoint sweep
  int held = 0;                    ///< states held whatever the kind: saves between steps and their cotangents
  int states = 0;                  ///< buffers of one state in all: slots, work, final state, two cotangents, held ones
  std::size_t bytes = 0;           ///< states * bytes of one state
  std::string describe() const;    ///< one line for the log
};

/// The plan of that `kind` ("store_all" | "sqrt" | "revolve") within `budget_bytes`; "auto" takes the kind that
/// recomputes the fewest steps (store_all when it fits). revolve uses as many slots as fit, or exactly `slots` when > 0.
/// A budget of 0 means no limit.
/// @param state_bytes  of one batch of states
/// @param held         states that are held besides, of the same size
/// @throws std::invalid_argument when steps < 1, the kind is unknown, or the plan does not fit (the text names the
///         smallest budget that does)
MemoryPlan plan_rollout(int steps, std::size_t state_bytes, std::size_t budget_bytes, const std::string& kind,
                        int slots = 0, int held = 0);

/// The fewest forward steps that reverse `steps` steps with `slots` stored states, the first sweep to x_{K-1} included:
///   t(l, c) = r l - beta(c + 1, r - 1),  beta(c, r) = (c + r)! / (c! r!),  r least with beta(c, r) >= l
/// @source Griewank, Walther: Algorithm 799: Revolve, ACM TOMS 26 (2000), theorem 1
long long revolve_forward_steps(int steps, int slots);

/// A memory plan spelt out: which buffer every step reads and writes. Buffers 0 .. slots-1 are slots (x_0 lies in 0
/// at the start), then two work buffers (of revolve only), last the final state.
struct RolloutProgram {
  struct Op {
    enum class Kind { step, adjoint } kind;
    int k;         ///< step: x_{k+1} from x_k; adjoint: of that step
    int from, to;  ///< buffers of x_k and (step only) x_{k+1}
  };
  std::vector<Op> forward, backward;
  int buffers = 0;
  int final_buffer() const { return buffers - 1; }
};
RolloutProgram rollout_program(const MemoryPlan& plan);

}  // namespace mg::train
