// SPDX-License-Identifier: Apache-2.0
// What makes replaying flights cheap: texts with their checksums, frames that are used again, the
// cache of flights.
#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <random>
#include <set>
#include <vector>

#include "tests/unit/sim/wired_country.h"
#include "tools/sim/flight_cache.h"
#include "tools/sim/text.h"

namespace steppe::sim {
namespace {

TEST(Text, KnowsTheChecksumOfEveryPart) {
  std::mt19937 random(1);
  for (const size_t size : {0u, 1u, 1460u, 1461u, 2920u, 8761u, 20000u}) {
    Bytes bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const Text text(bytes);
    for (size_t offset = 0; offset <= size; offset += 730) {
      for (const size_t length : {size_t{0}, size_t{1}, size_t{730}, size_t{1460}, size - offset}) {
        if (length > size - offset) continue;
        EXPECT_EQ(checksum_fold(text.sum(offset, length)),
                  checksum_fold(checksum_sum(bytes.data() + offset, length)))
            << size << " bytes, " << length << " at " << offset;
      }
    }
  }
}

// As many frames as were under way once took a pool of 64 K.
TEST(World, WhatIsUnderWayHoldsNoFrames) {
  Scenario scenario = country_of(8);
  scenario.groups[0].latency_ms_least = scenario.groups[0].latency_ms_most = 50;
  WiredCountry country(scenario);
  const rte_mempool* const pool = rte_mempool_lookup("sim-test");
  for (uint16_t port = 1; port <= 100; ++port) {
    Outgoing first{.address = country.host(port % 8).address, .from_port = port, .flags = syn};
    country.send(first);
  }
  EXPECT_TRUE(country.step().empty());
  EXPECT_EQ(country.world().open_connections(), 100u);
  EXPECT_EQ(rte_mempool_in_use_count(pool), 0u);
  EXPECT_EQ(country.run_to(50 * ms).size(), 100u);
}

TEST(FlightCache, MakesAgainWhatHadToLeave) {
  const Scenario scenario = country_of(8);
  const Layout layout(scenario, scenario.seed, 0);
  Authority authority(layout, scenario.date);
  FlightCache all(layout, authority), few(layout, authority, 8000);
  for (int round = 0; round < 3; ++round) {
    for (const Host& host : layout.hosts()) {
      const auto expected = all.genuine(host, {}, "")->bytes();
      for (int time = 0; time < 2; ++time) {
        const auto bytes = few.genuine(host, {}, "")->bytes();
        ASSERT_TRUE(std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end()));
      }
    }
  }
  EXPECT_EQ(all.genuine(layout.hosts()[0], {}, "a").get(),
            all.genuine(layout.hosts()[0], {}, "b").get())
      << "names do not matter";
}

}  // namespace
}  // namespace steppe::sim
