// SPDX-License-Identifier: Apache-2.0
// A round's memory: the probed hosts, the pair matrix, the tries at pairs that are not settled yet;
// and the one writer of its records.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/flow/pass.h"
#include "engine/judge/interceptors.h"
#include "engine/judge/pipeline.h"
#include "engine/judge/settle.h"
#include "engine/plan/clock.h"
#include "engine/store/store.h"

namespace steppe {

// A host that is probed.
struct ProbedHost {
  HostRecord record;
  KnownChainPtr baseline;
  bool stable = true;
};

// What surrounded a try in its pass.
struct TryContext {
  bool controls_before_and_after = false;
  bool stateful = false;
};

// Not thread-safe, but for matrix().get(): the campaign's, which calls it from one thread at a
// time.
class Round {
 public:
  // begins or goes on with `record`; writes nothing yet.
  Round(Store& store, RoundRecord record, InterceptorRule rule, const Clock& clock);

  RoundRecord record;

  // --- discovery and baseline -------------------------------------------------------------
  void put_host(const HostRecord& host) { batch_.put_host(host); }
  void put_discovered(uint32_t address, HostStatus status);
  void put_chain(const KnownChain& chain, std::vector<Digest>& digests);
  // What only a resumed discovery needs is not needed any more.
  void end_discovery() { batch_.delete_discovered(record.round); }
  // The chain of a host's baseline, from the store; empty if it is not there.
  Chain load_chain(const std::vector<Digest>& digests) const;

  // --- probe and confirm ------------------------------------------------------------------
  // The probed hosts of this round, ascending by address; makes the matrix. With `fresh` all pairs
  // are open, and the list goes to the store; otherwise matrix and tries come from there.
  void set_hosts(std::vector<ProbedHost> hosts, bool fresh);
  const std::vector<ProbedHost>& hosts() const { return hosts_; }
  const std::vector<uint32_t>& addresses() const { return addresses_; }
  const PrefixSet& address_set() const { return address_set_; }
  const std::vector<HostPlan>& plans() const { return plans_; }
  const PairMatrix& matrix() const { return *matrix_; }
  uint32_t columns() const { return static_cast<uint32_t>(record.names.size()); }
  PairKey key(uint32_t host, uint32_t column) const;

  void answered_same(uint32_t host, uint32_t column, int64_t time_ms);
  // REQUIRES that the variants are columns.
  void answered_same(std::span<const Observation> observations);
  // A try that was not `same`, or one at a pair that already has tries.
  void add_try(uint32_t host, uint32_t column, const Judgement& judgement, TryContext context);
  // No answer to any SYN.
  void add_silent_try(uint32_t host, uint32_t column, TryContext context);
  size_t tries(uint32_t host, uint32_t column) const;
  // Settles a pair if its tries allow it; with `final` in any case. True: it is settled.
  bool settle_pair(uint32_t host, uint32_t column, bool final);
  // A pair that is `alert`, `closed` or `reset` just as the host answers any unknown name: settled
  // at once.
  bool is_refusal(uint32_t host, uint32_t column, const Judgement& judgement) const;
  void settle_refusal(uint32_t host, uint32_t column, const Judgement& judgement);
  // What has never had an answer, nor a try of its own, is settled as timeout, inconclusive,
  // without a record for each pair.
  void settle_unanswered(uint32_t host);
  // Its controls kept failing.
  void drop_host(uint32_t host);
  void mark_unstable(uint32_t host) { hosts_[host].stable = false; }
  void put_interceptors();
  void put_trace(const TraceRecord& trace) { batch_.put_trace(trace); }

  // --- durability -------------------------------------------------------------------------
  // Everything since the last commit becomes durable together.
  void commit(bool sync = false);
  // The same, if a second has passed or much has gathered.
  void commit_if_due();

  // Settled pairs by verdict, and with interference; kept up to date.
  uint64_t settled_pairs() const { return settled_; }
  uint64_t interfered_pairs() const { return interfered_; }
  const std::array<uint64_t, verdict_count>& verdicts() const { return verdicts_; }

 private:
  uint8_t hello_of(const HostRecord& host) const;
  uint64_t index(uint32_t host, uint32_t column) const {
    return uint64_t{host} * columns() + column;
  }
  void set_state(uint32_t host, uint32_t column, PairState state);
  bool is_own_refusal(uint32_t host, Verdict verdict, uint8_t detail) const;
  void put_settlement(uint32_t host, uint32_t column, const Settlement& settlement,
                      const std::optional<Digest>& interceptor);
  void add(uint32_t host, uint32_t column, const TryRecord& record);
  void note_sighting(uint32_t host, uint32_t column, const TryRecord& record);
  void load_progress();

  Store& store_;
  const Clock& clock_;
  StoreBatch batch_;
  Interceptors interceptors_;
  std::vector<ProbedHost> hosts_;
  std::vector<uint32_t> addresses_;
  PrefixSet address_set_;
  std::vector<HostPlan> plans_;
  std::optional<PairMatrix> matrix_;  // marked: pairs that have a record in the store
  std::unordered_map<uint64_t, std::vector<Try>> tries_;  // of this round, by pair
  std::unordered_set<std::string> stored_certificates_;   // digests already in the store
  std::unordered_map<std::string, std::vector<Digest>> issuer_chains_;  // by issuer SPKI
  // The machine's time also in a simulated country: what is lost by a kill is real.
  std::chrono::steady_clock::time_point committed_ = std::chrono::steady_clock::now();
  uint64_t settled_ = 0, interfered_ = 0;
  std::array<uint64_t, verdict_count> verdicts_{};
};

}  // namespace steppe
