// SPDX-License-Identifier: Apache-2.0
// The simulated country that is measured: trusted hosts alone, and nobody who interferes.
#pragma once

#include <cstdint>
#include <string>

namespace steppe {

// A scenario (tools/sim/scenario.h) with so many hosts, at most 60,000.
std::string bench_scenario(uint32_t hosts);

}  // namespace steppe
