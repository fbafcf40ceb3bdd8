// SPDX-License-Identifier: Apache-2.0
// A scenario as it was written: what a simulated country consists of. tools/sim/README.md is the
// manual of the file format; read_scenario() checks all that it says.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan/prefix_set.h"

namespace steppe::sim {

// Milliseconds since 1970 (UTC), as "2019-07-20T09:00:00Z".
using Date = int64_t;

// --- networks and routes ---

// Addresses that hosts can live in, and who announces them.
struct Network {
  std::string name;
  uint32_t as_number = 0;  // 0: as libloc has it
  // Frozen: "prefixes", or what libloc knows of "country" and "as", without routers and vantages.
  PrefixSet addresses;
};

// A router on the way. Silent ones send no ICMP.
struct Router {
  uint32_t address = 0;
  bool silent = false;
  bool quotes_whole = false;  // the whole expired packet in ICMP errors, not its header and 8 bytes
  bool extensions = false;    // ICMP errors carry the MPLS label of the packet (RFC 4950)
  uint32_t icmp_per_s = 0;    // ICMP errors, at most; 0: no limit
};

// A way to a host: routers from the vantage on. Parallel ways are chosen by the flow's 5-tuple.
struct Route {
  std::string name;
  std::vector<std::vector<Router>> paths;  // at least one; all routers of one path, in order
};

struct WeightedRoute {
  uint32_t route = 0;  // index into Scenario::routes
  double weight = 1;
};

struct Vantage {
  std::string name;
  uint32_t address = 0;  // where the scanner stands
};

// --- hosts ---

enum class KeyKind : uint8_t { rsa_2048, ecdsa_p256 };

enum class CertificateKind : uint8_t {
  trusted,         // leads to one of the world's browser roots, now
  self_signed,     // signs itself
  expired,         // trusted, but for a notAfter in the past
  unknown_issuer,  // a well-formed chain to a root that no browser has
  wrong_chain,     // a trusted host's leaf with an intermediate that did not sign it
};

// What certificates a group's hosts show.
struct CertificateSpec {
  CertificateKind kind = CertificateKind::trusted;
  KeyKind key = KeyKind::rsa_2048;
  // Of the intermediates. ECDSA, that is, but for the first one below the RSA root, if it has
  // others below it.
  KeyKind issuer_key = KeyKind::ecdsa_p256;
  uint8_t intermediates = 1;                // between leaf and root, 0 to 3
  bool intermediates_left_out = false;      // the chain that is sent is the leaf alone
  uint32_t distinct = 0;                    // so many different leaves for the group; 0: one a host
  uint32_t rotates = 1;                     // a load balancer: connections take turns among so many
  std::optional<uint32_t> renewed_after_s;  // a new leaf for the same names from then on (seconds
                                            // since the world began)
  // Name-based hosting: for a share of these names the host shows another leaf.
  std::vector<std::string> other_names;  // lower case
  double other_share = 0;                // of (host, name), chosen by the seed
  CertificateKind other_kind = CertificateKind::trusted;
};

enum class Behaviour : uint8_t {
  answers,                  // TLS
  refuses,                  // RST to a SYN
  silent,                   // nothing to a SYN
  tarpit,                   // accepts, acknowledges, says nothing
  zero_window,              // accepts with window 0 and never opens it
  tiny_segments,            // TLS, in segments of `segment_bytes`
  resets_after_hello,       // RST in answer to the first data
  http,                     // an HTTP error page in clear, then FIN
  rejects_unknown_names,    // TLS for its own name; fatal alert unrecognized_name for others
  closes_on_unknown_names,  // the same with a FIN, and handshake_failure for versions it lacks
  shuns,                    // TLS; after `shun_connections` within 60 s silent for `shun_s`
};

// In which keys are agreed on in TLS 1.3 (RFC 8446 4.2.7), in OpenSSL's words.
inline constexpr std::string_view all_key_groups = "X25519:P-256:P-384:P-521";

// Hosts that are alike.
struct HostGroup {
  std::string name;
  std::vector<std::pair<uint32_t, uint32_t>> counts;  // (index of the network, hosts there)
  CertificateSpec certificate;
  Behaviour behaviour = Behaviour::answers;
  bool tls12 = true, tls13 = false;                  // versions that the hosts speak
  std::string key_groups{all_key_groups};            // TLS 1.3: those that they know
  uint32_t segment_bytes = 1;                        // tiny_segments
  uint32_t shun_connections = 20, shun_s = 60;       // shuns
  double latency_ms_least = 0, latency_ms_most = 0;  // round trip, one value a host
  // By vantage (index): weighted routes, one chosen for each host. Empty: the host is adjacent.
  std::vector<std::vector<WeightedRoute>> routes;
};

// --- middleboxes ---

enum class Action : uint8_t { forge, reset, drop, block_page, forward };

// How leaves are forged from the origin's: every relation of METHOD 2 is a parameter.
struct ForgingProfile {
  enum class Subject : uint8_t { copied, from_server_name };
  enum class Serial : uint8_t { copied, last_bits_changed, random };
  enum class Extensions : uint8_t { only_san, copied, none };
  struct Authority {
    std::string subject;  // "C=KZ, CN=Qaznet Trust Network"
    uint16_t rsa_bits = 2048;
    Date not_before = 0, not_after = 0;
    uint32_t key = 0;  // authorities of one subject with different keys are different authorities
  };
  std::string name;
  Subject subject = Subject::copied;
  bool san_copied = true;  // else from the server name (from_server_name), or left out
  KeyKind key = KeyKind::rsa_2048;
  uint32_t key_exponent = 65537;  // rsa: 3 or 65537
  bool key_per_host = true;       // else one key for all
  int64_t not_before_shift_s = 0, not_after_shift_s = 0;
  Serial serial = Serial::random;
  uint32_t serial_changed_bits = 32;
  Extensions extensions = Extensions::only_san;
  Authority root;
  std::optional<Authority> intermediate;  // signs the leaves; else the root does
  bool sends_root = false;
};

// What a middlebox does at some time.
struct MiddleboxState {
  Date from = 0;
  bool on = true;
  // Of the hosts whose way crosses one of the links and whose origin qualifies, by vantage (index):
  // a share 0..1, or, if >= 0, just so many of them. Same seed, same hosts; fewer are part of more.
  std::vector<double> share_of_hosts;
  std::vector<int64_t> count_of_hosts;
  double share_of_connections = 1;
  uint32_t profile = 0;  // index into Middlebox::profiles
};

struct Middlebox {
  std::string name;
  std::vector<std::pair<uint32_t, uint32_t>> links;  // (router before, router after); after 0: the
                                                     // host itself
  std::vector<std::string> server_names;             // lower case
  bool suffix_match = false;                         // else whole names
  bool origin_must_be_trusted = true;
  Action action = Action::forge;
  bool in_path = true;              // swallows the hello; on-path boxes only add their own packets
  bool terminates = false;          // ends every TCP connection itself (a redirecting proxy)
  bool copies_ttl = false;          // its packets leave with the TTL that the hello had left
  uint32_t residual_s = 0;          // after a hit the same (client, host) is dropped so long
  uint32_t delay_ms = 0;            // between the hello and its answer
  bool tls12 = true, tls13 = true;  // versions in which it forges
  std::string block_page;           // HTTP bytes of block_page
  std::vector<ForgingProfile> profiles;
  std::vector<MiddleboxState> timetable;  // ascending; at least one; nothing before the first

