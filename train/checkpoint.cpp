#include "train/checkpoint.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/log.hpp"

namespace mg::train {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t(1) << 40;

std::string hash(std::string_view bytes) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  return text;
}

std::string step_name(std::int64_t step) {
  char text[40];
  std::snprintf(text, sizeof text, "step-%08lld", static_cast<long long>(step));
  return text;
}

TensorFile verified(const fs::path& directory, const std::string& name, const json& files) {
  const json& entry = files.at(name);
  const std::string bytes = read_file(directory / name, kMaxFile);
  if (bytes.size() != entry.at("bytes").get<std::uint64_t>() || hash(bytes) != entry.at("xxh3").get<std::string>())
    throw CheckpointError((directory / name).string() + ": damaged, its size or checksum is not that of meta.json");
  return parse_safetensors(bytes, (directory / name).string());
}

/// Calls `leaf` for every value that is no container, or an empty one, with its path: keys and numbers joined by dots.
void collect(const json& value, const std::string& path,
             const std::function<void(const std::string&, const json&)>& leaf) {
  if (!value.is_structured() || value.empty()) return leaf(path, value);
  for (const auto& [key, below] : value.items()) collect(below, path.empty() ? key : path + "." + key, leaf);
}

}  // namespace

CheckpointStore::CheckpointStore(fs::path directory, int keep_last, bool sync)
    : directory_(std::move(directory)), keep_last_(std::max(keep_last, 1)), sync_(sync) {}

void CheckpointStore::write(const Checkpoint& c) {
  const std::string name = step_name(c.step);
  const fs::path temporary = directory_ / (".tmp-" + name), final = directory_ / name;
  const auto put = [&](const std::string& file, const std::string& bytes, json& files) {
    write_file(temporary / file, bytes, sync_);
    files[file] = {{"bytes", bytes.size()}, {"xxh3", hash(bytes)}};
  };
  std::error_code error;
  fs::remove_all(temporary, error);
  if (!fs::create_directory(temporary, error))
    throw IoError(temporary.string() + ": cannot be created: " + error.message());
  try {
    json meta{{"format", 1}, {"step", c.step}, {"fingerprint", c.fingerprint}, {"files", json::object()}};
    put("model.safetensors", safetensors_bytes(c.model), meta["files"]);
    put("train_state.safetensors", safetensors_bytes(c.state), meta["files"]);
    if (c.best) {
      put("best.safetensors", safetensors_bytes(*c.best), meta["files"]);
      meta["best"] = {{"step", c.best_step}, {"loss", c.best_loss}};
    }
    const std::string text = meta.dump(1) + "\n";
    write_file(temporary / "meta.json", text, sync_);
    write_file(temporary / "COMPLETE", hash(text) + "\n", sync_);
    const fs::path old = directory_ / (".tmp-old-" + name);
    if (fs::exists(final, error)) fs::rename(final, old);  // a damaged one of the same step
    rename_synced(temporary, final);
    fs::remove_all(old, error);
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(temporary, error);
    throw IoError(e.what());
  } catch (...) {
    fs::remove_all(temporary, error);
    throw;
  }
  point("last.json", {{"directory", name}, {"file", "model.safetensors"}, {"step", c.step}});
  if (c.best)
    point("best.json",
          {{"directory", name}, {"file", "best.safetensors"}, {"step", c.best_step}, {"loss", c.best_loss}});
  prune(name);
}

void CheckpointStore::point(const char* name, const json& target) const {
  write_file(directory_ / name, target.dump() + "\n", sync_);
}

void CheckpointStore::prune(const std::string& newest) const {
  int kept = 0;
  for (const auto& directory : list()) {
    // Later steps than the one just written are damaged ones that the run went back from.
    if (directory.filename().string() <= newest && ++kept <= keep_last_) continue;
    std::error_code error;
    // Renamed first, so that a half removed checkpoint is never taken for a damaged one.
    const fs::path doomed = directory_ / (".tmp-old-" + directory.filename().string());
    fs::rename(directory, doomed, error);
    fs::remove_all(error ? directory : doomed, error);
  }
}

std::vector<fs::path> CheckpointStore::list() const {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_, error))
    if (entry.path().filename().string().starts_with("step-")) found.push_back(entry.path());
  std::sort(found.rbegin(), found.rend());
  return found;
}

Checkpoint CheckpointStore::load(const fs::path& directory) {
  try {
    std::string complete = read_file(directory / "COMPLETE", 1 << 10);
    const std::string text = read_file(directory / "meta.json", 1 << 24);
    if (complete != hash(text) + "\n") throw CheckpointError(directory.string() + ": meta.json is damaged");
    const json meta = json::parse(text);
    if (meta.at("format") != 1) throw CheckpointError(directory.string() + ": written by a newer version");
    Checkpoint c;
    c.step = meta.at("step").get<std::int64_t>();
    c.fingerprint = meta.at("fingerprint");
    c.model = verified(directory, "model.safetensors", meta.at("files"));
    c.state = verified(directory, "train_state.safetensors", meta.at("files"));
    if (meta.contains("best")) {
      c.best = verified(directory, "best.safetensors", meta.at("files"));
      c.best_step = meta["best"].at("step").get<std::int64_t>();
      c.best_loss = meta["best"].at("loss").get<double>();
    }
    return c;
  } catch (const CheckpointError&) {
    throw;
  } catch (const std::exception& e) {
    throw CheckpointError(directory.string() + ": not a valid checkpoint: " + e.what());
  }
}

std::optional<Checkpoint> CheckpointStore::load_latest() const {
  // Newest first, not last.json first: a complete directory counts even when its pointer was not switched any more.
  std::string reasons;
  for (const auto& candidate : list()) {
    try {
      auto checkpoint = load(candidate);
      if (!reasons.empty()) log::warn("CHECKPOINT DAMAGED, going back to step {}:{}", checkpoint.step, reasons);
      return checkpoint;
    } catch (const CheckpointError& e) {
      reasons.append("\n  ").append(e.what());
    }
  }
  if (!reasons.empty()) throw CheckpointError("no usable checkpoint in " + directory_.string() + ":" + reasons);
  return std::nullopt;
}

std::vector<std::string> require_same_fingerprint(const json& saved, const json& configured,
                                                  const std::vector<std::string>& allowed) {
  std::map<std::string, std::pair<const json*, const json*>> keys;
  collect(saved, "", [&](const std::string& path, const json& value) { keys[path].first = &value; });
  collect(configured, "", [&](const std::string& path, const json& value) { keys[path].second = &value; });
  const auto may_differ = [&](const std::string& path) {
    return std::any_of(allowed.begin(), allowed.end(),
                       [&](const std::string& prefix) { return path == prefix || path.starts_with(prefix + "."); });
  };
  const auto text = [](const json* value) { return value ? value->dump() : "nothing"; };
  std::vector<std::string> changes;
  std::string refused;
  for (const auto& [path, values] : keys) {
    const auto [left, right] = values;
    if (left && right && *left == *right) continue;
    const std::string line = path + ": the checkpoint has " + text(left) + ", the configuration " + text(right);
    if (may_differ(path))
      changes.push_back(line);
    else
      refused += "\n  " + line;
  }
  if (!refused.empty())
    throw CheckpointError(
        "the checkpoint belongs to another configuration (correct it, start a new run, or name what may differ with "
        "--allow-change PATH):" +
        refused);
  return changes;
}

}  // namespace mg::train
