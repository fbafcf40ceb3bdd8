// SPDX-License-Identifier: Apache-2.0
// The flags that say what is told of a run, and where to.
#pragma once

#include <string>

#include "tools/steppe/campaign_options.h"
#include "tools/steppe/command_line.h"

namespace steppe {

// Every flag as text, "" where it was not given.
struct ReportFlags {
  std::string metadata, status_updates, log, notes, verbosity;
  bool quiet = false;
};

// In the group that was begun last.
void declare_report_files(CommandLine& line, ReportFlags& f);
// A group of its own, the last one.
void declare_other(CommandLine& line, ReportFlags& f);
// Makes no file. Throws OperatorError.
void read_report(const ReportFlags& f, CampaignOptions& options);

}  // namespace steppe
