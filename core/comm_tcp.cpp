#include "core/comm_tcp.hpp"

#include "core/comm_rendezvous.hpp"
#include "core/comm_star.hpp"

namespace mg {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t(1) << 36;

class TcpCommunicator final : public StarCommunicator {
 public:
  explicit TcpCommunicator(const TcpOptions& o) : StarCommunicator(o.rank, o.size), wait_(o.deadline.wait) {
    peers_.resize(std::size_t(o.size));
    if (o.size == 1) return;
    if (o.rank == 0)
      peers_ = gather_peers(o);
    else
      peers_[0] = find_root(o);
  }
  std::string_view engine() const override { return "tcp"; }
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
    const Frame f{kFrameMagic, std::uint32_t(Call::leave), sequence(), text.size()};
    const auto soon = CommClock::now() + std::chrono::milliseconds(1000);
    for (auto& peer : peers_) {
      if (!peer.open()) continue;
      if (peer.send(&f, sizeof f, soon) == Socket::Result::done) peer.send(text.data(), text.size(), soon);
      peer.close();
    }
  }

  [[noreturn]] void lost(const std::string& what) override {
    if (root()) tell(what);
    throw DistributedError(what);
  }

  void send(int to, Call call, std::string_view bytes) override {
    const Frame f{kFrameMagic, std::uint32_t(call), sequence(), bytes.size()};
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
  Frame receive_frame(int from, Call call) override {
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
    return f;
  }

  void receive_bytes(int from, void* data, std::size_t bytes) override {
    const auto result = peers_[std::size_t(from)].receive(data, bytes, CommClock::now() + wait_);
    if (result == Socket::Result::closed) lost("rank " + std::to_string(from) + " is gone in the middle of a message");
    if (result == Socket::Result::timeout) lost("rank " + std::to_string(from) + " stopped in the middle of a message");
  }

  std::chrono::milliseconds wait_;
  std::vector<Socket> peers_;  // [size] of rank 0; else only [0] is open
};

}  // namespace

std::unique_ptr<Communicator> tcp_communicator(const TcpOptions& options) {
  return std::make_unique<TcpCommunicator>(options);
}

}  // namespace mg
