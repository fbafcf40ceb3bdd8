// SPDX-License-Identifier: Apache-2.0
// The verdict rules, in the order in which they are asked: the first that matches decides.
// To add one: a file here, its line below and in verdicts.cc, a positive and a negative test.
#pragma once

#include <span>

#include "engine/judge/verdict_rule.h"

namespace steppe {

extern const VerdictRule verdict_same, verdict_genuine, verdict_forged, verdict_untrusted,
    verdict_reset, verdict_closed, verdict_alert, verdict_timeout, verdict_not_tls,
    verdict_unreachable, verdict_unexplained;

// Total: the last rule matches anything.
std::span<const VerdictRule* const> verdict_rules();

}  // namespace steppe
