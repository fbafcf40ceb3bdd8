// SPDX-License-Identifier: Apache-2.0
// steppe bench: how fast this machine does what a scan does, beside the floor that its devices set.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "engine/plan/operator_error.h"
#include "tools/steppe/bench_parts.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/device_options.h"
#include "tools/steppe/output_file.h"
#include "tools/steppe/subcommands.h"
#include "tools/steppe/values.h"

namespace steppe {
namespace {

constexpr const char* examples =
    "Examples:\n"
    "  steppe bench syn\n"
    "  steppe bench syn -i scan0\n"
    "  steppe bench all --json bench.json\n";

struct Flags {
  std::string part, seconds, runs, hosts, names, json;
  bool no_huge_pages = false;
  DeviceFlags device;
};

struct Part {
  std::string_view name;
  std::vector<BenchRow> (*run)(const BenchOptions&, BenchMachine&);
};
constexpr Part parts[] = {{"syn", bench_syn},
                          {"pairs", bench_pairs},
                          {"judge", bench_judge},
                          {"store", bench_store},
                          {"trace", bench_trace}};

constexpr double seconds_most = 600;

// A directory for what has to be on disk, gone at the end.
class Scratch {
 public:
  Scratch() {
    std::string pattern = std::filesystem::temp_directory_path() / "steppe-bench-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr)
      throw OperatorError("no directory can be made in " +
                          std::filesystem::temp_directory_path().string() + ": set TMPDIR");
    path_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void declare(CommandLine& line, Flags& f) {
  line.positional("WHAT", f.part, "syn, pairs, judge, store, trace or all");
  line.value("--seconds", f.seconds, "N", "2", "of each run (2)");
  line.value("--runs", f.runs, "N", "5", "of each benchmark; medians are printed (5)");
  line.value("--hosts", f.hosts, "N", "2000", "of pairs: trusted hosts of its country (2000)");
  line.value("--names", f.names, "N", "1000", "of pairs: each host is asked these many (1000)");
  line.value("--json", f.json, "FILE", "bench.json", "write the figures there, too; - is stdout");
  line.flag("--no-huge-pages", f.no_huge_pages, "do without, also where some are free");
  declare_device(line, f.device);
}

// Each in a process of its own, as DPDK starts once in one.
std::vector<BenchRow> run_all(const Flags& f, BenchMachine& machine) {
  const Scratch scratch;
  std::vector<BenchRow> rows;
  for (const Part& part : parts) {
    const std::string file = scratch.path() + "/" + std::string(part.name) + ".json";
    std::vector<std::string> words = {"steppe", "bench", std::string(part.name), "--json", file};
    const auto pass_on = [&](const char* flag, const std::string& value) {
      if (!value.empty()) words.insert(words.end(), {flag, value});
    };
    pass_on("--seconds", f.seconds);
    pass_on("--runs", f.runs);
    pass_on("--hosts", part.name == "pairs" ? f.hosts : "");
    pass_on("--names", f.names);
    if (f.no_huge_pages) words.emplace_back("--no-huge-pages");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::fprintf(stderr, "%s ...\n", std::string(part.name).c_str());
    pid_t child = 0;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawn(&child, "/proc/self/exe", &quiet, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&quiet);
    int status = 0;
    if (failed != 0 || waitpid(child, &status, 0) != child || status != 0)
      throw std::runtime_error("steppe bench " + std::string(part.name) + " failed");
    const auto json = nlohmann::ordered_json::parse(std::ifstream(file));
    machine = bench_machine(json);
    for (const auto& row : json["rows"]) rows.push_back(bench_row(row));
  }
  return rows;
}

}  // namespace

int run_bench(int argc, const char* const* argv) {
  Flags f;
  CommandLine line("bench", "How fast this machine does what a scan does.", examples);
  declare(line, f);
  if (!line.parse(argc, argv)) return 0;
  BenchOptions options;
  read_device(f.device, false, options.ports);
  options.ports.huge_pages = !f.no_huge_pages;
  if (!f.seconds.empty()) options.seconds = seconds("--seconds", f.seconds, 0.1, "2");
  if (options.seconds > seconds_most) throw OperatorError("--seconds is at most 600");
  const DeviceConfig& device = options.ports.devices[0];
  if (f.part != "syn" && !(device.interface.empty() && device.pci.empty() && device.vdev.empty()))
    throw OperatorError("a device is for steppe bench syn: the others bring their own");
  if (options.ports.devices.size() > 1)
    throw OperatorError("steppe bench measures one device at a time: give one");
  if (f.part != "pairs" && options.ports.workers() != 1)
    throw OperatorError("--cores is for steppe bench pairs: the others measure one core");
  if (!f.json.empty() && f.json != "-") check_writable("--json", f.json);
  if (!f.runs.empty())
    options.runs = static_cast<uint32_t>(whole_number("--runs", f.runs, 1, 1000, "5"));
  if (!f.hosts.empty())
    options.hosts = static_cast<uint32_t>(whole_number("--hosts", f.hosts, 1, 60000, "2000"));
  if (!f.names.empty())
    options.names = static_cast<uint32_t>(whole_number("--names", f.names, 1, 1000000, "1000"));
  BenchMachine machine;
  std::vector<BenchRow> rows;
  if (f.part == "all") {
    rows = run_all(f, machine);
  } else {
    const auto part = std::ranges::find(parts, f.part, &Part::name);
    if (part == std::end(parts))
      throw OperatorError(
          (f.part.empty() ? std::string("no benchmark") : "no benchmark " + f.part) +
          ": syn, pairs, judge, store, trace or all");
    const Scratch scratch;
    options.scratch = scratch.path();
    rows = part->run(options, machine);
  }
  // With the JSON on stdout the table would be in its way.
  if (f.json != "-") std::fputs(bench_text(machine, rows).c_str(), stdout);
  if (f.part == "all") std::fputs(wire_text(rows).c_str(), f.json == "-" ? stderr : stdout);
  if (!f.json.empty()) {
    OutputFile file(f.json);
    if (file.write(bench_json(machine, rows).dump(2) + "\n")) file.commit();
  }
  return 0;
}

}  // namespace steppe
