// SPDX-License-Identifier: Apache-2.0
// What a scan found, for a person, and what to do with it next.
#pragma once

#include <string>

#include "engine/campaign.h"
#include "engine/store/store.h"

namespace steppe {

// store: the scan's own, at its end. directory: its name, for the commands at the bottom.
std::string summary_text(const CampaignSummary& summary, const Store& store,
                         const std::string& directory);

}  // namespace steppe
