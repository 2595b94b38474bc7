#include "core/communicator.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

#include "core/comm_tcp.hpp"
#include "core/socket.hpp"
#include "tests/support/temporary.hpp"

namespace mg {
namespace {

using std::chrono::milliseconds;
using Body = std::function<void(Communicator&)>;

/// Runs body in `ranks` threads over one engine; returns what each rank threw, empty when nothing.
std::vector<std::string> run_ranks(const std::string& engine, int ranks, const Body& body, milliseconds wait) {
  std::vector<std::string> errors(static_cast<std::size_t>(ranks));
  const auto guarded = [&](Communicator& comm) {
    try {
      body(comm);
    } catch (const std::exception& error) {
      errors[std::size_t(comm.rank())] = error.what();
      comm.abort(error.what());
    }
  };
  if (engine == "threads") {
    run_in_threads(ranks, {wait}, guarded);
    return errors;
  }
  const test::TemporaryDirectory folder;
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r)
    threads.emplace_back([&, r] {
      try {
        const auto comm = tcp_communicator({r, ranks, folder / "meet.json", "key", "", 0, "", {wait}});
        guarded(*comm);
      } catch (const std::exception& error) {
        errors[std::size_t(r)] = error.what();
      }
    });
  for (auto& thread : threads) thread.join();
  return errors;
}

class CommunicatorDistributed : public ::testing::TestWithParam<const char*> {
 protected:
  std::vector<std::string> run(int ranks, const Body& body, int wait = 20000) {
    return run_ranks(GetParam(), ranks, body, milliseconds(wait));
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, CommunicatorDistributed, ::testing::Values("threads", "tcp"),
                         [](const auto& name) { return std::string(name.param); });

TEST_P(CommunicatorDistributed, SumsInRankOrder) {
  for (const int ranks : {1, 2, 3, 4}) {
    std::mutex mutex;
    std::vector<std::vector<float>> results;
    const auto errors = run(ranks, [&](Communicator& comm) {
      for (int repeat = 0; repeat < 20; ++repeat) {
        std::vector<float> x(1003);
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.0F / float(1 + i * 7 + std::size_t(comm.rank()) * 13);
        comm.all_reduce(Exec{}, x.data(), x.size());
        const std::lock_guard lock(mutex);
        results.push_back(x);
      }
    });
    for (const auto& error : errors) EXPECT_EQ(error, "");
    for (const auto& result : results)
      for (std::size_t i = 0; i < result.size(); ++i) {
        float expected = 1.0F / float(1 + i * 7);
        for (int r = 1; r < ranks; ++r) expected += 1.0F / float(1 + i * 7 + std::size_t(r) * 13);
        ASSERT_EQ(result[i], expected) << "element " << i << " of " << ranks << " ranks";
      }
  }
}

TEST_P(CommunicatorDistributed, GathersAndBroadcastsBytesOfAnyLength) {
  const auto errors = run(3, [](Communicator& comm) {
    const std::string mine(std::size_t(comm.rank()) * 70000, char('a' + comm.rank()));
    const auto all = comm.all_gather(mine);
    if (all.size() != 3 || all[0] != "" || all[1] != std::string(70000, 'b') || all[2] != std::string(140000, 'c'))
      throw std::runtime_error("wrong gather");
    std::string text = comm.root() ? "from the root" : "to be replaced by a shorter or longer one";
    comm.broadcast(text);
    if (text != "from the root") throw std::runtime_error("wrong broadcast");
    double one = 1;
    comm.barrier();
    comm.all_reduce(&one, 1);
    if (one != 3) throw std::runtime_error("wrong sum");
  });
  for (const auto& error : errors) EXPECT_EQ(error, "");
}

TEST_P(CommunicatorDistributed, NamesTheRanksThatDoNotAnswer) {
  std::atomic<bool> over = false;
  const auto start = CommClock::now();
  const auto errors = run(
      4,
      [&](Communicator& comm) {
        comm.barrier();
        if (comm.rank() == 1 || comm.rank() == 3) {
          while (!over) std::this_thread::sleep_for(milliseconds(5));
          return;
        }
        try {
          comm.barrier();
        } catch (...) {
          over = true;
          throw;
        }
      },
      300);
  EXPECT_LT(CommClock::now() - start, milliseconds(10000));
  for (const int r : {0, 2})
    EXPECT_NE(errors[std::size_t(r)].find("no answer from ranks 1 and 3 within 0.3"), std::string::npos)
        << r << ": " << errors[std::size_t(r)];
}

TEST_P(CommunicatorDistributed, OneThatFailsEndsTheWaitOfAll) {
  const auto start = CommClock::now();
  const auto errors = run(3, [&](Communicator& comm) {
    comm.barrier();
    if (comm.rank() == 2) throw std::runtime_error("the disk is on fire");
    comm.barrier();
  });
  EXPECT_LT(CommClock::now() - start, milliseconds(10000));
  for (const auto& error : errors) EXPECT_NE(error.find("the disk is on fire"), std::string::npos) << error;
}

TEST_P(CommunicatorDistributed, DifferentCallsAreAnError) {
  const auto errors = run(2, [](Communicator& comm) {
    float x[3] = {};
    comm.all_reduce(x, comm.root() ? 3 : 2);
  });
  EXPECT_NE(errors[0].find("bytes"), std::string::npos) << errors[0];
  EXPECT_NE(errors[1], "");
}

TEST_P(CommunicatorDistributed, FactsThatDifferAreRefusedOnAllRanks) {
  const auto errors = run(3, [](Communicator& comm) {
    require_same_on_all_ranks(comm, {{"version", "1"}, {"configuration", comm.rank() == 1 ? "abc" : "def"}});
  });
  for (const auto& error : errors)
    EXPECT_NE(error.find("configuration: rank 0 has def, rank 1 abc"), std::string::npos) << error;
}

TEST(ThreadsDistributed, TheCauseIsThrownNotItsEcho) {
  try {
    run_in_threads(3, {}, [](Communicator& comm) {
      if (comm.rank() == 1) throw DataError("no data");
      comm.barrier();
    });
    FAIL() << "nothing thrown";
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "no data");
  }
}

// ---- the rendezvous ----

TcpOptions tcp(int rank, const std::filesystem::path& file, int wait = 10000) {
  return {rank, 2, file, "job.0", "", 0, "", {milliseconds(wait)}};
}

TEST(RendezvousDistributed, StaleFileIsWaitedOver) {
  const test::TemporaryDirectory folder;
  std::ofstream(folder / "meet") << R"({"key": "job.old", "host": "x", "addresses": [], "port": 1, "nonce": "n"})";
  std::thread late([&] {
    const auto comm = tcp_communicator(tcp(1, folder / "meet"));
    comm->barrier();
  });
  std::this_thread::sleep_for(milliseconds(100));
  const auto comm = tcp_communicator(tcp(0, folder / "meet"));
  comm->barrier();
  late.join();
  EXPECT_FALSE(std::filesystem::exists(folder / "meet")) << "the file is not left for the next job";
}

TEST(RendezvousDistributed, StaleFileAloneIsNamedAtTheDeadline) {
  const test::TemporaryDirectory folder;
  std::ofstream(folder / "meet") << R"({"key": "job.old", "host": "x", "addresses": [], "port": 1, "nonce": "n"})";
  try {
    tcp_communicator(tcp(1, folder / "meet", 150));
    FAIL() << "connected to nothing";
  } catch (const DistributedError& error) {
    EXPECT_NE(std::string(error.what()).find("left over from another job (key job.old"), std::string::npos)
        << error.what();
  }
}

TEST(RendezvousDistributed, StrangersAndWrongNoncesAreTurnedAway) {
  const Socket probe = Socket::listen_on(0);
  const int port = probe.port() == 65535 ? 65534 : probe.port() + 1;  // most likely free
  const TcpOptions root{0, 2, {}, "", "127.0.0.1", port, std::string(32, 'a'), {milliseconds(5000)}};
  std::thread server([&] {
    const auto comm = tcp_communicator(root);
    comm->barrier();
  });
  std::string problem;
  Socket stranger;
  while (!stranger.open())
    stranger = Socket::connect_to("127.0.0.1", port, CommClock::now() + milliseconds(1000), problem);
  stranger.send("GET / HTTP/1.1\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 53, CommClock::now() + milliseconds(1000));
  TcpOptions wrong = root;
  wrong.rank = 1, wrong.nonce = std::string(32, 'b'), wrong.deadline = {milliseconds(300)};
  EXPECT_THROW(tcp_communicator(wrong), DistributedError);
  TcpOptions right = root;
  right.rank = 1;
  tcp_communicator(right)->barrier();
  server.join();
}

TEST(RendezvousDistributed, PortInUseIsSaid) {
  const Socket taken = Socket::listen_on(0);
  try {
    tcp_communicator({0, 2, {}, "", "127.0.0.1", taken.port(), "", {milliseconds(500)}});
    FAIL() << "listens twice on one port";
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("in use"), std::string::npos) << error.what();
  }
}

TEST(RendezvousDistributed, MissingRanksAreNamed) {
  const test::TemporaryDirectory folder;
  try {
    tcp_communicator({0, 4, folder / "meet", "k", "", 0, "", {milliseconds(200)}});
    FAIL() << "nobody came";
  } catch (const DistributedError& error) {
    EXPECT_NE(std::string(error.what()).find("ranks 1, 2 and 3 did not come"), std::string::npos) << error.what();
  }
}

TEST(RendezvousDistributed, DeadPeerIsSeenAtOnce) {
  const test::TemporaryDirectory folder;
  std::thread peer([&] { tcp_communicator(tcp(1, folder / "meet", 60000)); });  // leaves as a killed process does
  const auto comm = tcp_communicator(tcp(0, folder / "meet", 60000));
  peer.join();
  const auto start = CommClock::now();
  EXPECT_THROW(comm->barrier(), DistributedError);
  EXPECT_LT(CommClock::now() - start, milliseconds(5000));
}

TEST(RendezvousDistributed, UnwritableFolderIsSaid) {
  EXPECT_THROW(tcp_communicator(tcp(0, "/proc/nowhere/meet", 300)), IoError);
}

}  // namespace
}  // namespace mg
