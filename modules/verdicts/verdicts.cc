// SPDX-License-Identifier: Apache-2.0
#include "modules/verdicts/verdicts.h"

namespace steppe {
namespace {

// Certificates first, from what is surest to what is left over: an equal leaf needs no trust, a
// trusted leaf no comparison, and `untrusted` takes every certificate that came this far.
constexpr const VerdictRule* rules[] = {
    &verdict_same,    &verdict_genuine,     &verdict_forged,      &verdict_untrusted,
    &verdict_reset,   &verdict_closed,      &verdict_alert,       &verdict_timeout,
    &verdict_not_tls, &verdict_unreachable, &verdict_unexplained,
};

}  // namespace

std::span<const VerdictRule* const> verdict_rules() {
  return rules;
}

}  // namespace steppe
