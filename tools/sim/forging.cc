// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/forging.h"

#include <openssl/sha.h>

#include <algorithm>

#include "engine/plan/operator_error.h"

namespace steppe::sim {
namespace {

// Chains of 1 KB, next to the shared certificates of the authorities.
constexpr size_t chains_kept = 16384;

enum Purpose : uint64_t { authority_key, authority_certificate, shared_key, host_key, leaf };

template <class Number>
void append(std::string& key, Number number) {
  key.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append(std::string& key, const std::string& text) {
  append(key, text.size());
  key += text;
}

void append_authority(std::string& key, const ForgingProfile::Authority& authority) {
  append(key, authority.subject);
  append(key, authority.rsa_bits);
  append(key, authority.not_before);
  append(key, authority.not_after);
  append(key, authority.key);
}

std::string authorities_key(const ForgingProfile& profile) {
  std::string key;
  append_authority(key, profile.root);
  if (profile.intermediate) append_authority(key, *profile.intermediate);
  return key;
}

// By content: profiles have no identity of their own, and two boxes may have the same.
std::string chain_key(const ForgingProfile& profile, const Host& host, const Bytes& leaf,
                      std::string_view server_name) {
  std::string key = authorities_key(profile);
  append(key, profile.subject);
  append(key, profile.san_copied);
  append(key, profile.key);
  append(key, profile.key_exponent);
  append(key, profile.key_per_host);
  append(key, profile.not_before_shift_s);
  append(key, profile.not_after_shift_s);
  append(key, profile.serial);
  append(key, profile.serial_changed_bits);
  append(key, profile.extensions);
  append(key, profile.sends_root);
  append(key, host.address);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(leaf.data(), leaf.size(), digest.data());
  append(key, digest);
  if (profile.subject == ForgingProfile::Subject::from_server_name) key += server_name;
  return key;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  return first == text.npos ? std::string_view{}
                            : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// "C=KZ, CN=Qaznet Trust Network": in the order of the certificate; a comma inside of a value is
// written "\,".
Name parse_name(const std::string& text) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      parts.back() += text[++i];
    } else if (text[i] == ',') {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  std::vector<std::pair<int, std::string>> attributes;
  for (const std::string& part : parts) {
    const size_t equals = part.find('=');
    const std::string type{trimmed(std::string_view(part).substr(0, equals))};
    const int nid = OBJ_txt2nid(type.c_str());
    if (equals == part.npos || nid == NID_undef || trimmed(part.substr(equals + 1)).empty()) {
      throw OperatorError("forging authority \"" + text + "\": \"" + part +
                          "\" is no part of a name; write it like \"C=KZ, O=..., CN=...\"");
    }
    attributes.emplace_back(nid, trimmed(std::string_view(part).substr(equals + 1)));
  }
  return make_name(attributes);
}

// The serial with its last bits changed: at least one, at random. The highest bit stays as it is,
// so that the length does, too.
void change_last_bits(X509* certificate, uint32_t bits, uint64_t tag) {
  ASN1_INTEGER* const serial = X509_get_serialNumber(certificate);
  const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> number{ASN1_INTEGER_to_BN(serial, nullptr),
                                                          BN_free};
  require_openssl(number != nullptr);
  const auto length = static_cast<uint32_t>(BN_num_bits(number.get()));
  if (length > 1) bits = std::min(bits, length - 1);
  const std::vector<uint8_t> random = seeded_bytes(tag, bits / 8 + 1);
  bool changed = false;
  for (uint32_t bit = 0; bit < bits; ++bit) {
    const bool flip = (random[bit / 8] >> bit % 8 & 1) || (bit + 1 == bits && !changed);
    if (!flip) continue;
    changed = true;
    const int at = static_cast<int>(bit);
    require_openssl(BN_is_bit_set(number.get(), at) ? BN_clear_bit(number.get(), at)
                                                    : BN_set_bit(number.get(), at));
  }
  require_openssl(BN_to_ASN1_INTEGER(number.get(), serial) != nullptr);
}

void set_forged_serial(X509* certificate, const X509* origin, const ForgingProfile& profile,
                       uint64_t tag) {
  require_openssl(X509_set_serialNumber(certificate,
                                        const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(origin))));
  switch (profile.serial) {
    case ForgingProfile::Serial::copied:
      return;
    case ForgingProfile::Serial::last_bits_changed:
      return change_last_bits(certificate, profile.serial_changed_bits, tag);
    case ForgingProfile::Serial::random:
      return set_serial(certificate, tag);
  }
}

// subjectAltName as the profile has it; nullptr: none.
Extension forged_alt_name(X509* origin, const ForgingProfile& profile,
                          std::string_view server_name) {
  if (profile.san_copied) {
    const int at = X509_get_ext_by_NID(origin, NID_subject_alt_name, -1);
    if (at < 0) return nullptr;
    return {X509_EXTENSION_dup(X509_get_ext(origin, at)), X509_EXTENSION_free};
  }
  if (profile.subject != ForgingProfile::Subject::from_server_name || server_name.empty())
    return nullptr;
  return subject_alt_name({std::string(server_name)});
}

// In the origin's order. The key identifiers are made anew, as a browser that trusts the root looks
// for the issuer by them; the rest is copied byte by byte.
void add_extensions(X509* certificate, X509* origin, const ForgingProfile& profile,
                    std::string_view server_name, X509* issuer) {
  if (profile.extensions == ForgingProfile::Extensions::none) return;
  const Extension alt_name = forged_alt_name(origin, profile, server_name);
  bool has_alt_name = false;
  if (profile.extensions == ForgingProfile::Extensions::copied) {
    for (int i = 0; i < X509_get_ext_count(origin); ++i) {
      X509_EXTENSION* const theirs = X509_get_ext(origin, i);
      const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(theirs));
      if (nid == NID_subject_alt_name) {
        if (alt_name) add(certificate, alt_name);
        has_alt_name = true;
      } else if (nid == NID_subject_key_identifier) {
        add(certificate, make_extension(nid, "hash", nullptr, certificate));
      } else if (nid == NID_authority_key_identifier) {
        add(certificate, make_extension(nid, "keyid:always", issuer, certificate));
      } else {
        require_openssl(X509_add_ext(certificate, theirs, -1));
      }
    }
  }
  if (alt_name && !has_alt_name) add(certificate, alt_name);
}

bool is_trusted(const HostGroup& group) {
  return group.certificate.kind == CertificateKind::trusted;
}

}  // namespace

