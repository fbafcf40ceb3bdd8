// SPDX-License-Identifier: Apache-2.0
#include "bench/chains.h"

#include <openssl/pem.h>

#include <memory>
#include <random>

#include "tests/unit/wire/flight_builder.h"

namespace steppe::bench {
namespace {

using test::day_s;
using test::Issued;
using test::now_s;

constexpr uint32_t leaf_keys = 8, policies = 4, issuers = 32, forgers = 4, hosts = 512;

// 2.23.140.1.2.1, as DER: its text form would take a configuration file.
constexpr const char* domain_validated = "DER:300A3008060667810C010201";

test::Key new_key(KeyKind kind) {
  return kind == KeyKind::rsa2048 ? test::rsa_key() : test::ec_key();
}

std::string pem_of(const Issued& certificate) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio{BIO_new(BIO_s_mem()), BIO_free};
  PEM_write_bio_X509(bio.get(), certificate.x509.get());
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(bytes)};
}

// As long as two signed certificate timestamps (RFC 6962 3.3), which are noise to us.
std::string timestamps(std::mt19937& random) {
  std::string text = "FORMAT:HEX,OCTETSTRING:";
  for (int i = 0; i < 242 * 2; ++i) text += "0123456789abcdef"[random() % 16];
  return text;
}

}  // namespace

test::Issued ChainCountry::authority(const std::string& name, const Issued* issuer) {
  return test::issue({.subject = {{"C", "KZ"}, {"O", name + " Trust Services"}, {"CN", name}},
                      .key = new_key(kind_),
                      .issuer = issuer,
                      .san = {},
                      .ca = true,
                      .extensions = {{"certificatePolicies", domain_validated},
                                     {"crlDistributionPoints", "URI:http://crl.example/r.crl"}},
                      .not_before_s = now_s - 1000 * day_s,
                      .not_after_s = now_s + 1000 * day_s});
}

test::Request ChainCountry::leaf(const Issued& issuer, uint32_t number, const std::string& name) {
  static std::mt19937 random{1};
  test::Request request;
  request.subject = {{"CN", name}};
  request.key = leaf_keys_[number % leaf_keys];
  request.issuer = &issuer;
  request.san = "DNS:" + name + ",DNS:www." + name + ",DNS:mail." + name;
  request.extensions = {
      {"basicConstraints", "critical,CA:FALSE"},
      {"keyUsage", "critical,digitalSignature,keyEncipherment"},
      {"extendedKeyUsage", "serverAuth,clientAuth"},
      {"certificatePolicies", domain_validated},
      {"authorityInfoAccess",
       "OCSP;URI:http://ocsp.example,caIssuers;URI:http://certificates.example/i.der"},
      {"1.3.6.1.4.1.11129.2.4.2", "ASN1:" + timestamps(random)}};
  for (uint8_t& byte : request.serial) byte = static_cast<uint8_t>(random());
  request.serial[0] = 0x4a;
  return request;
}

ChainCountry::ChainCountry(KeyKind kind, uint32_t leaves) : kind_(kind) {
  for (uint32_t i = 0; i < leaf_keys; ++i) leaf_keys_.push_back(new_key(kind));
  root_ = authority("Root", nullptr);
  forger_root_ = authority("Forger Root", nullptr);
  roots_pem = pem_of(root_);
  for (uint32_t i = 0; i < policies; ++i)
    policies_.push_back(authority("Policy " + std::to_string(i), &root_));
  for (uint32_t i = 0; i < issuers; ++i)
    issuers_.push_back(authority("Issuer " + std::to_string(i), &policies_[i % policies]));
  for (uint32_t i = 0; i < forgers; ++i)
    forgers_.push_back(authority("Forger " + std::to_string(i), &forger_root_));

  // Three certificates, or four: some servers send the root as well.
  const auto chain_under = [&](uint32_t issuer, const Issued& leaf) {
    std::vector<Bytes> chain{leaf.der, issuers_[issuer].der, policies_[issuer % policies].der};
    if (issuer % 2 != 0) chain.push_back(root_.der);
    return chain;
  };
  const auto show = [](std::vector<Bytes> chain, uint32_t number, const Issued& signer) {
    Bytes flight = testing::flight(chain);
    return Shown{std::move(chain), std::move(flight), number % hosts,
                 "www.asked" + std::to_string(number % 37) + ".example", &signer};
  };
  std::vector<test::Request> own;
  for (uint32_t host = 0; host < hosts; ++host) {
    own.push_back(leaf(issuers_[host % issuers], host, "host" + std::to_string(host) + ".example"));
    baselines.push_back(chain_under(host % issuers, test::issue(own.back())));
  }
  for (uint32_t i = 0; i < leaves; ++i) {
    const uint32_t issuer = i * 7 % issuers;
    const Issued other =
        test::issue(leaf(issuers_[issuer], i, "other" + std::to_string(i) + ".example"));
    genuine.push_back(show(chain_under(issuer, other), i, issuers_[issuer]));
    // The host's leaf, copied: another key, another issuer, a serial that ends otherwise.
    const Issued& forger = forgers_[i % forgers];
    test::Request copy = own[i % hosts];
    copy.issuer = &forger;
    copy.key = leaf_keys_[(i % hosts + 1 + i / hosts % (leaf_keys - 1)) % leaf_keys];
    for (size_t byte = 0; byte < 4; ++byte)
      copy.serial[copy.serial.size() - 1 - byte] = static_cast<uint8_t>(i >> 8 * byte);
    copy.extensions.resize(3);
    forged.push_back(show({test::issue(copy).der, forger.der, forger_root_.der}, i, forger));
  }
}

}  // namespace steppe::bench
