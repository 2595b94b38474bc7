#include "core/comm_rendezvous.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "core/file.hpp"
#include "core/log.hpp"

namespace mg {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::size_t kNonce = 32;

/// The first bytes on a connection; the answer is one byte, 1 = welcome.
struct Hello {
  char magic[8];
  char nonce[kNonce];
  std::int32_t rank, size;
};
constexpr char kMagic[8] = {'M', 'G', 'C', 'O', 'M', 'M', '1', '\n'};

/// Readable by its owner only, and there only when complete.
void publish(const fs::path& file, const std::string& text) {
  std::error_code ignored;
  fs::create_directories(file.parent_path(), ignored);
  const fs::path temporary = file.string() + "." + std::to_string(::getpid());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) throw IoError(temporary.string() + ": cannot be created: " + std::strerror(errno));
  const bool written = ::write(descriptor, text.data(), text.size()) == ssize_t(text.size());
  if (::close(descriptor) != 0 || !written || ::rename(temporary.c_str(), file.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw IoError(file.string() + ": cannot be written: " + std::strerror(error));
  }
}

/// Where rank 0 can be found.
struct Place {
  std::vector<std::string> hosts;
  int port = 0;
  std::string nonce;
};

/// None, and the reason in `problem`, while there is no file of this job.
std::optional<Place> read_place(const TcpOptions& o, std::string& problem) {
  if (o.file.empty()) return Place{{o.host}, o.port, o.nonce};
  std::string text;
  try {
    text = read_file(o.file, 1 << 16);  // opened anew each time: network file systems cache what stat() says
  } catch (const Error&) {
    problem = o.file.string() + " did not appear; can all nodes see that folder?";
    return std::nullopt;
  }
  const json j = json::parse(text, nullptr, false);
  try {
    if (j.at("key").get<std::string>() != o.key) {
      problem = o.file.string() + " is left over from another job (key " + j["key"].get<std::string>() + ", not " +
                o.key + ")";
      return std::nullopt;
    }
    Place place;
    // On rank 0's own machine the short way is always open.
    if (j.at("host").get<std::string>() == host_name()) place.hosts.emplace_back("127.0.0.1");
    for (const auto& a : j.at("addresses")) place.hosts.push_back(a.get<std::string>());
    place.hosts.push_back(j["host"].get<std::string>());
    place.port = j.at("port").get<int>();
    place.nonce = j.at("nonce").get<std::string>();
    return place;
  } catch (const json::exception&) {
    problem = o.file.string() + " is no rendezvous file";
    return std::nullopt;
  }
}

Hello hello_of(const TcpOptions& o, const std::string& nonce) {
  Hello h{};
  std::memcpy(h.magic, kMagic, sizeof kMagic);
  std::memcpy(h.nonce, nonce.data(), std::min(nonce.size(), kNonce));
  h.rank = o.rank;
  h.size = o.size;
  return h;
}

/// Compares all bytes whatever they are.
bool same_bytes(const char* a, const char* b, std::size_t n) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < n; ++i) difference |= unsigned(a[i] ^ b[i]);
  return difference == 0;
}

/// Takes in one caller, or turns it away with a line in the log.
void welcome(const TcpOptions& o, const Hello& expected, Socket caller, std::vector<Socket>& peers) {
  Hello h{};
  if (caller.receive(&h, sizeof h, CommClock::now() + milliseconds(2000)) != Socket::Result::done ||
      !same_bytes(h.magic, expected.magic, sizeof h.magic) || !same_bytes(h.nonce, expected.nonce, kNonce)) {
    log::warn("a connection was turned away: it does not know the nonce of this job");
    return;
  }
  if (h.size != o.size)
    throw DistributedError("rank " + std::to_string(h.rank) + " belongs to a job of " + std::to_string(h.size) +
                           " ranks, rank 0 to one of " + std::to_string(o.size));
  if (h.rank < 1 || h.rank >= o.size || peers[std::size_t(h.rank)].open())
    throw DistributedError("two processes call themselves rank " + std::to_string(h.rank));
  const char yes = 1;
  caller.send(&yes, 1, CommClock::now() + milliseconds(2000));
  peers[std::size_t(h.rank)] = std::move(caller);
}

/// Tries every address once.
Socket call(const TcpOptions& o, const Place& place, std::string& problem) {
  for (const auto& host : place.hosts) {
    Socket s = Socket::connect_to(host, place.port, CommClock::now() + milliseconds(3000), problem);
    if (!s.open()) continue;
    const Hello h = hello_of(o, place.nonce);
    char answer = 0;
    const auto soon = CommClock::now() + milliseconds(3000);
    if (s.send(&h, sizeof h, soon) == Socket::Result::done && s.receive(&answer, 1, soon) == Socket::Result::done &&
        answer == 1)
      return s;
    problem = host + ":" + std::to_string(place.port) + ": does not take this rank: another job, or another nonce";
  }
  return {};
}

}  // namespace

std::string random_nonce() {
  unsigned char bytes[kNonce / 2];
  if (::getrandom(bytes, sizeof bytes, 0) != ssize_t(sizeof bytes)) throw IoError("no random numbers for a nonce");
  std::string text;
  for (unsigned char b : bytes) {
    text += "0123456789abcdef"[b >> 4];
    text += "0123456789abcdef"[b & 15];
  }
  return text;
}

std::vector<Socket> gather_peers(const TcpOptions& o) {
  const auto deadline = CommClock::now() + o.deadline.wait;
  Socket listener = Socket::listen_on(o.file.empty() ? o.port : 0);
  const std::string nonce = o.file.empty() ? o.nonce : random_nonce();
  if (!o.file.empty())
    publish(o.file, json{{"key", o.key},
                         {"host", host_name()},
                         {"addresses", own_addresses()},
                         {"port", listener.port()},
                         {"nonce", nonce}}
                            .dump() +
                        "\n");
  const Hello expected = hello_of(o, nonce);
  std::vector<Socket> peers(std::size_t(o.size));
  const auto missing = [&] {
    std::vector<int> ranks;
    for (int r = 1; r < o.size; ++r)
      if (!peers[std::size_t(r)].open()) ranks.push_back(r);
    return ranks;
  };
  while (!missing().empty()) {
    Socket caller = listener.accept(deadline);
    if (!caller.open())
      throw DistributedError(rank_names(missing()) + " did not come within " +
                             std::to_string(double(o.deadline.wait.count()) / 1000) + " s");
    welcome(o, expected, std::move(caller), peers);
  }
  if (!o.file.empty()) ::unlink(o.file.c_str());
  return peers;
}

Socket find_root(const TcpOptions& o) {
  const auto deadline = CommClock::now() + o.deadline.wait;
  std::string problem;
  while (true) {
    if (const auto place = read_place(o, problem)) {
      Socket s = call(o, *place, problem);
      if (s.open()) return s;
    }
    if (CommClock::now() >= deadline)
      throw DistributedError("rank " + std::to_string(o.rank) + " does not find rank 0 within " +
                             std::to_string(double(o.deadline.wait.count()) / 1000) + " s: " + problem);
    std::this_thread::sleep_for(milliseconds(30));
  }
}

}  // namespace mg
