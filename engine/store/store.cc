// SPDX-License-Identifier: Apache-2.0
#include "engine/store/store.h"

#include "engine/store/schema.h"
#include "engine/store/store_state.h"

namespace steppe {
namespace {

std::span<const uint8_t> octets(std::string_view bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

RoundRecord read_round(const Database::View& view, std::string_view key, std::string_view value) {
  RoundRecord record = schema::decode_round(key, value);
  const std::string names_key = schema::names_key(record.round);
  if (const auto names = view.get(names_key))
    record.names = schema::decode_names(names_key, *names);
  const std::string hosts_key = schema::hosts_key(record.round);
  if (const auto hosts = view.get(hosts_key)) schema::decode_hosts(hosts_key, *hosts, record);
  return record;
}

Store::Store(const std::string& directory, Mode mode)
    : state_(std::make_unique<State>(directory, mode)) {}

Store::~Store() = default;

void Store::commit(StoreBatch& batch, bool sync) {
  // A round is written at every checkpoint, and thousands of names with it would be most of the
  // bytes: they go out when they are not what was written last.
  StoreBatch::State& state = *batch.state_;
  for (const auto& [round, names] : state.names) {
    const auto written = state_->names.find(round);
    if (written == state_->names.end() || written->second != names)
      state.writes.Put(schema::names_key(round), names);
  }
  state_->database.write(state.writes, sync);
  for (auto& [round, names] : state.names) state_->names[round] = std::move(names);
  state = StoreBatch::State();
}

std::optional<RoundRecord> Store::latest_round() const {
  const Database::View view(state_->database);
  const auto found = view.last(schema::prefix(schema::Kind::round));
  if (!found) return {};
  return read_round(view, found->first, found->second);
}

std::vector<RoundRecord> Store::rounds() const {
  std::vector<RoundRecord> records;
  const Database::View view(state_->database);
  view.scan(schema::prefix(schema::Kind::round), [&](std::string_view key, std::string_view value) {
    records.push_back(read_round(view, key, value));
    return true;
  });
  return records;
}

void Store::load_matrix(uint32_t round, PairMatrix& matrix) const {
  const Database::View view(state_->database);
  view.scan(schema::prefix(schema::Kind::page, round),
            [&](std::string_view key, std::string_view value) {
              const uint32_t page = schema::read_numbers_key(key).second;
              if (!matrix.load_page(page, octets(value)))
                schema::broken(key,
                               "it does not fit the round's hosts and names, or holds a byte "
                               "that is no state");
              return true;
            });
}

std::vector<std::pair<uint32_t, HostStatus>> Store::discovered(uint32_t round) const {
  std::vector<std::pair<uint32_t, HostStatus>> hosts;
  const Database::View view(state_->database);
  view.scan(schema::prefix(schema::Kind::discovered, round), [&](std::string_view key,
                                                                 std::string_view value) {
    hosts.emplace_back(schema::read_numbers_key(key).second, schema::decode_discovered(key, value));
    return true;
  });
  return hosts;
}

std::optional<HostRecord> Store::host(uint32_t address, uint16_t port) const {
  const std::string key = schema::host_key(address, port);
  const auto value = Database::View(state_->database).get(key);
  if (!value) return {};
  return schema::decode_host(key, *value);
}

std::optional<PairRecord> Store::pair(const PairKey& pair_key) const {
  const std::string key = schema::pair_key(pair_key);
  const auto value = Database::View(state_->database).get(key);
  if (!value) return {};
  return schema::decode_pair(key, *value);
}

std::optional<TraceRecord> Store::trace(const PairKey& pair_key) const {
  const std::string key = schema::trace_key(pair_key);
  const auto value = Database::View(state_->database).get(key);
  if (!value) return {};
  return schema::decode_trace(key, *value);
}

std::optional<std::vector<uint8_t>> Store::certificate(const Digest& digest) const {
  const auto value = Database::View(state_->database).get(schema::certificate_key(digest));
  if (!value) return {};
  return std::vector<uint8_t>(value->begin(), value->end());
}

void Store::for_each_host(const std::function<bool(const HostRecord&)>& callback) const {
  Database::View(state_->database)
      .scan(schema::prefix(schema::Kind::host), [&](std::string_view key, std::string_view value) {
        return callback(schema::decode_host(key, value));
      });
}

void Store::for_each_record(const std::function<bool(const PairRecord&)>& callback) const {
  Database::View(state_->database)
      .scan(schema::prefix(schema::Kind::pair), [&](std::string_view key, std::string_view value) {
        return callback(schema::decode_pair(key, value));
      });
}

void Store::for_each_certificate(
    const std::function<bool(const Digest&, std::span<const uint8_t>)>& callback) const {
  Database::View(state_->database)
      .scan(schema::prefix(schema::Kind::certificate),
            [&](std::string_view key, std::string_view value) {
              return callback(schema::read_digest_key(key), octets(value));
            });
}

void Store::for_each_interceptor(
    const std::function<bool(const InterceptorRecord&)>& callback) const {
  Database::View(state_->database)
      .scan(schema::prefix(schema::Kind::interceptor),
            [&](std::string_view key, std::string_view value) {
              return callback(schema::decode_interceptor(key, value));
            });
}

void Store::for_each_trace(const std::function<bool(const TraceRecord&)>& callback) const {
  Database::View(state_->database)
      .scan(schema::prefix(schema::Kind::trace), [&](std::string_view key, std::string_view value) {
        return callback(schema::decode_trace(key, value));
      });
}

}  // namespace steppe
