// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/known_chain.h"

#include <gtest/gtest.h>

#include "tests/unit/judge/certificates.h"

namespace steppe {
namespace {

using namespace test;

class Known : public ::testing::Test {
 protected:
  PemFile roots{&world().root};
  TrustStore trust{roots.path(), now_s};
  KnownChains chains{trust};
};

TEST_F(Known, SaysWhatReadingSaysHoweverOftenItIsAsked) {
  for (int turn = 0; turn < 3; ++turn)
    for (const Chain& chain : {Chain{&world().host, &world().intermediate}, Chain{&world().host},
                               Chain{&world().forged, &world().forger}}) {
      const ChainFacts read = read_chain(chain), kept = chains.read(chain)->facts;
      EXPECT_EQ(kept.leaf, read.leaf);
      EXPECT_EQ(kept.subject, read.subject);
      EXPECT_EQ(kept.issuer_spki, read.issuer_spki);  // the leaf alone has another answer
      EXPECT_EQ(kept.dns_names, read.dns_names);
    }
}

// The two chains are compared once, but the asked name is each pair's own.
TEST_F(Known, ComparesOnceForManyNames) {
  Request request = forged_request();
  request.san = "DNS:*.facebook.com";
  const Issued other = issue(request);
  const Chain own{&world().host, &world().intermediate}, shown{&other};
  const auto baseline = chains.read(own);
  for (const char* name : {"www.facebook.com", "google.com", "m.facebook.com"}) {
    const auto evidence = chains.judge(shown, baseline.get(), name).evidence;
    const auto fresh = compare_chains(own, shown, name, {});
    ASSERT_TRUE(evidence && fresh);
    EXPECT_EQ(evidence->names_asked, fresh->names_asked) << name;
    EXPECT_EQ(evidence->names_asked, name[0] != 'g') << name;
    EXPECT_EQ(evidence->key, fresh->key);
  }
}

}  // namespace
}  // namespace steppe
