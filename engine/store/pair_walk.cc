// SPDX-License-Identifier: Apache-2.0
// Every pair of every round, once, in the order of the keys.
//
// What is known of a pair lies in two places: in a byte of each round's matrix, under row and
// column of that round, and in a record if it was ever not `same`. Rounds differ in their hosts, in
// the order of these, and in their names; a sweep has tens of millions of pairs, and a campaign
// thousands of rounds, so neither all pairs nor all matrices are held in memory.
//
// Two streams that are in key order already are merged instead. The first comes from the matrices:
// each round has a cursor over its rows, by address. The lowest (address, port) under any cursor is
// the next host; the rows of the rounds that have it are read, and a table with a cell for each
// name that any round ever asked, in byte order, takes what they say, earliest round first. That
// table, read from end to end, is the host's part of the stream. The second stream is the records,
// as RocksDB sorts them. A pair that is in both is shown once, from both; a record that no round
// lists is shown from itself.
//
// Memory: for each round a page, and eight bytes for each of its hosts. Time: a byte for each pair
// of each round, and a look-up of a page whenever a row is not on the page of the row before:
// almost only sequential reading where hosts come sorted.

#include <algorithm>
#include <limits>

#include "engine/store/schema.h"
#include "engine/store/store_state.h"

namespace steppe {
namespace {

using HostKey = std::pair<uint32_t, uint16_t>;
using Callback = std::function<bool(const PairView&)>;

// A round, and where the walk stands in it.
struct RoundCursor {
  struct Row {
    uint32_t address, row;
    auto operator<=>(const Row&) const = default;
  };
  RoundRecord record;  // without names and hosts
  std::vector<std::string> names;
  std::shared_ptr<const std::vector<uint32_t>> places;  // column -> cell
  std::vector<Row> rows;                                // ascending
  size_t next = 0;                                      // in rows
  std::optional<uint32_t> page_index;                   // of `page`
  std::string page;                                     // empty: never written

  HostKey host() const { return {rows[next].address, record.port}; }
  bool finished() const { return record.ended_ms != 0; }
  int64_t last_ms() const {
    return std::max({record.started_ms, record.last_checkpoint_ms, record.ended_ms});
  }
};

// What the matrices say of one name of the host at hand.
struct Cell {
  const RoundCursor* listed = nullptr;          // latest round that asks it
  const RoundCursor* first_answered = nullptr;  // earliest that has an answer
  const RoundCursor* answered = nullptr;        // latest that has one
  bool control = false;                         // in `answered`, else in `listed`
  uint8_t byte = 0;                             // of `answered`
};

class PairWalk {
 public:
  PairWalk(const Database& database, std::optional<uint32_t> only)
      : view_(database),
        records_(view_, only ? schema::prefix(schema::Kind::pair, *only)
                             : schema::prefix(schema::Kind::pair)) {
    load_rounds(only);
    place_names();
    read_record();
  }

  void run(const Callback& callback) {
    while (const std::optional<HostKey> host = next_host()) {
      read_rows(*host);
      for (size_t place = 0; place < cells_.size(); ++place) {
        if (cells_[place].listed == nullptr) continue;
        while (record_is_before(*host, names_[place])) {
          if (!show_record(callback)) return;
        }
        if (!show(callback, *host, names_[place], cells_[place])) return;
      }
    }
    while (record_) {
      if (!show_record(callback)) return;
    }
  }

 private:
  void load_rounds(std::optional<uint32_t> only);
  void place_names();
  std::optional<HostKey> next_host() const;
  void read_rows(HostKey host);
  uint8_t state_byte(RoundCursor& round, uint64_t at);
  void read_record();
  bool record_is_before(HostKey host, const std::string& name) const;
  bool show_record(const Callback& callback);
  bool show(const Callback& callback, HostKey host, const std::string& name, const Cell& cell);
  void start_view(HostKey host, const std::string& name);
  void add_record(const PairRecord& record, bool latest);
  void add_settlement(const PairRecord& record);
  void add_round(const RoundCursor& round);
  void add_leaf();
  void add_trace();
  void read_host(HostKey host);

