// SPDX-License-Identifier: Apache-2.0
// The browsers' side: three roots, lines of intermediates below them, and the hosts' leaves.
// Everything is named by a tag, a number drawn from the seed and what the certificate is for, so
// that it comes out the same whatever was asked before.
#include "tools/sim/authority.h"

#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "tools/sim/bounded_cache.h"
#include "tools/sim/forging.h"
#include "tools/sim/issuing.h"
#include "tools/sim/keys.h"

namespace steppe::sim {
namespace {

constexpr int64_t day_s = 86400;
// Authorities outlive every date that a scenario can have, as root_pem() knows of no date. The
// years are 1995, 1996, 2048 and 2049.
constexpr int64_t root_from_s = 788'918'400, root_until_s = 2'493'072'000;
constexpr int64_t intermediate_from_s = 820'454'400, intermediate_until_s = 2'461'449'600;

constexpr uint32_t root_count = 3;
constexpr uint32_t rsa_root = 1;  // the others are ECDSA
// Host keys: 32 of each kind, of 9 primes, so that a scan does not wait for keys.
constexpr uint32_t pooled_keys = 32;
// Keys of leaves that sign themselves under other names: one for each host, up to here. If hosts
// shared them, the key would look like an authority that forges for many hosts.
constexpr uint32_t separate_keys = 8128;
// 2 KB each. Hosts that no browser trusts are asked once, so that theirs need not stay.
constexpr size_t trusted_chains_kept = 32768, other_chains_kept = 4096;

enum Purpose : uint64_t { root_key = 100, line_key, host_keys, separate_key, unknown_line, leaf };

// Which leaf this is, of all in the world.
struct LeafIdentity {
  uint32_t group = 0;
  uint32_t number = 0;  // hosts that share a certificate have the same
  LeafChoice choice;
  std::string server_name;  // of an `other` leaf

