// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/prefix_set.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace steppe {
namespace {

using Ranges = std::vector<AddressRange>;

PrefixSet set_of(std::initializer_list<const char*> prefixes) {
  PrefixSet set;
  for (const char* prefix : prefixes) set.add(parse_prefix(prefix).value());
  set.freeze();
  return set;
}

TEST(ParseAddress, TakesDottedQuadsOnly) {
  EXPECT_EQ(parse_address("0.0.0.0"), 0u);
  EXPECT_EQ(parse_address("192.0.2.1"), 0xc0000201u);
  EXPECT_EQ(parse_address("255.255.255.255"), 0xffffffffu);
  using namespace std::string_view_literals;
  for (const auto text :
       {""sv, "1"sv, "1.2.3"sv, "1.2.3.4.5"sv, "1.2.3.256"sv, "01.2.3.4"sv, "1.2.3.4 "sv,
        " 1.2.3.4"sv, "1.2.3.-4"sv, "0x1.2.3.4"sv, "1..2.3"sv, "::1"sv, "1.2.3.4\0"sv,
        "1.2.3.4\0zzz"sv, "255.255.255.2555"sv, "1.2.3.4/32"sv}) {
    EXPECT_EQ(parse_address(text), std::nullopt) << text;
  }
}

TEST(ParsePrefix, TakesAddressesAndPrefixesWithoutHostBits) {
  EXPECT_EQ(parse_prefix("192.0.2.1"), (AddressRange{0xc0000201, 0xc0000201}));
  EXPECT_EQ(parse_prefix("192.0.2.0/24"), (AddressRange{0xc0000200, 0xc00002ff}));
  EXPECT_EQ(parse_prefix("0.0.0.0/0"), (AddressRange{0, 0xffffffff}));
  EXPECT_EQ(parse_prefix("128.0.0.0/1"), (AddressRange{0x80000000, 0xffffffff}));
  EXPECT_EQ(parse_prefix("255.255.255.255/32"), (AddressRange{0xffffffff, 0xffffffff}));
  for (const char* text : {"192.0.2.1/24", "0.0.0.1/0", "192.0.2.0/33", "192.0.2.0/",
                           "192.0.2.0/-1", "192.0.2.0/024", "192.0.2.0/24 ", "192.0.2.0/2x", "/24",
                           "192.0.2/24", "192.0.2.0/24/24", "192.0.2.0/4294967296"}) {
    EXPECT_EQ(parse_prefix(text), std::nullopt) << text;
  }
}

TEST(FormatAddress, IsTheInverseOfParsing) {
  for (const uint32_t address : {0u, 0xc0000201u, 0x01020304u, 0xffffffffu}) {
    EXPECT_EQ(parse_address(format_address(address)), address);
  }
}

TEST(PrefixSet, EmptySetHasNothing) {
  PrefixSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_FALSE(set.contains(0));
  EXPECT_FALSE(set.contains(0xffffffff));
  set.freeze();
  EXPECT_EQ(set.size(), 0u);
  EXPECT_FALSE(set.contains(0));
}

TEST(PrefixSet, WholeSpaceHasTwoToTheThirtyTwoAddresses) {
  const PrefixSet set = set_of({"0.0.0.0/0"});
  EXPECT_EQ(set.size(), uint64_t{1} << 32);
  for (const uint32_t address :
       {0u, 1u, 0xffffu, 0x10000u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(set.rank(address), address);
    EXPECT_EQ(set.address(address), address);
  }
}

TEST(PrefixSet, BothEndsOfTheSpace) {
  const PrefixSet set = set_of({"0.0.0.0", "255.255.255.255"});
  EXPECT_EQ(set.size(), 2u);
  EXPECT_EQ(set.rank(0), 0u);
  EXPECT_EQ(set.rank(0xffffffff), 1u);
  EXPECT_EQ(set.address(0), 0u);
  EXPECT_EQ(set.address(1), 0xffffffffu);
  for (const uint32_t address : {1u, 0xffffu, 0x10000u, 0xfffeffffu, 0xfffffffeu}) {
    EXPECT_FALSE(set.contains(address)) << address;
  }
}

TEST(PrefixSet, FreezeMergesWhatOverlapsOrTouches) {
  const PrefixSet set = set_of({"10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25", "10.0.3.0/24",
                                "255.255.255.255", "255.255.255.254"});
  EXPECT_EQ(set.ranges(),
            (Ranges{{0x0a000000, 0x0a0001ff}, {0x0a000300, 0x0a0003ff}, {0xfffffffe, 0xffffffff}}));
  EXPECT_EQ(set.size(), 512u + 256u + 2u);
}

TEST(PrefixSet, ALongRangeSwallowsTheShortOnesInside) {
  const PrefixSet set = set_of({"10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"});
  EXPECT_EQ(set.ranges(), (Ranges{{0x0a000000, 0x0affffff}}));
}

TEST(PrefixSet, RemoveSplitsAtEveryEdge) {
  PrefixSet set = set_of({"0.0.0.0/0"});
  set.remove(set_of({"0.0.0.0", "10.0.0.0/24", "255.255.255.255"}));
  set.freeze();
  EXPECT_EQ(set.ranges(), (Ranges{{1, 0x09ffffff}, {0x0a000100, 0xfffffffe}}));
  EXPECT_EQ(set.size(), (uint64_t{1} << 32) - 258);
  EXPECT_EQ(set.rank(0x0a000100), 0x09ffffffu);
  EXPECT_EQ(set.address(0x09ffffff), 0x0a000100u);

  PrefixSet all = set_of({"0.0.0.0/0"});
  all.remove(set_of({"0.0.0.0/0"}));
  all.freeze();
  EXPECT_TRUE(all.empty());
  EXPECT_FALSE(all.contains(0xffffffff));
}

// There is no address behind the last one: what comes next to it must not wrap to the first.
TEST(PrefixSet, RangesThatEndAtTheLastAddress) {
  PrefixSet set = set_of({"240.0.0.0/4", "255.255.255.255", "255.0.0.0/8"});
  EXPECT_EQ(set.ranges(), (Ranges{{0xf0000000, 0xffffffff}}));
  PrefixSet all_but_last;
  all_but_last.add({0, 0xfffffffe});
  set.remove(all_but_last);
  set.freeze();
  EXPECT_EQ(set.ranges(), (Ranges{{0xffffffff, 0xffffffff}}));
}

TEST(PrefixSet, ChangesAfterFreezeCount) {
  PrefixSet set = set_of({"10.0.0.0/24"});
  set.add({0x0a000100, 0x0a0001ff});
  set.freeze();
  EXPECT_EQ(set.size(), 512u);
  set.add(set);
  set.freeze();
  EXPECT_EQ(set.size(), 512u);
}

TEST(PrefixSet, TheOtherSetNeedNotBeFrozen) {
  PrefixSet unfrozen;
  unfrozen.add({20, 29});
  unfrozen.add({10, 25});
  PrefixSet set;
  set.add({0, 99});
  EXPECT_EQ(set.intersection(unfrozen).ranges(), (Ranges{{10, 29}}));
  set.remove(unfrozen);
  set.freeze();
  EXPECT_EQ(set.ranges(), (Ranges{{0, 9}, {30, 99}}));
}

// The index by rank is coarse in a large set: thousands of ranges share one of its slots here.
TEST(PrefixSet, ManyShortRangesBetweenLongOnes) {
  PrefixSet set = set_of({"0.0.0.0/2", "192.0.0.0/2"});
  for (uint32_t i = 0; i < 20000; ++i) set.add({0x80000000 + 3 * i, 0x80000001 + 3 * i});
  set.freeze();
  ASSERT_EQ(set.ranges().size(), 20002u);
  EXPECT_EQ(set.size(), (uint64_t{1} << 31) + 40000);
  uint64_t rank = 0;
  for (const AddressRange range : set.ranges()) {
    ASSERT_EQ(set.rank(range.first), rank);
    ASSERT_EQ(set.address(rank), range.first);
    rank += uint64_t{range.last} - range.first + 1;
    ASSERT_EQ(set.rank(range.last), rank - 1);
    ASSERT_EQ(set.address(rank - 1), range.last);
    ASSERT_FALSE(set.contains(range.last + 1) && range.last != UINT32_MAX);
  }
}

// Against a table of bits, over a window that crosses a boundary of the index's upper 16 bits and
// holds more ranges in one of its slots than any real country does.
TEST(PrefixSet, AgreesWithATableOfBits) {
  constexpr uint32_t base = 0x0a00f000, window = 0x3000;
  std::mt19937 random(1);
  for (int trial = 0; trial < 50; ++trial) {
    const auto random_set = [&](std::vector<bool>& bits) {
      PrefixSet set;
      const uint32_t longest = 1 + random() % 300;
      for (uint32_t i = random() % 800; i > 0; --i) {
        const uint32_t first = random() % window;
        const uint32_t last =
            std::min(window - 1, first + static_cast<uint32_t>(random()) % longest);
        set.add({base + first, base + last});
        for (uint32_t j = first; j <= last; ++j) bits[j] = true;
      }
      return set;
    };
    std::vector<bool> a_bits(window), b_bits(window);
    PrefixSet a = random_set(a_bits), b = random_set(b_bits);
    b.freeze();
    PrefixSet sum = a, difference = a;
    sum.add(b);
    sum.freeze();
    difference.remove(b);
    difference.freeze();
    const PrefixSet both = a.intersection(b);

    uint64_t sum_rank = 0, difference_rank = 0, both_rank = 0;
    const auto expect = [](const PrefixSet& set, uint32_t address, bool in, uint64_t& rank) {
      ASSERT_EQ(set.contains(address), in) << address;
      if (!in) return;
      ASSERT_EQ(set.rank(address), rank);
      ASSERT_EQ(set.address(rank), address);
      ++rank;
    };
    for (uint32_t i = 0; i < window; ++i) {
      expect(sum, base + i, a_bits[i] || b_bits[i], sum_rank);
      expect(difference, base + i, a_bits[i] && !b_bits[i], difference_rank);
      expect(both, base + i, a_bits[i] && b_bits[i], both_rank);
    }
    EXPECT_EQ(sum.size(), sum_rank);
    EXPECT_EQ(difference.size(), difference_rank);
    EXPECT_EQ(both.size(), both_rank);
  }
}

}  // namespace
}  // namespace steppe
