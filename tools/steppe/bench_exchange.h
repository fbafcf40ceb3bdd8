// SPDX-License-Identifier: Apache-2.0
// The floor under a pair: the frames of one, and nothing else.
#pragma once

#include "tools/steppe/bench_parts.h"

namespace steppe {

// Nanoseconds of an lcore for the frames of one pair: a SYN, an ACK with a hello and a RST
// allocated, touched and sent, a SYN-ACK and the segments of a flight received, touched and freed,
// over a pair of net_ring ports with another lcore at its end. The median of options.runs.
double bare_exchange_ns(const BenchOptions& options);

}  // namespace steppe
