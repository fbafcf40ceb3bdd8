// SPDX-License-Identifier: Apache-2.0
// What the files of Store share and its header hides.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/store/database.h"
#include "engine/store/store.h"

namespace steppe {

struct StoreBatch::State {
  rocksdb::WriteBatch writes;
  std::map<uint32_t, std::string> names;  // by round; commit() knows which of them are news
  std::set<Digest> certificates;          // already among the writes
};

struct Store::State {
  explicit State(const std::string& directory, Mode mode)
      : database(directory, mode == Mode::write, format_version) {}
  Database database;
  std::map<uint32_t, std::string> names;  // as last committed
};

// A round with its names and hosts.
RoundRecord read_round(const Database::View& view, std::string_view key, std::string_view value);

}  // namespace steppe
