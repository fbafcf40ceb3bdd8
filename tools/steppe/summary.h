// SPDX-License-Identifier: Apache-2.0
// What a scan or a trace found, for a person, and what to do with it next.
#pragma once

#include <string>

#include "engine/campaign.h"
#include "engine/store/store.h"

namespace steppe {

// store: the campaign's own, at its end. directory: its name, for the commands at the bottom.
std::string summary_text(const CampaignSummary& summary, const Store& store,
                         const std::string& directory);
// The same of steppe trace: only what the trace did.
std::string trace_summary_text(const CampaignSummary& summary, const Store& store,
                               const std::string& directory);

}  // namespace steppe
