#include "core/communicator.hpp"

#include <nlohmann/json.hpp>

namespace mg {
namespace {

class SelfCommunicator final : public Communicator {
 public:
  SelfCommunicator() : Communicator(0, 1) {}
  std::string_view engine() const override { return "self"; }
  void all_reduce(float*, std::size_t) override {}
  void all_reduce(double*, std::size_t) override {}
  std::vector<std::string> all_gather(std::string_view mine) override { return {std::string(mine)}; }
  void broadcast(std::string&) override {}
  void abort(const std::string&, int) noexcept override {}
};

}  // namespace

std::unique_ptr<Communicator> self_communicator() { return std::make_unique<SelfCommunicator>(); }

template <class T>
void Communicator::all_reduce(const Exec& exec, T* data, std::size_t count) {
  if (size_ == 1) return;
  if (exec.backend == Backend::host) return all_reduce(data, count);
  if (reduces_on_device()) return all_reduce_device(exec, data, count);
  const std::size_t bytes = count * sizeof(T);
  if (staging_.size() < bytes) staging_.resize(bytes);
  T* const host = reinterpret_cast<T*>(staging_.data());
  copy_bytes(exec, host, Backend::host, data, exec.backend, bytes);
  synchronise(exec);
  all_reduce(host, count);
  copy_bytes(exec, data, exec.backend, host, Backend::host, bytes);
  synchronise(exec);
}
template void Communicator::all_reduce<float>(const Exec&, float*, std::size_t);
template void Communicator::all_reduce<double>(const Exec&, double*, std::size_t);

std::string rank_names(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i)
    text += (i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ") + std::to_string(ranks[i]);
  return text;
}

void require_same_on_all_ranks(Communicator& comm, const std::vector<std::pair<std::string, std::string>>& facts) {
  const auto all = comm.all_gather(nlohmann::json(facts).dump(-1, ' ', true));
  const auto expected = nlohmann::json::parse(all.front());
  std::string problems;
  for (std::size_t f = 0; f < expected.size(); ++f) {
    std::vector<int> differ;
    std::string other;
    for (std::size_t r = 1; r < all.size(); ++r) {
      const auto theirs = nlohmann::json::parse(all[r]);
      if (f < theirs.size() && theirs[f] == expected[f]) continue;
      differ.push_back(int(r));
      other = f < theirs.size() ? theirs[f][1].get<std::string>() : "nothing";
    }
    if (!differ.empty())
      problems += "\n  " + expected[f][0].get<std::string>() + ": rank 0 has " + expected[f][1].get<std::string>() +
                  ", " + rank_names(differ) + " " + other;
  }
  if (!problems.empty()) throw DistributedError("the ranks of this job do not agree:" + problems);
}

}  // namespace mg
