// SPDX-License-Identifier: Apache-2.0
// A forged leaf is a copy of the host's own, under another key and another signature. The copied
// parts show whose leaf was the model, the replaced ones that somebody else holds the key:
//
//   not trusted, not anchored   A leaf that leads to a browser's root, expired or misused, is a
//                               careless administrator's.
//   subject equal               The box copies the origin's certificate, whatever name was asked.
//   SAN equal or contained      sslsplit and its kind add the asked name to the copied ones.
//   key replaced                Without another key there is nothing to read along with. The same
//                               key under another signature is a renewed or self-made certificate
//                               of the host itself.
//   another issuer              An issuer key that signed the host's own leaf is the host's own
//                               authority, whose intermediate nobody sent us.
//
// What the 2019 box did besides - both times shifted by the same amount, the serial but for its
// last bytes kept, all other extensions dropped, an RSA exponent of 3 - differs from box to box
// (IMC 2020, sections 4 and 7). That is evidence to print, not a condition: the next box will do
// otherwise.
//
// A self-signed leaf counts as well, its issuer key being its own. It looks like an
// appliance that falls back to a certificate of its own; but such a one has the appliance's
// subject, not the host's, and comes up for the random control names before it does for any test
// name, which makes the host unstable before this rule is asked. The attacks on GitHub (2013) and
// iCloud (2014) in China were self-signed copies of a subject, and to leave them out would be to
// miss the plainest forgery there is. What remains is a load balancer with a self-signed machine
// behind it: controls meet that machine too, so tries seldom stand between good controls, and
// settle() makes nothing of those.
//
// Not seen here: forgers that copy the asked name instead of the origin's leaf. Their leaves are
// `untrusted` until their key has turned up at unrelated hosts (engine/judge/interceptors.h).
#include "modules/verdicts/verdicts.h"

namespace steppe {

const VerdictRule verdict_forged{
    .name = "forged",
    .meaning = "an untrusted copy of the host's own leaf, with the key and the issuer replaced",
    .source = "Sundara Raman et al., IMC 2020, section 4; METHOD 2",
    .verdict = Verdict::injected,
    .matches =
        [](const Facts& facts) {
          if (facts.ending != Ending::certificate || facts.evidence == nullptr ||
              facts.baseline == nullptr)
            return false;
          if (facts.trust.trusted || facts.trust.anchored) return false;
          // A baseline that names nothing is "equal" to any other leaf that names nothing.
          if (facts.baseline->subject.empty() && facts.baseline->dns_names.empty()) return false;
          const Evidence& evidence = *facts.evidence;
          return evidence.subject_equal && (evidence.san_equal || evidence.san_contained) &&
                 evidence.key_replaced && !evidence.issuer_equal;
        },
};

}  // namespace steppe
