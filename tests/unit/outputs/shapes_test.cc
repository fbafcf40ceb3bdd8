// SPDX-License-Identifier: Apache-2.0
#include "modules/outputs/shapes.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/plan/operator_error.h"
#include "tests/unit/outputs/samples.h"

namespace steppe {
namespace {

// The paths of a row's values, in order; null and empty values too.
void collect(const Row& row, const std::string& prefix, std::vector<std::string>& paths) {
  for (const auto& [name, value] : row.items()) {
    if (value.is_object() && name != "counters")
      collect(value, prefix + name + ".", paths);
    else
      paths.push_back(prefix + name);
  }
}

std::vector<std::string> paths_of(const Row& row) {
  std::vector<std::string> paths;
  collect(row, "", paths);
  return paths;
}

std::vector<std::string> declared(std::string_view shape) {
  std::vector<std::string> paths;
  for (const Field& field : shape_of(shape).fields) paths.emplace_back(field.path);
  return paths;
}

TEST(Shapes, EveryFieldOfARowIsDeclaredInItsOrder) {
  EXPECT_EQ(paths_of(pair_to_json(injected_pair())), declared("pairs"));
  EXPECT_EQ(paths_of(host_to_json(trusted_host())), declared("hosts"));
  EXPECT_EQ(paths_of(certificate_to_json({}, {})), declared("certs"));
  EXPECT_EQ(paths_of(interceptor_to_json({})), declared("interceptors"));
  EXPECT_EQ(paths_of(round_to_json({})), declared("rounds"));
}

TEST(Shapes, DeclaredTypesAreTheTypesOfTheValues) {
  const auto check = [](std::string_view shape, const Row& row) {
    for (const Field& field : shape_of(shape).fields) {
      const Row* value = find_value(row, field.path);
      if (value == nullptr) continue;
      const bool right = field.type == FieldType::text      ? value->is_string()
                         : field.type == FieldType::number  ? value->is_number()
                         : field.type == FieldType::boolean ? value->is_boolean()
                                                            : value->is_structured();
      EXPECT_TRUE(right) << shape << " " << field.path;
    }
  };
  check("pairs", pair_to_json(injected_pair()));
  check("hosts", host_to_json(trusted_host()));
  check("interceptors", interceptor_to_json(interceptor()));
  check("rounds", round_to_json(finished_round()));
  check("certs", certificate_to_json({}, make_certificate("origin.example")));
}

TEST(Shapes, APairThatWasInjected) {
  const Row row = pair_to_json(injected_pair());
  EXPECT_EQ(row.dump(),
            "{\"host\":\"198.51.100.7\",\"port\":443,\"sni\":\"facebook.com\",\"control\":false,"
            "\"verdict\":\"injected\",\"interference\":\"yes\",\"stable\":true,\"attempts\":3,"
            "\"agreeing\":3,\"first_seen\":\"2019-07-23T14:05:59.120Z\","
            "\"last_seen\":\"2019-07-23T14:06:00.000Z\",\"leaf_sha256\":\"" +
                std::string(64, '1') + "\",\"baseline_sha256\":\"" + std::string(64, '2') +
                "\",\"issuer\":\"C=KZ,CN=Security Certificate\",\"interceptor\":\"" +
                std::string(64, '3') +
                "\",\"evidence\":{\"subject_equal\":true,\"san_equal\":true,"
                "\"san_contained\":true,\"key_replaced\":true,\"key\":\"rsa-2048 e=3\","
                "\"not_before_shift_s\":-21600,\"not_after_shift_s\":-21600,"
                "\"serial_equal_prefix_bits\":96,\"serial_bits\":128,"
                "\"extensions_removed\":[\"authorityKeyIdentifier\",\"keyUsage\"],"
                "\"extensions_added\":[],\"issuer_equal\":false,\"names_asked\":false,"
                "\"trusted\":false,\"anchored\":false},\"asn\":9198,\"vantage\":\"almaty\","
                "\"round\":2,\"hello\":\"certificate\",\"ttl\":null,\"stateful\":false,"
                "\"detail\":null,\"changes\":[{\"round\":1,"
                "\"time\":\"2019-07-23T14:05:59.120Z\",\"verdict\":\"same\","
                "\"interference\":\"no\",\"leaf_sha256\":null}]}");
}

TEST(Shapes, APairThatIsNotSettledIsInconclusive) {
  PairView pair;
  pair.key = {0xC0000201, 443, "example.com"};
  EXPECT_EQ(pair_to_json(pair)["interference"], "inconclusive");
  EXPECT_EQ(pair_to_json(pair)["verdict"], "none");
  EXPECT_TRUE(pair_to_json(pair)["evidence"].is_null());
  EXPECT_TRUE(pair_to_json(pair)["first_seen"].is_null());
  pair.state = {Verdict::same, Interference::no, true};
  EXPECT_EQ(pair_to_json(pair)["interference"], "no");
}

TEST(Shapes, ACertificateIsParsed) {
  const std::vector<uint8_t> der = make_certificate("origin.example");
  const Digest digest = sha256(der);
  const Row row = certificate_to_json(digest, der);
  EXPECT_EQ(row["sha256"], hex(digest));
  EXPECT_EQ(row["subject"], "CN=origin.example");
  EXPECT_EQ(row["issuer"], "CN=origin.example");
  EXPECT_EQ(row["serial"], "0a1b2c");
  EXPECT_EQ(row["key"], "ec-prime256v1");
  EXPECT_EQ(row["self_signed"], true);
  EXPECT_EQ(row["spki_sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(row["not_before"].get<std::string>().back(), 'Z');
  // 3 bytes are 4 characters, and the first byte of a SEQUENCE of over 255 bytes makes it MII.
  EXPECT_EQ(row["raw"].get<std::string>().size(), (der.size() + 2) / 3 * 4);
  EXPECT_EQ(row["raw"].get<std::string>().substr(0, 3), "MII");
}

TEST(Shapes, BytesThatAreNoCertificateAreKept) {
  const std::vector<uint8_t> bytes = {1, 2, 3, 4};
  const Row row = certificate_to_json(sha256(bytes), bytes);
  EXPECT_TRUE(row["subject"].is_null());
  EXPECT_TRUE(row["key"].is_null());
  EXPECT_EQ(row["raw"], "AQIDBA==");
}

TEST(Shapes, TimesAreRfc3339InUtc) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_time(1'563'890'759'120), "2019-07-23T14:05:59.120Z");
  EXPECT_EQ(format_time(951'782'400'007), "2000-02-29T00:00:00.007Z");
  EXPECT_EQ(format_time(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Shapes, DetailsAreWords) {
  EXPECT_EQ(describe_detail(Verdict::alert, 112), "TLS alert 112 (unrecognized name)");
  EXPECT_EQ(describe_detail(Verdict::timeout, 0), "no answer to the SYN");
  EXPECT_EQ(describe_detail(Verdict::same, 7), "");
}

TEST(Shapes, UnknownKindsNameTheKnown) {
  try {
    shape_of("pear");
    FAIL();
  } catch (const OperatorError& error) {
    EXPECT_STREQ(error.what(),
                 "cannot export \"pear\": there are pairs, hosts, certs, interceptors, rounds");
  }
}

}  // namespace
}  // namespace steppe