  const MiddleboxState* at(Date date) const;  // nullptr: off
};

// --- faults ---

// Of one direction; each frame for itself, by the seed.
struct Faults {
  double loss = 0, duplication = 0, reordering = 0, corruption = 0;  // 0..1
  double delay_ms_least = 0, delay_ms_most = 0;                      // added to every frame
  double reordering_ms = 5;  // how much later a reordered frame comes
};

struct Scenario {
  std::string name, description, path;  // path: the file, or "(built in)"
  uint64_t seed = 1;
  Date date = 0;                  // where the world's clock begins, unless another is asked for
  bool in_memory_only = false;    // real-world addresses: outside 198.18.0.0/15 and 127.0.0.0/8
  std::vector<Vantage> vantages;  // the first is the default
  std::vector<Network> networks;
  std::vector<Route> routes;
  std::vector<HostGroup> groups;
  std::vector<Middlebox> middleboxes;
  Faults to_hosts, to_scanner;
  // What a scan asks when it is not told otherwise.
  std::vector<std::string> server_names;  // lower case
  PrefixSet targets;                      // "targets"; else all networks; frozen

  uint32_t vantage_index(std::string_view vantage) const;  // throws OperatorError, names those
};

// A scenario that is built in by its name ("kazakhstan-2019"), or a file by its path (anything with
// a '/' or ending in ".json"). Throws OperatorError in one line: "FILE:LINE: ..." for what is no
// JSON, "FILE: hosts[2].certificate.kind: ... (allowed: ...)" for what is no scenario.
Scenario read_scenario(const std::string& name_or_path);
// The same from text; `path` is for errors, and for files that the text names.
Scenario parse_scenario(std::string_view text, const std::string& path);

// Built-in ones: (name, description), in order.
std::vector<std::pair<std::string, std::string>> built_in_scenarios();

std::optional<Date> parse_date(std::string_view text);  // "2019-07-20" or "2019-07-20T09:00:00Z"
std::string format_date(Date date);                     // "2019-07-20T09:00:00Z"

}  // namespace steppe::sim
