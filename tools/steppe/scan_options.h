// SPDX-License-Identifier: Apache-2.0
// From a scan's command line to what the engine is told. All checks happen here, before anything is
// written.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/campaign.h"
#include "tools/steppe/simulated.h"

namespace steppe {

struct ScanOptions {
  CampaignConfig campaign;
  std::unique_ptr<Clock> clock;                 // campaign.clock
  std::unique_ptr<SimulatedCountry> simulated;  // --sim: campaign.port.peer
  bool help = false;                            // was asked for and printed: nothing to do
  bool dry_run = false;
  bool quiet = false;
  bool seed_given = false;
  int verbosity = 3;                                         // 0 fatal .. 5 trace, ZMap's numbers
  std::string metadata_file, status_updates_file, log_file;  // "": none
  std::string notes;
  std::vector<std::string> command;  // the command line, to be repeated with --resume
  // For the metadata file: the target options as they were given.
  std::vector<std::string> targets, countries, as_numbers, blocklist_files, allowlist_files;
  std::string list_of_ips_file;
  std::string scenario;
};

// argv[0] is the subcommand. Throws OperatorError.
ScanOptions read_scan_options(int argc, const char* const* argv);

}  // namespace steppe
