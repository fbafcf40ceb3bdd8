// SPDX-License-Identifier: Apache-2.0
// Every pair of every round, once for each hello that it was asked with, in the order of the keys.
//
// What is known of a pair lies in two places: in a byte of each round's matrix, under row and
// column of that round, and in a record if it was ever not `same`. A row's pairs were all asked
// with one hello, which the round has for each row. Rounds differ in their hosts, in the order of
// these, in their names, and in the hello of a host; a sweep has tens of millions of pairs, and a
// campaign thousands of rounds, so neither all pairs nor all matrices are held in memory.
//
// Two streams that are in key order already are merged instead. The first comes from the matrices:
// each round has a cursor over its rows, by address. The lowest (address, port) under any cursor is
// the next host; the rows of the rounds that have it are read, and a table with a cell for each
// question (a name and a hello that any round ever asked it with), in the order of the keys, takes
// what they say, earliest round first: rows of one hello in the same cells, those of another in
// others. That table, read from end to end and emptied on the way, is the host's part of the
// stream. The second stream is the records, as RocksDB sorts them. A pair that is in both is shown
// once, from both; a record that no round lists is shown from itself.
//
// Memory: for each round a page, and nine bytes for each of its hosts; for each question a cell.
// Time: a byte for each pair of each round, a look at each cell for each host, and a look-up of a
// page whenever a row is not on the page of the row before: almost only sequential reading where
// hosts come sorted.

#include <algorithm>
#include <limits>
#include <tuple>

#include "engine/store/schema.h"
#include "engine/store/store_state.h"

namespace steppe {
namespace {

using HostKey = std::pair<uint32_t, uint16_t>;
using Callback = std::function<bool(const PairView&)>;

// What a host is asked. Ordered as keys are: no name holds the NUL between the two.
struct Question {
  std::string server_name, hello;
  auto operator<=>(const Question&) const = default;
};

auto parts(const PairKey& key) {
  return std::tie(key.address, key.port, key.server_name, key.hello);
}
auto parts(const HostKey& host, const Question& question) {
  return std::tie(host.first, host.second, question.server_name, question.hello);
}

// A round, and where the walk stands in it.
struct RoundCursor {
  struct Row {
    uint32_t address, row;
    auto operator<=>(const Row&) const = default;
  };
  RoundRecord record;  // without hosts, and soon without names
  size_t columns = 0;
  std::shared_ptr<const std::vector<uint32_t>> places;  // hello * columns + column -> cell
  std::vector<Row> rows;                                // ascending
  size_t next = 0;                                      // in rows
  std::optional<uint32_t> page_index;                   // of `page`
  std::string page;                                     // empty: never written

  bool asks_as(const RoundCursor& other) const {
    return record.names == other.record.names && record.hellos == other.record.hellos;
  }
  HostKey host() const { return {rows[next].address, record.port}; }
  bool finished() const { return record.ended_ms != 0; }
  int64_t last_ms() const {
    return std::max({record.started_ms, record.last_checkpoint_ms, record.ended_ms});
  }
};

// What the matrices say of one question to the host at hand.
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
    place_questions();
    read_record();
  }

  void run(const Callback& callback) {
    while (const std::optional<HostKey> host = next_host()) {
      read_rows(*host);
      for (size_t place = 0; place < cells_.size(); ++place) {
        if (cells_[place].listed == nullptr) continue;
        while (record_is_before(*host, questions_[place])) {
          if (!show_record(callback)) return;
        }
        if (!show(callback, *host, questions_[place], cells_[place])) return;
        cells_[place] = {};
      }
    }
    while (record_) {
      if (!show_record(callback)) return;
    }
  }

 private:
  void load_rounds(std::optional<uint32_t> only);
  void place_questions();
  std::optional<HostKey> next_host() const;
  void read_rows(HostKey host);
  uint8_t state_byte(RoundCursor& round, uint64_t at);
  void read_record();
  bool record_is_before(HostKey host, const Question& question) const;
  bool show_record(const Callback& callback);
  bool show(const Callback& callback, HostKey host, const Question& question, const Cell& cell);
  void start_view(HostKey host, const std::string& name, const std::string& hello);
  void add_record(const PairRecord& record, bool latest);
  void add_settlement(const PairRecord& record);
  void add_round(const RoundCursor& round);
  void add_leaf();
  void add_trace();
  void read_host(HostKey host);
  const HostRecord* baseline_of_pair() const;

  Database::View view_;
  Database::View::Cursor records_;
  std::optional<PairRecord> record_;  // the next that is not shown yet
  std::vector<RoundCursor> rounds_;   // ascending; cells point into it
  std::vector<Question> questions_;   // of all rounds, ascending
  std::vector<Cell> cells_;           // one for each of questions_; empty between hosts
  std::optional<HostKey> host_key_;   // whose record host_ is
  std::optional<HostRecord> host_;
  PairView pair_;  // used again and again: its strings keep their memory
};

