// SPDX-License-Identifier: Apache-2.0
// Name-based hosting, CDNs and load balancers have many leaves behind one address. A leaf that
// browsers trust is no forgery that we could tell: whoever has one needs no interceptor's root
// in the browser. Whether it is a leaf for the asked name does not matter (METHOD 1).
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_genuine{
    .name = "genuine",
    .meaning = "another leaf than the host's usual one came back, and browsers trust it",
    .source = "METHOD 3.2",
    .verdict = Verdict::genuine,
    .matches =
        [](const Facts& facts) {
          return facts.ending == Ending::certificate && facts.trust.trusted;
        },
};

}  // namespace steppe
