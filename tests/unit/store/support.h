// SPDX-License-Identifier: Apache-2.0
// What the store's tests share: directories that go away, records at random, comparisons in full.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "engine/limits.h"
#include "engine/store/records.h"
#include "engine/store/store.h"

namespace steppe::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "steppe-store-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  // For a database: not there yet.
  std::string database() const { return path_ / "db"; }
  std::filesystem::path path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Names and contents of all files; directories as empty ones.
inline std::map<std::string, std::string> contents(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    std::string& text = files[entry.path()];
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  return files;
}

// The message of what `action` throws, "" if it throws nothing of that kind.
template <typename Error, typename Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline Digest digest(uint8_t byte) {
  Digest all;
  all.fill(byte);
  return all;
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t below(uint64_t n) { return engine_() % n; }
  bool coin() { return below(2) == 1; }
  // The edges of a type more often than chance would have it.
  template <typename T>
  T number() {
    switch (below(4)) {
      case 0:
        return std::numeric_limits<T>::min();
      case 1:
        return std::numeric_limits<T>::max();
      default:
        return static_cast<T>(engine_());
    }
  }
  template <typename Enum>
  Enum one_of(size_t count) {
    return static_cast<Enum>(below(count));
  }
  // Any bytes: what stands in certificates need not be UTF-8.
  std::string text() {
    std::string out(below(3) == 0 ? below(400) : below(20), '\0');
    for (char& c : out) c = static_cast<char>(engine_());
    return out;
  }
  // Any bytes, without NUL.
  std::string server_name() {
    std::string out = text();
    std::erase(out, '\0');
    return out;
  }
  PairKey key() { return {number<uint32_t>(), number<uint16_t>(), server_name(), text()}; }
  std::vector<std::string> texts() {
    std::vector<std::string> out(below(5));
    for (std::string& one : out) one = text();
    return out;
  }
  Digest digest() {
    Digest out;
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(engine_());
    return out;
  }
  Digest digest_or_zero() { return coin() ? digest() : Digest{}; }
  std::optional<Digest> maybe_digest() { return coin() ? std::optional(digest()) : std::nullopt; }
  std::vector<Digest> digests() {
    std::vector<Digest> out(below(5));
    for (Digest& one : out) one = digest();
    return out;
  }

  RoundRecord round();
  HostRecord host();
  Evidence evidence();
  TryRecord try_record();
  SettlementRecord settlement();
  PairRecord pair();
  InterceptorRecord interceptor();
  TraceRecord trace();

 private:
  std::mt19937_64 engine_;
};

inline RoundRecord Random::round() {
  RoundRecord out;
  out.round = number<uint32_t>();
  out.stage = one_of<Stage>(stage_count);
  out.pass = number<uint32_t>();
  out.position = number<uint64_t>();
  out.started_ms = number<int64_t>();
  out.last_checkpoint_ms = number<int64_t>();
  out.ended_ms = number<int64_t>();
  out.vantage = text();
  out.hellos = texts();
  out.hellos.push_back(text());
  out.seed = number<uint64_t>();
  out.names.resize(below(5));
  for (std::string& name : out.names) name = server_name();
  out.controls = number<uint32_t>();
  out.plan_digest = text();
  out.hosts.resize(below(9));
  for (uint32_t& host : out.hosts) host = number<uint32_t>();
  out.host_hellos.resize(out.hosts.size());
  for (uint8_t& hello : out.host_hellos) hello = static_cast<uint8_t>(below(out.hellos.size()));
  out.port = number<uint16_t>();
  for (uint64_t i = below(5); i > 0; --i) out.counters[text()] = number<uint64_t>();
  return out;
}

inline HostRecord Random::host() {
  HostRecord out;
  out.address = number<uint32_t>();
  out.port = number<uint16_t>();
  out.status = one_of<HostStatus>(host_status_count);
  out.reason = text();
  out.as_number = number<uint32_t>();
  out.control_mode = one_of<ControlMode>(control_mode_count);
  out.own_name = text();
  out.refusal = one_of<Verdict>(verdict_count);
  out.refusal_detail = number<uint8_t>();
  out.hello = text();
  out.baseline = digests();
  out.subject = text();
  out.issuer = text();
  out.tls_version = number<uint16_t>();
  out.cipher_suite = number<uint16_t>();
  out.server_extensions.resize(below(4) == 0 ? limits::server_extensions : below(6));
  for (uint16_t& type : out.server_extensions) type = number<uint16_t>();
  out.round = number<uint32_t>();
  out.first_seen_ms = number<int64_t>();
  out.last_seen_ms = number<int64_t>();
  return out;
}

