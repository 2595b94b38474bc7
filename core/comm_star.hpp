#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/communicator.hpp"

namespace mg {

enum class Call : std::uint32_t { sum_float, sum_double, gather, broadcast, leave };
inline constexpr const char* kCallNames[] = {"all_reduce of floats", "all_reduce of doubles", "all_gather", "broadcast",
                                             "abort"};

/// What one rank says: which of its calls this is, and how many bytes follow.
struct Frame {
  std::uint32_t magic, call;
  std::uint64_t sequence, bytes;
};
inline constexpr std::uint32_t kFrameMagic = 0x4d474631;

inline std::string text_of(const Frame& f) {
  return std::string(f.call < std::size(kCallNames) ? kCallNames[f.call] : "?") + " of " + std::to_string(f.bytes) +
         " bytes";
}

/// Rank 0 is the hub of a star: it gathers in rank order, adds, and hands back. An engine moves the bytes.
class StarCommunicator : public Communicator {
 public:
  void all_reduce(float* values, std::size_t count) final { sum(Call::sum_float, values, count); }
  void all_reduce(double* values, std::size_t count) final { sum(Call::sum_double, values, count); }

  std::vector<std::string> all_gather(std::string_view mine) final {
    ++sequence_;
    if (!root()) {
      send(0, Call::gather, mine);
      return unpacked(receive_text(0, Call::gather));
    }
    std::vector<std::string> all{std::string(mine)};
    for (int r = 1; r < size(); ++r) all.push_back(receive_text(r, Call::gather));
    send_all(Call::gather, pack(all));
    return all;
  }

  void broadcast(std::string& bytes) final {
    ++sequence_;
    if (root())
      send_all(Call::broadcast, bytes);
    else
      bytes = receive_text(0, Call::broadcast);
  }

 protected:
  using Communicator::Communicator;
  /// A frame of `call`, then the bytes, to rank `to`. @throws DistributedError
  virtual void send(int to, Call call, std::string_view bytes) = 0;
  /// The next frame of rank `from`, whatever it says. @throws DistributedError at the deadline
  virtual Frame receive_frame(int from, Call call) = 0;
  /// What follows a frame. @throws DistributedError
  virtual void receive_bytes(int from, void* data, std::size_t bytes) = 0;
  /// Leaves the job. @throws DistributedError, always
  [[noreturn]] virtual void lost(const std::string& what) { throw DistributedError(what); }

  std::uint64_t sequence() const { return sequence_; }

 private:
  Frame header(int from, Call call) {
    const Frame f = receive_frame(from, call);
    if (f.call != std::uint32_t(call) || f.sequence != sequence_)
      lost("rank " + std::to_string(from) + " calls " + text_of(f) + " as its call " + std::to_string(f.sequence) +
           ", rank " + std::to_string(rank()) + " waits for " + kCallNames[std::size_t(call)] + " as its call " +
           std::to_string(sequence_));
    return f;
  }

  std::string receive_text(int from, Call call) {
    std::string text(header(from, call).bytes, ' ');
    receive_bytes(from, text.data(), text.size());
    return text;
  }

  template <class T>
  void receive_values(int from, Call call, T* values, std::size_t count) {
    const Frame f = header(from, call);
    if (f.bytes != count * sizeof(T))
      lost("rank " + std::to_string(from) + " calls " + text_of(f) + ", rank " + std::to_string(rank()) + " one of " +
           std::to_string(count * sizeof(T)));
    receive_bytes(from, values, count * sizeof(T));
  }

  void send_all(Call call, std::string_view bytes) {
    for (int r = 1; r < size(); ++r) send(r, call, bytes);
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
    send_all(call, bytes);
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

  std::vector<std::byte> theirs_;
  std::uint64_t sequence_ = 0;
};

}  // namespace mg
