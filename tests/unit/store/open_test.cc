// SPDX-License-Identifier: Apache-2.0
// Which directories are opened, which are refused, and that a refusal changes nothing.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <cstdio>

#include "engine/plan/operator_error.h"
#include "engine/store/merge.h"
#include "engine/store/schema.h"
#include "engine/store/store.h"
#include "tests/unit/store/child.h"
#include "tests/unit/store/support.h"

namespace steppe::test {
namespace {

namespace fs = std::filesystem;

std::string refusal(const std::string& directory, Store::Mode mode) {
  return message_of<OperatorError>([&] { Store(directory, mode); });
}

// RocksDB's own view of a directory, to put there what Store would not.
std::unique_ptr<rocksdb::DB> raw(const std::string& directory, bool compact = true) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.merge_operator = make_merge_operator();
  options.disable_auto_compactions = !compact;
  rocksdb::DB* database = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, directory, &database).ok());
  return std::unique_ptr<rocksdb::DB>(database);
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

TEST(Open, MakesADatabaseAndFindsItAgain) {
  TemporaryDirectory directory;
  const std::string deep = directory.path() / "a" / "b";
  RoundRecord round;
  round.round = 3;
  round.names = {"one.example", "two.example"};
  {
    Store store(deep, Store::Mode::write);
    EXPECT_FALSE(store.latest_round());
    StoreBatch batch;
    EXPECT_TRUE(batch.empty());
    batch.put_round(round);
    EXPECT_FALSE(batch.empty());
    EXPECT_GT(batch.bytes(), 0u);
    store.commit(batch, /*sync=*/true);
    EXPECT_TRUE(batch.empty());
  }
  for (const auto mode : {Store::Mode::read, Store::Mode::write}) {
    const Store store(deep, mode);
    EXPECT_TRUE(equal(store.latest_round().value(), round));
  }
}

TEST(Open, ReadNeedsADatabase) {
  TemporaryDirectory directory;
  const std::string absent = directory.database();
  EXPECT_EQ(refusal(absent, Store::Mode::read),
            "no database at " + absent + ": run a scan with --db " + absent + " first");
  EXPECT_FALSE(fs::exists(absent));
  fs::create_directory(absent);
  EXPECT_EQ(refusal(absent, Store::Mode::read),
            "no database at " + absent + ": run a scan with --db " + absent + " first");
  EXPECT_TRUE(fs::is_empty(absent));
}

TEST(Open, ReadChangesNothing) {
  TemporaryDirectory directory;
  {
    Store store(directory.database(), Store::Mode::write);
    StoreBatch batch;
    batch.add_try({1, 443, "example.org", "tls12"}, make_try(1, 1, Verdict::reset));
    store.commit(batch);
  }
  const auto before = contents(directory.path());
  const Store store(directory.database(), Store::Mode::read);
  EXPECT_TRUE(store.pair({1, 443, "example.org", "tls12"}));
  EXPECT_EQ(contents(directory.path()), before);
}

// Version 1 knew one hello a round, and kept none in its keys.
class OtherVersion : public testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(BeforeAndAfter, OtherVersion,
                         testing::Values(1, Store::format_version + 1));

TEST_P(OtherVersion, IsLeftAsItIs) {
  const uint32_t version = GetParam();
  TemporaryDirectory directory;
  const std::string path = directory.database();
  { Store store(path, Store::Mode::write); }
  EXPECT_TRUE(raw(path)->Put({}, schema::version_key(), schema::encode_version(version)).ok());
  const auto before = contents(directory.path());
  ASSERT_GT(before.size(), 3u);
  for (const auto mode : {Store::Mode::write, Store::Mode::read}) {
    EXPECT_EQ(refusal(path, mode), path + " holds format version " + std::to_string(version) +
                                       ", this program reads version 3: use the steppe that wrote "
                                       "it, or another --db");
    EXPECT_EQ(contents(directory.path()), before);
  }
}

TEST(Open, ForeignFilesAreLeftAsTheyAre) {
  TemporaryDirectory directory;
  const std::string path = directory.database();
  fs::create_directory(path);
  write_file(fs::path(path) / "thesis.txt", "the only copy");
  fs::create_directory(fs::path(path) / "empty");
  const auto before = contents(directory.path());
  for (const auto mode : {Store::Mode::write, Store::Mode::read}) {
    EXPECT_EQ(refusal(path, mode), path +
                                       " is no steppe database, and not empty: use another --db, "
                                       "a new directory");
    EXPECT_EQ(contents(directory.path()), before);
  }
}

TEST(Open, AnotherProgramsRocksDbIsLeftAsItIs) {
  TemporaryDirectory directory;
  const std::string path = directory.database();
  EXPECT_TRUE(raw(path)->Put({}, "block 0", "genesis").ok());
  const auto before = contents(directory.path());
  for (const auto mode : {Store::Mode::write, Store::Mode::read}) {
    EXPECT_EQ(refusal(path, mode), path +
                                       " is no steppe database, and not empty: use another --db, "
                                       "a new directory");
    EXPECT_EQ(contents(directory.path()), before);
  }
}

