#include "apps/command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "core/suggest.hpp"

namespace mg::apps {

CommandOption& CommandOption::required() {
  option_->required();
  return *this;
}

CommandOption& CommandOption::type(const std::string& name) {
  option_->type_name(name);
  return *this;
}

CommandOption& CommandOption::one_of(std::vector<std::string> words) {
  option_->check([words = std::move(words)](const std::string& word) {
    if (std::find(words.begin(), words.end(), word) != words.end()) return std::string();
    return "expected one of " + join(words) + ", got \"" + word + "\"" + did_you_mean(word, words);
  });
  return *this;
}

CommandOption& CommandOption::range(int low, int high) {
  option_->check([low, high](const std::string& text) {
    int value = 0;
    const bool inside = CLI::detail::lexical_cast(text, value) && value >= low && value <= high;
    return inside ? std::string()
                  : "expected " + std::to_string(low) + " to " + std::to_string(high) + ", got \"" + text + "\"";
  });
  return *this;
}

CommandOption Command::option(const std::string& names, std::string& value, const std::string& help) {
  return CommandOption(app_->add_option(names, value, help));
}

CommandOption Command::option(const std::string& names, int& value, const std::string& help) {
  return CommandOption(app_->add_option(names, value, help));
}

CommandOption Command::option(const std::string& names, std::optional<std::int64_t>& value, const std::string& help) {
  return CommandOption(app_->add_option(names, value, help));
}

CommandOption Command::option(const std::string& names, std::optional<double>& value, const std::string& help) {
  return CommandOption(app_->add_option(names, value, help));
}

CommandOption Command::option(const std::string& names, std::vector<int>& values, const std::string& help) {
  return CommandOption(app_->add_option(names, values, help)->delimiter(','));
}

CommandOption Command::option(const std::string& names, std::vector<std::string>& values, const std::string& help) {
  return CommandOption(app_->add_option(names, values, help)->allow_extra_args(false)->take_all());
}

void Command::flag(const std::string& names, bool& value, const std::string& help) {
  app_->add_flag(names, value, help);
}

Command Command::subcommand(const std::string& name, const std::string& help) {
  return Command(*app_->add_subcommand(name, help), *action_);
}

void Command::require_subcommand() { app_->require_subcommand(1); }

void Command::action(Action work) {
  app_->callback([action = action_, work = std::move(work)] { *action = work; });
}

}  // namespace mg::apps
