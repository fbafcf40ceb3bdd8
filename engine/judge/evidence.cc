// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/evidence.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <iterator>

#include "engine/judge/certificate.h"
#include "engine/limits.h"

namespace steppe {
namespace {

using Bytes = std::span<const uint8_t>;
using Chain = std::span<const Bytes>;

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

std::optional<std::tm> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time != nullptr && ASN1_TIME_to_tm(time, &parts) == 1) return parts;
  ERR_clear_error();
  return std::nullopt;
}

std::string time_text(const std::optional<std::tm>& time) {
  if (!time) return {};
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &*time)};
}

void make_set(std::vector<std::string>& names) {
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
}

// Other kinds of names are nothing that a browser goes by.
std::vector<std::string> alternative_names_of(const X509* certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> entries{
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free};
  ERR_clear_error();
  for (int i = 0; entries && i < sk_GENERAL_NAME_num(entries.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(entries.get(), i), &type);
    if (type == GEN_DNS)
      names.push_back("d" + lower(bytes_of(static_cast<const ASN1_STRING*>(value))));
    if (type == GEN_IPADD)
      names.push_back("a" + lower(bytes_of(static_cast<const ASN1_STRING*>(value))));
  }
  make_set(names);
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

std::vector<std::string> dns_names_of(const LeafParts& leaf) {
  std::vector<std::string> names;
  for (const std::string& entry : leaf.alternative_names)
    if (entry[0] == 'd') names.push_back(printable(std::string_view(entry).substr(1)));
  if (!names.empty()) return names;
  const X509_NAME* subject = X509_get_subject_name(leaf.x509.get());
  const int position = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (position < 0) return names;
  const auto common_name =
      lower(bytes_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, position))));
  if (is_host_name(common_name)) names.push_back(common_name);
  return names;
}

using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

