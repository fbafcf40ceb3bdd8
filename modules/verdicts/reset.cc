// SPDX-License-Identifier: Apache-2.0
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_reset{
    .name = "reset",
    .meaning = "the connection was reset after the hello, or refused",
    .source = "RFC 9293 3.5.2; METHOD 3.5",
    .verdict = Verdict::reset,
    .matches =
        [](const Facts& facts) {
          return facts.ending == Ending::reset || facts.ending == Ending::refused;
        },
};

}  // namespace steppe
