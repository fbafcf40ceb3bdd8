// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/report_options.h"

#include "tools/steppe/output_file.h"
#include "tools/steppe/values.h"

namespace steppe {

void declare_report_files(CommandLine& line, ReportFlags& f) {
  line.value("-m,--metadata-file", f.metadata, "FILE", "scan.json", "what was done, as JSON");
  line.value("-u,--status-updates-file", f.status_updates, "FILE", "status.csv",
             "a line a second, as ZMap's CSV");
  line.value("-l,--log-file", f.log, "FILE", "scan.log", "log here instead of stderr");
  line.value("--notes", f.notes, "TEXT", "'first try'", "remark for the metadata file");
}

void declare_other(CommandLine& line, ReportFlags& f) {
  line.group("Other");
  line.value("-v,--verbosity", f.verbosity, "0-5", "4",
             "0 fatal, 1 error, 2 warning, 3 info, 4 debug, 5 trace (3)");
  line.flag("-q,--quiet", f.quiet, "no status line and no summary");
  line.config_file("-C,--config", "more flags from a file, by their long names");
}

void read_report(const ReportFlags& f, CampaignOptions& options) {
  check_writable("--metadata-file", f.metadata);
  check_writable("--status-updates-file", f.status_updates);
  check_writable("--log-file", f.log);
  options.metadata_file = f.metadata;
  options.status_updates_file = f.status_updates;
  options.log_file = f.log;
  options.notes = f.notes;
  options.quiet = f.quiet;
  if (!f.verbosity.empty())
    options.verbosity = static_cast<int>(whole_number("--verbosity", f.verbosity, 0, 5, "3"));
  options.campaign.ports.verbose = options.verbosity == 5;  // DPDK's own log, too
}

}  // namespace steppe
