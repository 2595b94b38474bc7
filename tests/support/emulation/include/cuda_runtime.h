#pragma once
// The slice of CUDA that the kernels and their launches use, for a plain C++ compiler.
#include "device_language.h"
#include "device_math.h"
#include "runtime_api.h"
#include "vector_types.h"
