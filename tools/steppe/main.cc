// SPDX-License-Identifier: Apache-2.0
// The program: finds the subcommand, and turns what it throws into one line and an exit code.
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan/operator_error.h"
#include "tools/steppe/subcommands.h"
#include "tools/steppe/suggestion.h"

namespace {

using namespace steppe;

constexpr int exit_broke = 1, exit_operator_error = 2;

struct Subcommand {
  std::string_view name, meaning;
  int (*run)(int argc, const char* const* argv);
};

constexpr Subcommand subcommands[] = {
    {"scan", "visit every TLS host of a country with every name", run_scan},
    {"trace", "find out where on the way a finished scan's answers were forged", run_trace},
    {"export", "write what a database holds as JSON lines or CSV", run_export},
    {"query", "show what is known of a host, or of a host and a name", run_query},
    {"fingerprint", "JA3 and JA4 of the ClientHellos in captures, and of those that steppe sends",
     run_fingerprint},
    {"bench", "how fast this machine does what a scan does, beside the floor of its devices",
     run_bench},
    {"sim", "simulated countries: what is true of them, and one on an interface", run_sim},
};

void print_help() {
  std::fputs(
      "steppe finds national TLS interception: which hosts of a country show a forged certificate "
      "for\n"
      "which names, and whose key signed it.\n\n"
      "Usage: steppe SUBCOMMAND ...\n\nSubcommands:\n",
      stdout);
  for (const Subcommand& subcommand : subcommands)
    std::printf("  %-13s%s\n", subcommand.name.data(), subcommand.meaning.data());
  std::fputs(
      "\n  --help       print this text; steppe SUBCOMMAND --help has the flags of one\n"
      "  --version    print the version\n\n"
      "Examples:\n"
      "  steppe scan --sim kazakhstan-2019 --db kz.db\n"
      "  steppe scan --country KZ --sni facebook.com --sni google.com -i eth0 -r 10k --db kz.db\n"
      "  steppe trace --db kz.db --sni facebook.com -i eth0\n"
      "  steppe export pairs --db kz.db --output-filter 'interference = yes'\n"
      "  steppe query 198.51.100.7 facebook.com --db kz.db\n"
      "  steppe fingerprint arrived.pcap\n",
      stdout);
}

const Subcommand& find_subcommand(const std::string& word) {
  std::vector<std::string> names;
  for (const Subcommand& subcommand : subcommands) {
    if (subcommand.name == word) return subcommand;
    names.emplace_back(subcommand.name);
  }
  names.insert(names.end(), {"--help", "--version"});
  const std::string meant = closest(word, names);
  throw OperatorError((word.starts_with('-') ? "no flag " : "no subcommand ") + word + ": " +
                      (meant.empty() ? "steppe --help lists them" : "did you mean " + meant + "?"));
}

// What was wrong is one line, whatever a library put into its message.
int report(const std::string& program, const char* what, int code) {
  std::string line = what;
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  std::fprintf(stderr, "%s: %s\n", program.c_str(), line.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  std::string program = "steppe";
  try {
    if (argc < 2) throw OperatorError("no subcommand: steppe --help lists them");
    const std::string word = argv[1];
    if (word == "--help" || word == "-h" || word == "help") {
      print_help();
      return 0;
    }
    if (word == "--version" || word == "-V") {
      std::puts("steppe " STEPPE_VERSION);
      return 0;
    }
    const Subcommand& subcommand = find_subcommand(word);
    program += " " + word;
    return subcommand.run(argc - 1, argv + 1);
  } catch (const steppe::OperatorError& error) {
    return report(program, error.what(), exit_operator_error);
  } catch (const std::exception& error) {
    return report(program, error.what(), exit_broke);
  }
}
