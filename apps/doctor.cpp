#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/build_info.hpp"
#include "apps/commands.hpp"
#include "core/cpu.hpp"
#include "core/device.hpp"
#include "core/emoji.hpp"
#include "core/fft.hpp"
#include "core/file.hpp"
#include "core/threads.hpp"

namespace mg::apps {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

/// The value of the first "key : value" line of a /proc file, or empty.
std::string proc_value(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const auto start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

std::uint64_t memory_bytes(const std::string& key) {
  const std::string text = proc_value("/proc/meminfo", key);
  return text.empty() ? 0 : std::stoull(text) * 1024;
}

ordered_json cpu_report() {
  ordered_json report{{"name", proc_value("/proc/cpuinfo", "model name")},
                      {"processors", std::thread::hardware_concurrency()},
                      {"threads", max_threads()}};
  try {
    report["instruction_set"] = kIsaNames[int(best_isa())];
  } catch (const Error& error) {
    report["instruction_set"] = nullptr;
    report["problem"] = error.what();
  }
  return report;
}

ordered_json cuda_report() {
  const DeviceReport found = query_devices();
  ordered_json report{{"built", found.built},
                      {"runtime", found.runtime_version},
                      {"driver", found.driver_version},
                      {"problem", found.problem},
                      {"devices", ordered_json::array()}};
  for (const auto& d : found.devices)
    report["devices"].push_back({{"name", d.name},
                                 {"compute_capability", std::to_string(d.major) + "." + std::to_string(d.minor)},
                                 {"multiprocessors", d.multiprocessors},
                                 {"memory_total", d.memory_total},
                                 {"memory_free", d.memory_free},
                                 {"pci", d.pci},
                                 {"uuid", d.uuid}});
  report["libraries"] = library_versions();
  return report;
}

ordered_json diagnose() {
  ordered_json report;
  report["build"] = version_line();
  report["cpu"] = cpu_report();
  report["memory"] = {{"total", memory_bytes("MemTotal")}, {"available", memory_bytes("MemAvailable")}};
  report["cuda"] = cuda_report();
  report["fft"] = host_fft_library();
  const auto font = find_emoji_font();
  report["emoji_font"] = font ? font->string() : "";
  report["disk"] = {{"path", fs::current_path().string()}, {"free", free_space(fs::current_path())}};
  return report;
}

std::string gib(const json& bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", bytes.get<double>() / double(1 << 30));
  return text;
}

std::string cuda_number(const json& version) {
  const int v = version.get<int>();
  return v ? std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10) : "none";
}

void print(const ordered_json& r) {
  const auto row = [](const std::string& name, const std::string& value) {
    std::cout << name << std::string(name.size() < 12 ? 12 - name.size() : 1, ' ') << value << "\n";
  };
  row("build", r["build"]);
  row("processor", r["cpu"]["name"].get<std::string>() + ", " + r["cpu"]["processors"].dump() + " processors, " +
                       r["cpu"]["threads"].dump() + " threads");
  row("loops", r["cpu"]["instruction_set"].is_null() ? "problem: " + r["cpu"]["problem"].get<std::string>()
                                                     : r["cpu"]["instruction_set"].get<std::string>());
  row("memory", gib(r["memory"]["total"]) + ", " + gib(r["memory"]["available"]) + " available");
  const auto& cuda = r["cuda"];
  if (cuda["built"].get<bool>())
    row("CUDA", "runtime " + cuda_number(cuda["runtime"]) + ", driver serves " + cuda_number(cuda["driver"]));
  for (const auto& [name, version] : cuda["libraries"].items()) row(name, version);
  if (const std::string problem = cuda["problem"]; !problem.empty()) row("device", "none: " + problem);
  for (const auto& d : cuda["devices"])
    row("device", d["name"].get<std::string>() + ", compute " + d["compute_capability"].get<std::string>() + ", " +
                      gib(d["memory_total"]) + ", " + gib(d["memory_free"]) + " free");
  const std::string fft = r["fft"];
  row("FFT", fft.empty() ? "none for the spectral losses on the host: " + std::string(kNoHostFft) : fft);
  const std::string font = r["emoji_font"];
  row("emoji font", font.empty() ? "none found: install fonts-noto-color-emoji for emoji targets" : font);
  row("disk", gib(r["disk"]["free"]) + " free at " + r["disk"]["path"].get<std::string>());
}

}  // namespace

void add_doctor(Command& program, GlobalOptions&) {
  Command command = program.subcommand("doctor", "Tell what this machine offers and what is missing");
  auto as_json = std::make_shared<bool>(false);
  command.flag("--json", *as_json, "As one JSON object");
  command.action([as_json] {
    const auto report = diagnose();
    if (*as_json)
      std::cout << report.dump(2) << "\n";
    else
      print(report);
    return 0;
  });
}

}  // namespace mg::apps