  Database::View view_;
  Database::View::Cursor records_;
  std::optional<PairRecord> record_;  // the next that is not shown yet
  std::vector<RoundCursor> rounds_;   // ascending; cells point into it
  std::vector<std::string> names_;    // of all rounds, in byte order
  std::vector<Cell> cells_;           // one for each of names_
  std::optional<HostKey> host_key_;   // whose record host_ is
  std::optional<HostRecord> host_;
  PairView pair_;  // used again and again: its strings keep their memory
};

void PairWalk::load_rounds(std::optional<uint32_t> only) {
  view_.scan(schema::prefix(schema::Kind::round),
             [&](std::string_view key, std::string_view value) {
               RoundCursor round;
               round.record = read_round(view_, key, value);
               round.names = std::move(round.record.names);
               const std::string hosts_key = schema::hosts_key(round.record.round);
               if (const auto hosts = view_.get(hosts_key)) {
                 const std::vector<uint32_t> addresses = schema::decode_hosts(hosts_key, *hosts);
                 for (uint32_t row = 0; row < addresses.size(); ++row) {
                   if (!only || addresses[row] == *only)
                     round.rows.push_back({addresses[row], row});
                 }
                 std::ranges::sort(round.rows);
               }
               rounds_.push_back(std::move(round));
               return true;
             });
}

void PairWalk::place_names() {
  for (const RoundCursor& round : rounds_) {
    const bool again = &round != &rounds_.front() && round.names == (&round - 1)->names;
    if (!again) names_.insert(names_.end(), round.names.begin(), round.names.end());
  }
  std::ranges::sort(names_);
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  cells_.resize(names_.size());

  const std::vector<std::string>* before = nullptr;
  std::shared_ptr<const std::vector<uint32_t>> places;
  for (RoundCursor& round : rounds_) {
    if (before == nullptr || *before != round.names) {
      std::vector<uint32_t> fresh;
      for (const std::string& name : round.names)
        fresh.push_back(
            static_cast<uint32_t>(std::ranges::lower_bound(names_, name) - names_.begin()));
      places = std::make_shared<const std::vector<uint32_t>>(std::move(fresh));
    }
    before = &round.names;
    round.places = places;
  }
  // Beyond this point the names of a round are the places of its columns.
  for (RoundCursor& round : rounds_) round.names = {};
}

std::optional<HostKey> PairWalk::next_host() const {
  std::optional<HostKey> lowest;
  for (const RoundCursor& round : rounds_) {
    if (round.next == round.rows.size()) continue;
    if (!lowest || round.host() < *lowest) lowest = round.host();
  }
  return lowest;
}

void PairWalk::read_rows(HostKey host) {
  std::ranges::fill(cells_, Cell{});
  for (RoundCursor& round : rounds_) {
    const std::vector<uint32_t>& places = *round.places;
    for (; round.next < round.rows.size() && round.host() == host; ++round.next) {
      const uint64_t first = uint64_t{round.rows[round.next].row} * places.size();
      for (uint32_t column = 0; column < places.size(); ++column) {
        Cell& cell = cells_[places[column]];
        const uint8_t byte = state_byte(round, first + column);
        cell.listed = &round;
        if (byte != 0) {
          cell.answered = &round;
          cell.byte = byte;
          if (cell.first_answered == nullptr) cell.first_answered = &round;
        }
        if (byte != 0 || cell.answered == nullptr) cell.control = column < round.record.controls;
      }
    }
  }
}

uint8_t PairWalk::state_byte(RoundCursor& round, uint64_t at) {
  const auto index = static_cast<uint32_t>(at / PairMatrix::page_bytes);
  const size_t offset = at % PairMatrix::page_bytes;
  if (round.page_index != index) {
    round.page = view_.get(schema::page_key(round.record.round, index)).value_or("");
    round.page_index = index;
  }
  if (round.page.empty()) return 0;
  const uint8_t byte = offset < round.page.size() ? static_cast<uint8_t>(round.page[offset]) : 0xff;
  if (!PairState::valid(byte))
    schema::broken(schema::page_key(round.record.round, index),
                   "it does not fit the round's hosts and names, or holds a byte that is no state");
  return byte;
}

void PairWalk::read_record() {
  record_.reset();
  if (!records_.valid()) return;
  record_ = schema::decode_pair(records_.key(), records_.value());
  records_.next();
}

bool PairWalk::record_is_before(HostKey host, const std::string& name) const {
  if (!record_) return false;
  const HostKey other(record_->key.address, record_->key.port);
  return other != host ? other < host : record_->key.server_name < name;
}

void PairWalk::read_host(HostKey host) {
  if (host_key_ == host) return;
  host_key_ = host;
  const std::string key = schema::host_key(host.first, host.second);
  const auto value = view_.get(key);
  host_.reset();
  if (value) host_ = schema::decode_host(key, *value);
}

void PairWalk::start_view(HostKey host, const std::string& name) {
  read_host(host);
  pair_.key.address = host.first;
  pair_.key.port = host.second;
  pair_.key.server_name = name;
  pair_.control = false;
  pair_.state = {Verdict::none, Interference::inconclusive, false};
  pair_.stable =
      !host_ || (host_->status != HostStatus::unstable && host_->status != HostStatus::dropped);
  pair_.attempts = pair_.agreeing = 0;
  pair_.first_seen_ms = pair_.last_seen_ms = 0;
  pair_.leaf = pair_.baseline = pair_.interceptor = std::nullopt;
  pair_.issuer.clear();
  pair_.evidence.reset();
  pair_.as_number = host_ ? host_->as_number : 0;
  pair_.round = 0;
  pair_.vantage.clear();
  pair_.hello.clear();
  pair_.detail = 0;
  pair_.stateful = false;
  pair_.injection_ttl = 0;
  pair_.changes.clear();
  if (host_ && !host_->baseline.empty()) pair_.baseline = host_->baseline.front();
}

bool PairWalk::show_record(const Callback& callback) {
  start_view({record_->key.address, record_->key.port}, record_->key.server_name);
  add_record(*record_, true);
  add_leaf();
  add_trace();
  read_record();
  return callback(pair_);
}

bool PairWalk::show(const Callback& callback, HostKey host, const std::string& name,
                    const Cell& cell) {
  const bool recorded = record_ && record_->key.address == host.first &&
                        record_->key.port == host.second && record_->key.server_name == name;
  if (!recorded && cell.answered == nullptr && cell.listed->finished()) return true;

  start_view(host, name);
  pair_.control = cell.control;
  // The matrix first, then the record if it has something to say of that round or a later one.
  if (const RoundCursor* round = cell.answered) {
    pair_.state = PairState::from(cell.byte);
    pair_.attempts = 1;
    pair_.agreeing = pair_.state.settled ? 1 : 0;
    pair_.first_seen_ms = cell.first_answered->record.started_ms;
    pair_.last_seen_ms = round->last_ms();
    add_round(*round);
  } else {
    add_round(*cell.listed);
  }
  if (recorded) {
    const uint32_t settled = record_->settlement ? record_->settlement->round : 0;
    const uint32_t tried = record_->tries.empty() ? 0 : record_->tries.back().round;
    const uint32_t answered = cell.answered ? cell.answered->record.round : 0;
    add_record(*record_, std::max(settled, tried) >= answered);
    add_trace();
    read_record();
  }
  add_leaf();
  return callback(pair_);
}

void PairWalk::add_round(const RoundCursor& round) {
  pair_.round = round.record.round;
  pair_.vantage = round.record.vantage;
  pair_.hello = round.record.hello;
}

// latest: no matrix has an answer of a later round than the record's.
void PairWalk::add_record(const PairRecord& record, bool latest) {
  pair_.first_seen_ms = record.first_seen_ms;
  pair_.changes = record.changes;
  if (!latest) return;
  pair_.last_seen_ms = record.last_seen_ms;
  const uint32_t tried = record.tries.empty() ? 0 : record.tries.back().round;
  if (record.settlement && record.settlement->round >= tried) return add_settlement(record);
  if (record.tries.empty()) return;

  // Tried, but not settled in this round; `same` and `genuine` may be settled by the matrix alone.
  if (tried != pair_.round || pair_.state.verdict == Verdict::none) {
    pair_.state = {record.tries.back().outcome.verdict, Interference::inconclusive, false};
    const auto round = std::ranges::find(
        rounds_, tried, [](const RoundCursor& cursor) { return cursor.record.round; });
    if (round != rounds_.end())
      add_round(*round);
    else
      pair_.round = tried;
  }
  pair_.attempts = static_cast<uint32_t>(record.tries.size());
  const TryRecord* deciding = nullptr;
  uint32_t agreeing = 0;
  for (const TryRecord& one : record.tries) {
    if (one.outcome.stateful) pair_.stateful = true;
    if (one.outcome.verdict != pair_.state.verdict) continue;
    deciding = &one;
    ++agreeing;
  }
  if (pair_.state.settled) pair_.agreeing = std::max(agreeing, 1u);
  if (!pair_.state.settled) pair_.agreeing = 0;
  if (deciding == nullptr) return;
  pair_.detail = deciding->outcome.detail;
  pair_.issuer = deciding->issuer;
  pair_.evidence = deciding->evidence;
  if (deciding->outcome.leaf != Digest{}) pair_.leaf = deciding->outcome.leaf;
}

void PairWalk::add_settlement(const PairRecord& record) {
  const SettlementRecord& settled = *record.settlement;
  pair_.round = settled.round;
  pair_.state = {settled.settlement.verdict, settled.settlement.interference,
                 settled.settlement.settled};
  pair_.stable = settled.stable;
  pair_.attempts = settled.settlement.attempts;
  pair_.agreeing = settled.settlement.agreeing;
  pair_.stateful = settled.settlement.stateful;
  pair_.interceptor = settled.interceptor;
  pair_.vantage = settled.vantage;
  pair_.hello = settled.hello;
  pair_.as_number = settled.as_number;
  if (settled.baseline != Digest{}) pair_.baseline = settled.baseline;
  const TryRecord* deciding = deciding_try(record.tries, settled);
  if (deciding == nullptr) return;
  pair_.detail = deciding->outcome.detail;
  pair_.issuer = deciding->issuer;
  pair_.evidence = deciding->evidence;
  if (deciding->outcome.leaf != Digest{}) pair_.leaf = deciding->outcome.leaf;
}

// `same` is the host's own leaf, by its host's own issuer.
void PairWalk::add_leaf() {
  if (pair_.state.verdict != Verdict::same) return;
  if (!pair_.leaf) pair_.leaf = pair_.baseline;
  if (pair_.issuer.empty() && host_) pair_.issuer = host_->issuer;
}

// Who is not meddled with now has no place where that happens, wherever it did once. That and the
// record spare the millions of `same` pairs a look-up.
void PairWalk::add_trace() {
  if (!pair_.state.settled || pair_.state.interference != Interference::yes) return;
  const std::string key = schema::trace_key(pair_.key);
  const auto value = view_.get(key);
  if (!value) return;
  const TraceRecord trace = schema::decode_trace(key, *value);
  if (trace.outcome == TraceOutcome::located) pair_.injection_ttl = trace.injection_ttl;
}

}  // namespace

void Store::for_each_pair(const std::function<bool(const PairView&)>& callback,
                          std::optional<uint32_t> only) const {
  PairWalk(state_->database, only).run(callback);
}

}  // namespace steppe
