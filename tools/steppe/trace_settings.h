// SPDX-License-Identifier: Apache-2.0
// The flags of the trace stage, and of which stages there are.
#pragma once

#include <string>
#include <vector>

#include "engine/campaign.h"
#include "tools/steppe/command_line.h"

namespace steppe {

// Every flag as text, "" where it was not given.
struct TraceFlags {
  std::string mode, runs, flows, router_rate, path_port;
};

void declare_trace(CommandLine& line, TraceFlags& f);
// REQUIRES that config.target_port and config.ports were read. simulated: no router is spared
// unless a limit was given. Throws OperatorError.
void read_trace(const TraceFlags& f, bool simulated, CampaignConfig& config);

// --stages: whether the trace is among them. Throws OperatorError if any other stage is not.
bool read_stages(const std::vector<std::string>& stages);

}  // namespace steppe
