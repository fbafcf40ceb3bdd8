// SPDX-License-Identifier: Apache-2.0
// TrustStore remembers which signatures hold. Here it meets OpenSSL, which remembers nothing, over
// chains with all kinds of faults at each place; the same authorities sign good leaves and bad, so
// that what is remembered of the one is there for the other.
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <array>
#include <map>
#include <random>

#include "engine/judge/known_chain.h"
#include "tests/unit/judge/certificates.h"

namespace steppe {
namespace {

using namespace test;
using Extensions = std::vector<std::pair<std::string, std::string>>;

struct Fault {
  const char* name;
  void (*make)(Request&);
};
const Extensions authority = {{"basicConstraints", "critical,CA:TRUE"},
                              {"keyUsage", "critical,keyCertSign,cRLSign"}};

constexpr Fault faults[] = {
    {"none", [](Request&) {}},
    {"expired", [](Request& r) { r.not_after_s = now_s - day_s; }},
    {"ends now", [](Request& r) { r.not_after_s = now_s; }},
    {"begins now", [](Request& r) { r.not_before_s = now_s; }},
    {"not yet valid", [](Request& r) { r.not_before_s = now_s + 1; }},
    {"SHA-1", [](Request& r) { r.digest = EVP_sha1(); }},
    {"for clients",
     [](Request& r) {
       r.extensions.push_back({"extendedKeyUsage", "clientAuth"});
     }},
    {"unknown and critical",
     [](Request& r) {
       r.extensions.push_back({"1.3.6.1.4.1.99999.2", "critical,ASN1:NULL"});
     }},
    {"a name outside", [](Request& r) { r.san = "DNS:leaf.elsewhere"; }},
    {"a weak key",
     [](Request& r) {
       static const Key key = rsa_key(768);
       r.key = key;
     }},
    {"another's signature",
     [](Request& r) {
       // The issuer's name and key identifier, but not its key.
       static std::map<const Issued*, Issued> impostors;
       Issued& impostor = impostors[r.issuer];
       impostor.x509 = r.issuer->x509;
       if (!impostor.key) impostor.key = ec_key();
       r.issuer = &impostor;
     }},
};
constexpr Fault authority_faults[] = {
    {"no authority", [](Request& r) { r.extensions.clear(); }},
    {"may not sign",
     [](Request& r) {
       r.extensions = {authority[0], {"keyUsage", "critical,cRLSign"}};
     }},
    {"no more below", [](Request& r) { r.extensions[0].second += ",pathlen:0"; }},
    {"names inside",
     [](Request& r) {
       r.extensions.push_back({"nameConstraints", "critical,permitted;DNS:example"});
     }},
    {"names outside",
     [](Request& r) {
       r.extensions.push_back({"nameConstraints", "critical,excluded;DNS:bad"});
     }},
};

// Three roots, and below each two floors of authorities and one of leaves, with a fault or none.
class Paths : public ::testing::Test {
 protected:
  struct Node {
    Issued issued;
    const Node* issuer;
    std::string fault;
  };

  Node make(const Node* issuer, const Fault& fault, bool ca) {
    Request request;
    request.subject = {{"CN", "node " + std::to_string(++made_)}};
    request.issuer = issuer == nullptr ? nullptr : &issuer->issued;
    if (ca) request.extensions = authority;
    if (!ca) request.san = made_ % 7 == 0 ? "DNS:leaf.bad" : "DNS:leaf.example";
    fault.make(request);
    return {issue(request), issuer, fault.name};
  }

  std::vector<Node> floor_below(const std::vector<Node>& above, bool ca) {
    std::vector<Node> floor;
    for (const Node& issuer : above) {
      for (const Fault& fault : faults) floor.push_back(make(&issuer, fault, ca));
      if (!ca) floor.push_back(make(&issuer, faults[0], ca));
      if (ca)
        for (const Fault& fault : authority_faults) floor.push_back(make(&issuer, fault, ca));
    }
    return floor;
  }

