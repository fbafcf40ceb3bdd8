// SPDX-License-Identifier: Apache-2.0
// Any certificate that is left: not the host's usual one, not trusted, no copy. Default
// certificates of virtual hosts are of this kind, and so are bytes that are no certificate at all.
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_untrusted{
    .name = "untrusted",
    .meaning = "another leaf came back, which browsers do not trust, with no sign of forging",
    .source = "METHOD 3.4",
    .verdict = Verdict::untrusted,
    .matches = [](const Facts& facts) { return facts.ending == Ending::certificate; },
};

}  // namespace steppe
