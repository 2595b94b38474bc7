#pragma once
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace mg::train {

struct LbfgsOptions {
  int memory = 10;               ///< pairs (s, y) kept
  int iterations = 200;          ///< at most
  double gradient_norm = 1e-10;  ///< stop below
  double decrease = 1e-15;       ///< stop when the value falls by less than this share of itself
  double c1 = 1e-4, c2 = 0.9;    ///< of the strong Wolfe conditions
  int line_steps = 30;           ///< evaluations of one line search, at most
};

struct LbfgsResult {
  std::vector<double> x;
  double value = 0, gradient_norm = 0;
  int iterations = 0, evaluations = 0;
  std::string stopped;  ///< why: "gradient", "decrease", "iterations" or "line search"
};

/// What one step showed of the curvature: s the step, y the change of the gradient, rho = 1 / <s, y>.
struct LbfgsPair {
  std::vector<double> s, y;
  double rho;
};
/// - H gradient by the two-loop recursion, oldest pair first; - gradient without pairs.
std::vector<double> lbfgs_direction(const std::deque<LbfgsPair>& pairs, const std::vector<double>& gradient);

/// Value of the function at x; `gradient` is overwritten.
using ValueAndGradient = std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

/// Minimises a smooth function of few variables by L-BFGS with the two-loop recursion and a line search for the strong
/// Wolfe conditions. All arithmetic is in double and in a fixed order: the same function gives the same bits. Points
/// where the function is not finite count as too far.
/// @throws std::invalid_argument when the function is not finite at the start
/// @source Nocedal, Wright: Numerical Optimization, 2nd ed., algorithms 3.5, 3.6 and 7.4
LbfgsResult minimise_lbfgs(const ValueAndGradient& function, std::vector<double> start,
                           const LbfgsOptions& options = {});

}  // namespace mg::train
