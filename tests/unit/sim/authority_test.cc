// SPDX-License-Identifier: Apache-2.0
// All certificates are read and verified by OpenSSL in its own library context.
#include "tools/sim/authority.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ct.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <bit>
#include <ctime>
#include <map>
#include <set>
#include <string>

#include "engine/plan/operator_error.h"
#include "tests/unit/sim/sample_scenario.h"

namespace steppe::sim {
namespace {

using namespace test;

using Certificate = std::shared_ptr<X509>;
using Profile = ForgingProfile;

Certificate parsed(const Bytes& der) {
  const unsigned char* at = der.data();
  Certificate certificate{d2i_X509(nullptr, &at, static_cast<long>(der.size())), X509_free};
  EXPECT_TRUE(certificate && at == der.data() + der.size());
  return certificate;
}

Certificate leaf_of(const Chain& chain) {
  return parsed(*chain.certificates.at(0));
}

std::vector<Bytes> bytes_of(const Chain& chain) {
  std::vector<Bytes> bytes;
  for (const auto& certificate : chain.certificates) bytes.push_back(*certificate);
  return bytes;
}

std::shared_ptr<X509_STORE> store_of(const std::string& pem, int count) {
  std::shared_ptr<X509_STORE> store{X509_STORE_new(), X509_STORE_free};
  const std::unique_ptr<BIO, int (*)(BIO*)> bio{
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
  while (X509* const root = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    X509_STORE_add_cert(store.get(), root);
    X509_free(root);
    --count;
  }
  ERR_clear_error();  // the end of the text
  EXPECT_EQ(count, 0);
  return store;
}

// X509_V_OK or the first error, with the checks that a browser makes of a server; `strict` as RFC
// 5280 has it.
int verification(X509_STORE* store, const Chain& chain, Date date, bool strict = true) {
  const std::shared_ptr<STACK_OF(X509)> others{
      sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }};
  for (size_t i = 1; i < chain.certificates.size(); ++i) {
    const Certificate certificate = parsed(*chain.certificates[i]);
    X509_up_ref(certificate.get());
    sk_X509_push(others.get(), certificate.get());
  }
  const Certificate leaf = leaf_of(chain);
  const std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> context{X509_STORE_CTX_new(),
                                                                           X509_STORE_CTX_free};
  X509_STORE_CTX_init(context.get(), store, leaf.get(), others.get());
  X509_STORE_CTX_set_default(context.get(), "ssl_server");
  X509_STORE_CTX_set_time(context.get(), 0, date / 1000);
  if (strict) X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_X509_STRICT);
  return X509_verify_cert(context.get()) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context.get());
}

std::string name_text(const X509_NAME* name) {
  char text[512];
  return X509_NAME_oneline(name, text, sizeof text);
}

Bytes name_der(const X509_NAME* name) {
  const unsigned char* bytes = nullptr;
  size_t size = 0;
  EXPECT_TRUE(X509_NAME_get0_der(name, &bytes, &size));
  return {bytes, bytes + size};
}

std::vector<int> extension_ids(X509* certificate) {
  std::vector<int> ids;
  for (int i = 0; i < X509_get_ext_count(certificate); ++i)
    ids.push_back(OBJ_obj2nid(X509_EXTENSION_get_object(X509_get_ext(certificate, i))));
  return ids;
}

// The whole extension as it stands in the certificate; empty: it is not there.
Bytes extension_der(X509* certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate, nid, -1);
  if (at < 0) return {};
  unsigned char* der = nullptr;
  const int size = i2d_X509_EXTENSION(X509_get_ext(certificate, at), &der);
  const Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

std::vector<std::string> alt_names(X509* certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> entries{
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free};
  for (int i = 0; entries && i < sk_GENERAL_NAME_num(entries.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(entries.get(), i);
    EXPECT_EQ(name->type, GEN_DNS);
    const auto* const text = name->d.dNSName;
    names.emplace_back(reinterpret_cast<const char*>(text->data), text->length);
  }
  return names;
}

int64_t seconds(const ASN1_TIME* time) {
  std::tm parts{};
  EXPECT_EQ(ASN1_TIME_to_tm(time, &parts), 1);
  return timegm(&parts);
}

int64_t not_before(X509* certificate) {
  return seconds(X509_get0_notBefore(certificate));
}

int64_t not_after(X509* certificate) {
  return seconds(X509_get0_notAfter(certificate));
}

Bytes serial(X509* certificate) {
  const ASN1_INTEGER* const number = X509_get0_serialNumber(certificate);
  EXPECT_EQ(ASN1_STRING_type(number), V_ASN1_INTEGER);  // not negative
  return {number->data, number->data + number->length};
}

// The number of trailing bits behind which two serials of one length agree.
uint32_t changed_bits(const Bytes& first, const Bytes& second) {
  EXPECT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    const auto difference = static_cast<uint8_t>(first[i] ^ second[i]);
    if (difference != 0)
      return static_cast<uint32_t>((first.size() - i) * 8) -
             static_cast<uint32_t>(std::countl_zero(difference));
  }
  return 0;
}

