#pragma once
#include <gtest/gtest.h>

#include <vector>

#include "core/buffer.hpp"
#include "core/fft.hpp"

/// Ends a test that cannot go on without a Fourier transform on the host as a skip; what came before it has been checked.
#define MG_SKIP_WITHOUT_FFT() \
  if (::mg::host_fft_library().empty()) GTEST_SKIP() << ::mg::kNoHostFft

namespace mg::test {

/// Arrays in double, in and out of a backend.
template <class T>
Buffer<T> to_backend(const Exec& exec, const std::vector<double>& v) {
  Buffer<T> buffer(exec, v.size());
  if (!v.empty()) buffer.upload(std::vector<T>(v.begin(), v.end()));
  return buffer;
}
template <class T>
std::vector<double> from_backend(const Buffer<T>& b) {
  const auto v = b.to_vector();
  return {v.begin(), v.end()};
}

}  // namespace mg::test
