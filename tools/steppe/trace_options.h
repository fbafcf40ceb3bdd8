// SPDX-License-Identifier: Apache-2.0
// From a trace's command line, and the round that it is about, to what the engine is told. All
// checks happen here, before anything is written.
#pragma once

#include "tools/steppe/campaign_options.h"

namespace steppe {

// argv[0] is the subcommand. Throws OperatorError.
CampaignOptions read_trace_options(int argc, const char* const* argv);

}  // namespace steppe
