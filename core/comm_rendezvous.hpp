#pragma once
#include <vector>

#include "core/comm_tcp.hpp"
#include "core/socket.hpp"

namespace mg {

/// Rank 0: waits for all others. sockets[r] is the connection to rank r, [0] is closed.
std::vector<Socket> gather_peers(const TcpOptions& options);
/// The others: the connection to rank 0.
Socket find_root(const TcpOptions& options);

}  // namespace mg