// A scan that was killed while it made its database must not stand in the way of the next one.
TEST(Open, ADatabaseThatWasKilledAtBirthIsMadeAgain) {
  TemporaryDirectory directory;
  const std::string path = directory.database();
  fs::create_directory(path);
  for (const char* name : {"LOCK", "LOG", "IDENTITY"}) write_file(fs::path(path) / name, "");
  EXPECT_NE(refusal(path, Store::Mode::read), "");
  EXPECT_EQ(refusal(path, Store::Mode::write), "");
  EXPECT_EQ(refusal(path, Store::Mode::read), "");

  const std::string later = directory.path() / "later";
  raw(later).reset();  // empty: the version was not written yet
  EXPECT_NE(refusal(later, Store::Mode::read), "");
  EXPECT_EQ(refusal(later, Store::Mode::write), "");
  EXPECT_EQ(refusal(later, Store::Mode::read), "");
}

TEST(Open, AFileIsNoDirectory) {
  TemporaryDirectory directory;
  write_file(directory.database(), "text");
  for (const auto mode : {Store::Mode::write, Store::Mode::read})
    EXPECT_EQ(refusal(directory.database(), mode),
              directory.database() + " is no directory: use another --db");
  EXPECT_NE(refusal(directory.database() + "/below", Store::Mode::write), "");
}

TEST(Open, NoPermission) {
  TemporaryDirectory directory;
  const std::string path = directory.database();
  { Store store(path, Store::Mode::write); }
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_exec);
  const uid_t user = geteuid();
  // root may do anything: be nobody for a moment.
  if (user == 0) {
    fs::permissions(directory.path(), fs::perms::all);
    fs::permissions(path, fs::perms(0755));
    ASSERT_EQ(seteuid(65534), 0);
  }
  const std::string write = refusal(path, Store::Mode::write);
  if (user == 0) {
    ASSERT_EQ(seteuid(0), 0);
    fs::permissions(path, fs::perms::owner_all);
    ASSERT_EQ(seteuid(65534), 0);
  } else {
    fs::permissions(path, fs::perms::none);
  }
  const std::string read = refusal(path, Store::Mode::read);
  if (user == 0) {
    ASSERT_EQ(seteuid(0), 0);
  }
  fs::permissions(path, fs::perms::owner_all);
  EXPECT_EQ(write, "no permission to write in " + path +
                       ": give it the right permissions, or use another --db");
  EXPECT_NE(read.find("ermission denied"), std::string::npos) << read;
}

TEST(Open, OneWriterAndAnyReaders) {
  TemporaryDirectory directory;
  const std::string path = directory.database();
  const std::string in_use =
      path + " is in use by another process: wait for it to end, or use another --db";
  {
    Child holder("holder", path);
    ASSERT_EQ(holder.line(), "open");
    const auto before = contents(directory.path());
    EXPECT_EQ(refusal(path, Store::Mode::write), in_use);
    EXPECT_EQ(contents(directory.path()), before);
    const Store reader(path, Store::Mode::read);
    EXPECT_EQ(reader.latest_round().value().round, 7u);
    holder.finish();
  }
  const Store writer(path, Store::Mode::write);
  EXPECT_EQ(refusal(path, Store::Mode::write), in_use);
  EXPECT_EQ(refusal(path, Store::Mode::read), "");
}

// A long export must not stumble over files that the scan replaces meanwhile.
TEST(Open, AReaderKeepsItsViewWhileFilesAreReplaced) {
  TemporaryDirectory directory;
  const std::string path = directory.database();
  { Store store(path, Store::Mode::write); }
  const auto writer = raw(path, /*compact=*/false);
  constexpr uint32_t files = 40;
  for (uint32_t number = 1; number <= files; ++number) {
    EXPECT_TRUE(writer->Put({}, schema::round_key(number), schema::encode(RoundRecord{})).ok());
    EXPECT_TRUE(writer->Flush({}).ok());
  }
  const Store reader(path, Store::Mode::read);
  for (uint32_t number = 1; number <= files; ++number)
    EXPECT_TRUE(writer->Delete({}, schema::round_key(number)).ok());
  EXPECT_TRUE(writer->CompactRange({}, nullptr, nullptr).ok());
  EXPECT_EQ(reader.rounds().size(), files);
}

TEST(Open, AReaderCannotWrite) {
  TemporaryDirectory directory;
  { Store store(directory.database(), Store::Mode::write); }
  Store reader(directory.database(), Store::Mode::read);
  StoreBatch batch;
  batch.put_round({});
  EXPECT_THROW(reader.commit(batch), std::runtime_error);
}

}  // namespace

int run_holder(const std::string& directory) {
  Store store(directory, Store::Mode::write);
  RoundRecord round;
  round.round = 7;
  StoreBatch batch;
  batch.put_round(round);
  store.commit(batch);
  std::puts("open");
  std::fflush(stdout);
  std::getchar();
  return 0;
}

}  // namespace steppe::test
