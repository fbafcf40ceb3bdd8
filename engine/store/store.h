// SPDX-License-Identifier: Apache-2.0
// The campaign's memory on disk: RocksDB, one record for each (host, name, hello), ever.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/store/pair_matrix.h"
#include "engine/store/records.h"

namespace steppe {

// What belongs together and becomes durable together: all of it or nothing, also under kill -9. Not
// thread-safe. Later operations win over earlier ones.
class StoreBatch {
 public:
  StoreBatch();
  ~StoreBatch();
  StoreBatch(StoreBatch&&) noexcept;
  StoreBatch& operator=(StoreBatch&&) noexcept;

  // Appends to the pair's tries; the record is made if it is not there (merge, no read before
  // write). Wherever a PairKey is given: REQUIRES a name without NUL.
  void add_try(const PairKey& key, const TryRecord& record);
  // The round's answer. A pair that has a record needs it in every round, also when it turns out to
  // be `same` at once: a history with gaps would miss that interference had stopped in between.
  void settle(const PairKey& key, const SettlementRecord& record);
  // The earliest first_seen_ms is kept, and a later round's view is (merge).
  // REQUIRES lists within limits.h.
  void put_host(const HostRecord& record);
  void put_certificate(const Digest& digest, std::span<const uint8_t> der);
  void put_interceptor(const InterceptorRecord& record);
  // The latest trace of a pair takes the place of the one before it. REQUIRES lists within
  // limits.h.
  void put_trace(const TraceRecord& record);
  // Without `hosts` and `host_hellos`. Cheap to repeat: the names are written only when they
  // changed. REQUIRES names without NUL.
  void put_round(const RoundRecord& record);
  // By row; REQUIRES as many of both, and hellos that index those of the round.
  void put_round_hosts(uint32_t round, std::span<const uint32_t> addresses,
                       std::span<const uint8_t> hellos);
  // A whole page of the round's matrix.
  void put_page(uint32_t round, uint32_t page, std::span<const uint8_t> bytes);
  // All that was set in the matrix since the last call: a page whole if that is shorter, else just
  // what changed of it. Four bytes for some ninety pairs of a sweep (see
  // PairMatrix::take_changes()), not a page for each.
  void put_changes(uint32_t round, PairMatrix& matrix);
  // Addresses of discovery that have their answer: written as they come, so that a resumed
  // discovery skips them.
  void put_discovered(uint32_t round, uint32_t address, HostStatus status);
  void delete_discovered(uint32_t round);  // once the round is past discovery
  size_t bytes() const;
  bool empty() const;

 private:
  friend class Store;
  struct State;
  std::unique_ptr<State> state_;
};

// A pair as every output shows it: from its record, or, for one that was always `same`, from the
// matrix.
struct PairView {
  PairKey key;
  bool control = false;
  PairState state;  // of its latest round
  bool stable = true;
  uint32_t attempts = 0, agreeing = 0;
  int64_t first_seen_ms = 0, last_seen_ms = 0;
  std::optional<Digest> leaf, baseline, interceptor;
  std::string issuer;
  std::optional<Evidence> evidence;
  uint32_t as_number = 0, round = 0;
  std::string vantage;
  uint8_t detail = 0;  // alert description, ICMP code ...
  bool stateful = false;
  // As the pair's trace located it, where the pair is interfered with; 0: it has not.
  uint8_t injection_ttl = 0;
  std::vector<PairChange> changes;
};

// One writer's; several threads may read at once, also while it writes.
class Store {
 public:
  static constexpr uint32_t format_version = 3;
  enum class Mode { read, write };

  // write: creates the directory and the database if it is not there, and holds its lock. read: a
  // fixed view as of now, also beside a scan that writes. Throws OperatorError: other format
  // version (nothing is changed then), in use by another process, not a steppe database, no such
  // directory, no permission.
  Store(const std::string& directory, Mode mode);
  ~Store();

  // Durable against kill -9 when it returns; with sync also against power loss. The batch is empty
  // afterwards. Throws std::runtime_error if the disk fails.
  void commit(StoreBatch& batch, bool sync = false);

  // All that read throw std::runtime_error, which names the record, if it is broken.

  std::optional<RoundRecord> latest_round() const;  // whole
  std::vector<RoundRecord> rounds() const;          // whole, ascending
  // Loads the pages of a round into a matrix of the right size.
  void load_matrix(uint32_t round, PairMatrix& matrix) const;
  // By address.
  std::vector<std::pair<uint32_t, HostStatus>> discovered(uint32_t round) const;

  std::optional<HostRecord> host(uint32_t address, uint16_t port) const;
  std::optional<PairRecord> pair(const PairKey& key) const;
  std::optional<TraceRecord> trace(const PairKey& key) const;
  std::optional<std::vector<uint8_t>> certificate(const Digest& digest) const;

  // In key order: hosts by address; pairs and traces by address, port, name, hello. The callback
  // returns false to stop. Each shows the store as it was when the call began.
  void for_each_host(const std::function<bool(const HostRecord&)>& callback) const;
  void for_each_record(const std::function<bool(const PairRecord&)>& callback) const;
  void for_each_certificate(
      const std::function<bool(const Digest&, std::span<const uint8_t>)>& callback) const;
  void for_each_interceptor(const std::function<bool(const InterceptorRecord&)>& callback) const;
  void for_each_trace(const std::function<bool(const TraceRecord&)>& callback) const;
  // Every pair of every round, once for each hello that it was asked with, `same` ones too, as the
  // latest round left it that has an answer for it; a pair without an answer only while the latest
  // round that asks it goes on, as `none`, inconclusive. `only`: one host's.
  void for_each_pair(const std::function<bool(const PairView&)>& callback,
                     std::optional<uint32_t> only = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steppe
