#pragma once
#include <string>

#include "core/exec.hpp"
#include "core/layout.hpp"

namespace mg {

/// The first value of a batch of states that is NaN or infinite, as "sample 0, fields[1, 3, 4] is nan"; empty when all
/// are finite. Copies the state to the host: for the message of an error, not for a loop.
template <class T>
std::string describe_not_finite(const Exec& exec, ConstStateView<T> state);

}  // namespace mg