inline Evidence Random::evidence() {
  Evidence out;
  out.subject_equal = coin();
  out.san_equal = coin();
  out.san_contained = coin();
  out.key_replaced = coin();
  out.key = text();
  out.not_before_shift_s = number<int64_t>();
  out.not_after_shift_s = number<int64_t>();
  out.serial_equal_prefix_bits = number<uint32_t>();
  out.serial_bits = number<uint32_t>();
  out.extensions_removed = texts();
  out.extensions_added = texts();
  out.issuer_equal = coin();
  out.names_asked = coin();
  out.trusted = coin();
  out.anchored = coin();
  return out;
}

inline TryRecord Random::try_record() {
  TryRecord out;
  out.outcome.verdict = one_of<Verdict>(verdict_count);
  out.outcome.detail = number<uint8_t>();
  out.outcome.controls_before_and_after = coin();
  out.outcome.stateful = coin();
  out.outcome.time_ms = number<int64_t>();
  out.outcome.leaf = digest_or_zero();
  out.outcome.issuer_spki = maybe_digest();
  out.round = number<uint32_t>();
  out.chain = digests();
  out.issuer = text();
  if (coin()) out.evidence = evidence();
  return out;
}

inline SettlementRecord Random::settlement() {
  SettlementRecord out;
  out.round = number<uint32_t>();
  out.time_ms = number<int64_t>();
  out.settlement = {coin(),
                    one_of<Verdict>(verdict_count),
                    one_of<Interference>(3),
                    number<uint8_t>(),
                    number<uint8_t>(),
                    coin()};
  out.stable = coin();
  out.interceptor = maybe_digest();
  out.vantage = text();
  out.as_number = number<uint32_t>();
  out.baseline = digest_or_zero();
  return out;
}

inline PairRecord Random::pair() {
  PairRecord out;
  out.key = key();
  out.first_seen_ms = number<int64_t>();
  out.last_seen_ms = number<int64_t>();
  out.count = number<uint64_t>();
  for (uint64_t i = below(6); i > 0; --i) out.tries.push_back(try_record());
  if (coin()) out.settlement = settlement();
  for (uint64_t i = below(6); i > 0; --i)
    out.changes.push_back({number<uint32_t>(), number<int64_t>(), one_of<Verdict>(verdict_count),
                           one_of<Interference>(3), digest_or_zero(), maybe_digest()});
  return out;
}

inline InterceptorRecord Random::interceptor() {
  return {digest(),
          text(),
          text(),
          number<uint64_t>(),
          number<uint64_t>(),
          number<uint64_t>(),
          number<uint64_t>(),
          number<uint64_t>(),
          texts(),
          number<int64_t>(),
          number<int64_t>(),
          digests()};
}

inline TraceRecord Random::trace() {
  TraceRecord out;
  out.key = key();
  out.round = number<uint32_t>();
  out.time_ms = number<int64_t>();
  out.outcome = one_of<TraceOutcome>(trace_outcome_count);
  out.mode = one_of<TraceMode>(trace_mode_count);
  out.vantage = text();
  out.injection_ttl = number<uint8_t>();
  out.host_ttl = number<uint8_t>();
  out.hop_before = number<uint32_t>();
  out.hop_after = number<uint32_t>();
  out.as_before = number<uint32_t>();
  out.as_after = number<uint32_t>();
  out.runs = number<uint8_t>();
  out.agreeing = number<uint8_t>();
  out.run_ttls.resize(below(4) == 0 ? limits::traced_runs : below(6));
  for (uint8_t& ttl : out.run_ttls) ttl = number<uint8_t>();
  out.placement = one_of<Placement>(placement_count);
  out.terminating = coin();
  out.ttl_copied = coin();
  out.path_changed = coin();
  out.rewritten = static_cast<uint8_t>(below(32));
  out.rewritten_ttl = number<uint8_t>();
  out.connections = number<uint32_t>();
  out.hellos = number<uint32_t>();
  out.flows.resize(below(16) == 0 ? limits::traced_flows : below(4));
  for (TracedFlow& flow : out.flows) {
    flow.source_port = number<uint16_t>();
    flow.injection_ttl = number<uint8_t>();
    flow.host_ttl = number<uint8_t>();
    flow.path.resize(below(4) == 0 ? limits::traced_hops : below(10));
    for (uint32_t& hop : flow.path) hop = number<uint32_t>();
  }
  return out;
}

