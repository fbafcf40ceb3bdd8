// SPDX-License-Identifier: Apache-2.0
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_closed{
    .name = "closed",
    .meaning = "the server closed the connection before a certificate",
    .source = "RFC 9293 3.6; METHOD 3.5",
    .verdict = Verdict::closed,
    .matches = [](const Facts& facts) { return facts.ending == Ending::closed; },
};

}  // namespace steppe
