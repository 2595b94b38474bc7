#include "core/not_finite.hpp"

#include <cmath>
#include <vector>

#include "core/buffer.hpp"

namespace mg {

template <class T>
std::string describe_not_finite(const Exec& exec, ConstStateView<T> state) {
  std::vector<T> values(state.size());
  copy_bytes(exec, values.data(), Backend::host, state.data, exec.backend, values.size() * sizeof(T));
  synchronise(exec);
  std::size_t at = 0;
  for (const Block& block : state.layout->blocks())
    for (int n = 0; n < state.batch; ++n)
      for (std::size_t i = 0; i < block.size; ++i, ++at) {
        if (std::isfinite(values[at])) continue;
        std::string place;
        std::size_t rest = i;
        for (std::size_t d = block.dims.size(); d-- > 0; rest /= std::size_t(block.dims[d]))
          place = std::to_string(rest % std::size_t(block.dims[d])) + (place.empty() ? "" : ", ") + place;
        return "sample " + std::to_string(n) + ", " + block.name + "[" + place + "] is " +
               (std::isnan(values[at]) ? "nan" : "infinite");
      }
  return "";
}

template std::string describe_not_finite<float>(const Exec&, ConstStateView<float>);
template std::string describe_not_finite<double>(const Exec&, ConstStateView<double>);

}  // namespace mg
