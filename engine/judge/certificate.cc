// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/certificate.h"

#include <openssl/asn1.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <new>
#include <string_view>

namespace steppe {
namespace {

// d2i_X509() decodes the key at once, and OpenSSL 3.0 finds out each time anew which of its seventy
// decoders could do that: 86 of the 100 us that a certificate takes. In a library context that
// knows the two decoders of nearly all keys this is 5 us. The provider in it has nothing of its
// own: it hands on a few of the default provider's algorithms (provider(7), provider-base(7)).
class FewDecoders {
 public:
  // Never freed: certificates may outlive anything else.
  static OSSL_LIB_CTX* context() {
    static FewDecoders* const made = new FewDecoders;
    return made->context_;
  }

 private:
  FewDecoders() {
    OSSL_PROVIDER* const all = OSSL_PROVIDER_load(nullptr, "default");
    context_ = OSSL_LIB_CTX_new();
    if (all == nullptr || context_ == nullptr) throw std::bad_alloc();
    take(all, OSSL_OP_KEYMGMT, keys_);
    take(all, OSSL_OP_DECODER, decoders_);
    // init() is a plain function, and is called in here.
    provider_ = all;
    few_ = this;
    if (OSSL_PROVIDER_add_builtin(context_, "few-decoders", init) != 1 ||
        OSSL_PROVIDER_load(context_, "few-decoders") == nullptr)
      throw std::bad_alloc();
  }

  static void take(OSSL_PROVIDER* from, int operation, std::vector<OSSL_ALGORITHM>& into) {
    int no_cache = 0;
    for (const OSSL_ALGORITHM* one = OSSL_PROVIDER_query_operation(from, operation, &no_cache);
         one != nullptr && one->algorithm_names != nullptr; ++one) {
      const std::string_view names = one->algorithm_names, properties = one->property_definition;
      const std::string_view name = names.substr(0, names.find(':'));
      const auto has = [&](std::string_view word) { return properties.find(word) != word.npos; };
      const bool reads = has("input=der") && has("structure=SubjectPublicKeyInfo");
      if ((name == "RSA" || name == "EC") && (operation == OSSL_OP_KEYMGMT || reads))
        into.push_back(*one);
    }
    into.push_back({});
  }

  static int init(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** functions,
                  void** context) {
    static const OSSL_DISPATCH own[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<void (*)()>(query)}, {0, nullptr}};
    *functions = own;
    *context = OSSL_PROVIDER_get0_provider_ctx(provider_);
    return 1;
  }

  static const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
    *no_cache = 0;
    if (operation == OSSL_OP_KEYMGMT) return few_->keys_.data();
    return operation == OSSL_OP_DECODER ? few_->decoders_.data() : nullptr;
  }

  static inline OSSL_PROVIDER* provider_ = nullptr;
  static inline const FewDecoders* few_ = nullptr;
  OSSL_LIB_CTX* context_ = nullptr;
  std::vector<OSSL_ALGORITHM> keys_, decoders_;
};

// keys: where the key's decoder is looked for; null: OpenSSL's default.
CertificatePtr parse(std::span<const uint8_t> der, OSSL_LIB_CTX* keys) {
  if (der.empty() || der.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
    return nullptr;
  const uint8_t* position = der.data();
  CertificatePtr certificate{reinterpret_cast<X509*>(ASN1_item_d2i_ex(
      nullptr, &position, static_cast<long>(der.size()), ASN1_ITEM_rptr(X509), keys, nullptr))};
  ERR_clear_error();
  if (certificate && position != der.data() + der.size()) return nullptr;
  return certificate;
}

}  // namespace

CertificatePtr parse_certificate(std::span<const uint8_t> der) {
  return parse(der, nullptr);
}

CertificatePtr parse_leaf(std::span<const uint8_t> der) {
  auto certificate = parse(der, FewDecoders::context());
  const bool has_key = certificate && X509_get0_pubkey(certificate.get()) != nullptr;
  ERR_clear_error();
  // A key of another kind, or a broken one: OpenSSL's whole wisdom.
  return has_key || !certificate ? std::move(certificate) : parse_certificate(der);
}

Digest spki_digest(const X509* certificate) {
  uint8_t* der = nullptr;
  const int bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (bytes <= 0) {
    ERR_clear_error();
    return {};
  }
  const Digest digest = sha256({der, static_cast<size_t>(bytes)});
  OPENSSL_free(der);
  return digest;
}

uint64_t hash_of(std::span<const uint8_t> der) {
  const auto tail = der.last(std::min<size_t>(der.size(), 32));
  const std::string_view text(reinterpret_cast<const char*>(tail.data()), tail.size());
  return std::hash<std::string_view>()(text) + der.size();
}

KnownCertificatePtr as_known(std::span<const uint8_t> der) {
  return std::make_shared<const KnownCertificate>(
      KnownCertificate{.der = {der.begin(), der.end()}, .digest = sha256(der)});
}

bool verifies(X509* certificate, X509* signer) {
  EVP_PKEY* key = X509_get0_pubkey(signer);
  const bool good = key != nullptr && X509_verify(certificate, key) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace steppe
