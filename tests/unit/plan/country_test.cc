// SPDX-License-Identifier: Apache-2.0
// Against the database of the package libloc-database. What is asserted of it has held for years,
// or is a relation between its own answers.
#include "engine/plan/country.h"

#include <random>

#include "tests/unit/plan/support.h"

namespace steppe {
namespace {

uint32_t address(const char* text) {
  return parse_address(text).value();
}

TEST(Country, KnowsTheNetworksOfKazakhstan) {
  const Country country;
  const PrefixSet networks = country.networks_of_country("KZ");
  EXPECT_GT(networks.size(), 2'500'000u);
  EXPECT_LT(networks.size(), 4'500'000u);
  for (const char* text : {"92.47.151.210", "92.47.150.198", "95.56.243.92", "95.59.170.59"}) {
    EXPECT_TRUE(networks.contains(address(text))) << text;
  }
  EXPECT_FALSE(networks.contains(address("8.8.8.8")));
  EXPECT_EQ(country.networks_of_country("kz").ranges(), networks.ranges());
}

TEST(Country, KnowsTheAsOfAnAddress) {
  const Country country;
  EXPECT_EQ(country.as_number(address("92.47.151.210")), 50482u);
  EXPECT_EQ(country.as_number(address("95.56.243.92")), 9198u);
  EXPECT_EQ(country.as_number(address("127.0.0.1")), 0u);
  EXPECT_EQ(country.as_number(0), 0u);
  EXPECT_EQ(country.as_number(0xffffffff), 0u);
}

TEST(Country, KnowsTheNameOfAnAs) {
  const Country country;
  EXPECT_NE(country.as_name(9198).find("Kazakhtelecom"), std::string::npos)
      << country.as_name(9198);
  EXPECT_EQ(country.as_name(4294967295), "");
  EXPECT_EQ(country.as_name(0), "");
}

// An AS's networks are those addresses that look up as its own, though others' networks lie inside
// its own and its own inside others'.
TEST(Country, NetworksOfAnAsAgreeWithLookUps) {
  const Country country;
  for (const uint32_t as : {9198u, 50482u}) {
    const PrefixSet networks = country.networks_of_as(as);
    for (const AddressRange range : networks.ranges()) {
      ASSERT_EQ(country.as_number(range.first), as) << format_address(range.first);
      ASSERT_EQ(country.as_number(range.last), as) << format_address(range.last);
      if (range.first > 0) {
        ASSERT_NE(country.as_number(range.first - 1), as) << format_address(range.first - 1);
      }
      if (range.last < UINT32_MAX) {
        ASSERT_NE(country.as_number(range.last + 1), as) << format_address(range.last + 1);
      }
    }
    std::mt19937_64 random(as);
    const PrefixSet kazakhstan = country.networks_of_country("KZ");
    for (int i = 0; i < 20000; ++i) {
      const uint32_t host = kazakhstan.address(random() % kazakhstan.size());
      ASSERT_EQ(networks.contains(host), country.as_number(host) == as) << format_address(host);
    }
  }
}

// 31.223.200.0/21, a Russian network inside a Kazakh one: countries that are made of all their
// networks, without looking at smaller ones inside, overlap.
TEST(Country, NoAddressIsInTwoCountries) {
  const Country country;
  const PrefixSet kazakhstan = country.networks_of_country("KZ");
  for (const char* neighbour : {"RU", "KG", "UZ"}) {
    EXPECT_TRUE(kazakhstan.intersection(country.networks_of_country(neighbour)).empty())
        << neighbour;
  }
}

TEST(Country, UnknownCountriesAndAses) {
  const Country country;
  for (const char* code : {"XX", "K", "KAZ", "", "A1", "K1", "K\n"}) {
    const std::string error = operator_error([&] { country.networks_of_country(code); });
    EXPECT_EQ(error.rfind("no such country \"", 0), 0u) << code << ": " << error;
  }
  EXPECT_EQ(operator_error([&] { country.networks_of_country("XX"); }),
            "no such country \"XX\" in libloc's database: use an ISO 3166 code such as KZ");
  for (const uint32_t as : {0u, 4294967295u}) {
    EXPECT_NE(operator_error([&] { country.networks_of_as(as); }).find("no IPv4 network of AS"),
              std::string::npos);
  }
}

TEST(Country, FilesThatAreNoDatabase) {
  EXPECT_EQ(operator_error([] { Country("/nonexistent/location.db"); }),
            "cannot read /nonexistent/location.db: No such file or directory");
  const TemporaryFile text("this is no database\n"), empty("");
  for (const TemporaryFile* file : {&text, &empty}) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(operator_error([&] {
                Country{file->path()};
              }).rfind(file->path() + " is no libloc database", 0),
              0u);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  }
}

}  // namespace
}  // namespace steppe
