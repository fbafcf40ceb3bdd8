// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/signals.h"

#include <signal.h>

namespace steppe {

std::atomic<int> stop_requests{0};
static_assert(std::atomic<int>::is_always_lock_free);

namespace {

void on_signal(int) {
  stop_requests.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

void listen_to_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGHUP, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

}  // namespace steppe
