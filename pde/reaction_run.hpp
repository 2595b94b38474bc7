#pragma once
#include "core/buffer.hpp"
#include "pde/reaction_path.hpp"

// Running one pass of a reaction-diffusion model on either backend.
namespace mg::pde::reaction {

enum class Kind { value, adjoint, tangent };

namespace host {  // pde/reaction_host.cpp
template <class T>
void run(int model, Kind kind, Pass<T> pass, T* params_bar, Workspace& workspace);
}
namespace cuda {  // cuda/pde/reaction.cu
template <class T>
void run(CUstream_st* stream, int model, Kind kind, Pass<T> pass, T* params_bar, Workspace& workspace);
}

}  // namespace mg::pde::reaction