// Keys are numbered by host, those of trusted hosts first: they are the ones that get forged, and
// low numbers need few primes (6,736 hosts: 117).
Forger::Forger(const Layout& layout, Keys& keys)
    : layout_(layout), keys_(keys), chains_(chains_kept) {
  const auto& groups = layout.scenario().groups;
  first_key_.resize(groups.size());
  uint32_t key_count = 0;
  for (const bool trusted : {true, false}) {
    for (size_t group = 0; group < groups.size(); ++group) {
      if (is_trusted(groups[group]) != trusted) continue;
      first_key_[group] = key_count;
      for (const auto& [network, count] : groups[group].counts) key_count += count;
    }
  }
}

Issuer Forger::make_authority(const ForgingProfile::Authority& authority, const Issuer* issuer) {
  if (authority.rsa_bits < 1024 || authority.rsa_bits > 8192 || authority.rsa_bits % 16 != 0) {
    throw OperatorError("forging authority \"" + authority.subject +
                        "\": write an rsa_bits of 2048 or 4096, not " +
                        std::to_string(authority.rsa_bits));
  }
  const uint64_t identity =
      chance(hash_of(authority.subject), what::forging, authority.key, authority.rsa_bits);
  IssuerRequest request;
  request.subject = parse_name(authority.subject);
  request.key = keys_.rsa(chance(identity, what::forging, authority_key), 0, authority.rsa_bits);
  request.issuer = issuer;
  request.not_before_s = authority.not_before / 1000;
  request.not_after_s = authority.not_after / 1000;
  request.path_length = issuer != nullptr ? 0 : -1;
  request.tag = chance(chance(keys_.seed(), what::forging, identity, authority_certificate),
                       what::forging, static_cast<uint64_t>(authority.not_before),
                       static_cast<uint64_t>(authority.not_after));
  return make_issuer(keys_.context(), request);
}

