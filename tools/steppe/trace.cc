// SPDX-License-Identifier: Apache-2.0
// steppe trace: a finished round's last stage, once more.
#include <cstdio>

#include "tools/steppe/conduct.h"
#include "tools/steppe/subcommands.h"
#include "tools/steppe/summary.h"
#include "tools/steppe/trace_options.h"

namespace steppe {

int run_trace(int argc, const char* const* argv) {
  const CampaignOptions options = read_trace_options(argc, argv);
  if (options.help) return 0;
  if (!options.nothing_to_do.empty()) {
    std::printf("%s\n", options.nothing_to_do.c_str());
    return 0;
  }
  return conduct(options, trace_summary_text);
}

}  // namespace steppe
