#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mg::apps {

/// What a run directory tells of its run. Read only; a run that never started has a state "absent".
struct RunRecord {
  std::string name;  ///< of the folder
  std::filesystem::path path;
  std::string state = "absent", reason;
  int exit_code = -1;  ///< -1 = none yet
  std::int64_t step = 0, iterations = 0;
  double last_loss = 0, best_loss = 0, seconds = 0;
  std::vector<double> steps, losses;  // [records]
  nlohmann::json config;              ///< resolved
  bool failed() const { return state != "finished"; }
};
RunRecord read_run(const std::filesystem::path& path);
/// Runs in and below `folder`, by name, at most two levels down.
std::vector<RunRecord> find_runs(const std::filesystem::path& folder);

/// Columns of a table: what differs between the runs' configurations, then state, step, losses, seconds.
/// table.csv, table.md and table.png (losses over steps) in `folder`. Names and values are escaped for CSV and Markdown.
void write_comparison(const std::filesystem::path& folder, const std::vector<RunRecord>& runs);
std::string comparison_markdown(const std::vector<RunRecord>& runs);
/// "key: a -> b" a line, for every key that differs.
std::string config_difference(const nlohmann::json& a, const nlohmann::json& b);

}  // namespace mg::apps