Bytes public_key(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  const Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

uint64_t rsa_exponent(X509* certificate) {
  BIGNUM* exponent = nullptr;
  EXPECT_TRUE(
      EVP_PKEY_get_bn_param(X509_get0_pubkey(certificate), OSSL_PKEY_PARAM_RSA_E, &exponent));
  const uint64_t value = BN_get_word(exponent);
  BN_free(exponent);
  return value;
}

bool signed_by(X509* certificate, X509* issuer) {
  return X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

class AuthorityTest : public testing::Test {
 protected:
  void SetUp() override { make(); }
  // Again, with what a test has changed of the scenario.
  void make(uint64_t seed = 1, Date date = now) {
    layout_ = std::make_unique<Layout>(scenario_, seed, 0);
    authority_ = std::make_unique<Authority>(*layout_, date);
  }
  const Host& host(uint32_t group, uint32_t number) const {
    for (const Host& host : layout_->hosts()) {
      if (host.group == group && host.number == number) return host;
    }
    throw std::out_of_range("no such host");
  }
  CertificateSpec& spec() { return scenario_.groups[0].certificate; }
  Chain chain(uint32_t number, const LeafChoice& choice = {}, std::string_view name = {}) {
    return authority_->chain(host(0, number), choice, name);
  }
  int verified(const Chain& chain, Date date = now) {
    return verification(store_of(authority_->root_pem(), 3).get(), chain, date);
  }
  Chain forged(const Profile& profile, uint32_t number = 0, std::string_view name = "google.com") {
    return authority_->forge(profile, host(0, number), chain(number), name);
  }

  Scenario scenario_ = sample_scenario();
  std::unique_ptr<Layout> layout_;
  std::unique_ptr<Authority> authority_;
};

TEST_F(AuthorityTest, TrustedChainsVerifyForSixtyDaysOnBothSides) {
  const auto store = store_of(authority_->root_pem(), 3);
  std::set<std::string> issuers;
  for (uint32_t number = 0; number < 60; ++number) {
    const Chain shown = chain(number);
    ASSERT_EQ(shown.certificates.size(), 2u);
    issuers.insert(name_text(X509_get_issuer_name(leaf_of(shown).get())));
    for (const int64_t days : {-60, 0, 60})
      EXPECT_EQ(verification(store.get(), shown, now + days * day_ms), X509_V_OK) << number;
    EXPECT_EQ(verification(store.get(), shown, now - 400 * day_ms), X509_V_ERR_CERT_NOT_YET_VALID);
    EXPECT_EQ(verification(store.get(), shown, now + 400 * day_ms), X509_V_ERR_CERT_HAS_EXPIRED);
  }
  EXPECT_EQ(issuers.size(), 3u);
}

TEST_F(AuthorityTest, AnyNumberOfIntermediatesVerifiesAndNoneAreNeededAtTheRoot) {
  for (const uint8_t count : {0, 1, 2, 3}) {
    for (const KeyKind key : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
      spec().intermediates = count;
      spec().key = spec().issuer_key = key;
      make();
      for (uint32_t number = 0; number < 6; ++number) {
        EXPECT_EQ(chain(number).certificates.size(), count + 1u);
        EXPECT_EQ(verified(chain(number)), X509_V_OK) << int{count} << ' ' << number;
        const Certificate leaf = leaf_of(chain(number));
        EXPECT_TRUE(
            EVP_PKEY_is_a(X509_get0_pubkey(leaf.get()), key == KeyKind::rsa_2048 ? "RSA" : "EC"));
        if (count > 0) {
          EXPECT_EQ(X509_get_signature_nid(leaf.get()),
                    key == KeyKind::rsa_2048 ? NID_sha256WithRSAEncryption : NID_ecdsa_with_SHA256);
        }
      }
    }
  }
}

TEST_F(AuthorityTest, LeavesDoNotVerifyWithoutTheirIntermediates) {
  const Chain whole = chain(0);
  spec().intermediates_left_out = true;
  make();
  const Chain alone = chain(0);
  ASSERT_EQ(alone.certificates.size(), 1u);
  EXPECT_EQ(*alone.certificates[0], *whole.certificates[0]);
  EXPECT_EQ(verified(alone), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

TEST_F(AuthorityTest, LeavesLookLikeThoseOfTheRealWorld) {
  std::set<std::pair<Bytes, Bytes>> identities;  // serial, signature-bearing DER
  std::set<size_t> name_counts;
  for (uint32_t number = 0; number < 60; ++number) {
    const Bytes& der = *chain(number).certificates[0];
    const Certificate leaf = parsed(der);
    EXPECT_GE(der.size(), 1100u);
    EXPECT_LE(der.size(), 1600u);
    EXPECT_EQ(X509_get_version(leaf.get()), X509_VERSION_3);
    auto ids = extension_ids(leaf.get());
    EXPECT_EQ(std::set<int>(ids.begin(), ids.end()),
              (std::set<int>{NID_subject_alt_name, NID_key_usage, NID_ext_key_usage,
                             NID_basic_constraints, NID_subject_key_identifier,
                             NID_authority_key_identifier, NID_certificate_policies,
                             NID_info_access, NID_crl_distribution_points, NID_ct_precert_scts}));
    EXPECT_EQ(ids.size(), 10u);
    EXPECT_EQ(X509_check_ca(leaf.get()), 0);
    EXPECT_EQ(serial(leaf.get()).size(), 16u);
    EXPECT_LT(serial(leaf.get())[0], 0x80);
    const int64_t days = (not_after(leaf.get()) - not_before(leaf.get())) / 86400;
    EXPECT_GE(days, 90);
    EXPECT_LE(days, 397);

    const std::string name = layout_->own_name(host(0, number));
    const auto names = alt_names(leaf.get());
    EXPECT_EQ(names.front(), name);
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
    name_counts.insert(names.size());
    EXPECT_TRUE(name_text(X509_get_subject_name(leaf.get())).ends_with("CN=" + name));
    identities.emplace(serial(leaf.get()), der);
  }
  EXPECT_EQ(name_counts, (std::set<size_t>{1, 2, 3, 4}));
  EXPECT_EQ(identities.size(), 60u);
}

TEST_F(AuthorityTest, TimestampsHaveTheirShape) {
  const Certificate leaf = leaf_of(chain(0));
  const std::unique_ptr<STACK_OF(SCT), void (*)(STACK_OF(SCT)*)> list{
      static_cast<STACK_OF(SCT)*>(
          X509_get_ext_d2i(leaf.get(), NID_ct_precert_scts, nullptr, nullptr)),
      SCT_LIST_free};
  ASSERT_TRUE(list);
  ASSERT_GE(sk_SCT_num(list.get()), 2);
  for (int i = 0; i < sk_SCT_num(list.get()); ++i) {
    const SCT* const timestamp = sk_SCT_value(list.get(), i);
    EXPECT_EQ(SCT_get_version(timestamp), SCT_VERSION_V1);
    EXPECT_EQ(SCT_get_signature_nid(timestamp), NID_ecdsa_with_SHA256);
    EXPECT_NEAR(static_cast<double>(SCT_get_timestamp(timestamp)),
                static_cast<double>(not_before(leaf.get())) * 1000, 2 * 3600'000);
  }
}

TEST_F(AuthorityTest, SameSeedSameBytesInAnyOrder) {
  spec().rotates = 2;
  make();
  const auto everything = [&](bool backwards) {
    std::map<std::pair<uint32_t, int>, std::vector<Bytes>> result;
    std::string roots;
    if (!backwards) roots = authority_->root_pem();
    for (uint32_t i = 0; i < 20; ++i) {
      const uint32_t number = backwards ? 19 - i : i;
      for (const int what : {0, 1, 2, 3, 4}) {
        const int asked = backwards ? 4 - what : what;
        Chain shown;
        if (asked == 0) shown = chain(number);
        if (asked == 1) shown = chain(number, {1, false, false});
        if (asked == 2) shown = chain(number, {0, true, false});
        if (asked == 3) shown = chain(number, {0, false, true}, "vk.com");
        if (asked == 4) shown = forged(qaznet(), number);
        result[{number, asked}] = bytes_of(shown);
      }
    }
    if (backwards) roots = authority_->root_pem();
    result[{99, 0}] = {Bytes(roots.begin(), roots.end())};
    return result;
  };
  for (const KeyKind key : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    spec().key = key;
    make();
    const auto first = everything(false);
    make();
    EXPECT_EQ(first, everything(true));
    make(2);
    const auto other = everything(false);
    for (const auto& [what, bytes] : first) EXPECT_NE(bytes.front(), other.at(what).front());
  }
}

TEST_F(AuthorityTest, RootsAreTheSameForEveryDateAndVantage) {
  const std::string roots = authority_->root_pem();
  make(1, now + 1000 * day_ms);
  EXPECT_EQ(roots, authority_->root_pem());
  EXPECT_EQ(verified(chain(0), now + 1000 * day_ms), X509_V_OK);
  const Layout abroad(scenario_, 1, 1);
  Authority other(abroad, now);
  EXPECT_EQ(roots, other.root_pem());
  make();
  EXPECT_EQ(bytes_of(chain(3)), bytes_of(other.chain(host(0, 3), {})));
}

TEST_F(AuthorityTest, ExpiredLeavesAreGoodButForTheirDate) {
  spec().kind = CertificateKind::expired;
  make();
  for (uint32_t number = 0; number < 20; ++number) {
    const Chain shown = chain(number);
    EXPECT_EQ(verified(shown), X509_V_ERR_CERT_HAS_EXPIRED);
    EXPECT_EQ(verified(shown, (not_after(leaf_of(shown).get()) - 1) * 1000), X509_V_OK);
  }
}

TEST_F(AuthorityTest, UnknownIssuersLeadToARootThatNobodyHas) {
  spec().kind = CertificateKind::unknown_issuer;
  make();
  const Chain shown = chain(0);
  ASSERT_EQ(shown.certificates.size(), 2u);
  EXPECT_EQ(verified(shown), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
  const Certificate intermediate = parsed(*shown.certificates[1]);
  EXPECT_TRUE(signed_by(leaf_of(shown).get(), intermediate.get()));
  EXPECT_EQ(X509_check_issued(intermediate.get(), leaf_of(shown).get()), X509_V_OK);
  // Nobody else's intermediate either, or it would look like a forger.
  EXPECT_NE(public_key(intermediate.get()), public_key(parsed(*chain(1).certificates[1]).get()));
}

TEST_F(AuthorityTest, WrongChainsHaveAnIntermediateThatDidNotSign) {
  const Chain right = chain(0);
  for (const uint8_t count : {0, 1, 2}) {
    spec().kind = CertificateKind::wrong_chain;
    spec().intermediates = count;
    make();
    const Chain shown = chain(0);
    ASSERT_EQ(shown.certificates.size(), std::max<size_t>(count, 1) + 1);
    EXPECT_EQ(verified(shown), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    EXPECT_FALSE(signed_by(leaf_of(shown).get(), parsed(*shown.certificates[1]).get()));
    if (count == 1) {
      // The intermediate itself is real. What the leaf lacks, no trusted host sends.
      EXPECT_EQ(*shown.certificates[1], *right.certificates[1]);
      EXPECT_NE(name_text(X509_get_issuer_name(leaf_of(shown).get())),
                name_text(X509_get_issuer_name(leaf_of(right).get())));
    }
  }
}

TEST_F(AuthorityTest, SelfSignedLeavesSignThemselves) {
  for (const KeyKind key : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    scenario_.groups[1].certificate.key = key;
    make();
    const Chain shown = authority_->chain(host(1, 0), {});
    ASSERT_EQ(shown.certificates.size(), 1u);
    const Certificate leaf = leaf_of(shown);
    EXPECT_EQ(verified(shown), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
    EXPECT_TRUE(signed_by(leaf.get(), leaf.get()));
  }
}

TEST_F(AuthorityTest, DistinctSaysHowManyLeavesAGroupShares) {
  scenario_.groups[1].certificate.distinct = 7;
  make();
  std::set<Bytes> leaves;
  for (uint32_t number = 0; number < 100; ++number) {
    const Chain shown = authority_->chain(host(1, number), {});
    EXPECT_EQ(bytes_of(shown), bytes_of(authority_->chain(host(1, number % 7), {})));
    leaves.insert(*shown.certificates[0]);
    const Certificate leaf = leaf_of(shown);
    EXPECT_EQ(alt_names(leaf.get()).front(), layout_->own_name(host(1, number)));
  }
  EXPECT_EQ(leaves.size(), 7u);
}

TEST_F(AuthorityTest, RenewedLeavesAreForTheSameNamesByTheSameIssuer) {
  spec().renewed_after_s = 7200;
  make();
  for (uint32_t number = 0; number < 20; ++number) {
    const Chain before = chain(number), after = chain(number, {0, true, false});
    const Certificate old = leaf_of(before), renewed = leaf_of(after);
    EXPECT_EQ(verified(after, now + 7200'000), X509_V_OK);
    EXPECT_NE(serial(old.get()), serial(renewed.get()));
    EXPECT_NE(public_key(old.get()), public_key(renewed.get()));
    EXPECT_LT(not_before(old.get()), not_before(renewed.get()));
    EXPECT_LT(not_after(old.get()), not_after(renewed.get()));
    EXPECT_EQ(name_der(X509_get_subject_name(old.get())),
              name_der(X509_get_subject_name(renewed.get())));
    EXPECT_EQ(alt_names(old.get()), alt_names(renewed.get()));
    EXPECT_EQ(*before.certificates[1], *after.certificates[1]);
  }
}

TEST_F(AuthorityTest, LoadBalancersHaveOtherLeavesForTheSameNames) {
  spec().rotates = 4;
  make();
  std::set<Bytes> leaves, keys;
  for (uint32_t rotation = 0; rotation < 4; ++rotation) {
    const Chain shown = chain(0, {rotation, false, false});
    const Certificate leaf = leaf_of(shown);
    EXPECT_EQ(verified(shown), X509_V_OK);
    EXPECT_EQ(alt_names(leaf.get()), alt_names(leaf_of(chain(0)).get()));
    leaves.insert(*shown.certificates[0]);
    keys.insert(public_key(leaf.get()));
  }
  EXPECT_EQ(leaves.size(), 4u);
  EXPECT_EQ(keys.size(), 4u);
}

TEST_F(AuthorityTest, OtherLeavesAreForTheAskedName) {
  const LeafChoice other{0, false, true};
  for (const auto& [kind, error] :
       {std::pair(CertificateKind::trusted, X509_V_OK),
        std::pair(CertificateKind::expired, X509_V_ERR_CERT_HAS_EXPIRED),
        std::pair(CertificateKind::self_signed, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT),
        std::pair(CertificateKind::unknown_issuer, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)}) {
    spec().other_kind = kind;
    make();
    const Chain shown = chain(0, other, "facebook.com");
    EXPECT_EQ(verified(shown), error);
    EXPECT_EQ(alt_names(leaf_of(shown).get()).front(), "facebook.com");
    EXPECT_NE(bytes_of(shown), bytes_of(chain(0, other, "vk.com")));
    EXPECT_EQ(verified(chain(0)), X509_V_OK);
  }
}

// A key that signs leaves of unrelated hosts is what gives forgers away.
TEST_F(AuthorityTest, NoTwoHostsShareTheKeyOfALeafThatSignsItself) {
  spec().other_kind = CertificateKind::self_signed;
  spec().distinct = 3;
  for (const KeyKind key : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    spec().key = key;
    make();
    std::set<Bytes> keys;
    for (uint32_t number = 0; number < 40; ++number)
      keys.insert(public_key(leaf_of(chain(number, {0, false, true}, "vk.com")).get()));
    EXPECT_EQ(keys.size(), 40u);
  }
}

TEST_F(AuthorityTest, KeysBelongToTheirLeaves) {
  spec().other_kind = CertificateKind::self_signed;
  for (const KeyKind key : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    spec().key = key;
    make();
    for (const LeafChoice choice : {LeafChoice{}, LeafChoice{1, false, false},
                                    LeafChoice{0, true, false}, LeafChoice{0, false, true}}) {
      const Certificate leaf = leaf_of(chain(0, choice, choice.other ? "vk.com" : ""));
      EXPECT_EQ(X509_check_private_key(leaf.get(), authority_->leaf_key(host(0, 0), choice)), 1);
    }
  }
}

TEST_F(AuthorityTest, OtherNamesMayBeAnyBytes) {
  for (const std::string& name :
       {std::string(300, 'x'), std::string("\xff\0,DNS:a", 8), std::string("a,b=c")}) {
    const Chain shown = chain(0, {0, false, true}, name);
    EXPECT_EQ(alt_names(leaf_of(shown).get()).front(), name);
  }
  EXPECT_EQ(chain(0, {0, false, true}).certificates.size(), 2u);
}

// --- forged leaves ---

TEST_F(AuthorityTest, ForgedLeavesAreRelatedToTheOrigins) {
  for (uint32_t number = 0; number < 20; ++number) {
    const Certificate origin = leaf_of(chain(number)), leaf = leaf_of(forged(qaznet(), number));
    EXPECT_EQ(name_der(X509_get_subject_name(leaf.get())),
              name_der(X509_get_subject_name(origin.get())));
    EXPECT_EQ(extension_ids(leaf.get()), std::vector<int>{NID_subject_alt_name});
    EXPECT_EQ(extension_der(leaf.get(), NID_subject_alt_name),
              extension_der(origin.get(), NID_subject_alt_name));
    EXPECT_EQ(not_before(leaf.get()) - not_before(origin.get()), -6 * 3600);
    EXPECT_EQ(not_after(leaf.get()) - not_after(origin.get()), -6 * 3600);
    EXPECT_EQ(name_text(X509_get_issuer_name(leaf.get())), "/C=KZ/CN=Security Certificate");
    EXPECT_EQ(X509_get_signature_nid(leaf.get()), NID_sha256WithRSAEncryption);
    EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(leaf.get())), 2048);
    EXPECT_EQ(rsa_exponent(leaf.get()), 3u);
    const auto key = authority_->forged_key(qaznet(), host(0, number));
    EXPECT_EQ(X509_check_private_key(leaf.get(), key.get()), 1);
  }
}

TEST_F(AuthorityTest, ForgedChainsLeadToTheForgersRootAndNoOther) {
  Profile profile = qaznet();
  EXPECT_EQ(forged(profile).certificates.size(), 2u);
  EXPECT_EQ(verified(forged(profile)), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
  profile.sends_root = true;
  const Chain chain = forged(profile);
  ASSERT_EQ(chain.certificates.size(), 3u);
  const Certificate leaf = leaf_of(chain), intermediate = parsed(*chain.certificates[1]),
                    root = parsed(*chain.certificates[2]);
  EXPECT_TRUE(signed_by(leaf.get(), intermediate.get()));
  EXPECT_TRUE(signed_by(intermediate.get(), root.get()));
  EXPECT_TRUE(signed_by(root.get(), root.get()));
  EXPECT_EQ(name_text(X509_get_subject_name(root.get())), "/C=KZ/CN=Qaznet Trust Network");
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(root.get())), 4096);
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(intermediate.get())), 2048);
  EXPECT_EQ(rsa_exponent(intermediate.get()), 65537u);
  EXPECT_EQ(not_before(root.get()), (now - 1500 * day_ms) / 1000);
  EXPECT_EQ(not_after(intermediate.get()), (now + 1000 * day_ms) / 1000);
  EXPECT_EQ(X509_check_ca(intermediate.get()), 1);
  // A user who has installed the root.
  const std::shared_ptr<X509_STORE> store{X509_STORE_new(), X509_STORE_free};
  X509_STORE_add_cert(store.get(), root.get());
  // The box leaves out the authorityKeyIdentifier.
  EXPECT_EQ(verification(store.get(), chain, now, false), X509_V_OK);
}

TEST_F(AuthorityTest, RootsSignLeavesWhereThereIsNoIntermediate) {
  Profile profile = qaznet();
  profile.intermediate.reset();
  profile.root.rsa_bits = 2048;
  EXPECT_EQ(forged(profile).certificates.size(), 1u);
  profile.sends_root = true;
  const Chain chain = forged(profile);
  ASSERT_EQ(chain.certificates.size(), 2u);
  EXPECT_TRUE(signed_by(leaf_of(chain).get(), parsed(*chain.certificates[1]).get()));
}

TEST_F(AuthorityTest, SerialsAreChangedInTheirLastBitsCopiedOrDrawn) {
  Profile profile = qaznet();
  for (const uint32_t bits : {1u, 8u, 32u, 33u, 64u}) {
    profile.serial_changed_bits = bits;
    uint32_t most = 0;
    for (uint32_t number = 0; number < 20; ++number) {
      const uint32_t changed = changed_bits(serial(leaf_of(chain(number)).get()),
                                            serial(leaf_of(forged(profile, number)).get()));
      EXPECT_GE(changed, 1u);
      most = std::max(most, changed);
    }
    EXPECT_EQ(most, bits);
  }
  profile.serial_changed_bits = 1000;  // more than it has
  EXPECT_EQ(serial(leaf_of(forged(profile)).get()).size(), 16u);
  profile.serial = Profile::Serial::copied;
  EXPECT_EQ(serial(leaf_of(forged(profile)).get()), serial(leaf_of(chain(0)).get()));
  profile.serial = Profile::Serial::random;
  EXPECT_GT(changed_bits(serial(leaf_of(forged(profile)).get()), serial(leaf_of(chain(0)).get())),
            100u);
}

TEST_F(AuthorityTest, KeysArePerHostOrOneForAll) {
  Profile profile = qaznet();
  for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    for (const bool per_host : {true, false}) {
      profile.key = kind;
      profile.key_per_host = per_host;
      std::set<Bytes> keys, origins;
      for (uint32_t number = 0; number < 40; ++number) {
        const Certificate leaf = leaf_of(forged(profile, number));
        EXPECT_TRUE(
            EVP_PKEY_is_a(X509_get0_pubkey(leaf.get()), kind == KeyKind::rsa_2048 ? "RSA" : "EC"));
        keys.insert(public_key(leaf.get()));
        origins.insert(public_key(leaf_of(chain(number)).get()));
        const auto key = authority_->forged_key(profile, host(0, number));
        EXPECT_EQ(X509_check_private_key(leaf.get(), key.get()), 1);
      }
      EXPECT_EQ(keys.size(), per_host ? 40u : 1u);
      for (const Bytes& key : keys) EXPECT_FALSE(origins.contains(key));
    }
  }
  profile = qaznet();
  profile.key_exponent = 65537;
  EXPECT_EQ(rsa_exponent(leaf_of(forged(profile)).get()), 65537u);
}

TEST_F(AuthorityTest, ValidityEndsAreShiftedApart) {
  Profile profile = qaznet();
  profile.not_before_shift_s = 0;
  profile.not_after_shift_s = 86400;
  const Certificate origin = leaf_of(chain(0)), leaf = leaf_of(forged(profile));
  EXPECT_EQ(not_before(leaf.get()), not_before(origin.get()));
  EXPECT_EQ(not_after(leaf.get()), not_after(origin.get()) + 86400);
}

TEST_F(AuthorityTest, ExtensionsAreLeftOutOrCopied) {
  Profile profile = qaznet();
  const Certificate origin = leaf_of(chain(0));
  profile.extensions = Profile::Extensions::none;
  EXPECT_TRUE(extension_ids(leaf_of(forged(profile)).get()).empty());

  profile.extensions = Profile::Extensions::copied;
  profile.sends_root = true;
  const Chain copied = forged(profile);
  const Certificate leaf = leaf_of(copied);
  EXPECT_EQ(extension_ids(leaf.get()), extension_ids(origin.get()));
  for (const int nid : extension_ids(origin.get())) {
    const bool remade = nid == NID_subject_key_identifier || nid == NID_authority_key_identifier;
    EXPECT_EQ(extension_der(leaf.get(), nid) == extension_der(origin.get(), nid), !remade)
        << OBJ_nid2sn(nid);
  }
  const std::shared_ptr<X509_STORE> store{X509_STORE_new(), X509_STORE_free};
  X509_STORE_add_cert(store.get(), parsed(*copied.certificates[2]).get());
  EXPECT_EQ(verification(store.get(), copied, now), X509_V_OK);
}

TEST_F(AuthorityTest, NamesCanBeTheAskedOne) {
  Profile profile = qaznet();
  profile.subject = Profile::Subject::from_server_name;
  profile.san_copied = false;
  const Certificate leaf = leaf_of(forged(profile, 0, "google.com"));
  EXPECT_EQ(name_text(X509_get_subject_name(leaf.get())), "/CN=google.com");
  EXPECT_EQ(alt_names(leaf.get()), std::vector<std::string>{"google.com"});
  EXPECT_EQ(alt_names(leaf_of(forged(profile, 0, "vk.com")).get()),
            std::vector<std::string>{"vk.com"});
  profile.san_copied = true;
  const Certificate half = leaf_of(forged(profile, 0, "google.com"));
  EXPECT_EQ(name_text(X509_get_subject_name(half.get())), "/CN=google.com");
  EXPECT_EQ(alt_names(half.get()), alt_names(leaf_of(chain(0)).get()));
  // Left out, where the subject is the origin's.
  profile = qaznet();
  profile.san_copied = false;
  EXPECT_TRUE(extension_ids(leaf_of(forged(profile)).get()).empty());
  profile.extensions = Profile::Extensions::copied;
  EXPECT_EQ(extension_ids(leaf_of(forged(profile)).get()).size(), 9u);
}

TEST_F(AuthorityTest, ForgedLeavesFollowTheOriginsLeafAndNotTheName) {
  const Profile profile = qaznet();
  EXPECT_EQ(bytes_of(forged(profile, 0, "google.com")), bytes_of(forged(profile, 0, "vk.com")));
  const Chain renewed =
      authority_->forge(profile, host(0, 0), chain(0, {0, true, false}), "google.com");
  EXPECT_EQ(not_after(leaf_of(renewed).get()),
            not_after(leaf_of(chain(0, {0, true, false})).get()) - 6 * 3600);
  EXPECT_TRUE(authority_->forge(profile, host(0, 0), {}, "google.com").certificates.empty());
}

TEST_F(AuthorityTest, SignersAreTheKeysThatSign) {
  Profile profile = qaznet();
  const Chain chain = forged(profile);
  const Certificate intermediate = parsed(*chain.certificates[1]);
  const Bytes key = public_key(intermediate.get());
  std::array<uint8_t, 32> digest;
  SHA256(key.data(), key.size(), digest.data());
  EXPECT_EQ(authority_->signer(profile).spki_sha256, digest);
  EXPECT_EQ(authority_->signer(profile).subject, "CN=Security Certificate,C=KZ");
  profile.intermediate.reset();
  EXPECT_EQ(authority_->signer(profile).subject, "CN=Qaznet Trust Network,C=KZ");
  EXPECT_NE(authority_->signer(profile).spki_sha256, digest);
}

// The successors of 2020 to 2024: one name, several keys; and intermediates that are used after
// they have expired.
TEST_F(AuthorityTest, AuthoritiesOfOneNameAreToldApartByTheirKeys) {
  Profile profile = qaznet();
  profile.root.rsa_bits = 2048;
  const auto first = authority_->signer(profile);
  profile.intermediate->key = 1;
  const auto second = authority_->signer(profile);
  EXPECT_EQ(first.subject, second.subject);
  EXPECT_NE(first.spki_sha256, second.spki_sha256);
  profile.intermediate->key = 0;
  profile.intermediate->not_before = now - 100 * day_ms;
  profile.intermediate->not_after = now - 25 * day_ms;
  EXPECT_EQ(authority_->signer(profile).spki_sha256, first.spki_sha256);
  const Chain chain = forged(profile);
  EXPECT_EQ(not_after(parsed(*chain.certificates[1]).get()), (now - 25 * day_ms) / 1000);
  EXPECT_TRUE(signed_by(leaf_of(chain).get(), parsed(*chain.certificates[1]).get()));
}

TEST_F(AuthorityTest, NamesOfAuthoritiesAreParsed) {
  Profile profile = qaznet();
  profile.root.rsa_bits = 2048;
  profile.intermediate->subject = "C=KZ,O=A\\, B ,  CN = Қазақстан";
  EXPECT_EQ(authority_->signer(profile).subject, "CN=Қазақстан,O=A\\, B,C=KZ");
  for (const char* subject : {"", "KZ", "C=", "C=KZ,,CN=x", "Planet=Mars", "C=KZ, CN"}) {
    profile.intermediate->subject = subject;
    EXPECT_THROW(authority_->signer(profile), OperatorError) << subject;
  }
  profile.intermediate->subject = "CN=x";
  profile.intermediate->rsa_bits = 100;
  EXPECT_THROW(authority_->signer(profile), OperatorError);
}

}  // namespace
}  // namespace steppe::sim