  // What OpenSSL says of the path alone.
  static int openssl(const std::vector<const Node*>& path, const std::vector<Node>& roots,
                     bool relaxed) {
    STACK_OF(X509)* const untrusted = sk_X509_new_null();
    STACK_OF(X509)* const trusted = sk_X509_new_null();
    for (size_t i = 1; i < path.size(); ++i) sk_X509_push(untrusted, path[i]->issued.x509.get());
    for (const Node& root : roots) sk_X509_push(trusted, root.issued.x509.get());
    X509_STORE_CTX* const context = X509_STORE_CTX_new();
    // As it came, not as it was made: what was made has no flags yet.
    const uint8_t* der = path[0]->issued.der.data();
    X509* const leaf = d2i_X509(nullptr, &der, static_cast<long>(path[0]->issued.der.size()));
    X509_STORE_CTX_init(context, nullptr, leaf, untrusted);
    X509_STORE_CTX_set0_trusted_stack(context, trusted);
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_TRUSTED_FIRST);
    X509_VERIFY_PARAM_set_auth_level(param, relaxed ? 0 : 1);
    if (relaxed) {
      X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
    } else {
      X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
      X509_VERIFY_PARAM_set_time(param, now_s);
    }
    const int error =
        X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_free(leaf);
    sk_X509_free(untrusted);
    sk_X509_free(trusted);
    ERR_clear_error();
    return error;
  }

  static Trust reference(const std::vector<const Node*>& path, const std::vector<Node>& roots) {
    const int error = openssl(path, roots, false);
    if (error == X509_V_OK)
      return {.trusted = true, .anchored = true, .reason = TrustReason::trusted};
    if (openssl(path, roots, true) != X509_V_OK)
      return {.trusted = false, .anchored = false, .reason = TrustReason::unknown_issuer};
    const TrustReason reason = error == X509_V_ERR_CERT_HAS_EXPIRED     ? TrustReason::expired
                               : error == X509_V_ERR_CERT_NOT_YET_VALID ? TrustReason::not_yet_valid
                                                                        : TrustReason::other;
    return {.trusted = false, .anchored = true, .reason = reason};
  }

  int made_ = 0;
};

void expect_equal(const Trust& got, const Trust& wanted, const std::string& what) {
  EXPECT_EQ(got.trusted, wanted.trusted) << what;
  EXPECT_EQ(got.anchored, wanted.anchored) << what;
  EXPECT_EQ(to_string(got.reason), to_string(wanted.reason)) << what;
}

TEST_F(Paths, AreWorthWhatOpensslSays) {
  std::vector<Node> roots;
  for (int i = 0; i < 2; ++i) roots.push_back(make(nullptr, faults[i], true));
  const std::vector<Node> upper = floor_below(roots, true);
  std::vector<Node> some;  // every kind of authority, but not all below all others
  std::mt19937 random{5};
  const std::vector<Node> lower = floor_below(upper, true);
  for (const Node& node : lower)
    if (random() % 8 == 0 || (node.fault == "none" && node.issuer->fault == "none"))
      some.push_back(node);
  std::vector<Node> leaves = floor_below(some, false);
  for (Node& leaf : floor_below(upper, false)) leaves.push_back(std::move(leaf));
  std::shuffle(leaves.begin(), leaves.end(), random);

  PemFile file{{&roots[0].issued, &roots[1].issued}};
  TrustStore store{file.path(), now_s};
  KnownChains chains{store};
  std::map<std::string_view, int> seen;
  for (const Node& leaf : leaves) {
    std::vector<const Node*> path;
    std::string what;
    std::vector<std::span<const uint8_t>> chain;
    for (const Node* node = &leaf; node != nullptr; node = node->issuer) {
      what += node->fault + " < ";
      if (node->issuer == nullptr) continue;
      path.push_back(node);
      chain.emplace_back(node->issued.der);
    }
    const Trust wanted = reference(path, roots);
    ++seen[to_string(wanted.reason)];
    expect_equal(store.verify(chain), wanted, what);
    expect_equal(chains.judge(chain, nullptr, "leaf.example").trust, wanted, what);
    expect_equal(chains.judge(chain, nullptr, "leaf.example").trust, wanted, what);
  }
  for (const char* reason : {"trusted", "expired", "not_yet_valid", "unknown_issuer", "other"})
    EXPECT_GT(seen[reason], 10) << reason;
}

}  // namespace
}  // namespace steppe
