// SPDX-License-Identifier: Apache-2.0
#include "engine/store/merge.h"

#include <rocksdb/merge_operator.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/store/schema.h"

namespace steppe {
namespace {

std::string_view view(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

void see(PairRecord& record, int64_t time_ms) {
  const bool first = record.count == 0 && !record.settlement;
  record.first_seen_ms = first ? time_ms : std::min(record.first_seen_ms, time_ms);
  record.last_seen_ms = first ? time_ms : std::max(record.last_seen_ms, time_ms);
}

bool says_else(const PairChange& now, const PairChange& before) {
  return now.verdict != before.verdict || now.interference != before.interference ||
         (now.issuer_spki && before.issuer_spki && *now.issuer_spki != *before.issuer_spki);
}

}  // namespace

void merge(PairRecord& record, const TryRecord& addition) {
  see(record, addition.outcome.time_ms);
  ++record.count;
  const uint32_t round = record.tries.empty() ? 0 : record.tries.back().round;
  if (addition.round < round) return;
  if (addition.round > round) record.tries.clear();
  record.tries.push_back(addition);
}

void merge(PairRecord& record, const SettlementRecord& addition) {
  if (record.settlement && addition.round < record.settlement->round) return;
  see(record, addition.time_ms);
  record.settlement = addition;

  PairChange change = {.round = addition.round,
                       .time_ms = addition.time_ms,
                       .verdict = addition.settlement.verdict,
                       .interference = addition.settlement.interference};
  if (const TryRecord* deciding = deciding_try(record.tries, addition)) {
    change.leaf = deciding->outcome.leaf;
    change.issuer_spki = deciding->outcome.issuer_spki;
  }
  if (record.changes.empty() || says_else(change, record.changes.back()))
    record.changes.push_back(change);
}

void merge(HostRecord& record, const HostRecord& addition) {
  const int64_t first_seen_ms = std::min(record.first_seen_ms, addition.first_seen_ms);
  const int64_t last_seen_ms = std::max(record.last_seen_ms, addition.last_seen_ms);
  if (addition.round >= record.round) record = addition;
  record.first_seen_ms = first_seen_ms;
  record.last_seen_ms = last_seen_ms;
}

namespace {

class StoreMerge final : public rocksdb::MergeOperator {
 public:
  const char* Name() const override { return "steppe"; }

  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    const std::string_view key = view(in.key);
    try {
      if (key.starts_with(static_cast<char>(schema::Kind::page)))
        out->new_value = merged_page(key, in);
      else if (key.starts_with(static_cast<char>(schema::Kind::host)))
        out->new_value = merged_host(key, in);
      else
        out->new_value = merged_pair(key, in);
    } catch (const std::runtime_error&) {
      std::vector<std::string_view> operands;
      for (const rocksdb::Slice& operand : in.operand_list) operands.push_back(view(operand));
      std::optional<std::string_view> value;
      if (in.existing_value != nullptr) value = view(*in.existing_value);
      out->new_value = schema::encode_wreck(value, operands);
    }
    return true;
  }

  // Changes of a page, one after the other, are changes of that page. Hosts and pairs wait for what
  // was there before: they are few.
  bool PartialMergeMulti(const rocksdb::Slice& key, const std::deque<rocksdb::Slice>& operands,
                         std::string* merged, rocksdb::Logger*) const override {
    if (!view(key).starts_with(static_cast<char>(schema::Kind::page))) return false;
    const auto size = schema::page_operand_size(view(operands.front()));
    for (const rocksdb::Slice& operand : operands)
      if (!size || schema::page_operand_size(view(operand)) != size) return false;
    merged->assign(view(operands.front()));
    for (size_t i = 1; i < operands.size(); ++i) merged->append(view(operands[i]).substr(2));
    return true;
  }

 private:
  static std::string merged_page(std::string_view key, const MergeOperationInput& in) {
    std::string page;
    if (in.existing_value != nullptr)
      page = in.existing_value->ToString();
    else
      page.resize(schema::page_operand_size(view(in.operand_list.front())).value_or(0));
    for (const rocksdb::Slice& operand : in.operand_list)
      if (!schema::apply_page_operand(view(operand), page))
        schema::broken(key, "changes do not fit the page");
    return page;
  }

  static std::string merged_host(std::string_view key, const MergeOperationInput& in) {
    std::optional<HostRecord> record;
    if (in.existing_value != nullptr) record = schema::decode_host(key, view(*in.existing_value));
    for (const rocksdb::Slice& operand : in.operand_list) {
      const HostRecord addition = schema::decode_host_operand(key, view(operand));
      if (record)
        merge(*record, addition);
      else
        record = addition;
    }
    return schema::encode(record.value());
  }

  static std::string merged_pair(std::string_view key, const MergeOperationInput& in) {
    PairRecord record;
    if (in.existing_value != nullptr) record = schema::decode_pair(key, view(*in.existing_value));
    for (const rocksdb::Slice& operand : in.operand_list)
      std::visit([&](const auto& addition) { merge(record, addition); },
                 schema::decode_pair_operand(key, view(operand)));
    return schema::encode(record);
  }
};

}  // namespace

std::shared_ptr<rocksdb::MergeOperator> make_merge_operator() {
  return std::make_shared<StoreMerge>();
}

}  // namespace steppe
