// SPDX-License-Identifier: Apache-2.0
// Ctrl-C, as a number that grows.
#pragma once

#include <atomic>

namespace steppe {

// How often the operator asked for the end (SIGINT, SIGTERM, SIGHUP): the only global, as a signal
// handler has no argument.
extern std::atomic<int> stop_requests;

// Counts these signals from now on, and ignores SIGPIPE: a closed pipe must not end a scan in the
// middle.
void listen_to_signals();

}  // namespace steppe
