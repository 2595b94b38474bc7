#pragma once
#include <spdlog/spdlog.h>
/// Logging goes through spdlog's default logger, which apps/ configures: status on stderr, never on stdout.
namespace mg::log {
using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;
}  // namespace mg::log
