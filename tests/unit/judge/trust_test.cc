// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/trust.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "engine/judge/certificate.h"
#include "engine/plan/operator_error.h"
#include "tests/unit/judge/certificates.h"

namespace steppe {
namespace {

using namespace test;

struct Roots {
  PemFile file{{&world().root}};
  TrustStore store{file.path(), now_s};
};

Trust verify(const Chain& chain) {
  return Roots().store.verify(chain);
}

std::string_view reason(const Trust& trust) {
  return to_string(trust.reason);
}

Request leaf_request(const Issued& issuer) {
  Request request;
  request.subject = {{"CN", "leaf.example"}};
  request.san = "DNS:leaf.example";
  request.issuer = &issuer;
  return request;
}

Request ca_request(const std::string& name, const Issued* issuer) {
  Request request;
  request.subject = {{"CN", name}};
  request.issuer = issuer;
  request.ca = true;
  return request;
}

TEST(Sha256, IsSha256) {
  const std::string abc = "abc";
  EXPECT_EQ(hex(sha256({reinterpret_cast<const uint8_t*>(abc.data()), abc.size()})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(TrustStore, TrustsAChainToARoot) {
  const Trust trust = verify({&world().host, &world().intermediate});
  EXPECT_TRUE(trust.trusted);
  EXPECT_TRUE(trust.anchored);
  EXPECT_EQ(reason(trust), "trusted");
}

TEST(TrustStore, OrderAndStrangersInTheChainDoNotMatter) {
  EXPECT_TRUE(verify({&world().host, &world().root, &world().intermediate}).trusted);
  EXPECT_TRUE(
      verify({&world().host, &world().forger, &world().host, &world().intermediate}).trusted);
}

TEST(TrustStore, ForgedChainIsNotTrusted) {
  for (const Chain& chain :
       {Chain{&world().forged, &world().forger},
        Chain{&world().forged, &world().forger, &world().forger_root}, Chain{&world().forged},
        // The true intermediate beside it helps nobody.
        Chain{&world().forged, &world().intermediate, &world().root}}) {
    const Trust trust = verify(chain);
    EXPECT_FALSE(trust.trusted);
    EXPECT_FALSE(trust.anchored);
    EXPECT_EQ(reason(trust), "unknown_issuer");
  }
}

// The forger's authority with the true one's name: a path by names, but not by signatures.
TEST(TrustStore, CopiedIssuerNamesLeadNowhere) {
  Request request = ca_request("Test Intermediate", nullptr);
  request.identifiers = false;
  const Issued impostor = issue(request);
  Request leaf = leaf_request(impostor);
  leaf.identifiers = false;
  const Issued forged = issue(leaf);
  for (const Chain& chain : {Chain{&forged, &impostor}, Chain{&forged, &world().intermediate},
                             Chain{&forged, &impostor, &world().intermediate, &world().root}}) {
    const Trust trust = verify(chain);
    EXPECT_FALSE(trust.trusted);
    EXPECT_FALSE(trust.anchored);
    EXPECT_EQ(reason(trust), "unknown_issuer");
  }
}

TEST(TrustStore, LeafMayNotIssue) {
  const Issued below = issue(leaf_request(world().host));
  const Trust trust = verify({&below, &world().host, &world().intermediate});
  EXPECT_FALSE(trust.trusted);
  EXPECT_FALSE(trust.anchored);
}

TEST(TrustStore, SelfSignedIsNamedAsSuch) {
  Request request;
  request.subject = {{"CN", "box.local"}};
  const Issued leaf = issue(request);
  const Trust trust = verify({&leaf});
  EXPECT_FALSE(trust.anchored);
  EXPECT_EQ(reason(trust), "self_signed");
}

TEST(TrustStore, SelfSignedLeafThatIsARootIsTrusted) {
  Request request;
  request.subject = {{"CN", "box.local"}};
  const Issued leaf = issue(request);
  const PemFile file{{&leaf}};
  EXPECT_TRUE(TrustStore(file.path(), now_s).verify(Chain{&leaf}).trusted);
}

TEST(TrustStore, ExpiredIsAnchored) {
  Request request = leaf_request(world().intermediate);
  request.not_after_s = now_s - day_s;
  const Issued expired = issue(request);
  const Trust trust = verify({&expired, &world().intermediate});
  EXPECT_FALSE(trust.trusted);
  EXPECT_TRUE(trust.anchored);
  EXPECT_EQ(reason(trust), "expired");
}

TEST(TrustStore, NotYetValidIsAnchored) {
  Request request = leaf_request(world().intermediate);
  request.not_before_s = now_s + day_s;
  const Issued early = issue(request);
  const Trust trust = verify({&early, &world().intermediate});
  EXPECT_FALSE(trust.trusted);
  EXPECT_TRUE(trust.anchored);
  EXPECT_EQ(reason(trust), "not_yet_valid");
}

// An expired leaf of nobody's must not pass for a careless administrator's.
TEST(TrustStore, ExpiredForgeryIsNotAnchored) {
  Request request = leaf_request(world().forger);
  request.not_after_s = now_s - day_s;
  const Issued expired = issue(request);
  const Trust trust = verify({&expired, &world().forger});
  EXPECT_FALSE(trust.anchored);
  EXPECT_EQ(reason(trust), "unknown_issuer");
}

TEST(TrustStore, WeakOrMisusedIsNotTrustedButAnchored) {
  Request sha1 = leaf_request(world().intermediate);
  sha1.digest = EVP_sha1();
  Request client = leaf_request(world().intermediate);
  client.extensions = {{"extendedKeyUsage", "clientAuth"}};
  for (const Request& request : {sha1, client}) {
    const Issued leaf = issue(request);
    const Trust trust = verify({&leaf, &world().intermediate});
    EXPECT_FALSE(trust.trusted);
    EXPECT_TRUE(trust.anchored);
    EXPECT_EQ(reason(trust), "other");
  }
}

TEST(TrustStore, TimeIsTheGivenOne) {
  const PemFile file{{&world().root}};
  const Chain chain{&world().host, &world().intermediate};
  EXPECT_TRUE(TrustStore(file.path(), now_s).verify(chain).trusted);
  EXPECT_EQ(reason(TrustStore(file.path(), now_s + 61 * day_s).verify(chain)), "expired");
  EXPECT_EQ(reason(TrustStore(file.path(), now_s - 31 * day_s).verify(chain)), "not_yet_valid");
  EXPECT_EQ(reason(TrustStore(file.path()).verify(chain)), "expired");  // now
}

TEST(TrustStore, GarbageIsMalformed) {
  Roots roots;
  EXPECT_EQ(reason(roots.store.verify({})), "malformed");
  const std::vector<uint8_t> garbage(50, 0x30);
  const std::vector<std::span<const uint8_t>> chain{garbage};
  EXPECT_EQ(reason(roots.store.verify(chain)), "malformed");
  auto trailing = world().host.der;
  trailing.push_back(0);
  const std::vector<std::span<const uint8_t>> longer{trailing, world().intermediate.der};
  EXPECT_EQ(reason(roots.store.verify(longer)), "malformed");
  const std::vector<std::span<const uint8_t>> rest_garbage{world().host.der, garbage,
                                                           world().intermediate.der};
  EXPECT_TRUE(roots.store.verify(rest_garbage).trusted);
}

// The cached answer is for the chain, not for the leaf.
TEST(TrustStore, MissingIntermediateIsLearned) {
  Roots roots;
  EXPECT_EQ(reason(roots.store.verify(Chain{&world().host})), "unknown_issuer");
  EXPECT_TRUE(roots.store.verify(Chain{&world().host, &world().intermediate}).trusted);
  EXPECT_EQ(reason(roots.store.verify(Chain{&world().host})), "unknown_issuer");
  roots.store.learn(Chain{&world().host, &world().intermediate});
  EXPECT_EQ(roots.store.learned_count(), 1u);
  EXPECT_TRUE(roots.store.verify(Chain{&world().host}).trusted);
  roots.store.learn(Chain{&world().host, &world().intermediate});
  EXPECT_EQ(roots.store.learned_count(), 1u);
}

TEST(TrustStore, LearnsNothingThatLeadsNowhere) {
  Roots roots;
  roots.store.learn(Chain{&world().forged, &world().forger, &world().forger_root});
  roots.store.learn(Chain{&world().host, &world().root});  // self-signed
  roots.store.learn(Chain{&world().host, &world().host});  // no authority
  roots.store.learn(Chain{&world().intermediate});         // a leaf is not learned
  roots.store.learn({});
  EXPECT_EQ(roots.store.learned_count(), 0u);
  EXPECT_FALSE(roots.store.verify(Chain{&world().forged}).anchored);
}

TEST(TrustStore, LearnsAWholeLadder) {
  const Issued second = issue(ca_request("Second", &world().intermediate));
  const Issued third = issue(ca_request("Third", &second));
  const Issued leaf = issue(leaf_request(third));
  Roots roots;
  roots.store.learn(Chain{&leaf, &third, &second, &world().intermediate});
  EXPECT_EQ(roots.store.learned_count(), 3u);
  EXPECT_TRUE(roots.store.verify(Chain{&leaf}).trusted);
}

// Two certificates for one authority, one by a root that browsers have dropped: OpenSSL alone takes
// the first that fits and stops there.
TEST(TrustStore, GoesBackFromACrossCertificateThatLeadsNowhere) {
  const Issued gone_root = issue(ca_request("Gone Root", nullptr));
  Request request = ca_request("Cross", &gone_root);
  const Issued by_gone = issue(request);
  request.key = by_gone.key;
  request.issuer = &world().root;
  const Issued by_root = issue(request);
  request.not_before_s = now_s - 20 * day_s;
  request.not_after_s = now_s - 10 * day_s;
  const Issued expired = issue(request);
  const Issued leaf = issue(leaf_request(by_gone));
  EXPECT_TRUE(verify({&leaf, &by_gone, &by_root}).trusted);
  EXPECT_TRUE(verify({&leaf, &by_root, &by_gone}).trusted);
  EXPECT_TRUE(verify({&leaf, &by_gone, &expired, &by_root}).trusted);
  EXPECT_EQ(reason(verify({&leaf, &by_gone, &expired})), "expired");
  EXPECT_EQ(reason(verify({&leaf, &by_gone, &gone_root})), "unknown_issuer");
}

// Everybody signs everybody: the search has to end.
TEST(TrustStore, CirclesEnd) {
  std::vector<Issued> ring;
  ring.push_back(issue(ca_request("Ring", nullptr)));
  const Issued other = issue(ca_request("Other", &ring[0]));
  std::vector<const Issued*> all{&other};
  for (int i = 0; i < 7; ++i) {
    Request request = ca_request("Other", &other);
    request.key = other.key;
    request.serial = {static_cast<uint8_t>(i + 1)};
    ring.push_back(issue(request));
  }
  const Issued leaf = issue(leaf_request(other));
  Chain chain{&leaf, &other, &ring[1], &ring[2], &ring[3], &ring[4], &ring[5], &ring[6], &ring[7]};
  EXPECT_EQ(reason(verify(chain)), "unknown_issuer");
}

TEST(TrustStore, SystemRootsAreTheDefault) {
  EXPECT_GT(TrustStore().root_count(), 50u);
}

std::string advice_for(const std::string& file) {
  try {
    TrustStore store{file};
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "no error";
}

TEST(TrustStore, BadRootFilesAreToldWithAdvice) {
  EXPECT_EQ(advice_for("/nonexistent/roots.pem"),
            "cannot read root certificates from /nonexistent/roots.pem: No such file or directory: "
            "give a PEM file with --root-cas");
  EXPECT_EQ(advice_for("/dev/null"),
            "cannot read root certificates from /dev/null: no certificate in it: give a PEM file "
            "with --root-cas");
  EXPECT_NE(advice_for("/tmp").find("no certificate in it"), std::string::npos);
  const PemFile good{{&world().root, &world().forger_root}};
  EXPECT_EQ(TrustStore(good.path()).root_count(), 2u);
  const PemFile damaged{"-----BEGIN CERTIFICATE-----\nMIIBgarbage\n-----END CERTIFICATE-----\n"};
  EXPECT_NE(advice_for(damaged.path()).find("--root-cas"), std::string::npos);
}

TEST(TrustStore, DamagedSecondRootIsNoticed) {
  std::string text;
  {
    const PemFile good{{&world().root}};
    std::FILE* file = std::fopen(good.path().c_str(), "r");
    char buffer[4096];
    text.assign(buffer, std::fread(buffer, 1, sizeof buffer, file));
    std::fclose(file);
  }
  const PemFile file{text + "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"};
  EXPECT_NE(advice_for(file.path()).find("certificate 2 in it is damaged"), std::string::npos);
}

TEST(TrustStore, ManyThreadsAgree) {
  Roots roots;
  const Issued second = issue(ca_request("Second", &world().intermediate));
  const Issued leaf = issue(leaf_request(second));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        if (!roots.store.verify(Chain{&world().host, &world().intermediate}).trusted) ++wrong;
        if (roots.store.verify(Chain{&world().forged, &world().forger}).anchored) ++wrong;
        roots.store.learn(Chain{&leaf, &second, &world().intermediate});
        if (!roots.store.verify(Chain{&leaf}).trusted) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(roots.store.learned_count(), 2u);
}

void mutate(std::vector<uint8_t>& der, std::mt19937& random) {
  const auto original = der;
  while (der == original)
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes)
      der[random() % der.size()] = static_cast<uint8_t>(random());
}

TEST(TrustStore, ChangedLeavesAreNeverTrusted) {
  Roots roots;
  std::mt19937 random{7};
  for (int round = 0; round < 800; ++round) {
    auto leaf = world().host.der;
    mutate(leaf, random);
    const std::vector<std::span<const uint8_t>> chain{leaf, world().intermediate.der};
    ASSERT_FALSE(roots.store.verify(chain).trusted) << round;
  }
}

TEST(TrustStore, ChangedIntermediatesAreNeverTrustedNorLearned) {
  Roots roots;
  std::mt19937 random{8};
  for (int round = 0; round < 800; ++round) {
    auto issuer = world().intermediate.der;
    mutate(issuer, random);
    const std::vector<std::span<const uint8_t>> chain{world().host.der, issuer};
    ASSERT_FALSE(roots.store.verify(chain).trusted) << round;
    roots.store.learn(chain);
  }
  EXPECT_EQ(roots.store.learned_count(), 0u);
}

}  // namespace
}  // namespace steppe
