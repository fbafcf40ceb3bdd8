// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/facts_cache.h"

#include <gtest/gtest.h>

#include "tests/unit/judge/certificates.h"

namespace steppe {
namespace {

using namespace test;

TEST(FactsCache, SaysWhatReadingSaysHoweverOftenItIsAsked) {
  FactsCache cache;
  for (int turn = 0; turn < 3; ++turn)
    for (const Chain& chain : {Chain{&world().host, &world().intermediate}, Chain{&world().host},
                               Chain{&world().forged, &world().forger}}) {
      const ChainFacts read = read_chain(chain), kept = cache.read(chain);
      EXPECT_EQ(kept.leaf, read.leaf);
      EXPECT_EQ(kept.subject, read.subject);
      EXPECT_EQ(kept.issuer_spki, read.issuer_spki);  // the leaf alone has another answer
      EXPECT_EQ(kept.dns_names, read.dns_names);
    }
}

// The two chains are compared once, but the asked name and the trust are each pair's own.
TEST(FactsCache, ComparesOnceForManyNames) {
  FactsCache cache;
  Request request = forged_request();
  request.san = "DNS:*.facebook.com";
  const Issued other = issue(request);
  const Chain baseline{&world().host, &world().intermediate}, shown{&other};
  for (const char* name : {"www.facebook.com", "google.com", "m.facebook.com"}) {
    Trust trust;
    trust.anchored = name[0] == 'g';
    const auto evidence = cache.compare(baseline, shown, name, trust);
    const auto fresh = compare_chains(baseline, shown, name, trust);
    ASSERT_TRUE(evidence && fresh);
    EXPECT_EQ(evidence->names_asked, fresh->names_asked) << name;
    EXPECT_EQ(evidence->names_asked, name[0] != 'g') << name;
    EXPECT_EQ(evidence->anchored, trust.anchored) << name;
    EXPECT_EQ(evidence->key, fresh->key);
  }
  // The other way round is another comparison.
  EXPECT_EQ(cache.compare(shown, baseline, "iqala.kz", {})->not_before_shift_s,
            -cache.compare(baseline, shown, "iqala.kz", {})->not_before_shift_s);
}

}  // namespace
}  // namespace steppe
