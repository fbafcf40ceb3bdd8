// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/verdict_rule.h"

#include <cstdio>
#include <cstdlib>

namespace steppe {

const VerdictRule& classify(std::span<const VerdictRule* const> rules, const Facts& facts) {
  for (const VerdictRule* rule : rules)
    if (rule->matches(facts)) return *rule;
  // A list without a last rule that matches anything is a programmer's error: there is no verdict
  // to go on with, and a made-up one would reach the disk.
  std::fprintf(stderr, "verdict rules are not total: none matches ending %d\n",
               static_cast<int>(facts.ending));
  std::abort();
}

}  // namespace steppe
