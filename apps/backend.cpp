#include "apps/options.hpp"
#include "core/device.hpp"

namespace mg::apps {

Exec make_exec(const GlobalOptions& options) {
  if (options.backend == "host") return {};
  if (options.backend == "auto" && !device_usable()) return {};
  return make_device_exec();
}

}  // namespace mg::apps
