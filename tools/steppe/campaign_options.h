// SPDX-License-Identifier: Apache-2.0
// What the subcommands that send, scan and trace, know once their command line was read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/campaign.h"
#include "tools/steppe/hello_file.h"
#include "tools/steppe/simulated.h"

namespace steppe {

struct CampaignOptions {
  CampaignConfig campaign;
  std::unique_ptr<HelloFile> hello_file;        // --hello-file: what campaign.hellos point into
  std::unique_ptr<Clock> clock;                 // campaign.clock
  std::unique_ptr<SimulatedCountry> simulated;  // --sim: campaign.ports.peer
  bool help = false;                            // was asked for and printed: nothing to do
  std::string nothing_to_do;                    // in words; "": there is something
  std::string opening;                          // the log's first line
  std::vector<std::string> cautions;            // lines behind it, for the operator to think about
  bool dry_run = false;
  bool quiet = false;
  bool seed_given = false;
  int verbosity = 3;                                         // 0 fatal .. 5 trace, ZMap's numbers
  std::string metadata_file, status_updates_file, log_file;  // "": none
  std::string notes;
  std::vector<std::string> command;  // the command line, for whoever has to repeat it
  // For the metadata file: the target options as they were given.
  std::vector<std::string> targets, countries, as_numbers, blocklist_files, allowlist_files;
  std::string list_of_ips_file;
  std::string scenario;
};

}  // namespace steppe
