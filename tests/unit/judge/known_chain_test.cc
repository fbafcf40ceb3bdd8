// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/known_chain.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "engine/limits.h"
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

// Chains are found by their length and last bytes: all of these have the same.
TEST_F(Known, TellsChainsApartThatDifferInOneByte) {
  for (const std::vector<uint8_t>* changed : {&world().host.der, &world().intermediate.der}) {
    std::vector<uint8_t> leaf = world().host.der, issuer = world().intermediate.der;
    const std::vector<std::span<const uint8_t>> chain{leaf, issuer};
    std::vector<uint8_t>& at = changed == &world().host.der ? leaf : issuer;
    for (size_t i = 0; i < at.size(); i += 7) {
      const auto own = chains.judge(chain, nullptr, "iqala.kz");
      ASSERT_TRUE(own.trust.trusted) << i;
      at[i] ^= 1;
      const auto other = chains.judge(chain, nullptr, "iqala.kz");
      ASSERT_NE(other.chain, own.chain) << i;
      ASSERT_TRUE(other.chain->is(chain)) << i;
      ASSERT_EQ(other.chain->facts.leaf, sha256(leaf)) << i;
      // Who has the true issuer already needs none from the chain.
      ASSERT_EQ(other.trust.trusted, &at == &issuer) << i;
      at[i] ^= 1;
    }
  }
  // The same bytes, cut elsewhere, or fewer of them.
  std::vector<uint8_t> both = world().host.der;
  both.insert(both.end(), world().intermediate.der.begin(), world().intermediate.der.end());
  const std::vector<std::span<const uint8_t>> one{both};
  EXPECT_EQ(chains.judge(one, nullptr, "").trust.reason, TrustReason::malformed);
  EXPECT_EQ(chains.judge(Chain{&world().host}, nullptr, "").chain->certificates.size(), 1u);
}

TEST_F(Known, AnotherBaselineIsAnotherComparison) {
  const Chain own{&world().host, &world().intermediate}, forged{&world().forged, &world().forger};
  const auto host = chains.read(own), other = chains.read(forged);
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_TRUE(chains.judge(forged, host.get(), "").evidence->key_replaced);
    EXPECT_FALSE(chains.judge(forged, other.get(), "").evidence->key_replaced);
    EXPECT_EQ(chains.judge(own, other.get(), "").evidence->not_before_shift_s, 6 * 3600);
    EXPECT_EQ(chains.judge(forged, host.get(), "").evidence->not_before_shift_s, -6 * 3600);
  }
}

TEST_F(Known, WhatIsLearnedMakesOldAnswersNew) {
  const Chain alone{&world().host}, whole{&world().host, &world().intermediate};
  const auto baseline = chains.read(whole);
  EXPECT_FALSE(chains.judge(alone, baseline.get(), "").evidence->trusted);
  EXPECT_TRUE(chains.judge(whole, baseline.get(), "").evidence->trusted);
  EXPECT_TRUE(chains.judge(alone, baseline.get(), "").trust.trusted);
  EXPECT_TRUE(chains.judge(alone, baseline.get(), "").evidence->trusted);
}

TEST_F(Known, AnEmptyListIsAChainToo) {
  const auto baseline = chains.read(Chain{&world().host});
  const auto judged = chains.judge({}, baseline.get(), "iqala.kz");
  ASSERT_NE(judged.chain, nullptr);
  EXPECT_TRUE(judged.chain->certificates.empty());
  EXPECT_FALSE(judged.chain->facts.parsed);
  EXPECT_EQ(judged.trust.reason, TrustReason::malformed);
  EXPECT_EQ(judged.evidence, nullptr);
}

// More chains than places, some of them long: what is driven out is read again, and the same.
TEST_F(Known, ForgetsAndReadsAgain) {
  std::vector<uint8_t> noise(100);
  const auto first = chains.judge(Chain{&world().forged}, nullptr, "").chain;
  for (uint32_t i = 0; i < 3 * limits::cached_chains; ++i) {
    std::memcpy(noise.data() + 90, &i, sizeof i);
    const std::vector<std::span<const uint8_t>> chain{noise};
    ASSERT_FALSE(chains.judge(chain, nullptr, "").chain->facts.parsed);
  }
  const auto again = chains.judge(Chain{&world().forged}, nullptr, "").chain;
  EXPECT_NE(again, first);
  EXPECT_EQ(again->facts.leaf, first->facts.leaf);
  std::vector<uint8_t> longer(limits::cached_chain_bytes + 1);
  const std::vector<std::span<const uint8_t>> long_chain{world().forged.der, longer};
  EXPECT_NE(chains.read(long_chain), chains.read(long_chain));
}

