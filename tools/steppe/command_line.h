// SPDX-License-Identifier: Apache-2.0
// A subcommand's flags. CLI11 reads them; what it objects to becomes one line with the nearest
// valid form.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace steppe {

// The references handed over are written by parse() and must outlive it. Every value comes as text:
// what it must be like is said, with an example, by who needs it (tools/steppe/values.h).
class CommandLine {
 public:
  // command: "scan"; description and examples stand above and below the flags in --help.
  CommandLine(std::string command, std::string description, std::string examples);
  ~CommandLine();

  // A headline in --help for the flags that follow.
  void group(std::string title);
  // names: "-r,--rate". type: "N". example: what a mistake is answered with, "10k".
  void value(std::string names, std::string& target, std::string type, std::string example,
             std::string meaning);
  // May be given repeatedly, or once with commas.
  void values(std::string names, std::vector<std::string>& target, std::string type,
              std::string example, std::string meaning);
  // May be given repeatedly; commas are part of the value.
  void repeated(std::string names, std::vector<std::string>& target, std::string type,
                std::string example, std::string meaning);
  void flag(std::string names, bool& target, std::string meaning);
  // Arguments without a dash.
  void positional(std::string name, std::string& target, std::string meaning);
  void positionals(std::string name, std::vector<std::string>& target, std::string meaning);
  // A file with more flags by their long names; the command line wins.
  void config_file(std::string names, std::string meaning);

  // False: --help was asked for and printed, there is nothing more to do. Throws OperatorError.
  bool parse(int argc, const char* const* argv);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steppe
