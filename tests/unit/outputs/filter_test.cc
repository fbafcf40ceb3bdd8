// SPDX-License-Identifier: Apache-2.0
#include "modules/outputs/filter.h"

#include <gtest/gtest.h>

#include "engine/plan/operator_error.h"

namespace steppe {
namespace {

constexpr Field fields[] = {
    {"verdict", FieldType::text, true},      {"asn", FieldType::number, true},
    {"control", FieldType::boolean, true},   {"issuer", FieldType::text, true},
    {"evidence.key", FieldType::text, true}, {"evidence.removed", FieldType::list, true},
    {"last_seen", FieldType::text, true},    {"shift", FieldType::number, true},
};

const Row injected = {
    {"verdict", "injected"},
    {"asn", 9198},
    {"control", false},
    {"issuer", "C=KZ, CN=Security Certificate"},
    {"evidence", {{"key", "rsa-2048 e=3"}, {"removed", {"keyUsage", "extendedKeyUsage"}}}},
    {"last_seen", "2019-07-23T14:05:59.120Z"},
    {"shift", -21600},
};
const Row same = {
    {"verdict", "same"}, {"asn", nullptr},      {"control", true},
    {"issuer", nullptr}, {"evidence", nullptr}, {"last_seen", "2019-07-24T00:00:00.000Z"},
    {"shift", nullptr},
};

bool matches(std::string_view expression, const Row& row) {
  return Filter(expression, fields).matches(row);
}

std::string error_of(std::string_view expression) {
  try {
    Filter(expression, fields);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Filter, ComparesText) {
  EXPECT_TRUE(matches("verdict = injected", injected));
  EXPECT_FALSE(matches("verdict = injected", same));
  EXPECT_TRUE(matches("verdict!=same", injected));
  EXPECT_TRUE(matches("issuer = 'C=KZ, CN=Security Certificate'", injected));
  EXPECT_TRUE(matches("evidence.key = \"rsa-2048 e=3\"", injected));
  EXPECT_TRUE(matches("last_seen < 2019-07-24", injected));
  EXPECT_FALSE(matches("last_seen < 2019-07-24", same));
}

TEST(Filter, ComparesNumbersAsNumbers) {
  EXPECT_TRUE(matches("asn > 10", injected));
  EXPECT_TRUE(matches("asn > 999", injected));  // "9198" < "999" as text
  EXPECT_TRUE(matches("asn <= 9198", injected));
  EXPECT_FALSE(matches("asn < 9198", injected));
  EXPECT_TRUE(matches("asn >= 9198", injected));
  EXPECT_TRUE(matches("shift = -21600", injected));
}

TEST(Filter, BooleansAndLists) {
  EXPECT_TRUE(matches("control = false", injected));
  EXPECT_TRUE(matches("control != false", same));
  EXPECT_TRUE(matches("evidence.removed = keyUsage", injected));
  EXPECT_FALSE(matches("evidence.removed = key", injected));
  EXPECT_FALSE(matches("evidence.removed != keyUsage", injected));
}

TEST(Filter, NullIsUnequalToEveryValue) {
  EXPECT_FALSE(matches("asn = 9198", same));
  EXPECT_TRUE(matches("asn != 9198", same));
  EXPECT_FALSE(matches("asn < 9999", same));
  EXPECT_TRUE(matches("evidence.key = null", same));
  EXPECT_FALSE(matches("evidence.key = null", injected));
  EXPECT_TRUE(matches("issuer != null", injected));
  EXPECT_FALSE(matches("issuer = 'null'", same));
}

TEST(Filter, AndBindsTighterThanOr) {
  EXPECT_TRUE(matches("verdict = same || verdict = injected && asn = 1", same));
  EXPECT_FALSE(matches("(verdict = same || verdict = injected) && asn = 1", same));
  EXPECT_TRUE(matches("((asn=9198))&&(verdict=injected)&&control=false", injected));
}

TEST(Filter, MistakesAreNamed) {
  EXPECT_NE(error_of("verdit = same").find("no field \"verdit\": the fields are verdict, asn"),
            std::string::npos);
  EXPECT_NE(error_of("asn = many").find("asn is a number, \"many\" is not"), std::string::npos);
  EXPECT_NE(error_of("control = maybe").find("true or false"), std::string::npos);
  EXPECT_NE(error_of("control < true").find("= and != only"), std::string::npos);
  EXPECT_NE(error_of("asn < null").find("= and != only"), std::string::npos);
  EXPECT_NE(error_of("verdict == same").find("= is written once"), std::string::npos);
  EXPECT_NE(error_of("verdict same").find("expected =, !="), std::string::npos);
  EXPECT_NE(error_of("verdict =").find("expected a value"), std::string::npos);
  EXPECT_NE(error_of("(verdict = same").find("expected )"), std::string::npos);
  EXPECT_NE(error_of("verdict = same)").find("expected && or ||"), std::string::npos);
  EXPECT_NE(error_of("verdict = same asn = 1").find("expected && or ||"), std::string::npos);
  EXPECT_NE(error_of("issuer = 'open").find("not closed"), std::string::npos);
  EXPECT_NE(error_of("verdict = same &&").find("expected a field"), std::string::npos);
  EXPECT_NE(error_of("").find("expected a field"), std::string::npos);
  EXPECT_NE(error_of(std::string(100'000, '(')).find("too many parentheses"), std::string::npos);
}

}  // namespace
}  // namespace steppe