// Judges meet at chains, issuers, baselines and comparisons that are not there yet. A chain that
// has been judged makes its issuer known: from then on leaves that come alone are trusted,
// whichever judge was faster.
TEST_F(Known, ManyThreadsAgree) {
  constexpr int authorities = 40, rounds = 40;
  std::vector<Issued> issuers, leaves;
  for (int i = 0; i < authorities; ++i) {
    issuers.push_back(issue({.subject = {{"CN", "Authority " + std::to_string(i)}},
                             .key = {},
                             .issuer = &world().root,
                             .san = {},
                             .ca = true,
                             .extensions = {}}));
    Request request;
    request.subject = {{"CN", "leaf " + std::to_string(i)}};
    request.issuer = &issuers.back();
    leaves.push_back(issue(request));
  }
  for (int round = 0; round < rounds; ++round) {
    TrustStore store{roots.path(), now_s};
    KnownChains shared{store};
    const auto baseline = shared.read(Chain{&world().host, &world().intermediate});
    std::atomic<int> wrong = 0, arrived = 0;
    const auto judge_all = [&] {
      for (int i = 0; i < authorities; ++i) {
        ++arrived;
        while (arrived < 4 * (i + 1)) std::this_thread::yield();
        const auto whole = shared.judge(Chain{&leaves[i], &issuers[i]}, baseline.get(), "a.kz");
        const auto alone = shared.judge(Chain{&leaves[i]}, baseline.get(), "a.kz");
        const auto forged =
            shared.judge(Chain{&world().forged, &world().forger}, baseline.get(), "a.kz");
        wrong += !whole.trust.trusted || !alone.trust.trusted || forged.trust.anchored;
        wrong += !alone.evidence->trusted || !forged.evidence->san_equal;
      }
    };
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) threads.emplace_back(judge_all);
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(wrong, 0) << round;
    ASSERT_EQ(store.learned_count(), size_t{authorities});
  }
}

// The quick way to a key and OpenSSL's own.
TEST(ParseLeaf, SaysWhatParsingSays) {
  std::vector<std::vector<uint8_t>> all;
  for (const Key& key :
       {rsa_key(), rsa_key(1024, 3), ec_key(), ed25519_key(),
        Key(EVP_EC_gen("P-384"), EVP_PKEY_free), Key(EVP_EC_gen("secp256k1"), EVP_PKEY_free),
        Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "SM2"), EVP_PKEY_free),
        Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"), EVP_PKEY_free)}) {
    Request request = forged_request();
    request.issuer = &world().forger;
    request.key = key;
    all.push_back(issue(request).der);
  }
  std::mt19937 random{11};
  for (size_t i = 0; i < 3000; ++i) {
    auto changed = all[i % 8];
    changed[random() % changed.size()] = static_cast<uint8_t>(random());
    all.push_back(std::move(changed));
  }
  int with_key = 0;
  for (const auto& der : all) {
    const auto quick = parse_leaf(der), slow = parse_certificate(der);
    ASSERT_EQ(quick == nullptr, slow == nullptr);
    if (!quick) continue;
    const EVP_PKEY *const key = X509_get0_pubkey(quick.get()),
                          *other = X509_get0_pubkey(slow.get());
    ASSERT_EQ(key == nullptr, other == nullptr);
    EXPECT_EQ(spki_digest(quick.get()), spki_digest(slow.get()));
    if (key == nullptr) continue;
    ++with_key;
    EXPECT_EQ(EVP_PKEY_eq(key, other), 1);
    EXPECT_EQ(EVP_PKEY_get_base_id(key), EVP_PKEY_get_base_id(other));
    EXPECT_EQ(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(other));
    EXPECT_EQ(EVP_PKEY_get_security_bits(key), EVP_PKEY_get_security_bits(other));
  }
  EXPECT_GT(with_key, 1000);
}

}  // namespace
}  // namespace steppe
