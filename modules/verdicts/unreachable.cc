// SPDX-License-Identifier: Apache-2.0
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_unreachable{
    .name = "unreachable",
    .meaning = "an ICMP error came in answer to the SYN",
    .source = "RFC 792; RFC 1122 4.2.3.9",
    .verdict = Verdict::unreachable,
    .matches = [](const Facts& facts) { return facts.ending == Ending::unreachable; },
};

}  // namespace steppe
