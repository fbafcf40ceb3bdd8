// SPDX-License-Identifier: Apache-2.0
// The flags that say how fast, how often and how long is sent.
#pragma once

#include <string>

#include "engine/campaign.h"
#include "tools/steppe/command_line.h"

namespace steppe {

// Every flag as text, "" where it was not given.
struct RateFlags {
  std::string rate, bandwidth, server_rate, subnet_rate, as_rate;
  std::string probes, cooldown, max_runtime, probe_ttl;
};

void declare_rates(CommandLine& line, RateFlags& f);
// simulated: nobody's network is in the way, so that only a rate that was given limits. Throws
// OperatorError.
void read_rates(const RateFlags& f, bool simulated, CampaignConfig& config);

}  // namespace steppe
