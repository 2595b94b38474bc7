#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "core/communicator.hpp"

namespace mg {

/// How the processes of a job find each other. Rank 0 listens; either all are told its address, or it writes address,
/// port and a nonce into a file that all can read.
struct TcpOptions {
  int rank = 0, size = 1;
  std::filesystem::path file;  ///< the rendezvous file; empty = host and port
  std::string key;             ///< of this start of the job: a file with another key is stale and waited over
  std::string host;            ///< of rank 0, when there is no file
  int port = 0;
  std::string nonce;  ///< what peers must know, when there is no file; a file brings its own
  CommDeadline deadline;
};

/// Processes joined by TCP: rank 0 gathers in rank order, sums and hands back.
/// @throws DistributedError naming the ranks that did not come in time; IoError when the port is in use or the file cannot
/// be written
std::unique_ptr<Communicator> tcp_communicator(const TcpOptions& options);

/// 128 random bits as 32 hexadecimal digits.
std::string random_nonce();

}  // namespace mg
