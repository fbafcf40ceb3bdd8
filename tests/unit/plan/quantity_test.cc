// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/quantity.h"

#include "tests/unit/plan/support.h"

namespace steppe {
namespace {

TEST(ParseQuantity, TakesNumbersWithSuffixes) {
  EXPECT_EQ(parse_quantity("0"), 0);
  EXPECT_EQ(parse_quantity("10000"), 10000);
  EXPECT_EQ(parse_quantity("10k"), 10000);
  EXPECT_EQ(parse_quantity("10K"), 10000);
  EXPECT_EQ(parse_quantity("1.5M"), 1.5e6);
  EXPECT_EQ(parse_quantity("1.5m"), 1.5e6);
  EXPECT_EQ(parse_quantity("2G"), 2e9);
  EXPECT_EQ(parse_quantity("0.5"), 0.5);
  EXPECT_EQ(parse_quantity("4294967296"), 4294967296.0);
}

TEST(ParseQuantity, RefusesEverythingElseInOneLine) {
  using namespace std::string_view_literals;
  for (const auto text :
       {""sv,      "k"sv,  "-1"sv,    "+1"sv,   " 1"sv,          "1 "sv,    "1 k"sv,
        "1kk"sv,   "1T"sv, "1e5"sv,   "0x10"sv, "inf"sv,         "nan"sv,   "1,5"sv,
        "1.5.5"sv, ".5"sv, "10k\n"sv, "1\0"sv,  "9999999999G"sv, "10kpps"sv}) {
    const std::string error = operator_error([&] { parse_quantity(text); });
    EXPECT_NE(error.find("is no quantity"), error.npos) << text;
  }
  EXPECT_NE(operator_error([] { parse_quantity(std::string(400, '9')); }), "");
}

}  // namespace
}  // namespace steppe
