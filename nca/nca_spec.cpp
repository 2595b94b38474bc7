#include "nca/nca_spec.hpp"

namespace mg::nca {

Layout nca_param_layout(const NcaSpec& spec) {
  Layout layout;
  layout.add("hidden.weight", {spec.hidden_width(), spec.features()});
  if (spec.hidden_bias) layout.add("hidden.bias", {spec.hidden_width()});
  layout.add("output.weight", {spec.outputs(), spec.hidden_width()});
  if (spec.output_bias) layout.add("output.bias", {spec.outputs()});
  return layout;
}

}  // namespace mg::nca
