// SPDX-License-Identifier: Apache-2.0
// The records of the store, as structs. store/schema.h has how they lie on disk.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/judge/evidence.h"
#include "engine/judge/location.h"
#include "engine/judge/settle.h"
#include "engine/judge/verdict.h"

namespace steppe {

// Where a round stands. On disk: never renumber. Their order in time is that of stage_order().
enum class Stage : uint8_t {
  discover = 0,
  baseline = 1,
  probe = 2,
  confirm = 3,
  done = 4,
  trace = 5,
};
inline constexpr size_t stage_count = 6;
std::string_view to_string(Stage stage);
// Which stage comes before which: trace stands between confirm and done.
constexpr int stage_order(Stage stage) {
  return stage == Stage::done    ? static_cast<int>(stage_count)
         : stage == Stage::trace ? static_cast<int>(Stage::done)
                                 : static_cast<int>(stage);
}

// How a host's controls are asked (METHOD 3.1). On disk.
enum class ControlMode : uint8_t { control_names = 0, no_name = 1, own_name = 2 };
inline constexpr size_t control_mode_count = 3;

// One complete campaign.
struct RoundRecord {
  uint32_t round = 0;             // 1, 2, 3 ...
  Stage stage = Stage::discover;  // what is going on, or was when it stopped
  uint32_t pass = 0;              // within the stage
  uint64_t position = 0;          // work-list positions below this one are done in this pass
  int64_t started_ms = 0, last_checkpoint_ms = 0, ended_ms = 0;  // Unix; ended 0: unfinished
  std::string vantage;
  // Names of ClientHellos: all hosts are asked with the first, those that refuse it with the
  // second.
  std::vector<std::string> hellos;
  uint64_t seed = 0;
  std::vector<std::string> names;  // columns: controls first
  uint32_t controls = 0;
  std::string plan_digest;           // hex SHA-256 over what must be the same to resume
  std::vector<uint32_t> hosts;       // addresses of the probed hosts = rows of the pair matrix
  std::vector<uint8_t> host_hellos;  // by row: which of `hellos` the host's pairs are asked with
  uint16_t port = 443;
  std::map<std::string, uint64_t> counters;  // for reports
};

// One host, ever: its latest round's view, and when it was first and last seen.
struct HostRecord {
  uint32_t address = 0;  // host byte order
  uint16_t port = 443;
  HostStatus status = HostStatus::unknown;
  std::string reason;  // TrustReason's word for untrusted, else ""
  uint32_t as_number = 0;
  ControlMode control_mode = ControlMode::control_names;
  std::string own_name;  // asked as control where control_mode is own_name
  // How the host answers an unknown name, where it refuses those: its tests may answer alike.
  Verdict refusal = Verdict::none;
  uint8_t refusal_detail = 0;
  // What the rest was measured with: another hello may meet another certificate, or a refusal.
  std::string hello;
  // Chain as received, leaf first; certificates stand under their digests.
  std::vector<Digest> baseline;
  std::string subject, issuer;
  uint16_t tls_version = 0, cipher_suite = 0;
  uint32_t server_hello_bytes = 0;          // of its body; 0: unknown, as it is not kept on disk
  std::vector<uint16_t> server_extensions;  // types in the ServerHello, in its order
  uint32_t round = 0;                       // of the latest sighting
  int64_t first_seen_ms = 0, last_seen_ms = 0;
};

// Who was asked, and how: a box may answer the same name under another ClientHello in another way,
// so those verdicts are kept apart.
struct PairKey {
  uint32_t address = 0;
  uint16_t port = 443;
  std::string server_name;  // without NUL
  std::string hello;        // the name of the ClientHello
  auto operator<=>(const PairKey&) const = default;
};

// A connection that was not simply `same`, in full.
struct TryRecord {
  Try outcome;
  uint32_t round = 0;
  std::vector<Digest> chain;  // as received, leaf first
  std::string issuer;         // of the leaf
  std::optional<Evidence> evidence;
};

// How a pair was settled in a round.
struct SettlementRecord {
  uint32_t round = 0;
  int64_t time_ms = 0;
  Settlement settlement;
  bool stable = true;  // the host's controls agreed all through the round
  std::optional<Digest> interceptor;
  std::string vantage;
  uint32_t as_number = 0;
  Digest baseline{};
};

// A line of a pair's history: written when a round's answer differs from the one before it: another
// verdict, another interference, or another issuer key. Another leaf of the same issuer is no
// change: a box may forge a new one for each connection.
struct PairChange {
  uint32_t round = 0;
  int64_t time_ms = 0;
  Verdict verdict = Verdict::none;
  Interference interference = Interference::inconclusive;
  Digest leaf{};                           // zero if no certificate came
  std::optional<Digest> issuer_spki = {};  // of the leaf, where it is known
};

// One record for each (host, name, hello) that was ever not `same`.
struct PairRecord {
  PairKey key;
  int64_t first_seen_ms = 0, last_seen_ms = 0;
  uint64_t count = 0;                          // tries recorded, all rounds
  std::vector<TryRecord> tries;                // of the latest round only, in order
  std::optional<SettlementRecord> settlement;  // the latest
  std::vector<PairChange> changes;
};

struct InterceptorRecord {
  Digest spki{};
  std::string issuer, label;
  uint64_t hosts = 0, autonomous_systems = 0, leaves = 0, forging_leaves = 0, pairs = 0;
  std::vector<std::string> server_names;
  int64_t first_seen_ms = 0, last_seen_ms = 0;
  std::vector<Digest> chain;  // issuer certificates as sent, if any
};

// One path to the host, seen on one source port: by TTL from 1, 0 for a hop that kept silent; the
// host itself is not in it.
struct TracedFlow {
  uint16_t source_port = 0;
  uint8_t injection_ttl = 0;  // 0: no injection on this path, or not located
  uint8_t host_ttl = 0;       // 0: unknown
  std::vector<uint32_t> path;
};

// Where the answers for a pair are made, as the latest trace found it.
struct TraceRecord {
  PairKey key;
  uint32_t round = 0;
  int64_t time_ms = 0;
  TraceOutcome outcome = TraceOutcome::no_answer;
  TraceMode mode = TraceMode::one_connection;
  std::string vantage;
  // The smallest TTL of a hello that reaches the box that answers in the host's place, and that at
  // which the host answers; 0: unknown.
  uint8_t injection_ttl = 0, host_ttl = 0;
  // The ends of the link: 0 for a silent one, and for a link that begins at the scanner.
  uint32_t hop_before = 0, hop_after = 0;
  uint32_t as_before = 0, as_after = 0;  // 0: unknown
  // Runs in all, those that came to nothing included, and those that agree; what each of the others
  // found (the TTL that was answered: where TTLs are copied, it is beyond injection_ttl).
  uint8_t runs = 0, agreeing = 0;
  std::vector<uint8_t> run_ttls;
  Placement placement = Placement::unknown;
  bool terminating = false;              // the box ends every TCP connection itself
  bool ttl_copied = false;               // its answers leave with the TTL that the hello had left
  bool path_changed = false;             // some hop was not the same in all runs
  uint8_t rewritten = 0;                 // bits of namespace rewritten,
  uint8_t rewritten_ttl = 0;             // seen first at this hop; 0: nowhere
  uint32_t connections = 0, hellos = 0;  // what it cost; hellos: packets with a limited TTL
  // The first is the one that all of the above is about; --flows asks for more.
  std::vector<TracedFlow> flows;
};

// The try that speaks for a settlement: the last one of its round with its verdict. An `untrusted`
// try under the interceptor's key counts as `injected` (judge/settle.h). nullptr if there is none.
const TryRecord* deciding_try(const std::vector<TryRecord>& tries,
                              const SettlementRecord& settlement);

}  // namespace steppe
