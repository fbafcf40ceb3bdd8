// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/evidence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/judge/certificate.h"
#include "tests/unit/judge/certificates.h"

namespace steppe {
namespace {

using namespace test;

Evidence compare(const Chain& baseline, const Chain& other,
                 std::string_view asked = "facebook.com") {
  const auto evidence = compare_chains(baseline, other, asked, {});
  EXPECT_TRUE(evidence.has_value());
  return evidence.value_or(Evidence{});
}

Evidence against_host(const Issued& other, std::string_view asked = "facebook.com") {
  return compare({&world().host, &world().intermediate}, {&other}, asked);
}

// METHOD 2's table, relation by relation.
TEST(Evidence, OfTheForgeryOf2019) {
  const Evidence evidence =
      compare({&world().host, &world().intermediate}, {&world().forged, &world().forger});
  EXPECT_TRUE(evidence.subject_equal);
  EXPECT_TRUE(evidence.san_equal);
  EXPECT_TRUE(evidence.san_contained);
  EXPECT_TRUE(evidence.key_replaced);
  EXPECT_EQ(evidence.key, "rsa-2048 e=3");
  EXPECT_EQ(evidence.not_before_shift_s, -6 * 3600);
  EXPECT_EQ(evidence.not_after_shift_s, -6 * 3600);
  EXPECT_EQ(evidence.serial_bits, 80u);
  EXPECT_EQ(evidence.serial_equal_prefix_bits, 48u);  // 0x66 and 0xe6 differ in their first bit
  EXPECT_EQ(evidence.extensions_removed,
            (std::vector<std::string>{"1.3.6.1.4.1.99999.1", "authorityInfoAccess",
                                      "authorityKeyIdentifier", "extendedKeyUsage",
                                      "subjectKeyIdentifier"}));
  EXPECT_TRUE(evidence.extensions_added.empty());
  EXPECT_FALSE(evidence.issuer_equal);
  EXPECT_FALSE(evidence.names_asked);
  EXPECT_FALSE(evidence.trusted);
  EXPECT_FALSE(evidence.anchored);
}

TEST(Evidence, OfALeafAndItself) {
  const Evidence evidence =
      compare({&world().host, &world().intermediate}, {&world().host, &world().intermediate});
  EXPECT_TRUE(evidence.subject_equal && evidence.san_equal && evidence.san_contained);
  EXPECT_FALSE(evidence.key_replaced);
  EXPECT_EQ(evidence.not_before_shift_s, 0);
  EXPECT_EQ(evidence.serial_equal_prefix_bits, 80u);
  EXPECT_TRUE(evidence.extensions_removed.empty() && evidence.extensions_added.empty());
  EXPECT_TRUE(evidence.issuer_equal);
}

TEST(Evidence, TrustIsHandedOn) {
  const Chain chain{&world().host};
  EXPECT_TRUE(compare_chains(chain, chain, "", {.trusted = true})->trusted);
  EXPECT_TRUE(compare_chains(chain, chain, "", {.anchored = true})->anchored);
}

TEST(Evidence, AlternativeNamesAreSets) {
  Request request = forged_request();
  const auto with = [&request](const std::string& san) {
    request.san = san;
    return against_host(issue(request));
  };
  EXPECT_TRUE(with("DNS:www.iqala.kz,DNS:iqala.kz").san_equal);
  EXPECT_TRUE(with("DNS:IQALA.kz,DNS:www.iqala.kz,DNS:iqala.kz").san_equal);
  // sslsplit adds the asked name.
  EXPECT_FALSE(with("DNS:iqala.kz,DNS:www.iqala.kz,DNS:facebook.com").san_equal);
  EXPECT_TRUE(with("DNS:iqala.kz,DNS:www.iqala.kz,DNS:facebook.com").san_contained);
  EXPECT_FALSE(with("DNS:iqala.kz").san_contained);
  EXPECT_FALSE(with("").san_contained);
  EXPECT_TRUE(with("DNS:iqala.kz,DNS:www.iqala.kz,IP:192.0.2.1").san_contained);
  EXPECT_FALSE(with("DNS:iqala.kz,DNS:www.iqala.kz,IP:192.0.2.1").san_equal);
  // An address is not the dNSName of the same bytes.
  request.san = "IP:97.98.99.100";
  const Issued address = issue(request);
  request.san = "DNS:abcd";
  const Issued name = issue(request);
  EXPECT_FALSE(compare({&address}, {&name}).san_equal);
}

TEST(Evidence, SubjectsAreComparedAsNames) {
  Request request = forged_request();
  request.subject = {{"C", "KZ"}, {"CN", "IQALA.kz"}};
  EXPECT_TRUE(against_host(issue(request)).subject_equal);  // RFC 5280 7.1
  request.subject = {{"CN", "iqala.kz"}};
  EXPECT_FALSE(against_host(issue(request)).subject_equal);
}

TEST(Evidence, KeysAreDescribed) {
  Request request = forged_request();
  request.key = rsa_key(1024);
  EXPECT_EQ(against_host(issue(request)).key, "rsa-1024 e=65537");
  request.key = ec_key();
  EXPECT_EQ(against_host(issue(request)).key, "ec-prime256v1");
  request.key = ed25519_key();
  EXPECT_EQ(against_host(issue(request)).key, "ed25519");
  request.key = world().host.key;
  EXPECT_FALSE(against_host(issue(request)).key_replaced);
}

TEST(Evidence, SerialsAreComparedFromTheFront) {
  Request request = forged_request();
  const auto bits = [&request](std::vector<uint8_t> serial) {
    request.serial = std::move(serial);
    return against_host(issue(request)).serial_equal_prefix_bits;
  };
  EXPECT_EQ(bits({0x4a, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x98}), 79u);
  EXPECT_EQ(bits({0x4b, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99}), 7u);
  EXPECT_EQ(bits({0x4a, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}), 0u);
  request.serial = {1};
  EXPECT_EQ(against_host(issue(request)).serial_bits, 80u);
  request.serial = std::vector<uint8_t>(20, 0x7f);
  EXPECT_EQ(against_host(issue(request)).serial_bits, 160u);
}

TEST(Evidence, ExtensionsAdded) {
  Request request = forged_request();
  request.extensions = {{"nsComment", "made by a box"}};
  const Evidence evidence = against_host(issue(request));
  EXPECT_EQ(evidence.extensions_added, (std::vector<std::string>{"nsComment"}));
}

// ---- issuers: names prove nothing ----

TEST(Evidence, IssuerIsTheOneThatSigned) {
  Request request = forged_request();
  request.issuer = &world().intermediate;
  const Issued renewed = issue(request);
  // Whichever of the two chains has the issuer, or none (authorityKeyIdentifier).
  EXPECT_TRUE(compare({&world().host, &world().intermediate}, {&renewed}).issuer_equal);
  EXPECT_TRUE(compare({&world().host}, {&renewed, &world().intermediate}).issuer_equal);
  request.identifiers = true;
  const Issued with_identifier = issue(request);
  EXPECT_TRUE(compare({&world().host}, {&with_identifier}).issuer_equal);
  EXPECT_FALSE(compare({&world().host}, {&renewed}).issuer_equal);  // it has no identifier
}

TEST(Evidence, IssuerWithACopiedNameIsAnother) {
  Request authority;
  authority.subject = {{"CN", "Test Intermediate"}};
  authority.ca = true;
  const Issued impostor = issue(authority);
  Request request = forged_request();
  request.issuer = &impostor;
  request.identifiers = true;
  const Issued forged = issue(request);
  EXPECT_FALSE(compare({&world().host, &world().intermediate}, {&forged}).issuer_equal);
  EXPECT_FALSE(compare({&world().host}, {&forged, &impostor}).issuer_equal);
  EXPECT_FALSE(compare({&world().host}, {&forged}).issuer_equal);
}

TEST(Evidence, IssuerWithACopiedNameAndIdentifierIsAnother) {
  // The identifier is taken from the true issuer, the signature is not.
  Request authority;
  authority.subject = {{"CN", "Test Intermediate"}};
  authority.ca = true;
  Issued impostor = issue(authority);
  Issued mask = world().intermediate;  // its name and identifiers, the impostor's key
  mask.key = impostor.key;
  Request request = forged_request();
  request.issuer = &mask;
  request.identifiers = true;
  const Issued forged = issue(request);
  EXPECT_FALSE(compare({&world().host, &world().intermediate}, {&forged}).issuer_equal);
  // Where nobody sent the true issuer there is only the identifier to go by.
  EXPECT_TRUE(compare({&world().host}, {&forged}).issuer_equal);
}

TEST(Evidence, NamesAsked) {
  Request request = forged_request();
  request.san = "DNS:*.facebook.com,DNS:facebook.com";
  const Issued other = issue(request);
  EXPECT_TRUE(against_host(other, "facebook.com").names_asked);
  EXPECT_TRUE(against_host(other, "www.facebook.com").names_asked);
  EXPECT_FALSE(against_host(other, "google.com").names_asked);
  EXPECT_FALSE(against_host(other, "").names_asked);
  EXPECT_FALSE(against_host(world().forged, "iqala.kz").names_asked);  // the baseline is for it too
  request.san = "";
  request.subject = {{"CN", "facebook.com"}};
  EXPECT_TRUE(against_host(issue(request), "facebook.com").names_asked);
}

// ---- what a chain says of itself ----

TEST(ReadChain, TellsFacts) {
  const ChainFacts facts =
      read_chain(Chain{&world().forged, &world().forger, &world().forger_root});
  EXPECT_TRUE(facts.parsed);
  EXPECT_EQ(facts.leaf, sha256(world().forged.der));
  EXPECT_EQ(facts.subject, "CN=iqala.kz,C=KZ");
  EXPECT_EQ(facts.issuer, "CN=Security Certificate,C=KZ");
  EXPECT_EQ(facts.issuer_spki, spki_digest(world().forger.x509.get()));
  EXPECT_EQ(facts.dns_names, (std::vector<std::string>{"iqala.kz", "www.iqala.kz"}));
  EXPECT_EQ(facts.not_before, "2019-06-23T10:40:00Z");
  EXPECT_EQ(facts.not_after, "2019-09-21T10:40:00Z");
  EXPECT_FALSE(facts.self_signed);
}

TEST(ReadChain, IssuerIsFoundWhereverItStands) {
  const auto spki = spki_digest(world().forger.x509.get());
  EXPECT_EQ(read_chain(Chain{&world().forged, &world().forger_root, &world().forger}).issuer_spki,
            spki);
  EXPECT_EQ(read_chain(Chain{&world().forged}).issuer_spki, std::nullopt);
  EXPECT_EQ(read_chain(Chain{&world().forged, &world().intermediate}).issuer_spki, std::nullopt);
}

TEST(ReadChain, SelfSignedIsItsOwnIssuer) {
  Request request;
  request.subject = {{"CN", "box.local"}};
  const Issued leaf = issue(request);
  const ChainFacts facts = read_chain(Chain{&leaf});
  EXPECT_TRUE(facts.self_signed);
  EXPECT_EQ(facts.issuer_spki, spki_digest(leaf.x509.get()));
  EXPECT_EQ(facts.dns_names, (std::vector<std::string>{"box.local"}));
}

TEST(ReadChain, NamesAreFitForOutput) {
  Request request;
  request.subject = {{"O", "\xd0\x9a\xd0\xb0\xd0\xb7"}, {"CN", "Not A Host"}};
  const Issued leaf = issue(request);
  ChainFacts facts = read_chain(Chain{&leaf});
  EXPECT_EQ(facts.subject, "CN=Not A Host,O=\xd0\x9a\xd0\xb0\xd0\xb7");
  EXPECT_TRUE(facts.dns_names.empty());

  // Bytes that are no UTF-8, and half a surrogate pair, in strings that say they are UTF-8: JSON
  // writers throw at either.
  const std::vector<uint8_t> letters{0xd0, 0x9a, 0xd0, 0xb0, 0xd0, 0xb7};
  for (const std::vector<uint8_t>& bad : {std::vector<uint8_t>{0xff}, {0xed, 0xa0, 0x80}}) {
    auto der = leaf.der;
    int replaced = 0;
    for (;; ++replaced) {
      const auto found = std::search(der.begin(), der.end(), letters.begin(), letters.end());
      if (found == der.end()) break;
      std::copy(bad.begin(), bad.end(), found);
    }
    ASSERT_EQ(replaced, 2);  // subject and issuer
    const std::vector<std::span<const uint8_t>> chain{der};
    EXPECT_FALSE(read_chain(chain).parsed);
  }
}

TEST(ReadChain, GarbageHasADigestAndNothingElse) {
  const std::vector<uint8_t> garbage{1, 2, 3};
  const std::vector<std::span<const uint8_t>> chain{garbage};
  const ChainFacts facts = read_chain(chain);
  EXPECT_FALSE(facts.parsed);
  EXPECT_EQ(facts.leaf, sha256(garbage));
  EXPECT_FALSE(facts.issuer_spki);
  EXPECT_FALSE(read_chain({}).parsed);
  EXPECT_EQ(read_chain({}).leaf, Digest{});
  EXPECT_FALSE(compare_chains(chain, Chain{&world().host}, "", {}));
  EXPECT_FALSE(compare_chains(Chain{&world().host}, chain, "", {}));
  EXPECT_FALSE(compare_chains({}, {}, "", {}));
}

// Any bytes give an answer. Half of the rounds change bytes, the others cut pieces out or double
// them, which breaks lengths; sanitizers watch over the rest.
TEST(ReadChain, IsTotal) {
  std::mt19937 random{2019};
  size_t parsed = 0;
  for (int round = 0; round < 1500; ++round) {
    auto leaf = round % 3 == 0 ? world().host.der : world().forged.der;
    if (round % 2 == 0) {
      for (unsigned changes = 1 + random() % 8; changes > 0; --changes)
        leaf[random() % leaf.size()] = static_cast<uint8_t>(random());
    } else {
      const auto from = static_cast<ptrdiff_t>(random() % leaf.size());
      const auto to =
          from + static_cast<ptrdiff_t>(random() % (leaf.size() - static_cast<size_t>(from)));
      if (random() % 2 == 0) {
        leaf.erase(leaf.begin() + from, leaf.begin() + to);
      } else {
        const std::vector<uint8_t> piece(leaf.begin() + from, leaf.begin() + to);
        leaf.insert(leaf.begin() + from, piece.begin(), piece.end());
      }
    }
    const std::vector<std::span<const uint8_t>> chain{leaf, world().forger.der};
    const ChainFacts facts = read_chain(chain);
    parsed += facts.parsed;
    const auto evidence =
        compare_chains(Chain{&world().host, &world().intermediate}, chain, "facebook.com", {});
    ASSERT_EQ(evidence.has_value(), facts.parsed);
    for (const std::string& name : facts.dns_names)
      ASSERT_TRUE(std::all_of(name.begin(), name.end(),
                              [](char letter) { return letter > 0x20 && letter < 0x7f; }));
  }
  EXPECT_GT(parsed, 100u);  // or the loop would only try the first lines of the parser
}

}  // namespace
}  // namespace steppe