  std::string key() const {
    std::string key = std::to_string(group) + ' ' + std::to_string(number) + ' ' +
                      std::to_string(choice.rotation) + (choice.renewed ? 'r' : '-') +
                      (choice.other ? 'o' : '-');
    return key + server_name;
  }
};

// Who signs a leaf, and what of it is sent with it (from the leaf's issuer up, without the root).
struct Line {
  Issuer issuer;
  std::vector<EncodedCertificate> intermediates;
  std::vector<Extension> leaf_extensions;  // those that are alike in all of its leaves
};

// What a leaf says.
struct LeafRequest {
  std::vector<std::string> names;
  int64_t not_before_s = 0, not_after_s = 0;
  uint64_t tag = 0;       // of this leaf
  uint64_t host_tag = 0;  // the same for a renewed leaf
  Key key;
  KeyKind key_kind = KeyKind::rsa_2048;
};

// SignedCertificateTimestampList (RFC 6962 3.3): the right shape around random bytes.
Extension timestamps(uint64_t tag, int64_t issued_s, size_t count) {
  Bytes list;
  const auto number = [&](uint64_t value, int bytes) {
    while (bytes-- > 0) list.push_back(static_cast<uint8_t>(value >> 8 * bytes));
  };
  const auto random = [&](uint64_t what, size_t bytes) {
    const std::vector<uint8_t> some = seeded_bytes(what, bytes);
    list.insert(list.end(), some.begin(), some.end());
  };
  constexpr size_t signature_bytes = 70, sct_bytes = 1 + 32 + 8 + 2 + 4 + signature_bytes;
  const size_t list_bytes = count * (2 + sct_bytes);
  list.insert(list.end(), {0x04, 0x82});  // OCTET STRING, two bytes of length
  number(list_bytes + 2, 2);
  number(list_bytes, 2);
  for (size_t i = 0; i < count; ++i) {
    number(sct_bytes, 2);
    number(0, 1);                                             // v1
    random(chance(0, what::certificate, (tag + i) % 8), 32);  // one of eight logs
    number(static_cast<uint64_t>(issued_s) * 1000 + 3600'000 + i * 137, 8);
    number(0, 2);       // no extensions
    number(0x0403, 2);  // SHA-256, ECDSA
    number(signature_bytes, 2);
    list.insert(list.end(), {0x30, signature_bytes - 2});
    for (const uint64_t half : {0, 1}) {
      list.insert(list.end(), {0x02, 0x20});
      const size_t at = list.size();
      random(chance(tag, what::certificate, i, half), 32);
      list[at] = static_cast<uint8_t>((list[at] & 0x3f) | 0x40);  // positive, no leading zero
    }
  }
  return raw_extension(NID_ct_precert_scts, false, list);
}

// Two or three timestamps, as browsers want them by the leaf's lifetime.
size_t timestamp_count(const LeafRequest& request) {
  return request.not_after_s - request.not_before_s > 180 * day_s ? 3 : 2;
}

Name leaf_subject(const LeafRequest& request) {
  static constexpr std::array<const char*, 4> cities = {"Almaty", "Nur-Sultan", "Shymkent",
                                                        "Karaganda"};
  // A third names its organisation.
  if (request.host_tag % 3 != 0) return make_name({{NID_commonName, request.names.front()}});
  const std::string& name = request.names.front();
  return make_name({{NID_countryName, "KZ"},
                    {NID_localityName, cities[request.host_tag / 3 % cities.size()]},
                    {NID_organizationName, name.substr(0, name.find_first_of("-.")) + " LLP"},
                    {NID_commonName, name}});
}

void add_key_usage(X509* certificate, KeyKind kind) {
  add(certificate, make_extension(NID_key_usage, kind == KeyKind::rsa_2048
                                                     ? "critical,digitalSignature,keyEncipherment"
                                                     : "critical,digitalSignature"));
}

// What all leaves of an issuer share.
std::vector<Extension> leaf_extensions(const Issuer& issuer, const std::string& host) {
  return {
      make_extension(NID_ext_key_usage, "serverAuth,clientAuth"),
      make_extension(NID_basic_constraints, "critical,CA:FALSE"),
      make_extension(NID_authority_key_identifier, "keyid:always", issuer.certificate.get()),
      make_extension(NID_certificate_policies, "2.23.140.1.2.1"),  // domain validated
      make_extension(NID_info_access, "OCSP;URI:http://ocsp." + host + ",caIssuers;URI:http://i." +
                                          host + "/issuing.crt"),
      make_extension(NID_crl_distribution_points, "URI:http://crl." + host + "/issuing.crl"),
  };
}

}  // namespace

struct Authority::State {
  State(const Layout& laid_out, Date date)
      : layout(laid_out),
        scenario(laid_out.scenario()),
        date_s(date / 1000),
        keys(laid_out.seed()),
        forger(laid_out, keys),
        trusted_chains(trusted_chains_kept),
        other_chains(other_chains_kept) {
    uint32_t hosts = 0;
    for (const HostGroup& group : scenario.groups) {
      first_host.push_back(hosts);
      for (const auto& [network, count] : group.counts) hosts += count;
    }
  }

  const Layout& layout;
  const Scenario& scenario;
  const int64_t date_s;
  Keys keys;
  Forger forger;
  std::vector<uint32_t> first_host;  // by group: hosts in the groups before it
  std::array<Issuer, root_count> roots;
  std::map<std::tuple<uint32_t, uint8_t, bool, KeyKind>, Line> lines;
  std::map<std::tuple<uint64_t, uint64_t, KeyKind>, Key> host_key_cache;
  BoundedCache<Chain> trusted_chains, other_chains;

  uint64_t tag(uint64_t purpose, uint64_t a, uint64_t b = 0) const {
    return chance(chance(layout.seed(), what::certificate, purpose), what::certificate, a, b);
  }
  CertificateKind kind_of(const LeafIdentity& identity) const;
  LeafIdentity identity_of(const Host& host, const LeafChoice& choice,
                           std::string_view server_name) const;

