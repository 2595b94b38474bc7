#include "abm/agent_step.hpp"

#include "abm/agent_kernels.hpp"
#include "core/cpu.hpp"

namespace mg::abm {

namespace isa_baseline {
const AgentKernels<float>& float_kernels();
const AgentKernels<double>& double_kernels();
}  // namespace isa_baseline
namespace isa_avx2 {
const AgentKernels<float>& float_kernels();
const AgentKernels<double>& double_kernels();
}  // namespace isa_avx2
namespace isa_avx512 {
const AgentKernels<float>& float_kernels();
const AgentKernels<double>& double_kernels();
}  // namespace isa_avx512

template <>
const AgentKernels<float>& agent_kernels() {
  return of_isa(best_isa(), isa_baseline::float_kernels, isa_avx2::float_kernels, isa_avx512::float_kernels)();
}
template <>
const AgentKernels<double>& agent_kernels() {
  return of_isa(best_isa(), isa_baseline::double_kernels, isa_avx2::double_kernels, isa_avx512::double_kernels)();
}

namespace host {
template <class T>
void agent_noise(const StepIndex& index, int batch, int agents, T* noise);
template <class T>
void agent_step(const AgentStepInputs<T>& in, const T* params, AgentState<const T> state, AgentState<T> next,
                Workspace& workspace);
template <class T>
void agent_step_adjoint(const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                        AgentState<const T> next_bar, AgentState<T> bar, T* params_bar, Workspace& workspace);
}  // namespace host
#if MG_WITH_CUDA
namespace cuda {
template <class T>
void agent_noise(CUstream_st* stream, const StepIndex& index, int batch, int agents, T* noise);
template <class T>
void agent_step(CUstream_st* stream, const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                AgentState<T> next, Workspace& workspace);
template <class T>
void agent_step_adjoint(CUstream_st* stream, const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                        AgentState<const T> next_bar, AgentState<T> bar, T* params_bar, Workspace& workspace);
}  // namespace cuda
#endif

template <class T>
void agent_noise(const Exec& exec, const StepIndex& index, int batch, int agents, T* noise) {
  MG_DISPATCH(exec, agent_noise<T>, index, batch, agents, noise);
}
template <class T>
void agent_step(const Exec& exec, const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                AgentState<T> next, Workspace& workspace) {
  MG_DISPATCH(exec, agent_step<T>, in, params, state, next, workspace);
}
template <class T>
void agent_step_adjoint(const Exec& exec, const AgentStepInputs<T>& in, const T* params, AgentState<const T> state,
                        AgentState<const T> next_bar, AgentState<T> bar, T* params_bar, Workspace& workspace) {
  MG_DISPATCH(exec, agent_step_adjoint<T>, in, params, state, next_bar, bar, params_bar, workspace);
}
#define MG_INSTANTIATE(T)                                                                                        \
  template void agent_step(const Exec&, const AgentStepInputs<T>&, const T*, AgentState<const T>, AgentState<T>, \
                           Workspace&);                                                                          \
  template void agent_step_adjoint(const Exec&, const AgentStepInputs<T>&, const T*, AgentState<const T>,        \
                                   AgentState<const T>, AgentState<T>, T*, Workspace&)
template void agent_noise(const Exec&, const StepIndex&, int, int, float*);
template void agent_noise(const Exec&, const StepIndex&, int, int, double*);
MG_INSTANTIATE(float);
MG_INSTANTIATE(double);
#undef MG_INSTANTIATE

}  // namespace mg::abm
