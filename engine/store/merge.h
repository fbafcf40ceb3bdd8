// SPDX-License-Identifier: Apache-2.0
// How writes add to what is there without reading it first: RocksDB's merge operator of the store.
#pragma once

#include <memory>

#include "engine/store/records.h"

namespace rocksdb {
class MergeOperator;
}

namespace steppe {

// A record that never was: count 0, no settlement.
//
// A try joins the tries of its round, or replaces those of an earlier one; of a try from an earlier
// round only the count and the time are kept. A settlement replaces one that is not of a later
// round, and adds a line to the changes if it is the first, or says something else than the last
// line does. Both stretch first_seen and last_seen.
void merge(PairRecord& record, const TryRecord& addition);
void merge(PairRecord& record, const SettlementRecord& addition);
// The later round's view with the earlier first_seen and the later last_seen; of two of one round,
// the addition's.
void merge(HostRecord& record, const HostRecord& addition);

// The above for hosts and pairs, and bytes into pages. Never fails, as a failed merge would stop
// the whole database: what does not go together becomes a wreck (store/schema.h), and reading it
// says so.
std::shared_ptr<rocksdb::MergeOperator> make_merge_operator();

}  // namespace steppe
