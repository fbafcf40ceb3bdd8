// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <new>
#include <string_view>

namespace steppe {
namespace {

// d2i_X509() decodes the key at once, and OpenSSL 3.0 finds out each time anew which of its seventy
// decoders could do that: 86 of the 100 us that a certificate takes. In a library context that
// knows one decoder it is 3 us. The provider in it has nothing of its own: it hands on two of the
// default provider's algorithms (provider(7), provider-base(7)).
// Key: has the algorithm's name. One for each, as the provider's functions are plain ones.
template <typename Key>
class OneDecoder {
 public:
  // Never freed: certificates may outlive anything else.
  static OSSL_LIB_CTX* context() {
    static OSSL_LIB_CTX* const made = make();
    return made;
  }

 private:
  static OSSL_LIB_CTX* make() {
    all_ = OSSL_PROVIDER_load(nullptr, "default");
    OSSL_LIB_CTX* const context = OSSL_LIB_CTX_new();
    if (all_ == nullptr || context == nullptr) throw std::bad_alloc();
    take(OSSL_OP_KEYMGMT, keys_);
    take(OSSL_OP_DECODER, decoders_);
    if (OSSL_PROVIDER_add_builtin(context, "one-decoder", init) != 1 ||
        OSSL_PROVIDER_load(context, "one-decoder") == nullptr)
      throw std::bad_alloc();
    return context;
  }

  static void take(int operation, std::vector<OSSL_ALGORITHM>& into) {
    int no_cache = 0;
    for (const OSSL_ALGORITHM* one = OSSL_PROVIDER_query_operation(all_, operation, &no_cache);
         one != nullptr && one->algorithm_names != nullptr; ++one) {
      const std::string_view names = one->algorithm_names, properties = one->property_definition;
      const auto has = [&](std::string_view word) { return properties.find(word) != word.npos; };
      const bool reads = has("input=der") && has("structure=SubjectPublicKeyInfo");
      if (names.substr(0, names.find(':')) == Key::name && (operation == OSSL_OP_KEYMGMT || reads))
        into.push_back(*one);
    }
    into.push_back({});
  }

  static int init(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** functions,
                  void** context) {
    static const OSSL_DISPATCH own[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<void (*)()>(query)}, {0, nullptr}};
    *functions = own;
    *context = OSSL_PROVIDER_get0_provider_ctx(all_);
    return 1;
  }

  static const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
    *no_cache = 0;
    if (operation == OSSL_OP_KEYMGMT) return keys_.data();
    return operation == OSSL_OP_DECODER ? decoders_.data() : nullptr;
  }

  static inline OSSL_PROVIDER* all_ = nullptr;
  static inline std::vector<OSSL_ALGORITHM> keys_, decoders_;
};

struct Rsa {
  static constexpr std::string_view name = "RSA";
  // rsaEncryption as it stands before a key (RFC 3279 2.3.1).
  static constexpr uint8_t mark[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
                                     0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82};
};
struct Ec {
  static constexpr std::string_view name = "EC";
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
  // A guess: the bytes may stand elsewhere, too.
  const bool rsa = memmem(der.data(), der.size(), Rsa::mark, sizeof Rsa::mark) != nullptr;
  auto certificate = parse(der, rsa ? OneDecoder<Rsa>::context() : OneDecoder<Ec>::context());
  const bool has_key = certificate && X509_get0_pubkey(certificate.get()) != nullptr;
  ERR_clear_error();
  // Another guess was due, a key of a third kind, or a broken one.
  return has_key || !certificate ? std::move(certificate) : parse_certificate(der);
}

std::string name_text(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio{BIO_new(BIO_s_mem()), BIO_free};
  if (!bio) throw std::bad_alloc();
  constexpr unsigned long utf8 =
      XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  // Cannot fail for its letters: d2i_X509() refuses names that cannot be made canonical, and with
  // them all that is no proper Unicode.
  if (X509_NAME_print_ex(bio.get(), name, 0, utf8) < 0) {
    ERR_clear_error();
    return {};
  }
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return length > 0 ? std::string(text, static_cast<size_t>(length)) : std::string();
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

bool is_in_time(const X509* certificate, int64_t unix_s) {
  auto time = static_cast<time_t>(unix_s);
  return X509_cmp_time(X509_get0_notBefore(certificate), &time) < 0 &&
         X509_cmp_time(X509_get0_notAfter(certificate), &time) > 0;
}

Issuer::Issuer(KnownCertificatePtr known, CertificatePtr parsed)
    : certificate(std::move(known)), x509(std::move(parsed)) {
  if (!x509) return;
  spki = spki_digest(x509.get());
  subject = name_text(X509_get_subject_name(x509.get()));
  subject_hash = X509_subject_name_hash(x509.get());
  issuer_hash = X509_issuer_name_hash(x509.get());
  may_help =
      X509_check_ca(x509.get()) == 1 && (X509_get_extension_flags(x509.get()) & EXFLAG_SS) == 0;
  ERR_clear_error();
}

bool Issuer::has_name(const X509_NAME* name) const {
  const uint8_t *own = nullptr, *other = nullptr;
  size_t own_bytes = 0, other_bytes = 0;
  return X509_NAME_get0_der(X509_get_subject_name(x509.get()), &own, &own_bytes) == 1 &&
         X509_NAME_get0_der(name, &other, &other_bytes) == 1 &&
         std::equal(own, own + own_bytes, other, other + other_bytes);
}

bool Issuer::is_in_time(int64_t unix_s) const {
  if (in_time_s_.load(std::memory_order_relaxed) == unix_s) return true;
  if (!steppe::is_in_time(x509.get(), unix_s)) return false;
  in_time_s_.store(unix_s, std::memory_order_relaxed);
  return true;
}

}  // namespace steppe