  const Issuer& root(uint32_t number);
  const Line& line(uint32_t root, uint8_t depth, KeyKind kind, bool hidden);
  Line make_line(const Issuer& top, uint8_t depth, const std::string& owner, uint64_t tag,
                 uint8_t rsa_levels);
  Line unknown(uint64_t tag, uint8_t depth, KeyKind kind, const std::string& name);

  Key pooled_key(uint64_t pool, uint64_t number, KeyKind kind);
  Key key_of(const Host& host, const LeafChoice& choice);
  std::vector<std::string> names_of(const Host& host, const LeafIdentity& identity) const;
  LeafRequest request_of(const Host& host, const LeafIdentity& identity);
  Chain make_chain(const Host& host, const LeafIdentity& identity);
  EncodedCertificate issue(const LeafRequest& request, const Line& line);
  EncodedCertificate issue_to_itself(const LeafRequest& request);
};

// --- who signs ---

const Issuer& Authority::State::root(uint32_t number) {
  Issuer& root = roots[number];
  if (root.certificate) return root;
  IssuerRequest request;
  request.tag = tag(root_key, number);
  request.key = number == rsa_root ? keys.rsa(request.tag, 0) : keys.ec(request.tag);
  request.subject =
      make_name({{NID_countryName, "US"},
                 {NID_organizationName, "Simulated Trust Services"},
                 {NID_commonName, "Simulated Browser Root " + std::to_string(number + 1)}});
  request.not_before_s = root_from_s;
  request.not_after_s = root_until_s;
  return root = make_issuer(keys.context(), request);
}

// Each depth has intermediates of its own. The first `rsa_levels` of them have RSA keys, the others
// ECDSA keys, which sign nine times as fast.
Line Authority::State::make_line(const Issuer& top, uint8_t depth, const std::string& owner,
                                 uint64_t line_tag, uint8_t rsa_levels) {
  Line line{top, {}, {}};
  for (uint8_t level = 1; level <= depth; ++level) {
    IssuerRequest request;
    request.tag = chance(line_tag, what::certificate, level);
    request.key = level <= rsa_levels ? keys.rsa(request.tag, 0) : keys.ec(request.tag);
    request.subject = make_name(
        {{NID_countryName, "US"},
         {NID_organizationName, owner},
         {NID_commonName, owner + " CA " + std::to_string(depth) + "." + std::to_string(level)}});
    request.issuer = &line.issuer;
    request.not_before_s = intermediate_from_s;
    request.not_after_s = intermediate_until_s;
    request.path_length = depth - level;
    request.extensions = {make_extension(NID_ext_key_usage, "serverAuth,clientAuth"),
                          make_extension(NID_certificate_policies, "2.23.140.1.2.1")};
    const Issuer made = make_issuer(keys.context(), request);
    line.issuer = made;
    line.intermediates.insert(line.intermediates.begin(), made.der);
  }
  line.leaf_extensions =
      leaf_extensions(line.issuer, "ca" + std::to_string(line_tag % 10000) + ".example");
  return line;
}

// hidden: never sent by any host, so that no client can know it from elsewhere.
const Line& Authority::State::line(uint32_t number, uint8_t depth, KeyKind kind, bool hidden) {
  const auto key = std::tuple(number, depth, hidden, kind);
  if (const auto at = lines.find(key); at != lines.end()) return at->second;
  const bool all_rsa = kind == KeyKind::rsa_2048;
  const std::string owner = std::string("Simulated Trust ") + (all_rsa ? "RSA " : "") +
                            (hidden ? "Reserve " : "") + std::to_string(number + 1);
  return lines
      .emplace(key, make_line(root(number), depth, owner,
                              tag(line_key, number, depth * 2u + hidden + (all_rsa ? 100 : 0)),
                              all_rsa ? depth : number == rsa_root && depth > 1))
      .first->second;
}

// A company that runs an authority of its own.
Line Authority::State::unknown(uint64_t line_tag, uint8_t depth, KeyKind kind,
                               const std::string& name) {
  const std::string owner = "Private " + name.substr(0, 40);
  IssuerRequest request;
  request.tag = line_tag;
  request.key = keys.ec(line_tag);
  request.subject = make_name({{NID_organizationName, owner}, {NID_commonName, owner + " Root"}});
  request.not_before_s = root_from_s;
  request.not_after_s = root_until_s;
  return make_line(make_issuer(keys.context(), request), depth, owner, line_tag,
                   kind == KeyKind::rsa_2048 ? depth : 0);
}

// --- leaves ---

LeafIdentity Authority::State::identity_of(const Host& host, const LeafChoice& choice,
                                           std::string_view server_name) const {
  const uint32_t distinct = scenario.groups[host.group].certificate.distinct;
  // Leaves for other names are shared by nobody (see separate_keys).
  if (choice.other) return {host.group, host.number, choice, std::string(server_name)};
  return {host.group, distinct > 0 ? host.number % distinct : host.number, choice, {}};
}

CertificateKind Authority::State::kind_of(const LeafIdentity& identity) const {
  const CertificateSpec& spec = scenario.groups[identity.group].certificate;
  return identity.choice.other ? spec.other_kind : spec.kind;
}

// Kept: leaf_key() gives them away, and there are few.
Key Authority::State::pooled_key(uint64_t pool, uint64_t number, KeyKind kind) {
  Key& key = host_key_cache[{pool, number, kind}];
  if (!key) {
    const uint64_t pool_tag = tag(pool, pool);
    key = kind == KeyKind::rsa_2048 ? keys.rsa(pool_tag, number) : keys.ec(tag(pool, number));
  }
  return key;
}

Key Authority::State::key_of(const Host& host, const LeafChoice& choice) {
  const CertificateSpec& spec = scenario.groups[host.group].certificate;
  // Steps of one or two, so that a renewed leaf or the next one in turn has another key.
  const uint64_t step = 2 * choice.rotation + choice.renewed;
  if (choice.other && spec.other_kind == CertificateKind::self_signed) {
    const uint64_t host_number = first_host[host.group] + host.number;
    return pooled_key(separate_key + 1000 * step, host_number % separate_keys, spec.key);
  }
  const LeafIdentity identity = identity_of(host, choice, {});
  const uint64_t first =
      tag(host_keys, uint64_t{identity.group} << 32 | identity.number, choice.other);
  return pooled_key(host_keys, (first + step) % pooled_keys, spec.key);
}

std::vector<std::string> Authority::State::names_of(const Host& host,
                                                    const LeafIdentity& identity) const {
  std::string name = identity.server_name;
  if (!identity.choice.other) name = layout.own_name(host);
  if (name.empty()) name = "other." + layout.own_name(host);
  std::vector<std::string> names{name};
  static constexpr std::array<const char*, 3> services = {"www.", "mail.", "api."};
  const uint64_t more = chance(layout.seed(), what::certificate, hash_of(name)) % 4;
  for (uint64_t i = 0; i < more; ++i) names.push_back(services[i] + name);
  return names;
}

LeafRequest Authority::State::request_of(const Host& host, const LeafIdentity& identity) {
  const CertificateSpec& spec = scenario.groups[host.group].certificate;
  const LeafChoice& choice = identity.choice;
  LeafRequest request;
  request.names = names_of(host, identity);
  request.host_tag = tag(leaf, uint64_t{identity.group} << 32 | identity.number,
                         choice.other ? hash_of(identity.server_name) : choice.other);
  const uint64_t turn_tag = chance(request.host_tag, what::rotation, choice.rotation);
  request.tag = chance(turn_tag, what::rotation, choice.renewed, 1);
  request.key = key_of(host, choice);
  request.key_kind = spec.key;

  // 121 to 397 days, of which 60 or more are left on both sides of the date.
  const int64_t length_days = 121 + static_cast<int64_t>(turn_tag % 277);
  const int64_t past_days =
      60 + static_cast<int64_t>(turn_tag / 277 % static_cast<uint64_t>(length_days - 120));
  const auto second = static_cast<int64_t>(turn_tag / 100'000 % day_s);
  request.not_before_s = date_s - past_days * day_s - second;
  request.not_after_s = request.not_before_s + length_days * day_s;
  if (kind_of(identity) == CertificateKind::expired) {
    const int64_t past_s = static_cast<int64_t>(2 + turn_tag / 7 % 600) * day_s + second;
    request.not_after_s = date_s - past_s + (choice.renewed ? day_s : 0);
    request.not_before_s = request.not_after_s - length_days * day_s;
  } else if (choice.renewed) {
    // An hour before it is shown, and with the longest lifetime that there is: it ends later than
    // any leaf of before.
    request.not_before_s = date_s + spec.renewed_after_s.value_or(0) - 3600;
    request.not_after_s = request.not_before_s + 397 * day_s;
  }
  return request;
}

EncodedCertificate Authority::State::issue(const LeafRequest& request, const Line& line) {
  const Certificate made = blank_certificate(keys.context());
  X509* const certificate = made.get();
  set_serial(certificate, chance(request.tag, what::serial, 0));
  set_validity(certificate, request.not_before_s, request.not_after_s);
  require_openssl(
      X509_set_subject_name(certificate, leaf_subject(request).get()) &&
      X509_set_issuer_name(certificate, X509_get_subject_name(line.issuer.certificate.get())));
  set_public_key(certificate, request.key.get());
  add_key_usage(certificate, request.key_kind);
  for (const Extension& extension : line.leaf_extensions) add(certificate, extension);
  add(certificate, make_extension(NID_subject_key_identifier, "hash", nullptr, certificate));
  add(certificate, subject_alt_name(request.names));
  add(certificate, timestamps(request.tag, request.not_before_s, timestamp_count(request)));
  return sign(keys.context(), certificate, line.issuer.key.get(), request.tag);
}

// As `openssl req -x509` and many devices make them: an authority for nobody but itself.
EncodedCertificate Authority::State::issue_to_itself(const LeafRequest& request) {
  const Certificate made = blank_certificate(keys.context());
  X509* const certificate = made.get();
  const Name name = leaf_subject(request);
  set_serial(certificate, chance(request.tag, what::serial, 0));
  set_validity(certificate, request.not_before_s, request.not_before_s + 3650 * day_s);
  require_openssl(X509_set_subject_name(certificate, name.get()) &&
                  X509_set_issuer_name(certificate, name.get()));
  set_public_key(certificate, request.key.get());
  add(certificate, make_extension(NID_subject_key_identifier, "hash", nullptr, certificate));
  add(certificate,
      make_extension(NID_authority_key_identifier, "keyid:always", certificate, certificate));
  add(certificate, make_extension(NID_basic_constraints, "critical,CA:TRUE"));
  add(certificate, subject_alt_name(request.names));
  return sign(keys.context(), certificate, request.key.get(), request.tag);
}

Chain Authority::State::make_chain(const Host& host, const LeafIdentity& identity) {
  const CertificateSpec& spec = scenario.groups[host.group].certificate;
  const LeafRequest request = request_of(host, identity);
  // A renewed leaf has the same issuer; the next one in turn may have another.
  const uint64_t turn = chance(request.host_tag, what::rotation, identity.choice.rotation, 2);
  const auto number = static_cast<uint32_t>(turn % root_count);
  const auto more = [&](const Line& line) {
    return spec.intermediates_left_out ? std::vector<EncodedCertificate>{} : line.intermediates;
  };
  Chain chain;
  std::vector<EncodedCertificate> intermediates;
  switch (kind_of(identity)) {
    case CertificateKind::trusted:
    case CertificateKind::expired: {
      const Line& signs = line(number, spec.intermediates, spec.issuer_key, false);
      chain.certificates.push_back(issue(request, signs));
      intermediates = more(signs);
      break;
    }
    case CertificateKind::unknown_issuer: {
      const Line signs = unknown(chance(request.host_tag, what::certificate, unknown_line),
                                 spec.intermediates, spec.issuer_key, request.names.front());
      chain.certificates.push_back(issue(request, signs));
      intermediates = more(signs);
      break;
    }
    case CertificateKind::wrong_chain: {
      const uint8_t depth = std::max<uint8_t>(spec.intermediates, 1);
      chain.certificates.push_back(issue(request, line(number, depth, spec.issuer_key, true)));
      intermediates = more(line(number, depth, spec.issuer_key, false));
      break;
    }
    case CertificateKind::self_signed:
      chain.certificates.push_back(issue_to_itself(request));
      break;
  }
  chain.certificates.insert(chain.certificates.end(), intermediates.begin(), intermediates.end());
  return chain;
}

// --- what is asked ---

Authority::Authority(const Layout& layout, Date date)
    : state_(std::make_unique<State>(layout, date)) {}

Authority::~Authority() = default;

std::string Authority::root_pem() {
  const std::unique_ptr<BIO, int (*)(BIO*)> pem{BIO_new(BIO_s_mem()), BIO_free};
  require_openssl(pem != nullptr);
  for (uint32_t number = 0; number < root_count; ++number) {
    require_openssl(PEM_write_bio_X509(pem.get(), state_->root(number).certificate.get()));
  }
  char* text = nullptr;
  const long length = BIO_get_mem_data(pem.get(), &text);
  return {text, static_cast<size_t>(length)};
}

Chain Authority::chain(const Host& host, const LeafChoice& choice, std::string_view server_name) {
  const LeafIdentity identity = state_->identity_of(host, choice, server_name);
  const bool trusted =
      state_->scenario.groups[host.group].certificate.kind == CertificateKind::trusted;
  BoundedCache<Chain>& cache = trusted ? state_->trusted_chains : state_->other_chains;
  const std::string key = identity.key();
  if (const Chain* const known = cache.find(key)) return *known;
  return cache.put(key, state_->make_chain(host, identity));
}

Chain Authority::forge(const ForgingProfile& profile, const Host& host, const Chain& origin,
                       std::string_view server_name) {
  return state_->forger.forge(profile, host, origin, server_name);
}

EVP_PKEY* Authority::leaf_key(const Host& host, const LeafChoice& choice) {
  return state_->key_of(host, choice).get();
}

std::shared_ptr<EVP_PKEY> Authority::forged_key(const ForgingProfile& profile, const Host& host) {
  return state_->forger.leaf_key(profile, host);
}

Authority::Signer Authority::signer(const ForgingProfile& profile) {
  X509* const certificate = state_->forger.signer(profile).certificate.get();
  unsigned char* key = nullptr;
  const int key_bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
  require_openssl(key_bytes > 0);
  Signer signer;
  SHA256(key, static_cast<size_t>(key_bytes), signer.spki_sha256.data());
  OPENSSL_free(key);

  const std::unique_ptr<BIO, int (*)(BIO*)> text{BIO_new(BIO_s_mem()), BIO_free};
  // Letters beyond ASCII as UTF-8, which RFC 4514 2.4 allows.
  constexpr unsigned long style =
      XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  require_openssl(
      text && X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, style) >= 0);
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(text.get(), &bytes);
  signer.subject.assign(bytes, static_cast<size_t>(length));
  return signer;
}

}  // namespace steppe::sim
