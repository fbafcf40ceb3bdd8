// SPDX-License-Identifier: Apache-2.0
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_alert{
    .name = "alert",
    .meaning = "a TLS alert came instead of a certificate",
    .source = "RFC 5246 7.2; METHOD 3.5",
    .verdict = Verdict::alert,
    .matches = [](const Facts& facts) { return facts.ending == Ending::alert; },
};

}  // namespace steppe
