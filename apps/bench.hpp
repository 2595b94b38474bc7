#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/exec.hpp"

namespace mg::apps {

/// One line of a benchmark.
struct BenchLine {
  std::string name, backend;
  double seconds = 0;  ///< of one run, the best of several
  double seconds_median = 0;
  double rate = 0;  ///< [unit]
  std::string unit;
  double limit = 0;  ///< what the hardware would allow [unit]; 0 = not known
};

struct BenchOptions {
  Exec exec;
  int repeats = 7;
  std::string part;  ///< only cases whose name contains it
  bool wants(std::string_view name) const { return name.find(part) != std::string_view::npos; }
  std::function<void(const BenchLine&)> report;
};

/// Runs `work` once to warm up, then `repeats` times. Fills seconds and seconds_median.
void time_work(const BenchOptions& options, const std::function<void()>& work, BenchLine& line);

/// "fma_peak" and "copy_bandwidth" of the host. Later benchmarks measure the peak again beside their own work.
void bench_limits(const BenchOptions& options);

/// The neural automaton: rollouts and whole training steps (forward, adjoint, optimiser). Credited per cell and step are
/// the two products of the network, 2 (F H + H O) flop, three times that for training; the limit is the FMA peak measured
/// just before and after. Names end with _cell where the fire mask is per cell: silent cells are skipped, so that the ratio
/// may exceed 1. nca_train_50x50x1_c20_f80 is the step of the image_morph demo: 2 lattices, 32 steps, losses on features,
/// regularisers.
void bench_nca(const BenchOptions& options);

/// Gray-Scott in single precision: fixed steps forwards, and the gradient of the solve with respect to initial state and
/// parameters, all states stored or 24 of them; _stored: forwards, all states kept. Small lattices stay in the caches,
/// their limit is the FMA peak; the limit of 4096 x 4096 is a copy of the state, 16 bytes per cell and step, _blocked takes
/// several steps in one sweep. tsit5 counts accepted steps and searches for them in the same time. kvaerno3: implicit steps
/// of Cahn and Hilliard's equation, no limit known. pde_rda_train_64x64x4_c4: a learned equation with every term, a batch
/// of 4.
void bench_pde(const BenchOptions& options);

/// Agents in single precision: rule-based and neural swarms forwards, value and gradient of short rollouts judged by the
/// lattice, the Sinkhorn divergence with its gradient, and a training iteration of the reference's configuration. Credited
/// per agent and step are the network and three gathers, three times that with the gradient; per pair of points 22 flop.
void bench_abm(const BenchOptions& options);

}  // namespace mg::apps
