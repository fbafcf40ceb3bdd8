// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/evidence.h"

#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <iterator>
#include <set>

#include "engine/judge/certificate.h"
#include "engine/limits.h"

namespace steppe {
namespace {

using Chain = std::span<const std::span<const uint8_t>>;

std::span<const uint8_t> bytes_of(const ASN1_STRING* string) {
  return {ASN1_STRING_get0_data(string), static_cast<size_t>(ASN1_STRING_length(string))};
}

std::string lower(std::span<const uint8_t> bytes) {
  std::string text(bytes.begin(), bytes.end());
  for (char& letter : text)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return text;
}

// ---- what one certificate says ----

// JSON and terminals come behind this: names are printable ASCII by RFC 5280 4.2.1.6, and who
// breaks that must not break them.
std::string printable(std::string_view text) {
  std::string shown;
  for (const char character : text) {
    const auto byte = static_cast<uint8_t>(character);
    if (byte > 0x20 && byte < 0x7f) {
      shown += character;
    } else {
      char escape[5];
      std::snprintf(escape, sizeof escape, "\\x%02x", byte);
      shown += escape;
    }
  }
  return shown;
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

std::string time_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
    ERR_clear_error();
    return {};
  }
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, length};
}

// dNSNames in lower case, marked "d", and addresses as they stand, marked "a". Other kinds of names
// are nothing that a browser goes by.
std::set<std::string> alternative_names(const X509* certificate) {
  std::set<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> entries{
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free};
  ERR_clear_error();
  for (int i = 0; entries && i < sk_GENERAL_NAME_num(entries.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(entries.get(), i), &type);
    if (type == GEN_DNS)
      names.insert("d" + lower(bytes_of(static_cast<const ASN1_STRING*>(value))));
    if (type == GEN_IPADD)
      names.insert("a" + lower(bytes_of(static_cast<const ASN1_STRING*>(value))));
  }
  return names;
}

// Letters, digits, hyphens and dots, a wildcard label perhaps, and at least one dot.
bool is_host_name(std::string_view name) {
  return name.find('.') != std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char letter) {
           return std::isalnum(static_cast<unsigned char>(letter)) || letter == '-' ||
                  letter == '.' || letter == '*' || letter == '_';
         });
}

std::vector<std::string> dns_names_of(const X509* certificate) {
  std::vector<std::string> names;
  for (const std::string& entry : alternative_names(certificate))
    if (entry[0] == 'd') names.push_back(printable(std::string_view(entry).substr(1)));
  if (!names.empty()) return names;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int position = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (position < 0) return names;
  const auto common_name =
      lower(bytes_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, position))));
  if (is_host_name(common_name)) names.push_back(common_name);
  return names;
}

std::string key_text(const X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  ERR_clear_error();
  if (key == nullptr) return "unknown";
  const std::string bits = std::to_string(EVP_PKEY_get_bits(key));
  std::string text;
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: {
      text = "rsa-" + bits;
      BIGNUM* exponent = nullptr;
      if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1) {
        // A longer one is nobody's honest key, and decimal digits take quadratic time.
        if (BN_num_bits(exponent) <= 64) {
          char* digits = BN_bn2dec(exponent);
          if (digits != nullptr) text += std::string(" e=") + digits;
          OPENSSL_free(digits);
        } else {
          text += " e of " + std::to_string(BN_num_bits(exponent)) + " bits";
        }
        BN_free(exponent);
      }
      break;
    }
    case EVP_PKEY_EC: {
      char group[64];
      size_t length = 0;
      text = EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1
                 ? "ec-" + std::string(group, length)
                 : "ec-" + bits;
      break;
    }
    case EVP_PKEY_ED25519:
      text = "ed25519";
      break;
    case EVP_PKEY_ED448:
      text = "ed448";
      break;
    case EVP_PKEY_DSA:
      text = "dsa-" + bits;
      break;
    default: {
      const char* type = EVP_PKEY_get0_type_name(key);
      text = (type == nullptr ? "unknown"
                              : lower({reinterpret_cast<const uint8_t*>(type),
                                       std::char_traits<char>::length(type)})) +
             "-" + bits;
    }
  }
  ERR_clear_error();
  return text;
}

