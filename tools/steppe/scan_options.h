// SPDX-License-Identifier: Apache-2.0
// From a scan's command line to what the engine is told. All checks happen here, before anything is
// written.
#pragma once

#include "tools/steppe/campaign_options.h"

namespace steppe {

// argv[0] is the subcommand. Throws OperatorError.
CampaignOptions read_scan_options(int argc, const char* const* argv);

}  // namespace steppe
