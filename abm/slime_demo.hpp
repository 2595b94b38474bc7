#pragma once
#include "abm/rule_system.hpp"
#include "core/config.hpp"
#include "core/schema.hpp"

namespace mg::abm {

/// The two rule-based demos of the reference implementation. one_by_one: agents act in turn and see what those before
/// them left. at_once: all deposit, all sense, all turn, all move.
enum class SlimeDemo { one_by_one, at_once };

/// Their rules and quirks; the defaults are the reference's.
struct SlimeDemoSpec {
  SlimeDemo demo = SlimeDemo::one_by_one;
  int agents = 300;
  double speed = 0.3;  ///< [nodes / step]
  double turn = 0.3;   ///< [rad]
  double sensor_angle = 0.6, sensor_length = 3;
  double decay = 0.99, threshold = 0.1;  ///< below that total smell the empty rule holds
  bool fair_when_empty = false;          ///< one third each; else .98 right (one_by_one), .98 straight on (at_once)
  bool symmetric_window = false;         ///< c - 3 .. c + 3 instead of c - 3 .. c + 2, of one_by_one
  bool full_torus = false;               ///< positions wrap at n instead of n - 1, of one_by_one
  bool own_weights = false;  ///< left and right by their own smell; else both by that of the centre, of at_once
};

/// One demo as a System: state {"x" [N,2], "u" [N,2] velocities, "lattice" [1,h,w]}, no parameters; runs on the host,
/// cannot be trained.
template <class T>
class SlimeDemoSystem final : public RuleSystem<T> {
 public:
  /// @throws std::invalid_argument for a specification out of range
  explicit SlimeDemoSystem(const SlimeDemoSpec& spec);
  std::string_view type() const override { return "slime_demo"; }
  Layout state_layout(Grid grid) const override;
  void step(const Exec& exec, const StepIndex& index, const T* params, ConstStateView<T> conditions,
            ConstStateView<T> state, StateView<T> next, Workspace& workspace) const override;

 private:
  SlimeDemoSpec spec_;
};

/// One step of one sample, in place. @param chance  [N] uniform numbers in [0, 1)  @param x, v  [N][2]  @param lattice [h][w]
template <class T>
void slime_demo_step(const SlimeDemoSpec& spec, int h, int w, const double* chance, T* x, T* v, T* lattice);

/// Keys of {"type": "slime_demo"}.
Schema slime_demo_schema();
SlimeDemoSpec slime_demo_spec(const Config& config);

}  // namespace mg::abm
