// SPDX-License-Identifier: Apache-2.0
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_timeout{
    .name = "timeout",
    .meaning = "no answer came in time, or none that was whole",
    .source = "METHOD 3.5",
    .verdict = Verdict::timeout,
    .matches = [](const Facts& facts) { return facts.ending == Ending::timeout; },
};

}  // namespace steppe
