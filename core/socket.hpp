#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace mg {

using CommClock = std::chrono::steady_clock;

/// A TCP connection, or a listening socket. Move-only. Every call ends by its deadline.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  bool open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  void close() noexcept;

  enum class Result { done, timeout, closed };
  /// All `bytes`, or why not.
  Result send(const void* data, std::size_t bytes, CommClock::time_point deadline);
  Result receive(void* data, std::size_t bytes, CommClock::time_point deadline);
  /// Waits until there is something to read, or the peer has closed (done in both cases).
  Result wait(CommClock::time_point deadline) const;
  /// Whether the peer has left. Bytes that it sent before may still wait.
  bool hung_up() const;

  /// Listens on all interfaces. @param port  0 = any that is free  @throws IoError when the port is in use
  static Socket listen_on(int port);
  int port() const;  ///< of a listening socket
  /// A connection, or a closed socket at the deadline.
  Socket accept(CommClock::time_point deadline) const;
  /// A connection to host:port; a closed socket, and the reason in `problem`, when it cannot be had.
  static Socket connect_to(const std::string& host, int port, CommClock::time_point deadline, std::string& problem);

 private:
  int descriptor_ = -1;
};

/// Addresses of this machine by which others may reach it, numeric, loopback last.
std::vector<std::string> own_addresses();
std::string host_name();

}  // namespace mg
