#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/options.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace mg::apps {

/// One option of a command, as Command::option made it; narrows what is taken and how it is shown.
class CommandOption {
 public:
  explicit CommandOption(CLI::Option* option) : option_(option) {}
  CommandOption& required();
  /// The word that stands for the value in --help.
  CommandOption& type(const std::string& name);
  /// Each value is one of `words`; the message for others lists them.
  CommandOption& one_of(std::vector<std::string> words);
  /// The value is `low` to `high`.
  CommandOption& range(int low, int high);

 private:
  CLI::Option* option_;
};

/// A command of the program, or the program itself. All that this project uses of CLI11, which compiles slowly: only
/// apps/command.cpp and apps/program.cpp include it. `names` is one of "--name", "-n,--name" or "NAME" (positional).
/// What the references name is written while the command line is parsed and must live as long as the program.
class Command {
 public:
  /// `action` is set by the chosen command; it outlives this object.
  Command(CLI::App& app, Action& action) : app_(&app), action_(&action) {}

  CommandOption option(const std::string& names, std::string& value, const std::string& help);
  CommandOption option(const std::string& names, int& value, const std::string& help);
  CommandOption option(const std::string& names, std::optional<std::int64_t>& value, const std::string& help);
  CommandOption option(const std::string& names, std::optional<double>& value, const std::string& help);
  /// Values with commas between them.
  CommandOption option(const std::string& names, std::vector<int>& values, const std::string& help);
  /// May be given several times, one value each.
  CommandOption option(const std::string& names, std::vector<std::string>& values, const std::string& help);
  void flag(const std::string& names, bool& value, const std::string& help);

  Command subcommand(const std::string& name, const std::string& help);
  /// One of the subcommands must be given.
  void require_subcommand();
  /// What is done when this command is chosen; runs after the whole command line is parsed and checked.
  void action(Action work);

 private:
  CLI::App* app_;
  Action* action_;
};

}  // namespace mg::apps
