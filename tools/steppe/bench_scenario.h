// SPDX-License-Identifier: Apache-2.0
// The simulated country that is measured: trusted hosts alone, and nobody who interferes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace steppe {

// A scenario (tools/sim/scenario.h) with so many hosts, at most 65,000. issuer_key: of who signs
// their leaves, in its words.
std::string bench_scenario(uint32_t hosts, std::string_view issuer_key = "ecdsa-p256");

}  // namespace steppe
