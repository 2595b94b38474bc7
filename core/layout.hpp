#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/view.hpp"

namespace mg {

/// One named array: of a state (per sample) or of the parameters.
struct Block {
  std::string name;
  std::vector<int> dims;   // row-major, last fastest
  std::size_t offset = 0;  ///< elements before it in the layout
  std::size_t size = 0;    ///< product of dims
};

/// Named arrays laid one after another. Of a state it describes one sample; of parameters the flat buffer.
class Layout {
 public:
  Layout& add(std::string name, std::vector<int> dims);
  const std::vector<Block>& blocks() const { return blocks_; }
  /// @throws std::invalid_argument naming the known blocks when there is no such block
  const Block& at(std::string_view name) const;
  bool contains(std::string_view name) const;
  std::size_t size() const { return size_; }
  bool empty() const { return blocks_.empty(); }

 private:
  std::vector<Block> blocks_;
  std::size_t size_ = 0;
};

/// A batch of states in one buffer, block-major: block k of all samples (n, dims...) starts at batch * offset_k.
template <class T>
struct StateView {
  T* data = nullptr;
  const Layout* layout = nullptr;
  int batch = 0;

  std::size_t size() const { return layout ? std::size_t(batch) * layout->size() : 0; }
  T* block(std::size_t index) const { return data + std::size_t(batch) * layout->blocks()[index].offset; }
  /// Block `index`, of dims (c, h, w), as a field (batch, c, h, w).
  View<T> field(std::size_t index = 0) const {
    const auto& d = layout->blocks()[index].dims;
    return {block(index), {batch, d.at(0), d.at(1), d.at(2)}};
  }
  template <class U>
  requires(std::is_same_v<U, const T> && !std::is_const_v<T>) operator StateView<U>() const {
    return {data, layout, batch};
  }
};
template <class T>
using ConstStateView = StateView<const std::type_identity_t<T>>;

}  // namespace mg