void PairWalk::load_rounds(std::optional<uint32_t> only) {
  view_.scan(schema::prefix(schema::Kind::round),
             [&](std::string_view key, std::string_view value) {
               RoundCursor round;
               round.record = read_round(view_, key, value);
               round.columns = round.record.names.size();
               const std::vector<uint32_t> addresses = std::exchange(round.record.hosts, {});
               for (uint32_t row = 0; row < addresses.size(); ++row) {
                 if (!only || addresses[row] == *only) round.rows.push_back({addresses[row], row});
               }
               std::ranges::sort(round.rows);
               rounds_.push_back(std::move(round));
               return true;
             });
}

void PairWalk::place_questions() {
  const auto for_each_question = [](const RoundCursor& round, const auto& action) {
    for (const std::string& hello : round.record.hellos)
      for (const std::string& name : round.record.names) action(Question{name, hello});
  };
  for (const RoundCursor& round : rounds_) {
    const bool again = &round != &rounds_.front() && round.asks_as(*(&round - 1));
    if (again) continue;
    for_each_question(round, [&](Question asked) { questions_.push_back(std::move(asked)); });
  }
  std::ranges::sort(questions_);
  questions_.erase(std::unique(questions_.begin(), questions_.end()), questions_.end());
  cells_.resize(questions_.size());

  const RoundCursor* before = nullptr;
  for (RoundCursor& round : rounds_) {
    if (before != nullptr && before->asks_as(round)) {
      round.places = before->places;
    } else {
      std::vector<uint32_t> fresh;
      for_each_question(round, [&](const Question& asked) {
        fresh.push_back(static_cast<uint32_t>(std::ranges::lower_bound(questions_, asked) -
                                              questions_.begin()));
      });
      round.places = std::make_shared<const std::vector<uint32_t>>(std::move(fresh));
    }
    before = &round;
  }
  // Beyond this point the names of a round are the places of its columns.
  for (RoundCursor& round : rounds_) round.record.names = {};
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
  for (RoundCursor& round : rounds_) {
    for (; round.next < round.rows.size() && round.host() == host; ++round.next) {
      const uint32_t row = round.rows[round.next].row;
      const uint64_t first = uint64_t{row} * round.columns;
      const std::span<const uint32_t> places =
          std::span(*round.places)
              .subspan(round.record.host_hellos[row] * round.columns, round.columns);
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

bool PairWalk::record_is_before(HostKey host, const Question& question) const {
  return record_ && parts(record_->key) < parts(host, question);
}

void PairWalk::read_host(HostKey host) {
  if (host_key_ == host) return;
  host_key_ = host;
  const std::string key = schema::host_key(host.first, host.second);
  const auto value = view_.get(key);
  host_.reset();
  if (value) host_ = schema::decode_host(key, *value);
}

void PairWalk::start_view(HostKey host, const std::string& name, const std::string& hello) {
  read_host(host);
  pair_.key.address = host.first;
  pair_.key.port = host.second;
  pair_.key.server_name = name;
  pair_.key.hello = hello;
  pair_.control = false;
  pair_.state = {Verdict::none, Interference::inconclusive, false};
  const HostRecord* baseline = baseline_of_pair();
  pair_.stable = baseline == nullptr || (baseline->status != HostStatus::unstable &&
                                         baseline->status != HostStatus::dropped);
  pair_.attempts = pair_.agreeing = 0;
  pair_.first_seen_ms = pair_.last_seen_ms = 0;
  pair_.leaf = pair_.baseline = pair_.interceptor = std::nullopt;
  pair_.issuer.clear();
  pair_.evidence.reset();
  pair_.as_number = host_ ? host_->as_number : 0;
  pair_.round = 0;
  pair_.vantage.clear();
  pair_.detail = 0;
  pair_.stateful = false;
  pair_.injection_ttl = 0;
  pair_.changes.clear();
  if (baseline != nullptr && !baseline->baseline.empty())
    pair_.baseline = baseline->baseline.front();
}

// The host as its controls showed it under the pair's own hello; nullptr if it was last measured
// with another one: that may have met another certificate, and says nothing of this pair.
const HostRecord* PairWalk::baseline_of_pair() const {
  return host_ && host_->hello == pair_.key.hello ? &*host_ : nullptr;
}

bool PairWalk::show_record(const Callback& callback) {
  const PairKey& key = record_->key;
  start_view({key.address, key.port}, key.server_name, key.hello);
  add_record(*record_, true);
  add_leaf();
  add_trace();
  read_record();
  return callback(pair_);
}

bool PairWalk::show(const Callback& callback, HostKey host, const Question& question,
                    const Cell& cell) {
  const bool recorded = record_ && parts(record_->key) == parts(host, question);
  if (!recorded && cell.answered == nullptr && cell.listed->finished()) return true;

  start_view(host, question.server_name, question.hello);
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
  const HostRecord* baseline = baseline_of_pair();
  if (pair_.issuer.empty() && baseline != nullptr) pair_.issuer = baseline->issuer;
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
