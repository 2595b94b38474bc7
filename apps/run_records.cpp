#include "apps/run_records.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <sstream>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/plot.hpp"
#include "core/png.hpp"

namespace mg::apps {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

/// Leaves of a configuration by path; lists are leaves.
std::map<std::string, std::string> leaves(const json& value) {
  std::map<std::string, std::string> found;
  if (!value.is_object()) return found;
  for (const auto& [key, below] : value.items()) {
    if (!below.is_object()) found[key] = below.dump(-1, ' ', true);
    for (const auto& [path, text] : leaves(below)) found[key + "." + path] = text;
  }
  return found;
}

std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", v);
  return text;
}

using Row = std::vector<std::string>;
/// The first row is the head.
std::vector<Row> table_of(const std::vector<RunRecord>& runs) {
  std::map<std::string, std::set<std::string>> values;
  std::vector<std::map<std::string, std::string>> configs;
  for (const auto& run : runs) configs.push_back(leaves(run.config));
  for (const auto& config : configs)
    for (const auto& [key, value] : config) values[key].insert(value);
  Row keys;
  for (const auto& [key, all] : values) {
    const auto holders = std::count_if(configs.begin(), configs.end(), [&](const auto& c) { return c.contains(key); });
    const auto known = std::count_if(configs.begin(), configs.end(), [](const auto& c) { return !c.empty(); });
    if (all.size() > 1 || holders < known) keys.push_back(key);
  }
  Row head{"run"};
  head.insert(head.end(), keys.begin(), keys.end());
  head.insert(head.end(), {"state", "exit", "step", "loss", "best", "seconds"});
  std::vector<Row> rows{head};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto& run = runs[i];
    Row row{run.name};
    for (const auto& key : keys) row.push_back(configs[i].contains(key) ? configs[i].at(key) : "");
    const bool any = !run.losses.empty();
    row.insert(row.end(), {run.state, run.exit_code < 0 ? "" : std::to_string(run.exit_code), std::to_string(run.step),
                           any ? number(run.last_loss) : "", any ? number(run.best_loss) : "", number(run.seconds)});
    rows.push_back(row);
  }
  return rows;
}

std::string csv_cell(std::string text) {
  // A leading sign of a formula would be one in a spreadsheet.
  if (!text.empty() && std::string("=+@").find(text[0]) != std::string::npos) text = "'" + text;
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string cell = "\"";
  for (char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

std::string markdown_cell(const std::string& text) {
  std::string cell;
  for (char c : text) {
    if (c == '<')
      cell += "&lt;";
    else if (c == '>')
      cell += "&gt;";
    else if (c == '&')
      cell += "&amp;";
    else if (c == '|' || c == '\\' || c == '`' || c == '[' || c == ']')
      cell += std::string("\\") + c;
    else
      cell += c == '\n' || c == '\r' ? ' ' : c;
  }
  return cell;
}

}  // namespace

RunRecord read_run(const fs::path& path) {
  RunRecord run;
  run.path = path;
  run.name = path.filename().string();
  std::error_code error;
  const auto text = [&](const char* name) {
    return fs::is_regular_file(path / name, error) ? read_file(path / name, std::uint64_t(1) << 32) : std::string();
  };
  run.config = json::parse(text("config.resolved.json"), nullptr, false);
  if (!run.config.is_object()) run.config = json::object();
  const json status = json::parse(text("STATUS.json"), nullptr, false);
  if (status.is_object()) {
    run.state = status.value("state", "unknown");
    run.reason = status.value("reason", "");
    run.step = status.value("step", std::int64_t(0));
    run.iterations = status.value("iterations", std::int64_t(0));
    if (status.contains("exit_code") && status["exit_code"].is_number()) run.exit_code = status["exit_code"];
  }
  std::istringstream lines(text("metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const json record = json::parse(line, nullptr, false);
    if (!record.is_object() || !record.contains("loss") || !record["loss"].is_number()) continue;
    run.steps.push_back(record.value("step", 0.0));
    run.losses.push_back(record["loss"].get<double>());
    run.seconds = record.value("seconds", run.seconds);
  }
  if (!run.losses.empty()) {
    run.last_loss = run.losses.back();
    run.best_loss = *std::min_element(run.losses.begin(), run.losses.end());
  }
  return run;
}

std::vector<RunRecord> find_runs(const fs::path& folder) {
  std::vector<RunRecord> runs;
  std::error_code error;
  if (!fs::is_directory(folder, error)) throw IoError(folder.string() + ": is not a directory that can be read");
  const auto is_run = [&](const fs::path& p) { return fs::exists(p / "config.resolved.json", error); };
  if (is_run(folder)) return {read_run(folder)};
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (is_run(entry.path()))
      runs.push_back(read_run(entry.path()));
    else if (entry.is_directory(error))
      for (const auto& below : fs::directory_iterator(entry.path(), error))
        if (is_run(below.path())) runs.push_back(read_run(below.path()));
  }
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return runs;
}

std::string comparison_markdown(const std::vector<RunRecord>& runs) {
  std::string text;
  const auto rows = table_of(runs);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    text += "|";
    for (const auto& cell : rows[r]) text += " " + markdown_cell(cell) + " |";
    text += "\n";
    if (r > 0) continue;
    text += "|";
    for (std::size_t i = 0; i < rows[0].size(); ++i) text += "---|";
    text += "\n";
  }
  return text;
}

void write_comparison(const fs::path& folder, const std::vector<RunRecord>& runs) {
  std::string csv;
  for (const auto& row : table_of(runs)) {
    for (std::size_t i = 0; i < row.size(); ++i) csv += (i > 0 ? "," : "") + csv_cell(row[i]);
    csv += "\n";
  }
  write_file(folder / "table.csv", csv);
  write_file(folder / "table.md", comparison_markdown(runs));
  std::vector<Series> curves;
  for (const auto& run : runs)
    if (!run.losses.empty() && curves.size() < 12) curves.push_back({run.name, run.steps, run.losses});
  if (curves.empty()) return;
  PlotOptions options;
  options.title = "loss";
  write_png(folder / "table.png", plot_lines(curves, options));
}

std::string config_difference(const json& a, const json& b) {
  const auto x = leaves(a), y = leaves(b);
  std::set<std::string> keys;
  for (const auto& [key, value] : x) keys.insert(key);
  for (const auto& [key, value] : y) keys.insert(key);
  std::string text;
  for (const auto& key : keys) {
    const std::string left = x.contains(key) ? x.at(key) : "nothing", right = y.contains(key) ? y.at(key) : "nothing";
    if (left != right) text.append(key).append(": ").append(left).append(" -> ").append(right).append("\n");
  }
  return text;
}

}  // namespace mg::apps
