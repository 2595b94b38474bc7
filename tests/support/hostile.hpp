#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <random>
#include <string>

#include "core/error.hpp"

namespace mg::test {

/// Runs a reader on damaged input. True when it refused with a DataError; any other exception fails the test.
template <class Read>
bool refused(const Read& read, const std::string& bytes, const std::string& what) {
  try {
    read(bytes);
    return false;
  } catch (const DataError& e) {
    EXPECT_GT(std::string(e.what()).size(), 5U) << what;
    return true;
  } catch (const std::exception& e) {
    ADD_FAILURE() << what << ": not a DataError: " << e.what();
    return true;
  }
}

/// Every proper prefix of a valid file must be refused.
template <class Read>
void expect_truncations_refused(const Read& read, const std::string& valid, std::size_t from = 0) {
  for (std::size_t n = from; n < valid.size(); ++n)
    ASSERT_TRUE(refused(read, valid.substr(0, n), "first " + std::to_string(n) + " bytes")) << n;
}

/// Random bytes changed, inserted, removed or repeated: the reader may take or refuse the result, but no more than that.
template <class Read>
void expect_mutations_survived(const Read& read, const std::string& valid, int rounds, unsigned seed = 1) {
  std::mt19937 rng(seed);
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = valid;
    for (unsigned k = 0; k <= rng() % 4 && !bytes.empty(); ++k) {
      // Half of the changes hit the first bytes, where the headers are.
      const std::size_t at = rng() % (rng() % 2 ? bytes.size() : std::min<std::size_t>(bytes.size(), 200));
      switch (rng() % 4) {
        case 0:
          bytes[at] = char(rng());
          break;
        case 1:
          bytes.insert(at, 1, char(rng()));
          break;
        case 2:
          bytes.erase(at, 1 + rng() % 8);
          break;
        case 3:
          bytes.insert(at, bytes.substr(at, rng() % 64));
          break;
      }
    }
    refused(read, bytes, "round " + std::to_string(round));
  }
}

}  // namespace mg::test
