// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/blocklist.h"

#include "tests/unit/plan/support.h"

namespace steppe {
namespace {

uint32_t address(const char* text) {
  return parse_address(text).value();
}

PrefixSet set_of(std::initializer_list<const char*> prefixes) {
  PrefixSet set;
  for (const char* prefix : prefixes) set.add(parse_prefix(prefix).value());
  set.freeze();
  return set;
}

TEST(SpecialPurposeAddresses, BothSidesOfEachEdge) {
  const PrefixSet& special = special_purpose_addresses();
  struct Edge {
    const char *before, *first, *last, *behind;
  };
  for (const Edge& edge : {
           Edge{nullptr, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
           Edge{"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
           Edge{"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
           Edge{"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
           Edge{"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
           Edge{"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
           Edge{"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
           Edge{"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
           Edge{"192.31.195.255", "192.31.196.0", "192.31.196.255", "192.31.197.0"},
           Edge{"192.52.192.255", "192.52.193.0", "192.52.193.255", "192.52.194.0"},
           Edge{"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
           Edge{"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
           Edge{"192.175.47.255", "192.175.48.0", "192.175.48.255", "192.175.49.0"},
           Edge{"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
           Edge{"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
           Edge{"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
           Edge{"223.255.255.255", "224.0.0.0", "255.255.255.255", nullptr},
       }) {
    if (edge.before) {
      EXPECT_FALSE(special.contains(address(edge.before))) << edge.before;
    }
    EXPECT_TRUE(special.contains(address(edge.first))) << edge.first;
    EXPECT_TRUE(special.contains(address(edge.last))) << edge.last;
    if (edge.behind) {
      EXPECT_FALSE(special.contains(address(edge.behind))) << edge.behind;
    }
  }
  // Eighteen blocks, of which the last two touch: there is nothing else in the table.
  EXPECT_EQ(special.ranges().size(), 17u);
}

TEST(ReadPrefixFile, TakesZmapsForm) {
  const TemporaryFile file(
      "# comment\n"
      "10.0.0.0/8 # private\r\n"
      "\n"
      "\t192.0.2.1\n"
      "10.1.0.0/16");
  EXPECT_EQ(read_prefix_file(file.path()).ranges(), set_of({"10.0.0.0/8", "192.0.2.1"}).ranges());
  const TemporaryFile empty("");
  EXPECT_TRUE(read_prefix_file(empty.path()).empty());
}

TEST(ReadPrefixFile, SaysWhereAndWhat) {
  const TemporaryFile host_bits("10.0.0.0/8\n10.77.3.1/12\n");
  EXPECT_EQ(
      operator_error([&] { read_prefix_file(host_bits.path()); }),
      host_bits.path() + ":2: \"10.77.3.1/12\" has bits set behind its length: write 10.64.0.0/12");
  const TemporaryFile name("example.com\n");
  EXPECT_EQ(operator_error([&] { read_prefix_file(name.path()); }),
            name.path() +
                ":1: \"example.com\" is neither an IPv4 address nor a prefix: write 192.0.2.1 or "
                "192.0.2.0/24");
  EXPECT_NE(operator_error([] { read_prefix_file("/nonexistent"); }).find("cannot read"),
            std::string::npos);
}

// What resolve_targets() gives; and what the port relies on, that it never blocks a target.
TargetSet resolved(const TargetRules& rules) {
  TargetSet set = resolve_targets(rules);
  EXPECT_TRUE(set.targets.intersection(set.blocked).empty());
  return set;
}

TEST(ResolveTargets, TheWholeSpaceLosesTheSpecialPurposeBlocks) {
  TargetRules rules;
  rules.named = {"0.0.0.0/0"};
  const TargetSet set = resolved(rules);
  EXPECT_EQ(set.targets.size(), (uint64_t{1} << 32) - special_purpose_addresses().size());
  EXPECT_EQ(set.blocked.ranges(), special_purpose_addresses().ranges());
}

TEST(ResolveTargets, ASpecialPurposeBlockIsVisitedWhereItIsNamedOutright) {
  TargetRules rules;
  rules.named = {"198.18.0.0/16", "8.8.8.0/24", "10.1.2.3"};
  const TargetSet set = resolved(rules);
  EXPECT_EQ(set.targets.ranges(), set_of({"198.18.0.0/16", "8.8.8.0/24", "10.1.2.3"}).ranges());
  EXPECT_FALSE(set.blocked.contains(address("198.18.0.1")));
  EXPECT_FALSE(set.blocked.contains(address("10.1.2.3")));
  EXPECT_TRUE(set.blocked.contains(address("198.19.0.0")));
  EXPECT_TRUE(set.blocked.contains(address("10.1.2.4")));
}

TEST(ResolveTargets, NamingTheWholeBlockOpensIt) {
  TargetRules rules;
  rules.named = {"198.18.0.0/15"};
  EXPECT_EQ(resolved(rules).targets.size(), 1u << 17);
}

// Two entries that merge into one range are still two entries; one entry that spans two blocks is
// in neither.
TEST(ResolveTargets, EntriesCountOneByOne) {
  TargetRules rules;
  rules.named = {"11.0.0.0/8", "10.0.0.0/8"};
  EXPECT_EQ(resolved(rules).targets.ranges(), set_of({"10.0.0.0/7"}).ranges());
  const TemporaryFile allowlist("10.0.0.0/8\n11.0.0.0/8\n");
  TargetRules from_file;
  from_file.allowlist_files = {allowlist.path()};
  EXPECT_EQ(resolved(from_file).targets.ranges(), set_of({"10.0.0.0/7"}).ranges());
  rules.named = {"10.0.0.0/7"};
  EXPECT_EQ(resolved(rules).targets.ranges(), set_of({"11.0.0.0/8"}).ranges());
  rules.named = {"224.0.0.0/3"};
  EXPECT_NE(operator_error([&] { resolve_targets(rules); }).find("no address is left"),
            std::string::npos);
}

TEST(ResolveTargets, CountriesNeverOpenSpecialPurposeBlocks) {
  TargetRules rules;
  rules.selected = set_of({"10.0.0.0/24", "8.8.8.0/24"});
  EXPECT_EQ(resolved(rules).targets.ranges(), set_of({"8.8.8.0/24"}).ranges());
}

TEST(ResolveTargets, AllowlistsNarrowWhatIsAskedFor) {
  const TemporaryFile one("8.8.8.0/25\n"), two("8.8.8.192/26\n9.9.9.9\n");
  TargetRules rules;
  rules.named = {"8.8.8.0/24"};
  rules.allowlist_files = {one.path(), two.path()};
  EXPECT_EQ(resolved(rules).targets.ranges(), set_of({"8.8.8.0/25", "8.8.8.192/26"}).ranges());
  rules.named = {"1.1.1.1"};
  EXPECT_NE(operator_error([&] { resolve_targets(rules); }).find("the allowlist holds none"),
            std::string::npos);
}

TEST(ResolveTargets, AllowlistsAloneNameTheTargets) {
  const TemporaryFile file("8.8.8.0/24\n192.168.1.0/24\n0.0.0.0/5\n");
  TargetRules rules;
  rules.allowlist_files = {file.path()};
  EXPECT_EQ(
      resolved(rules).targets.ranges(),
      set_of({"8.8.8.0/24", "192.168.1.0/24", "1.0.0.0/8", "2.0.0.0/7", "4.0.0.0/6"}).ranges());
}

TEST(ResolveTargets, AllowlistEntryOpensABlockThatIsAskedForBroadly) {
  const TemporaryFile file("198.18.0.0/24\n");
  TargetRules rules;
  rules.named = {"0.0.0.0/0"};
  rules.allowlist_files = {file.path()};
  EXPECT_EQ(resolved(rules).targets.ranges(), set_of({"198.18.0.0/24"}).ranges());
}

TEST(ResolveTargets, AddressListsAddToWhatIsAskedFor) {
  const TemporaryFile file("8.8.4.4\n127.0.0.1 # ourselves\n");
  TargetRules rules;
  rules.selected = set_of({"1.1.1.0/24"});
  rules.address_list_file = file.path();
  EXPECT_EQ(resolved(rules).targets.ranges(),
            set_of({"1.1.1.0/24", "8.8.4.4", "127.0.0.1"}).ranges());
  const TemporaryFile prefixes("8.8.4.4\n8.8.8.0/24\n");
  rules.address_list_file = prefixes.path();
  EXPECT_NE(
      operator_error([&] { resolve_targets(rules); }).find(":2: \"8.8.8.0/24\" is no IPv4 address"),
      std::string::npos);
}

TEST(ResolveTargets, BlocklistsAlwaysWin) {
  const TemporaryFile one("198.18.0.0/24\n"), two("8.8.8.8\n");
  TargetRules rules;
  rules.named = {"198.18.0.0/23", "8.8.8.8", "8.8.8.9", "198.18.0.1"};
  rules.blocklist_files = {one.path(), two.path()};
  const TargetSet set = resolved(rules);
  EXPECT_EQ(set.targets.ranges(), set_of({"198.18.1.0/24", "8.8.8.9"}).ranges());
  EXPECT_TRUE(set.blocked.contains(address("198.18.0.1")));
  EXPECT_TRUE(set.blocked.contains(address("8.8.8.8")));
  EXPECT_TRUE(set.blocked.contains(address("10.0.0.1")));
}

TEST(ResolveTargets, SaysWhyNothingIsLeft) {
  TargetRules rules;
  EXPECT_NE(operator_error([&] { resolve_targets(rules); }).find("nothing to scan: give a country"),
            std::string::npos);
  const TemporaryFile empty("# none\n"), all("0.0.0.0/0\n");
  rules.allowlist_files = {empty.path()};
  EXPECT_NE(
      operator_error([&] { resolve_targets(rules); }).find("the files that were given hold none"),
      std::string::npos);
  rules = {};
  rules.named = {"8.8.8.0/24"};
  rules.blocklist_files = {all.path()};
  EXPECT_NE(operator_error([&] { resolve_targets(rules); }).find("all 256 are on a blocklist"),
            std::string::npos);
  rules = {};
  rules.named = {"8.8.8.1/24"};
  EXPECT_EQ(operator_error([&] { resolve_targets(rules); }),
            "\"8.8.8.1/24\" has bits set behind its length: write 8.8.8.0/24");
}

}  // namespace
}  // namespace steppe