// Of an RSA key, out of its RSAPublicKey (RFC 8017 A.1.1): two INTEGERs in a SEQUENCE, which the
// key's decoder has accepted. EVP_PKEY_get_bn_param() looks at all that private keys have, too, at
// 3 us.
Number exponent_of(const X509* certificate) {
  const uint8_t* at = nullptr;
  int bytes = 0, tag = 0, kind = 0;
  long length = 0;
  Number none{nullptr, BN_free};
  if (X509_PUBKEY_get0_param(nullptr, &at, &bytes, nullptr, X509_get_X509_PUBKEY(certificate)) != 1)
    return none;
  const uint8_t* const end = at + bytes;
  const auto enter = [&] {
    return (ASN1_get_object(&at, &length, &tag, &kind, end - at) & 0x80) == 0;
  };
  if (!enter() || !enter()) return none;
  at += length;
  if (!enter() || tag != V_ASN1_INTEGER) return none;
  return {BN_bin2bn(at, static_cast<int>(length), nullptr), BN_free};
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
      if (const auto exponent = exponent_of(certificate)) {
        // A longer one is nobody's honest key, and decimal digits take quadratic time.
        if (BN_num_bits(exponent.get()) <= 64) {
          char* digits = BN_bn2dec(exponent.get());
          if (digits != nullptr) text += std::string(" e=") + digits;
          OPENSSL_free(digits);
        } else {
          text += " e of " + std::to_string(BN_num_bits(exponent.get())) + " bits";
        }
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

std::vector<std::string> extension_names(const X509* certificate) {
  std::vector<std::string> names;
  for (int i = 0; i < X509_get_ext_count(certificate); ++i) {
    const ASN1_OBJECT* object = X509_EXTENSION_get_object(X509_get_ext(certificate, i));
    const int nid = OBJ_obj2nid(object);
    if (nid != NID_undef) {
      names.emplace_back(OBJ_nid2sn(nid));
      continue;
    }
    char dotted[128];
    if (OBJ_obj2txt(dotted, sizeof dotted, object, 1) > 0) names.emplace_back(dotted);
  }
  ERR_clear_error();
  make_set(names);
  return names;
}

std::vector<std::string> missing_from(const std::vector<std::string>& these,
                                      const std::vector<std::string>& those) {
  std::vector<std::string> missing;
  std::set_difference(these.begin(), these.end(), those.begin(), those.end(),
                      std::back_inserter(missing));
  return missing;
}

// ---- who signed it ----

// A copied issuer name or key identifier proves nothing, a signature does; so whichever chain has
// its issuer's certificate, that key must have signed both leaves. Only when neither has does the
// authorityKeyIdentifier decide, and when neither leaf has one either, the name alone.
bool same_issuer(const ChainParts& a, const ChainParts& b) {
  X509 *const leaf_a = a.leaf.x509.get(), *const leaf_b = b.leaf.x509.get();
  if (X509_NAME_cmp(X509_get_issuer_name(leaf_a), X509_get_issuer_name(leaf_b)) != 0) return false;
  // Chains share the certificates of their issuers, and that it has signed both is known.
  if (a.signer != nullptr && a.signer == b.signer) return true;
  if (a.signer != nullptr) return verifies(leaf_b, a.signer);
  if (b.signer != nullptr) return verifies(leaf_a, b.signer);
  const ASN1_OCTET_STRING* key_a = X509_get0_authority_key_id(leaf_a);
  const ASN1_OCTET_STRING* key_b = X509_get0_authority_key_id(leaf_b);
  if (key_a == nullptr || key_b == nullptr) return key_a == key_b;
  return ASN1_OCTET_STRING_cmp(key_a, key_b) == 0;
}

// ---- how two leaves differ ----

int64_t shift_s(std::optional<std::tm> from, std::optional<std::tm> to) {
  return from && to ? timegm(&*to) - timegm(&*from) : 0;
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

}  // namespace

bool is_for(X509* certificate, std::string_view server_name) {
  const bool matches =
      !server_name.empty() && X509_check_host(certificate, server_name.data(), server_name.size(),
                                              X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT, nullptr) == 1;
  ERR_clear_error();
  return matches;
}

LeafParts::LeafParts(std::span<const uint8_t> der) : x509(parse_leaf(der)) {
  if (!x509) return;
  self_signed = X509_self_signed(x509.get(), 1) == 1;
  alternative_names = alternative_names_of(x509.get());
  extensions = extension_names(x509.get());
  spki = spki_digest(x509.get());
  key = key_text(x509.get());
  not_before = time_of(X509_get0_notBefore(x509.get()));
  not_after = time_of(X509_get0_notAfter(x509.get()));
}

ChainParts::ChainParts(LeafParts read, std::vector<IssuerPtr> behind)
    : leaf(std::move(read)), issuers(std::move(behind)) {
  if (!leaf.x509) return;
  if (leaf.self_signed) signer = leaf.x509.get();
  for (size_t i = 0; signer == nullptr && i < issuers.size(); ++i) {
    X509* const candidate = issuers[i]->x509.get();
    if (candidate == nullptr || !verifies(leaf.x509.get(), candidate)) continue;
    signer = candidate;
    issuer = issuers[i];
  }
}

ChainFacts facts_of(const ChainParts& chain, const Digest& digest) {
  const LeafParts& leaf = chain.leaf;
  ChainFacts facts;
  facts.leaf = digest;
  const X509* const x509 = leaf.x509.get();
  if (x509 == nullptr) return facts;
  facts.parsed = true;
  facts.subject = name_text(X509_get_subject_name(x509));
  const X509_NAME* const issuer = X509_get_issuer_name(x509);
  facts.issuer =
      chain.issuer && chain.issuer->has_name(issuer) ? chain.issuer->subject : name_text(issuer);
  facts.self_signed = leaf.self_signed;
  if (chain.signer != nullptr) facts.issuer_spki = chain.issuer ? chain.issuer->spki : leaf.spki;
  facts.dns_names = dns_names_of(leaf);
  facts.not_before = time_text(leaf.not_before);
  facts.not_after = time_text(leaf.not_after);
  return facts;
}

Evidence compare(const ChainParts& baseline, const ChainParts& other) {
  const X509 *const a = baseline.leaf.x509.get(), *const b = other.leaf.x509.get();
  const auto &names_a = baseline.leaf.alternative_names, &names_b = other.leaf.alternative_names;
  const auto &extensions_a = baseline.leaf.extensions, &extensions_b = other.leaf.extensions;
  Evidence evidence;
  evidence.subject_equal = X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0;
  evidence.san_equal = names_a == names_b;
  evidence.san_contained = std::ranges::includes(names_b, names_a);
  evidence.key_replaced = baseline.leaf.spki != other.leaf.spki;
  evidence.key = other.leaf.key;
  evidence.not_before_shift_s = shift_s(baseline.leaf.not_before, other.leaf.not_before);
  evidence.not_after_shift_s = shift_s(baseline.leaf.not_after, other.leaf.not_after);
  compare_serials(a, b, evidence);
  evidence.extensions_removed = missing_from(extensions_a, extensions_b);
  evidence.extensions_added = missing_from(extensions_b, extensions_a);
  evidence.issuer_equal = same_issuer(baseline, other);
  return evidence;
}

namespace {

// A chain on its own, with nothing that could be known of it already.
ChainParts take_apart(Chain chain) {
  std::vector<IssuerPtr> issuers;
  for (size_t i = 1; i < std::min(chain.size(), limits::chain_certificates); ++i)
    issuers.push_back(std::make_shared<const Issuer>(nullptr, parse_certificate(chain[i])));
  return {LeafParts(chain.empty() ? Bytes{} : chain[0]), std::move(issuers)};
}

}  // namespace

ChainFacts read_chain(Chain chain) {
  if (chain.empty()) return {};
  return facts_of(take_apart(chain), sha256(chain[0]));
}

std::optional<Evidence> compare_chains(Chain baseline, Chain other,
                                       std::string_view asked_server_name, Trust other_trust) {
  const ChainParts a = take_apart(baseline), b = take_apart(other);
  X509 *const leaf_a = a.leaf.x509.get(), *const leaf_b = b.leaf.x509.get();
  if (leaf_a == nullptr || leaf_b == nullptr) return std::nullopt;
  Evidence evidence = compare(a, b);
  evidence.names_asked = is_for(leaf_b, asked_server_name) && !is_for(leaf_a, asked_server_name);
  evidence.trusted = other_trust.trusted;
  evidence.anchored = other_trust.anchored;
  return evidence;
}

}  // namespace steppe
