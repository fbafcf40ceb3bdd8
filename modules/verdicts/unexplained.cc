// SPDX-License-Identifier: Apache-2.0
// The last rule: it matches anything, so that the list is total. All endings of observation.h have
// a rule before this one, so only an ending that was added there and forgotten here comes this far.
// It must not be made into a verdict on anybody, so the pair counts as not asked.
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_unexplained{
    .name = "unexplained",
    .meaning = "an ending that no other rule knows; the pair counts as not asked",
    .source = "none: the rules have to be total",
    .verdict = Verdict::none,
    .matches = [](const Facts&) { return true; },
};

}  // namespace steppe
