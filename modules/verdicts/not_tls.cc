// SPDX-License-Identifier: Apache-2.0
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_not_tls{
    .name = "not_tls",
    .meaning = "what came is not TLS (a block page, say), or a flight without end",
    .source = "RFC 5246 6.2.1; METHOD 3.5",
    .verdict = Verdict::not_tls,
    .matches =
        [](const Facts& facts) {
          return facts.ending == Ending::not_tls || facts.ending == Ending::too_long;
        },
};

}  // namespace steppe
