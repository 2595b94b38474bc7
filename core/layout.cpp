#include "core/layout.hpp"

#include <stdexcept>

namespace mg {

Layout& Layout::add(std::string name, std::vector<int> dims) {
  if (contains(name)) throw std::invalid_argument("Layout: block '" + name + "' added twice");
  std::size_t size = 1;
  for (int d : dims) {
    if (d < 0) throw std::invalid_argument("Layout: block '" + name + "' has a negative dimension");
    size *= std::size_t(d);
  }
  blocks_.push_back({std::move(name), std::move(dims), size_, size});
  size_ += size;
  return *this;
}

bool Layout::contains(std::string_view name) const {
  for (const Block& b : blocks_)
    if (b.name == name) return true;
  return false;
}

const Block& Layout::at(std::string_view name) const {
  std::string known;
  for (const Block& b : blocks_) {
    if (b.name == name) return b;
    known += (known.empty() ? "" : ", ") + b.name;
  }
  throw std::invalid_argument("Layout: no block '" + std::string(name) + "'; known: " + known);
}

}  // namespace mg
