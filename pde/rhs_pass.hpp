#pragma once
#include <new>
#include <span>
#include <type_traits>

#include "pde/combination.hpp"

namespace mg::pde {

/// One pass over the lattice of an explicit scheme: slope = F(t, x), and sums of it.
template <class T>
struct RhsPass {
  double t = 0;          ///< [model time]
  const T* x = nullptr;  // fields
  T* slope = nullptr;    // fields; null: not wanted
  Combinations<T> sums;
};

/// Passes in the order of their execution, in memory that is set up one by one.
template <class T>
class PassList {
 public:
  static constexpr int kMost = 32;
  PassList() = default;
  PassList(const PassList&) = delete;
  PassList& operator=(const PassList&) = delete;
  RhsPass<T>& add(double t, const T* x) {
    static_assert(std::is_trivially_destructible_v<RhsPass<T>>);
    RhsPass<T>* pass = ::new (memory_ + sizeof(RhsPass<T>) * std::size_t(count_++)) RhsPass<T>;
    pass->t = t, pass->x = x;
    return *pass;
  }
  std::span<const RhsPass<T>> passes() const {
    return {std::launder(reinterpret_cast<const RhsPass<T>*>(memory_)), std::size_t(count_)};
  }

 private:
  int count_ = 0;
  alignas(RhsPass<T>) std::byte memory_[sizeof(RhsPass<T>) * kMost];
};

}  // namespace mg::pde
