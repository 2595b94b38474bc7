#include "core/comm_tcp.hpp"

#include <cstring>

#include "core/comm_rendezvous.hpp"

namespace mg {
namespace {

enum class Call : std::uint32_t { sum_float, sum_double, gather, broadcast, leave };
constexpr const char* kCallNames[] = {"all_reduce of floats", "all_reduce of doubles", "all_gather", "broadcast",
                                      "abort"};

struct Frame {
  std::uint32_t magic, call;
  std::uint64_t sequence, bytes;
};
constexpr std::uint32_t kFrameMagic = 0x4d474631;
constexpr std::uint64_t kMostBytes = std::uint64_t(1) << 36;

std::string text_of(const Frame& f) {
  return std::string(f.call < 5 ? kCallNames[f.call] : "?") + " of " + std::to_string(f.bytes) + " bytes";
}

/// Rank 0 is the hub of a star.
class TcpCommunicator final : public Communicator {
 public:
  explicit TcpCommunicator(const TcpOptions& o) : Communicator(o.rank, o.size), wait_(o.deadline.wait) {
    peers_.resize(std::size_t(o.size));
    if (o.size == 1) return;
    if (o.rank == 0)
      peers_ = gather_peers(o);
    else
      peers_[0] = find_root(o);
  }
  std::string_view engine() const override { return "tcp"; }
  void all_reduce(float* values, std::size_t count) override { sum(Call::sum_float, values, count); }
  void all_reduce(double* values, std::size_t count) override { sum(Call::sum_double, values, count); }

  std::vector<std::string> all_gather(std::string_view mine) override {
    ++sequence_;
    if (!root()) {
      send(0, Call::gather, mine);
      return unpacked(receive_text(0, Call::gather));
    }
    std::vector<std::string> all{std::string(mine)};
    for (int r = 1; r < size(); ++r) all.push_back(receive_text(r, Call::gather));
    const std::string packed = pack(all);
    for (int r = 1; r < size(); ++r) send(r, Call::gather, packed);
    return all;
  }

  void broadcast(std::string& bytes) override {
    ++sequence_;
    if (!root()) {
      bytes = receive_text(0, Call::broadcast);
      return;
    }
    for (int r = 1; r < size(); ++r) send(r, Call::broadcast, bytes);
  }

  void abort(const std::string& reason, int) noexcept override {
    const std::string text = "rank " + std::to_string(rank()) + " failed: " + reason;
    try {
      tell(text);
    } catch (...) {  // the connections close anyway
    }
  }

 private:
  /// Best effort; then hangs up on all.
  void tell(const std::string& text) {
    const Frame f{kFrameMagic, std::uint32_t(Call::leave), sequence_, text.size()};
    const auto soon = CommClock::now() + std::chrono::milliseconds(1000);
    for (auto& peer : peers_) {
      if (!peer.open()) continue;
      if (peer.send(&f, sizeof f, soon) == Socket::Result::done) peer.send(text.data(), text.size(), soon);
      peer.close();
    }
  }

  [[noreturn]] void lost(const std::string& what) {
    if (root()) tell(what);
    throw DistributedError(what);
  }

  void send(int to, Call call, std::string_view bytes) {
    const Frame f{kFrameMagic, std::uint32_t(call), sequence_, bytes.size()};
    const auto deadline = CommClock::now() + wait_;
    Socket& peer = peers_[std::size_t(to)];
    auto result = peer.send(&f, sizeof f, deadline);
    if (result == Socket::Result::done) result = peer.send(bytes.data(), bytes.size(), deadline);
    if (result == Socket::Result::done) return;
    if (result == Socket::Result::closed) last_words(to);
    lost("rank " + std::to_string(to) + " takes nothing within " + std::to_string(double(wait_.count()) / 1000) + " s");
  }

  /// The peer has hung up: perhaps it said why.
  [[noreturn]] void last_words(int from) {
    Frame f{};
    const auto soon = CommClock::now() + std::chrono::milliseconds(500);
    Socket& peer = peers_[std::size_t(from)];
    if (peer.receive(&f, sizeof f, soon) == Socket::Result::done && f.magic == kFrameMagic &&
        f.call == std::uint32_t(Call::leave) && f.bytes < 65536) {
      std::string text(f.bytes, ' ');
      if (peer.receive(text.data(), text.size(), soon) == Socket::Result::done) lost(text);
    }
    lost("rank " + std::to_string(from) + " is gone: its connection is closed");
  }

