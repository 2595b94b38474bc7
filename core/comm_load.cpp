#include <dlfcn.h>

#include <filesystem>

#include "core/communicator.hpp"

namespace mg {

std::unique_ptr<Communicator> mpi_communicator(const CommDeadline& deadline) {
  namespace fs = std::filesystem;
  constexpr const char* kName = "libmorphogen_mpi.so";
  std::error_code ignored;
  const fs::path here = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  std::string problem = here.string() + "/" + kName + " does not exist: this build has no MPI (MG_MPI)";
  for (const auto& place : {here / kName, here.parent_path() / "lib" / "morphogen" / kName}) {
    if (!fs::exists(place, ignored)) continue;
    void* const library = ::dlopen(place.c_str(), RTLD_NOW | RTLD_GLOBAL);  // global: MPI loads parts of itself
    if (library == nullptr) {
      problem = ::dlerror();
      continue;
    }
    using Make = Communicator*(long long);
    auto* const make = reinterpret_cast<Make*>(::dlsym(library, "mg_make_mpi_communicator"));
    if (make != nullptr) return std::unique_ptr<Communicator>(make(deadline.wait.count()));
    problem = place.string() + ": is of another version";
  }
  throw DistributedError("no ranks by MPI: " + problem + "; use --comm tcp or --comm threads");
}

}  // namespace mg
