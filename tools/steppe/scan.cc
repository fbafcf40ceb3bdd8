// SPDX-License-Identifier: Apache-2.0
// steppe scan: one campaign, from the command line to the summary.
#include <cstdio>

#include "tools/steppe/conduct.h"
#include "tools/steppe/scan_options.h"
#include "tools/steppe/subcommands.h"
#include "tools/steppe/summary.h"

namespace steppe {

int run_scan(int argc, const char* const* argv) {
  const CampaignOptions options = read_scan_options(argc, argv);
  if (options.help) return 0;
  if (options.dry_run) {
    dry_run(options.campaign, stdout);
    return 0;
  }
  return conduct(options, summary_text);
}

}  // namespace steppe
