#include "core/socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.hpp"

namespace mg {
namespace {

/// Waits for `events`. Whether they, or an error, came before the deadline.
bool ready(int descriptor, short events, CommClock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - CommClock::now()).count();
    pollfd p{descriptor, events, 0};
    const int n = ::poll(&p, 1, int(std::clamp<long long>(left, 0, 60000)));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return true;  // the call that follows tells what is wrong
    if (CommClock::now() >= deadline) return false;
  }
}

void prepare(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

}  // namespace

void Socket::close() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Socket::Result Socket::send(const void* data, std::size_t bytes, CommClock::time_point deadline) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::send(descriptor_, at, bytes, MSG_NOSIGNAL);
    if (n >= 0) {
      at += n;
      bytes -= std::size_t(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!ready(descriptor_, POLLOUT, deadline)) return Result::timeout;
    } else if (errno != EINTR) {
      return Result::closed;
    }
  }
  return Result::done;
}

Socket::Result Socket::receive(void* data, std::size_t bytes, CommClock::time_point deadline) {
  auto* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::recv(descriptor_, at, bytes, 0);
    if (n > 0) {
      at += n;
      bytes -= std::size_t(n);
    } else if (n == 0) {
      return Result::closed;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!ready(descriptor_, POLLIN, deadline)) return Result::timeout;
    } else if (errno != EINTR) {
      return Result::closed;
    }
  }
  return Result::done;
}

Socket::Result Socket::wait(CommClock::time_point deadline) const {
  return ready(descriptor_, POLLIN, deadline) ? Result::done : Result::timeout;
}

bool Socket::hung_up() const {
  pollfd p{descriptor_, POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

Socket Socket::listen_on(int port) {
  Socket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!s.open()) throw IoError(std::string("no socket: ") + std::strerror(errno));
  const int on = 1;
  ::setsockopt(s.descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(std::uint16_t(port));
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  if (::bind(s.descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(s.descriptor_, 1024) != 0)
    throw IoError("port " + std::to_string(port) + " cannot be listened on: " + std::strerror(errno));
  prepare(s.descriptor_);
  return s;
}

int Socket::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

Socket Socket::accept(CommClock::time_point deadline) const {
  while (ready(descriptor_, POLLIN, deadline)) {
    Socket s(::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC));
    if (s.open()) {
      prepare(s.descriptor_);
      return s;
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
      throw IoError(std::string("no connection can be accepted: ") + std::strerror(errno));
  }
  return {};
}

Socket Socket::connect_to(const std::string& host, int port, CommClock::time_point deadline, std::string& problem) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  if (const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0) {
    problem = host + ": " + ::gai_strerror(error);
    return {};
  }
  Socket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  prepare(s.descriptor_);
  const int result = ::connect(s.descriptor_, found->ai_addr, found->ai_addrlen);
  int error = result == 0 ? 0 : errno;
  ::freeaddrinfo(found);
  if (error == EINPROGRESS) {
    socklen_t size = sizeof error;
    if (!ready(s.descriptor_, POLLOUT, deadline))
      error = ETIMEDOUT;
    else
      ::getsockopt(s.descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error == 0) return s;
  problem = host + ":" + std::to_string(port) + ": " + std::strerror(error);
  return {};
}

std::vector<std::string> own_addresses() {
  std::vector<std::string> found, loopback;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return {"127.0.0.1"};
  for (const ifaddrs* i = all; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr, text, sizeof text);
    (std::strncmp(text, "127.", 4) == 0 ? loopback : found).emplace_back(text);
  }
  ::freeifaddrs(all);
  found.insert(found.end(), loopback.begin(), loopback.end());
  return found;
}

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace mg
