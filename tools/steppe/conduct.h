// SPDX-License-Identifier: Apache-2.0
// A campaign from its options to its exit code.
#pragma once

#include <string>

#include "engine/store/store.h"
#include "tools/steppe/campaign_options.h"

namespace steppe {

// Runs the campaign with everything that is said meanwhile; at the end writes the metadata file and
// prints what `summarise` makes of it (summary.h). Returns the exit code (subcommands.h).
int conduct(const CampaignOptions& options,
            std::string (*summarise)(const CampaignSummary& summary, const Store& store,
                                     const std::string& directory));

}  // namespace steppe