const Forger::Authorities& Forger::authorities(const ForgingProfile& profile) {
  const std::string key = authorities_key(profile);
  if (const auto at = authorities_.find(key); at != authorities_.end()) return at->second;
  Authorities made{make_authority(profile.root, nullptr), std::nullopt};
  if (profile.intermediate) made.intermediate = make_authority(*profile.intermediate, &made.root);
  return authorities_.emplace(key, std::move(made)).first->second;
}

const Issuer& Forger::signer(const ForgingProfile& profile) {
  return authorities(profile).signer();
}

// An authority keeps its hosts' keys, whatever else of its profile changes; authorities share none.
Key Forger::key(const ForgingProfile& profile, const Host& host, bool is_public) {
  const auto& authority = profile.intermediate ? *profile.intermediate : profile.root;
  const uint64_t owner = chance(hash_of(authority.subject), what::forging, authority.key);
  const uint64_t pool = chance(owner, what::forging, profile.key_per_host ? host_key : shared_key);
  const uint64_t number = profile.key_per_host ? first_key_[host.group] + host.number : 0;
  if (profile.key == KeyKind::ecdsa_p256) return keys_.ec(chance(pool, what::forging, number));
  return keys_.rsa(pool, number, 2048, profile.key_exponent, is_public);
}

Key Forger::leaf_key(const ForgingProfile& profile, const Host& host) {
  return key(profile, host, false);
}

Certificate Forger::draft(const ForgingProfile& profile, const Host& host, X509* origin,
                          std::string_view server_name, const Issuer& signer) {
  const uint64_t tag = chance(keys_.seed(), what::serial, host.address, leaf);
  const Certificate made = blank_certificate(keys_.context());
  X509* const certificate = made.get();
  set_forged_serial(certificate, origin, profile, tag);
  set_validity(certificate, seconds_of(X509_get0_notBefore(origin)) + profile.not_before_shift_s,
               seconds_of(X509_get0_notAfter(origin)) + profile.not_after_shift_s);
  Name subject;
  if (profile.subject == ForgingProfile::Subject::from_server_name && !server_name.empty())
    subject = make_name({{NID_commonName, std::string(server_name)}});
  require_openssl(
      X509_set_subject_name(certificate, subject ? subject.get() : X509_get_subject_name(origin)) &&
      X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get())));
  set_public_key(certificate, key(profile, host, true).get());
  add_extensions(certificate, origin, profile, server_name, signer.certificate.get());
  return made;
}

Chain Forger::forge(const ForgingProfile& profile, const Host& host, const Chain& origin,
                    std::string_view server_name) {
  if (origin.certificates.empty()) return {};
  const Bytes& leaf_der = *origin.certificates.front();
  const std::string key = chain_key(profile, host, leaf_der, server_name);
  if (const Chain* const known = chains_.find(key)) return *known;

  const Certificate leaf_of_origin = read_certificate(keys_.context(), leaf_der);
  require_openssl(leaf_of_origin != nullptr);
  const Authorities& by = authorities(profile);
  const Certificate forged = draft(profile, host, leaf_of_origin.get(), server_name, by.signer());
  Chain chain;
  chain.certificates.push_back(
      sign(keys_.context(), forged.get(), by.signer().key.get(),
           chance(keys_.seed(), what::forging, host.address, hash_of(key))));
  if (by.intermediate) chain.certificates.push_back(by.intermediate->der);
  if (profile.sends_root) chain.certificates.push_back(by.root.der);
  return chains_.put(key, std::move(chain));
}

}  // namespace steppe::sim
