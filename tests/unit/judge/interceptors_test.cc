// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/interceptors.h"

#include <gtest/gtest.h>

#include "engine/judge/settle.h"

namespace steppe {
namespace {

constexpr Digest key_of(uint8_t mark) {
  return Digest{mark};
}
const Digest key = key_of(200);

// A leaf under a test name at host `host`, whose baseline, leaf and AS follow from the number.
Sighting sighting(uint8_t host) {
  return {.host_address = host,
          .as_number = host,
          .baseline_leaf = key_of(host),
          .control = false,
          .forging = false,
          .leaf = key_of(static_cast<uint8_t>(100 + host)),
          .server_name = "facebook.com",
          .issuer = "CN=Security Certificate,C=KZ",
          .time_ms = 1000 * host};
}

TEST(Interceptors, UnknownKeyDoesNotForge) {
  const Interceptors interceptors;
  EXPECT_FALSE(interceptors.is_forging(key));
  EXPECT_TRUE(interceptors.forging().empty());
}

TEST(Interceptors, UnrelatedHostsGiveAKeyAway) {
  Interceptors interceptors;
  interceptors.add(key, sighting(1));
  EXPECT_FALSE(interceptors.is_forging(key));
  interceptors.add(key, sighting(2));
  EXPECT_TRUE(interceptors.is_forging(key));
  EXPECT_FALSE(interceptors.is_forging(key_of(201)));
}

// One private authority for a farm of addresses that share a certificate is no interceptor.
TEST(Interceptors, HostsOfOneBaselineAreRelated) {
  Interceptors interceptors;
  for (const uint8_t host : {1, 2, 3}) {
    Sighting one = sighting(host);
    one.baseline_leaf = key_of(1);
    interceptors.add(key, one);
  }
  EXPECT_FALSE(interceptors.is_forging(key));
}

// A host that renewed its certificate between two sightings is still one host.
TEST(Interceptors, BaselinesOfOneHostAreRelated) {
  Interceptors interceptors;
  for (const uint8_t leaf : {1, 2, 3}) {
    Sighting one = sighting(1);
    one.baseline_leaf = key_of(leaf);
    interceptors.add(key, one);
  }
  EXPECT_FALSE(interceptors.is_forging(key));
}

TEST(Interceptors, RepeatedSightingsOfOneHostAreOne) {
  Interceptors interceptors;
  for (int i = 0; i < 5; ++i) interceptors.add(key, sighting(1));
  EXPECT_FALSE(interceptors.is_forging(key));
}

TEST(Interceptors, OneForgedLeafIsEnough) {
  Interceptors interceptors;
  Sighting one = sighting(1);
  one.forging = true;
  interceptors.add(key, one);
  EXPECT_TRUE(interceptors.is_forging(key));
}

TEST(Interceptors, RuleIsObeyed) {
  Interceptors interceptors({.hosts = 3, .autonomous_systems = 2});
  for (const uint8_t host : {1, 2, 3}) {
    EXPECT_FALSE(interceptors.is_forging(key)) << int{host};
    Sighting one = sighting(host);
    one.as_number = 7;
    interceptors.add(key, one);
  }
  EXPECT_FALSE(interceptors.is_forging(key));  // three hosts, but of one AS
  interceptors.add(key, sighting(4));
  EXPECT_TRUE(interceptors.is_forging(key));
}

// The host's own inspection box signs for control names as well, whatever else it looks like. It
// does not count, but neither does it clear the key where other hosts show it: once, a single host
// whose control had met the box cleared it for a whole country.
TEST(Interceptors, HostsThatShowAKeyUnderAControlDoNotCount) {
  for (const bool control_first : {true, false}) {
    Interceptors interceptors;
    Sighting control = sighting(1);
    control.control = true;
    control.server_name = "rktpnwq.com";
    if (control_first) interceptors.add(key, control);
    Sighting one = sighting(1);
    one.forging = true;
    interceptors.add(key, one);
    EXPECT_EQ(interceptors.is_forging(key), !control_first);
    if (!control_first) interceptors.add(key, control);
    EXPECT_FALSE(interceptors.is_forging(key));
    EXPECT_TRUE(interceptors.seen_under_control(key, 1));
    EXPECT_TRUE(interceptors.forging().empty());
    for (const uint8_t host : {2, 3}) interceptors.add(key, sighting(host));
    EXPECT_TRUE(interceptors.is_forging(key));
    EXPECT_FALSE(interceptors.seen_under_control(key, 2));
    EXPECT_EQ(interceptors.forging().front().hosts, (std::set<uint32_t>{2, 3}));
  }
  EXPECT_FALSE(Interceptors().seen_under_control(key, 1));
}

// And so settle() leaves its leaves at `untrusted`.
TEST(Interceptors, SettleAsksThem) {
  Interceptors interceptors;
  for (const uint8_t host : {1, 2}) interceptors.add(key, sighting(host));
  Try one;
  one.verdict = Verdict::untrusted;
  one.issuer_spki = key;
  one.controls_before_and_after = true;
  const std::vector<Try> tries(3, one);
  const auto ask = [](const Digest& spki, const void* context) {
    return static_cast<const Interceptors*>(context)->is_forging(spki);
  };
  EXPECT_EQ(settle(tries, false, ask, &interceptors).interference, Interference::yes);
  Sighting control = sighting(2);
  control.control = true;
  interceptors.add(key, control);
  EXPECT_EQ(settle(tries, false, ask, &interceptors).interference, Interference::inconclusive);
}

TEST(Interceptors, GroupsTellWhatWasSeen) {
  Interceptors interceptors;
  Sighting late = sighting(2);
  late.issuer = "CN=Later";
  late.server_name = "google.com";
  interceptors.add(key, late);
  Sighting early = sighting(1);
  early.forging = true;
  interceptors.add(key, early);
  interceptors.add(key, early);
  Sighting other = sighting(5);
  other.forging = true;
  interceptors.add(key_of(10), other);

  const auto found = interceptors.forging();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].spki, key_of(10));
  const Interceptor& group = found[1];
  EXPECT_EQ(group.spki, key);
  EXPECT_EQ(group.issuer, early.issuer);
  EXPECT_EQ(group.hosts, (std::set<uint32_t>{1, 2}));
  EXPECT_EQ(group.autonomous_systems, (std::set<uint32_t>{1, 2}));
  EXPECT_EQ(group.server_names, (std::set<std::string>{"facebook.com", "google.com"}));
  EXPECT_EQ(group.leaves, 2u);
  EXPECT_EQ(group.forging_leaves, 2u);
  EXPECT_TRUE(group.is_forging);
  EXPECT_EQ(group.first_seen_ms, 1000);
  EXPECT_EQ(group.last_seen_ms, 2000);
}

}  // namespace
}  // namespace steppe
