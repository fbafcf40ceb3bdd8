// SPDX-License-Identifier: Apache-2.0
// Workers compare leaves as they stream in and end a flow as `same` without keeping the flight. A
// flight that a worker could not compare (TLS 1.3, where the certificate is encrypted) is
// compared here.
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_same{
    .name = "same",
    .meaning = "the host's own leaf came back, byte for byte",
    .source = "METHOD 3.2",
    .verdict = Verdict::same,
    .matches =
        [](const Facts& facts) {
          if (facts.ending == Ending::same) return true;
          return facts.ending == Ending::certificate && facts.chain != nullptr &&
                 facts.baseline != nullptr && facts.chain->leaf != Digest{} &&
                 facts.chain->leaf == facts.baseline->leaf;
        },
};

}  // namespace steppe
