#include "apps/bench.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.hpp"
#include "core/buffer.hpp"
#include "core/error.hpp"
#include "core/limits.hpp"

namespace mg::apps {

namespace {

nlohmann::ordered_json as_json(const BenchLine& l) {
  nlohmann::ordered_json j = {
      {"name", l.name}, {"backend", l.backend}, {"seconds", l.seconds}, {"rate", l.rate},
      {"unit", l.unit}, {"limit", nullptr},     {"ratio", nullptr},     {"seconds_median", l.seconds_median}};
  if (l.limit > 0) j["limit"] = l.limit, j["ratio"] = l.rate / l.limit;
  return j;
}

void print(const BenchLine& l) {
  char text[200];
  std::snprintf(text, sizeof text, "%-36s %-5s %10.3f ms  %10.4g %-14s", l.name.c_str(), l.backend.c_str(),
                1e3 * l.seconds, l.rate, l.unit.c_str());
  std::cout << text;
  if (l.limit > 0) {
    std::snprintf(text, sizeof text, "  %.3f of %.4g", l.rate / l.limit, l.limit);
    std::cout << text;
  }
  std::cout << std::endl;
}

struct Choices {
  std::string what = "nca", file, part;
  int repeats = 7;
};

int bench(const GlobalOptions& global, const Choices& choices) {
  const std::string& file = choices.file;
  std::ofstream out;
  if (!file.empty()) {
    out.open(file);
    if (!out) throw IoError(file + ": cannot be written");
  }
  BenchOptions options;
  options.exec = make_exec(global);
  options.repeats = choices.repeats;
  options.part = choices.part;
  options.report = [&](const BenchLine& line) {
    print(line);
    if (file.empty()) return;
    out << as_json(line).dump() << std::endl;
    if (!out) throw IoError(file + ": cannot be written");
  };
  bench_limits(options);
  if (choices.what == "nca") bench_nca(options);
  if (choices.what == "pde") bench_pde(options);
  if (choices.what == "abm") bench_abm(options);
  return 0;
}

}  // namespace

void time_work(const BenchOptions& options, const std::function<void()>& work, BenchLine& line) {
  std::vector<double> seconds;
  for (int r = 0; r <= options.repeats; ++r) {
    const auto start = std::chrono::steady_clock::now();
    work();
    synchronise(options.exec);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (r > 0) seconds.push_back(elapsed.count());
  }
  std::sort(seconds.begin(), seconds.end());
  line.seconds = seconds.front();
  line.seconds_median = seconds[seconds.size() / 2];
  line.backend = options.exec.backend == Backend::host ? "host" : "cuda";
}

void bench_limits(const BenchOptions& options) {
  const auto line = [&](const char* name, const char* unit, double rate, double work) {
    options.report({name, "host", work / rate, work / rate, rate, unit, rate});
  };
  line("fma_peak", "flop/s", measure_fma_peak(5 * options.repeats), 1e9);
  line("copy_bandwidth", "byte/s", measure_copy_bandwidth(std::size_t{64} << 20, 2 * options.repeats),
       2.0 * (64 << 20));
}

void add_bench(Command& program, GlobalOptions& options) {
  Command command = program.subcommand("bench", "Measure speed beside what the hardware allows");
  const auto choices = std::make_shared<Choices>();
  command
      .option("what", choices->what,
              "nca: the neural automaton; pde: Gray-Scott, a learned equation and their gradients; abm: agents; "
              "limits: the "
              "machine alone")
      .one_of({"nca", "pde", "abm", "limits"});
  command.option("--json", choices->file, "Also write one JSON object a line to this file").type("FILE");
  command.option("--case", choices->part, "Only cases whose name contains TEXT").type("TEXT");
  command.option("--repeats", choices->repeats, "Runs of each case; the best one counts").range(1, 1000);
  command.action([&options, choices] { return bench(options, *choices); });
}

}  // namespace mg::apps