  /// Waits for the header of a frame of rank `from`; meanwhile rank 0 sees when any other rank dies.
  Frame header(int from, Call call) {
    // The others wait longer than rank 0, who knows best which rank is missing.
    const auto deadline = CommClock::now() + (root() ? wait_ : 2 * wait_);
    Socket& peer = peers_[std::size_t(from)];
    while (peer.wait(std::min(deadline, CommClock::now() + std::chrono::milliseconds(200))) != Socket::Result::done) {
      for (int r = from + 1; r < size() && root(); ++r)
        if (peers_[std::size_t(r)].hung_up()) last_words(r);
      if (CommClock::now() < deadline) continue;
      std::vector<int> missing{from};
      for (int r = from + 1; r < size() && root(); ++r)
        if (peers_[std::size_t(r)].wait(CommClock::now()) != Socket::Result::done) missing.push_back(r);
      lost(std::string(kCallNames[std::size_t(call)]) + ": no answer from " + rank_names(missing) + " within " +
           std::to_string(double(wait_.count()) / 1000) + " s");
    }
    Frame f{};
    if (peer.receive(&f, sizeof f, deadline) != Socket::Result::done) last_words(from);
    if (f.magic != kFrameMagic || f.bytes > kMostBytes)
      lost("rank " + std::to_string(from) + " sends what is no frame");
    if (f.call == std::uint32_t(Call::leave)) {
      std::string text(std::min<std::uint64_t>(f.bytes, 65536), ' ');
      peer.receive(text.data(), text.size(), CommClock::now() + std::chrono::milliseconds(500));
      lost(text);
    }
    if (f.call != std::uint32_t(call) || f.sequence != sequence_)
      lost("rank " + std::to_string(from) + " calls " + text_of(f) + " as its call " + std::to_string(f.sequence) +
           ", rank " + std::to_string(rank()) + " waits for " + kCallNames[std::size_t(call)] + " as its call " +
           std::to_string(sequence_));
    return f;
  }

  void body(int from, void* data, std::size_t bytes) {
    const auto result = peers_[std::size_t(from)].receive(data, bytes, CommClock::now() + wait_);
    if (result == Socket::Result::closed) lost("rank " + std::to_string(from) + " is gone in the middle of a message");
    if (result == Socket::Result::timeout) lost("rank " + std::to_string(from) + " stopped in the middle of a message");
  }

  std::string receive_text(int from, Call call) {
    std::string text(header(from, call).bytes, ' ');
    body(from, text.data(), text.size());
    return text;
  }

  template <class T>
  void receive_values(int from, Call call, T* values, std::size_t count) {
    const Frame f = header(from, call);
    if (f.bytes != count * sizeof(T))
      lost("rank " + std::to_string(from) + " calls " + text_of(f) + ", rank " + std::to_string(rank()) + " one of " +
           std::to_string(count * sizeof(T)));
    body(from, values, count * sizeof(T));
  }

  template <class T>
  void sum(Call call, T* values, std::size_t count) {
    ++sequence_;
    const std::string_view bytes(reinterpret_cast<const char*>(values), count * sizeof(T));
    if (!root()) {
      send(0, call, bytes);
      return receive_values(0, call, values, count);
    }
    if (theirs_.size() < bytes.size()) theirs_.resize(bytes.size());
    T* const theirs = reinterpret_cast<T*>(theirs_.data());
    for (int r = 1; r < size(); ++r) {
      receive_values(r, call, theirs, count);
      for (std::size_t i = 0; i < count; ++i) values[i] += theirs[i];
    }
    for (int r = 1; r < size(); ++r) send(r, call, bytes);
  }

  static std::string pack(const std::vector<std::string>& all) {
    std::string packed;
    for (const auto& one : all) {
      const std::uint64_t n = one.size();
      packed.append(reinterpret_cast<const char*>(&n), sizeof n).append(one);
    }
    return packed;
  }
  std::vector<std::string> unpacked(const std::string& packed) {
    std::vector<std::string> all;
    for (std::size_t at = 0; at < packed.size();) {
      std::uint64_t n = 0;
      if (packed.size() - at < sizeof n) lost("rank 0 sends a damaged list");
      std::memcpy(&n, packed.data() + at, sizeof n);
      at += sizeof n;
      if (n > packed.size() - at) lost("rank 0 sends a damaged list");
      all.push_back(packed.substr(at, n));
      at += n;
    }
    return all;
  }

  std::chrono::milliseconds wait_;
  std::vector<Socket> peers_;  // [size] of rank 0; else only [0] is open
  std::vector<std::byte> theirs_;
  std::uint64_t sequence_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> tcp_communicator(const TcpOptions& options) {
  return std::make_unique<TcpCommunicator>(options);
}

}  // namespace mg
