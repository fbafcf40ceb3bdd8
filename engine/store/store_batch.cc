// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include "engine/store/schema.h"
#include "engine/store/store_state.h"

namespace steppe {
namespace {

rocksdb::Slice slice(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

StoreBatch::StoreBatch() : state_(std::make_unique<State>()) {}
StoreBatch::~StoreBatch() = default;
StoreBatch::StoreBatch(StoreBatch&&) noexcept = default;
StoreBatch& StoreBatch::operator=(StoreBatch&&) noexcept = default;

void StoreBatch::add_try(const PairKey& key, const TryRecord& record) {
  state_->writes.Merge(schema::pair_key(key), schema::encode_operand(record));
}

void StoreBatch::settle(const PairKey& key, const SettlementRecord& record) {
  state_->writes.Merge(schema::pair_key(key), schema::encode_operand(record));
}

void StoreBatch::put_host(const HostRecord& record) {
  state_->writes.Merge(schema::host_key(record.address, record.port),
                       schema::encode_operand(record));
}

void StoreBatch::put_certificate(const Digest& digest, std::span<const uint8_t> der) {
  if (!state_->certificates.insert(digest).second) return;
  state_->writes.Put(schema::certificate_key(digest), slice(der));
}

void StoreBatch::put_interceptor(const InterceptorRecord& record) {
  state_->writes.Put(schema::interceptor_key(record.spki), schema::encode(record));
}

void StoreBatch::put_trace(const TraceRecord& record) {
  state_->writes.Put(schema::trace_key(record.key), schema::encode(record));
}

void StoreBatch::put_round(const RoundRecord& record) {
  state_->writes.Put(schema::round_key(record.round), schema::encode(record));
  state_->names[record.round] = schema::encode_names(record.names);
}

void StoreBatch::put_round_hosts(uint32_t round, std::span<const uint32_t> addresses,
                                 std::span<const uint8_t> hellos) {
  state_->writes.Put(schema::hosts_key(round), schema::encode_hosts(addresses, hellos));
}

void StoreBatch::put_page(uint32_t round, uint32_t page, std::span<const uint8_t> bytes) {
  state_->writes.Put(schema::page_key(round, page), slice(bytes));
}

void StoreBatch::put_changes(uint32_t round, PairMatrix& matrix) {
  for (const uint32_t page : matrix.take_dirty()) {
    const size_t size = matrix.page_size(page);
    const std::string operand = schema::encode_operand(size, matrix.take_changes(page));
    if (operand.size() >= size)
      put_page(round, page, matrix.page(page));
    else
      state_->writes.Merge(schema::page_key(round, page), operand);
  }
}

void StoreBatch::put_discovered(uint32_t round, uint32_t address, HostStatus status) {
  const char byte = static_cast<char>(status);
  state_->writes.Put(schema::discovered_key(round, address), rocksdb::Slice(&byte, 1));
}

void StoreBatch::delete_discovered(uint32_t round) {
  // One longer than the last address's key, as the end of a range is not in it.
  const std::string end = schema::discovered_key(round, 0xffffffff) + '\0';
  state_->writes.DeleteRange(schema::prefix(schema::Kind::discovered, round), end);
}

size_t StoreBatch::bytes() const {
  size_t bytes = state_->writes.GetDataSize();
  for (const auto& [round, names] : state_->names) bytes += names.size();
  return bytes;
}

bool StoreBatch::empty() const {
  return state_->writes.Count() == 0;
}

}  // namespace steppe
