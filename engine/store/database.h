// SPDX-License-Identifier: Apache-2.0
// A RocksDB database that is steppe's: opened, and refused, with messages for operators.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace steppe {

class Database {
 public:
  // write: makes the directory and the database where there is none (or one that was killed before
  // it held anything) and holds its lock. read: a fixed view as of now, beside a writer or not.
  // Throws OperatorError as Store does; then nothing in the directory has changed.
  Database(const std::string& directory, bool write, uint32_t format_version);

  // These throw std::runtime_error if the disk fails.
  void write(rocksdb::WriteBatch& batch, bool sync);

  // A view that stays while others write. Must not outlive the database.
  class View {
   public:
    explicit View(const Database& database);
    ~View();
    View(const View&) = delete;
    View& operator=(const View&) = delete;

    // nullopt: not there.
    std::optional<std::string> get(std::string_view key) const;
    // The last key and value that begin so.
    std::optional<std::pair<std::string, std::string>> last(std::string_view prefix) const;
    using Callback = std::function<bool(std::string_view key, std::string_view value)>;
    // All that begins so, ascending, until the callback returns false.
    void scan(std::string_view prefix, const Callback& callback) const;

    // All that begins so, one by one.
    class Cursor {
     public:
      Cursor(const View& view, std::string_view prefix);
      bool valid() const;
      void next();
      // REQUIRE valid(); stand until next().
      std::string_view key() const;
      std::string_view value() const;

     private:
      void check() const;
      std::string prefix_;
      std::unique_ptr<rocksdb::Iterator> iterator_;
    };

   private:
    const Database& database_;
    const rocksdb::Snapshot* snapshot_;
    rocksdb::ReadOptions options_;
  };

 private:
  std::string directory_;
  std::unique_ptr<rocksdb::DB> database_;
};

}  // namespace steppe