std::set<std::string> extension_names(const X509* certificate) {
  std::set<std::string> names;
  for (int i = 0; i < X509_get_ext_count(certificate); ++i) {
    const ASN1_OBJECT* object = X509_EXTENSION_get_object(X509_get_ext(certificate, i));
    const int nid = OBJ_obj2nid(object);
    if (nid != NID_undef) {
      names.insert(OBJ_nid2sn(nid));
      continue;
    }
    char dotted[128];
    if (OBJ_obj2txt(dotted, sizeof dotted, object, 1) > 0) names.insert(dotted);
  }
  ERR_clear_error();
  return names;
}

std::vector<std::string> missing_from(const std::set<std::string>& these,
                                      const std::set<std::string>& those) {
  std::vector<std::string> missing;
  std::set_difference(these.begin(), these.end(), those.begin(), those.end(),
                      std::back_inserter(missing));
  return missing;
}

// ---- who signed it ----

bool verifies(X509* certificate, X509* signer) {
  EVP_PKEY* key = X509_get0_pubkey(signer);
  const bool good = key != nullptr && X509_verify(certificate, key) == 1;
  ERR_clear_error();
  return good;
}

// A parsed chain: the leaf, and the certificate whose key verifies its signature, if it is there.
// That one may be anywhere behind the leaf, and the leaf itself; names do not count, as anybody can
// write any name.
struct SignedLeaf {
  CertificatePtr leaf, other_signer;
  X509* signer = nullptr;

  explicit SignedLeaf(Chain chain) {
    if (chain.empty()) return;
    leaf = parse_certificate(chain[0]);
    if (!leaf) return;
    if (X509_self_signed(leaf.get(), 1) == 1) signer = leaf.get();
    ERR_clear_error();
    for (size_t i = 1; signer == nullptr && i < std::min(chain.size(), limits::chain_certificates);
         ++i) {
      auto candidate = parse_certificate(chain[i]);
      if (!candidate || !verifies(leaf.get(), candidate.get())) continue;
      other_signer = std::move(candidate);
      signer = other_signer.get();
    }
  }
};

// A copied issuer name or key identifier proves nothing, a signature does; so whichever chain has
// its issuer's certificate, that key must have signed both leaves. Only when neither has does the
// authorityKeyIdentifier decide, and when neither leaf has one either, the name alone.
bool same_issuer(const SignedLeaf& a, const SignedLeaf& b) {
  if (X509_NAME_cmp(X509_get_issuer_name(a.leaf.get()), X509_get_issuer_name(b.leaf.get())) != 0)
    return false;
  if (a.signer != nullptr) return verifies(b.leaf.get(), a.signer);
  if (b.signer != nullptr) return verifies(a.leaf.get(), b.signer);
  const ASN1_OCTET_STRING* key_a = X509_get0_authority_key_id(a.leaf.get());
  const ASN1_OCTET_STRING* key_b = X509_get0_authority_key_id(b.leaf.get());
  if (key_a == nullptr || key_b == nullptr) return key_a == key_b;
  return ASN1_OCTET_STRING_cmp(key_a, key_b) == 0;
}

// ---- how two leaves differ ----

int64_t shift_s(const ASN1_TIME* from, const ASN1_TIME* to) {
  int days = 0, seconds = 0;
  if (from == nullptr || to == nullptr || ASN1_TIME_diff(&days, &seconds, from, to) != 1) {
    ERR_clear_error();
    return 0;
  }
  return int64_t{days} * 86400 + seconds;
}

