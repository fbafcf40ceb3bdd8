// SPDX-License-Identifier: Apache-2.0
#include "engine/store/database.h"

#include <fcntl.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <stdexcept>

#include "engine/plan/operator_error.h"
#include "engine/store/merge.h"
#include "engine/store/schema.h"

namespace steppe {
namespace {

namespace fs = std::filesystem;

rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

rocksdb::Options common_options() {
  rocksdb::Options options;
  options.merge_operator = make_merge_operator();

  // Memory: two buffers of 32 MB and a cache of 16 beside what the scan itself needs.
  options.write_buffer_size = 32 << 20;
  options.max_write_buffer_number = 2;
  options.max_background_jobs = 2;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(16 << 20);
  // Certificates and hosts are asked for one by one, and often are not there.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.block_size = 16 << 10;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  // What is young is rewritten soon: cheap to compress. The last level is where it stays.
  options.compression = rocksdb::kLZ4Compression;
  options.bottommost_compression = rocksdb::kZSTD;
  options.level_compaction_dynamic_level_bytes = true;

  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 1 << 20;
  options.max_manifest_file_size = 4 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

enum class Place { absent, empty, newborn, database, foreign };

// What RocksDB makes before CURRENT: a writer that was killed then left an empty database.
bool is_of_birth(const std::string& name) {
  return name == "LOCK" || name == "IDENTITY" || name.starts_with("LOG") ||
         name.starts_with("MANIFEST-") || name.ends_with(".dbtmp");
}

std::set<std::string> file_names(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.insert(entry.path().filename().string());
  return names;
}

Place look(const std::string& directory) {
  try {
    const fs::file_status status = fs::status(directory);
    if (!fs::exists(status)) return Place::absent;
    if (!fs::is_directory(status))
      throw OperatorError(directory + " is no directory: use another --db");
    const std::set<std::string> names = file_names(directory);
    if (names.contains("CURRENT")) return Place::database;
    if (names.empty()) return Place::empty;
    for (const std::string& name : names)
      if (!is_of_birth(name)) return Place::foreign;
    return Place::newborn;
  } catch (const fs::filesystem_error& error) {
    throw OperatorError("cannot read " + directory + " (" + error.code().message() +
                        "): give it the right permissions, or use another --db");
  }
}

[[noreturn]] void refuse(const std::string& directory, const rocksdb::Status& status) {
  if (status.ToString().find("Permission denied") != std::string::npos)
    throw OperatorError("no permission for the files in " + directory +
                        ": run as the user who made them, or use another --db");
  throw OperatorError(directory + " cannot be opened (" + status.ToString() +
                      "): restore it from a copy, or use another --db");
}

[[noreturn]] void refuse_foreign(const std::string& directory) {
  throw OperatorError(directory +
                      " is no steppe database, and not empty: use another --db, a new directory");
}

// Opens without writing, beside a writer if need be. RocksDB reads the list of files first and the
// files then; if the writer replaced some of them in between, the view may lack what they held, so
// it counts only if the files stayed the same.
std::unique_ptr<rocksdb::DB> open_to_read(const std::string& directory) {
  rocksdb::Options options = common_options();
  // All files are opened now: the writer may delete them later, what is open stays.
  options.max_open_files = -1;
  rocksdb::Status status;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const std::set<std::string> before = file_names(directory);
    rocksdb::DB* database = nullptr;
    status = rocksdb::DB::OpenForReadOnly(options, directory, &database);
    std::unique_ptr<rocksdb::DB> opened(database);
    const bool still = before == file_names(directory);
    if (status.ok() && still) return opened;
    if (!status.ok() && still) refuse(directory, status);
  }
  throw OperatorError(directory + " changes faster than it can be opened: try again");
}

// Throws if the database is of another version, or not steppe's. False: it holds nothing at all.
bool check_version(rocksdb::DB& database, const std::string& directory, uint32_t format_version) {
  const std::string key = schema::version_key();
  std::string value;
  const rocksdb::Status status = database.Get({}, key, &value);
  if (status.IsNotFound()) {
    const std::unique_ptr<rocksdb::Iterator> any(database.NewIterator({}));
    any->SeekToFirst();
    if (!any->Valid() && any->status().ok()) return false;
    refuse_foreign(directory);
  }
  if (!status.ok()) refuse(directory, status);
  if (value.size() != 4) refuse_foreign(directory);
  const uint32_t version = schema::decode_version(key, value);
  if (version != format_version)
    throw OperatorError(directory + " holds format version " + std::to_string(version) +
                        ", this program reads version " + std::to_string(format_version) +
                        ": use the steppe that wrote it, or another --db");
  return true;
}

// Asks for the lock and gives it back: RocksDB's own opening would move the writer's LOG aside
// before it found the lock taken.
void check_lock(const std::string& directory) {
  rocksdb::Env* env = rocksdb::Env::Default();
  rocksdb::FileLock* lock = nullptr;
  const rocksdb::Status status = env->LockFile(directory + "/LOCK", &lock);
  if (status.ok()) {
    env->UnlockFile(lock);
    return;
  }
  if (status.ToString().find("Permission denied") != std::string::npos) refuse(directory, status);
  throw OperatorError(directory +
                      " is in use by another process: wait for it to end, or use another --db");
}

std::unique_ptr<rocksdb::DB> open_to_write(const std::string& directory, uint32_t format_version) {
  const Place place = look(directory);
  if (place == Place::foreign) refuse_foreign(directory);
  if (place == Place::absent) {
    std::error_code error;
    fs::create_directories(directory, error);
    if (error)
      throw OperatorError("cannot make " + directory + " (" + error.message() +
                          "): use another --db");
  }
  if (faccessat(AT_FDCWD, directory.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0)
    throw OperatorError("no permission to write in " + directory +
                        ": give it the right permissions, or use another --db");
  // Nothing may change in a database of another version: looked at first, opened to write then.
  const bool used = place == Place::database &&
                    check_version(*open_to_read(directory), directory, format_version);
  check_lock(directory);

  rocksdb::Options options = common_options();
  options.create_if_missing = !used;
  options.max_open_files = 256;
  rocksdb::DB* database = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, directory, &database);
  if (!status.ok()) refuse(directory, status);
  std::unique_ptr<rocksdb::DB> opened(database);
  if (used) return opened;

  rocksdb::WriteOptions durable;
  durable.sync = true;
  const rocksdb::Status written =
      opened->Put(durable, schema::version_key(), schema::encode_version(format_version));
  if (!written.ok()) refuse(directory, written);
  return opened;
}

std::unique_ptr<rocksdb::DB> open_only_to_read(const std::string& directory,
                                               uint32_t format_version) {
  const Place place = look(directory);
  if (place == Place::foreign) refuse_foreign(directory);
  if (place == Place::database) {
    std::unique_ptr<rocksdb::DB> opened = open_to_read(directory);
    if (check_version(*opened, directory, format_version)) return opened;
  }
  throw OperatorError("no database at " + directory + ": run a scan with --db " + directory +
                      " first");
}

[[noreturn]] void fail(const std::string& directory, const rocksdb::Status& status) {
  throw std::runtime_error("database " + directory + ": " + status.ToString());
}

}  // namespace

Database::Database(const std::string& directory, bool write, uint32_t format_version)
    : directory_(directory),
      database_(write ? open_to_write(directory, format_version)
                      : open_only_to_read(directory, format_version)) {}

void Database::write(rocksdb::WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = database_->Write(options, &batch);
  if (!status.ok()) fail(directory_, status);
}

Database::View::View(const Database& database)
    : database_(database), snapshot_(database.database_->GetSnapshot()) {
  options_.snapshot = snapshot_;
}

Database::View::~View() {
  database_.database_->ReleaseSnapshot(snapshot_);
}

std::optional<std::string> Database::View::get(std::string_view key) const {
  std::string value;
  const rocksdb::Status status = database_.database_->Get(options_, slice(key), &value);
  if (status.IsNotFound()) return {};
  if (!status.ok()) fail(database_.directory_, status);
  return value;
}

std::optional<std::pair<std::string, std::string>> Database::View::last(
    std::string_view prefix) const {
  const std::unique_ptr<rocksdb::Iterator> iterator(database_.database_->NewIterator(options_));
  // No key has eight bytes of 0xff behind its kind.
  iterator->SeekForPrev(std::string(prefix) + std::string(8, '\xff'));
  if (!iterator->status().ok()) fail(database_.directory_, iterator->status());
  if (!iterator->Valid() || !iterator->key().starts_with(slice(prefix))) return {};
  return std::pair(iterator->key().ToString(), iterator->value().ToString());
}

void Database::View::scan(std::string_view prefix, const Callback& callback) const {
  for (Cursor cursor(*this, prefix); cursor.valid(); cursor.next())
    if (!callback(cursor.key(), cursor.value())) return;
}

Database::View::Cursor::Cursor(const View& view, std::string_view prefix)
    : prefix_(prefix), iterator_(view.database_.database_->NewIterator(view.options_)) {
  iterator_->Seek(prefix_);
  check();
}

void Database::View::Cursor::check() const {
  if (!iterator_->status().ok()) fail("while reading", iterator_->status());
}

bool Database::View::Cursor::valid() const {
  return iterator_->Valid() && iterator_->key().starts_with(prefix_);
}

void Database::View::Cursor::next() {
  iterator_->Next();
  check();
}

std::string_view Database::View::Cursor::key() const {
  return {iterator_->key().data(), iterator_->key().size()};
}

std::string_view Database::View::Cursor::value() const {
  return {iterator_->value().data(), iterator_->value().size()};
}

}  // namespace steppe
