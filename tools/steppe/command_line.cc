// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "engine/plan/operator_error.h"
#include "tools/steppe/suggestion.h"

namespace steppe {

struct CommandLine::State {
  CLI::App app;
  std::string command;
  std::string group = "Options";
  std::map<std::string, std::string> examples;  // by long name

  CLI::Option* finish(CLI::Option* option, std::string type, std::string example) {
    examples[option->get_name()] = std::move(example);
    return option->group(group)->type_name(std::move(type));
  }

  std::string example_of(const std::string& name) const {
    const auto found = examples.find(name);
    return found == examples.end() ? "" : ", e.g. " + name + " " + found->second;
  }

  std::vector<std::string> long_names() const {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    return names;
  }

  // "--rats" -> `no flag --rats: did you mean --rate?`
  [[noreturn]] void reject_unknown(const std::string& text, const std::string& where) const {
    const std::string name = text.substr(0, text.find('='));
    const std::string meant = closest(name, long_names());
    throw OperatorError("no flag " + name + where + ": " +
                        (meant.empty() ? "steppe " + command + " --help lists them"
                                       : "did you mean " + meant + "?"));
  }

  [[noreturn]] void reject_extras() const {
    // remaining() has first what came first.
    for (const std::string& text : app.remaining())
      if (text.size() > 1 && text[0] == '-') reject_unknown(text, "");
    throw OperatorError("too many arguments, from \"" + app.remaining().front() + "\" on: steppe " +
                        command + " --help has the form");
  }

  // CLI11 says "NAME: 1 required N missing" and "NAME: At Most 1 required but received 2".
  [[noreturn]] void reject_count(const std::string& what) const {
    const std::string name = what.substr(0, what.find(':'));
    if (what.find("At Most") != std::string::npos)
      throw OperatorError(name + " is given more than once: give it once" + example_of(name));
    if (what.find("flag override") != std::string::npos)
      throw OperatorError("--" + what.substr(0, what.find(' ')) +
                          " takes no value: write it alone");
    throw OperatorError(name + " needs a value" + example_of(name));
  }
};

CommandLine::CommandLine(std::string command, std::string description, std::string examples)
    : state_(new State{
          CLI::App(std::move(description), "steppe " + command), command, "Options", {}}) {
  state_->app.footer(std::move(examples));
  state_->app.set_help_flag("-h,--help", "print this text");
  state_->app.get_formatter()->column_width(36);
}

CommandLine::~CommandLine() = default;

void CommandLine::group(std::string title) {
  state_->group = std::move(title);
}

void CommandLine::value(std::string names, std::string& target, std::string type,
                        std::string example, std::string meaning) {
  state_->finish(state_->app.add_option(std::move(names), target, std::move(meaning)),
                 std::move(type), std::move(example));
}

void CommandLine::values(std::string names, std::vector<std::string>& target, std::string type,
                         std::string example, std::string meaning) {
  // Without allow_extra_args(false) the flag would swallow the arguments behind its value.
  state_->finish(state_->app.add_option(std::move(names), target, std::move(meaning))
                     ->delimiter(',')
                     ->allow_extra_args(false),
                 std::move(type), std::move(example));
}

void CommandLine::repeated(std::string names, std::vector<std::string>& target, std::string type,
                           std::string example, std::string meaning) {
  state_->finish(
      state_->app.add_option(std::move(names), target, std::move(meaning))->allow_extra_args(false),
      std::move(type), std::move(example));
}

void CommandLine::flag(std::string names, bool& target, std::string meaning) {
  state_->app.add_flag(std::move(names), target, std::move(meaning))
      ->disable_flag_override()
      ->group(state_->group);
}

void CommandLine::positional(std::string name, std::string& target, std::string meaning) {
  state_->app.add_option(std::move(name), target, std::move(meaning))->type_name("");
}

void CommandLine::positionals(std::string name, std::vector<std::string>& target,
                              std::string meaning) {
  state_->app.add_option(std::move(name), target, std::move(meaning))->type_name("");
}

void CommandLine::config_file(std::string names, std::string meaning) {
  state_->finish(state_->app.set_config(std::move(names), "", std::move(meaning)), "FILE",
                 "scan.conf");
  state_->app.allow_config_extras(CLI::config_extras_mode::error);
}

bool CommandLine::parse(int argc, const char* const* argv) {
  State& state = *state_;
  try {
    state.app.parse(argc, argv);
    return true;
  } catch (const CLI::CallForHelp&) {
    std::fputs(state.app.help().c_str(), stdout);
    return false;
  } catch (const CLI::ExtrasError&) {
    state.reject_extras();
  } catch (const CLI::ArgumentMismatch& error) {
    state.reject_count(error.what());
  } catch (const CLI::ConfigError& error) {
    // "INI was not able to parse NAME", "NAME: This option is not allowed in a configuration file"
    const std::string what = error.what();
    if (what.find("not able to parse") != std::string::npos)
      state.reject_unknown("--" + what.substr(what.rfind(' ') + 1), " in the configuration file");
    throw OperatorError(what.substr(0, what.find(':')) +
                        " cannot stand in a configuration file: give it on the command line");
  } catch (const CLI::FileError&) {
    throw OperatorError("--config " + state.app.get_config_ptr()->as<std::string>() +
                        ": cannot be read: name a file of lines like \"rate = 10k\"");
  } catch (const CLI::ParseError& error) {
    std::string what = error.what();
    throw OperatorError(what.substr(0, what.find('\n')) + ": steppe " + state.command +
                        " --help has the form");
  }
}

}  // namespace steppe