// Serials of different lengths share nothing: a forger that patches one keeps its length.
void compare_serials(const X509* baseline, const X509* other, Evidence& evidence) {
  const auto a = bytes_of(X509_get0_serialNumber(baseline));
  const auto b = bytes_of(X509_get0_serialNumber(other));
  evidence.serial_bits = static_cast<uint32_t>(8 * std::max(a.size(), b.size()));
  if (a.size() != b.size()) return;
  const auto [end_a, end_b] = std::mismatch(a.begin(), a.end(), b.begin());
  evidence.serial_equal_prefix_bits = static_cast<uint32_t>(8 * (end_a - a.begin()));
  if (end_a != a.end())
    evidence.serial_equal_prefix_bits +=
        static_cast<uint32_t>(std::countl_zero(static_cast<uint8_t>(*end_a ^ *end_b)));
}

bool is_for(X509* certificate, std::string_view server_name) {
  const bool matches =
      !server_name.empty() && X509_check_host(certificate, server_name.data(), server_name.size(),
                                              X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT, nullptr) == 1;
  ERR_clear_error();
  return matches;
}

}  // namespace

ChainFacts read_chain(Chain chain) {
  ChainFacts facts;
  if (chain.empty()) return facts;
  facts.leaf = sha256(chain[0]);
  const SignedLeaf read{chain};
  if (!read.leaf) return facts;
  X509* const leaf = read.leaf.get();
  facts.parsed = true;
  facts.subject = name_text(X509_get_subject_name(leaf));
  facts.issuer = name_text(X509_get_issuer_name(leaf));
  facts.self_signed = read.signer == leaf;
  if (read.signer != nullptr) facts.issuer_spki = spki_digest(read.signer);
  facts.dns_names = dns_names_of(leaf);
  facts.not_before = time_text(X509_get0_notBefore(leaf));
  facts.not_after = time_text(X509_get0_notAfter(leaf));
  return facts;
}

Comparison::Comparison(Chain baseline, Chain other) {
  SignedLeaf read_baseline{baseline}, read_other{other};
  if (!read_baseline.leaf || !read_other.leaf) return;
  X509 *const a = read_baseline.leaf.get(), *const b = read_other.leaf.get();

  evidence_.subject_equal = X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0;
  const auto names_a = alternative_names(a), names_b = alternative_names(b);
  evidence_.san_equal = names_a == names_b;
  evidence_.san_contained =
      std::includes(names_b.begin(), names_b.end(), names_a.begin(), names_a.end());
  evidence_.key_replaced = spki_digest(a) != spki_digest(b);
  evidence_.key = key_text(b);
  evidence_.not_before_shift_s = shift_s(X509_get0_notBefore(a), X509_get0_notBefore(b));
  evidence_.not_after_shift_s = shift_s(X509_get0_notAfter(a), X509_get0_notAfter(b));
  compare_serials(a, b, evidence_);
  const auto extensions_a = extension_names(a), extensions_b = extension_names(b);
  evidence_.extensions_removed = missing_from(extensions_a, extensions_b);
  evidence_.extensions_added = missing_from(extensions_b, extensions_a);
  evidence_.issuer_equal = same_issuer(read_baseline, read_other);
  baseline_leaf_ = std::move(read_baseline.leaf);
  other_leaf_ = std::move(read_other.leaf);
}

std::optional<Evidence> Comparison::evidence(std::string_view asked_server_name,
                                             Trust other_trust) const {
  if (!other_leaf_) return std::nullopt;
  Evidence evidence = evidence_;
  evidence.names_asked = is_for(other_leaf_.get(), asked_server_name) &&
                         !is_for(baseline_leaf_.get(), asked_server_name);
  evidence.trusted = other_trust.trusted;
  evidence.anchored = other_trust.anchored;
  return evidence;
}

std::optional<Evidence> compare_chains(Chain baseline, Chain other,
                                       std::string_view asked_server_name, Trust other_trust) {
  return Comparison(baseline, other).evidence(asked_server_name, other_trust);
}

}  // namespace steppe
