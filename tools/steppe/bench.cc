// SPDX-License-Identifier: Apache-2.0
// steppe bench: how fast this machine does what a scan does, beside the floor that its devices set.
#include <cstdio>
#include <filesystem>

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
  std::string part, seconds, runs, addresses, hosts, names, json;
  bool no_huge_pages = false;
  DeviceFlags device;
};

struct Part {
  std::string_view name;
  std::vector<BenchRow> (*run)(const BenchOptions&, BenchMachine&);
};
constexpr Part parts[] = {{"syn", bench_syn}, {"pairs", bench_pairs}};

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

}  // namespace

int run_bench(int argc, const char* const* argv) {
  Flags f;
  CommandLine line("bench", "How fast this machine does what a scan does.", examples);
  declare(line, f);
  if (!line.parse(argc, argv)) return 0;
  BenchOptions options;
  read_device(f.device, false, options.port);
  options.port.huge_pages = !f.no_huge_pages;
  if (!f.seconds.empty()) options.seconds = seconds("--seconds", f.seconds, 0.1, "2");
  if (!f.runs.empty())
    options.runs = static_cast<uint32_t>(whole_number("--runs", f.runs, 1, 1000, "5"));
  if (!f.hosts.empty())
    options.hosts = static_cast<uint32_t>(whole_number("--hosts", f.hosts, 1, 60000, "2000"));
  if (!f.names.empty())
    options.names = static_cast<uint32_t>(whole_number("--names", f.names, 1, 1000000, "1000"));
  for (const Part& part : parts) {
    if (part.name != f.part) continue;
    const Scratch scratch;
    options.scratch = scratch.path();
    BenchMachine machine;
    const std::vector<BenchRow> rows = part.run(options, machine);
    std::fputs(bench_text(machine, rows).c_str(), stdout);
    if (!f.json.empty()) {
      OutputFile file(f.json);
      if (file.write(bench_json(machine, rows).dump(2) + "\n")) file.commit();
    }
    return 0;
  }
  throw OperatorError("no benchmark " + f.part + ": syn, pairs, judge, store, trace or all");
}

}  // namespace steppe