// Every field, once: how records are compared. (Structured bindings would not compile if a field
// were missing here.)
inline auto fields(const RoundRecord& record) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q] = record;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q);
}
inline auto fields(const HostRecord& record) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = record;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t);
}
inline auto fields(const Evidence& record) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = record;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
}
inline auto fields(const Try& record) {
  const auto& [a, b, c, d, e, f, g] = record;
  return std::tie(a, b, c, d, e, f, g);
}
inline auto fields(const Settlement& record) {
  const auto& [a, b, c, d, e, f] = record;
  return std::tie(a, b, c, d, e, f);
}
inline auto fields(const PairChange& record) {
  const auto& [a, b, c, d, e, f] = record;
  return std::tie(a, b, c, d, e, f);
}
inline auto fields(const InterceptorRecord& record) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l] = record;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l);
}
inline auto fields(const TracedFlow& record) {
  const auto& [a, b, c, d] = record;
  return std::tie(a, b, c, d);
}

template <typename Record>
bool equal(const Record& a, const Record& b) {
  return fields(a) == fields(b);
}
inline bool equal(const TryRecord& a, const TryRecord& b) {
  if (a.evidence.has_value() != b.evidence.has_value()) return false;
  return equal(a.outcome, b.outcome) && (!a.evidence || equal(*a.evidence, *b.evidence)) &&
         std::tie(a.round, a.chain, a.issuer) == std::tie(b.round, b.chain, b.issuer);
}
inline bool equal(const SettlementRecord& a, const SettlementRecord& b) {
  const auto rest = [](const SettlementRecord& record) {
    const auto& [round, time_ms, settlement, d, e, f, g, h] = record;
    return std::tie(round, time_ms, d, e, f, g, h);
  };
  return equal(a.settlement, b.settlement) && rest(a) == rest(b);
}
template <typename Record>
bool equal(const std::vector<Record>& a, const std::vector<Record>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Record& x, const Record& y) { return equal(x, y); });
}
inline bool equal(const PairRecord& a, const PairRecord& b) {
  if (a.settlement.has_value() != b.settlement.has_value()) return false;
  return a.key == b.key && a.first_seen_ms == b.first_seen_ms && a.last_seen_ms == b.last_seen_ms &&
         a.count == b.count && equal(a.tries, b.tries) &&
         (!a.settlement || equal(*a.settlement, *b.settlement)) && equal(a.changes, b.changes);
}
inline bool equal(const TraceRecord& a, const TraceRecord& b) {
  const auto rest = [](const TraceRecord& record) {
    const auto& [c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, flows] =
        record;
    return std::tie(c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y);
  };
  return rest(a) == rest(b) && equal(a.flows, b.flows);
}

// A try and a settlement with what a test is about, and the rest plain.
inline TryRecord make_try(uint32_t round, int64_t time_ms, Verdict verdict,
                          std::optional<Digest> issuer_spki = {}, Digest leaf = {}) {
  TryRecord record;
  record.round = round;
  record.outcome.time_ms = time_ms;
  record.outcome.verdict = verdict;
  record.outcome.issuer_spki = issuer_spki;
  record.outcome.leaf = leaf;
  return record;
}

inline SettlementRecord make_settlement(uint32_t round, int64_t time_ms, Verdict verdict,
                                        Interference interference) {
  SettlementRecord record;
  record.round = round;
  record.time_ms = time_ms;
  record.settlement.settled = true;
  record.settlement.verdict = verdict;
  record.settlement.interference = interference;
  return record;
}

}  // namespace steppe::test
