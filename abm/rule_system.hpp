#pragma once
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "core/system.hpp"

namespace mg::abm {

/// A system that follows rules without a derivative: it has no parameters and can be run, not trained.
template <class T>
class RuleSystem : public System<T> {
 public:
  const Layout& param_layout() const final { return none_; }
  void initialise(std::uint64_t, std::span<T>) const final {}
  /// @throws std::logic_error
  void step_adjoint(const Exec&, const StepIndex&, const T*, ConstStateView<T>, ConstStateView<T>, ConstStateView<T>,
                    StateView<T>, T*, Workspace&) const final {
    throw std::logic_error(std::string(this->type()) +
                           " follows rules without a derivative: it can be run, not trained");
  }

 private:
  Layout none_;
};

}  // namespace mg::abm
