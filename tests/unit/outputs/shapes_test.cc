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
  EXPECT_EQ(paths_of(trace_to_json(located_trace())), declared("traces"));
  EXPECT_EQ(paths_of(trace_to_json({})), declared("traces"));
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
  TraceRecord trace = located_trace();
  trace.rewritten = rewritten::ttl;
  trace.rewritten_ttl = 4;
  trace.flows.resize(2);
  check("traces", trace_to_json(trace));
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
                "\"round\":2,\"hello\":\"tls12\",\"ttl\":null,\"stateful\":false,"
                "\"detail\":null,\"changes\":[{\"round\":1,"
                "\"time\":\"2019-07-23T14:05:59.120Z\",\"verdict\":\"same\","
                "\"interference\":\"no\",\"leaf_sha256\":null}]}");
}

TEST(Shapes, AHostHasTheFingerprintOfItsServer) {
  HostRecord host = trusted_host();
  EXPECT_EQ(host_to_json(host)["ja3s"], "771,49199,65281-23");
  EXPECT_EQ(host_to_json(host)["ja3s_digest"], "394441ab65754e2207b1e1b457b3641d");
  // What TLS 1.3 says of its version in the place that JA3S looks at.
  host.tls_version = 0x0304;
  host.cipher_suite = 0x1301;
  host.server_extensions = {51, 43};
  EXPECT_EQ(host_to_json(host)["ja3s"], "771,4865,51-43");
  EXPECT_EQ(host_to_json(host)["ja3s_digest"], "eb1d94daa7e0344597e756a1fb6e7054");
  host.tls_version = 0;
  EXPECT_TRUE(host_to_json(host)["ja3s"].is_null());
  EXPECT_TRUE(host_to_json(host)["ja3s_digest"].is_null());
}

TEST(Shapes, APairThatIsNotSettledIsInconclusive) {
  PairView pair;
  pair.key = {0xC0000201, 443, "example.com", "tls12"};
  EXPECT_EQ(pair_to_json(pair)["interference"], "inconclusive");
  EXPECT_EQ(pair_to_json(pair)["verdict"], "none");
  EXPECT_TRUE(pair_to_json(pair)["evidence"].is_null());
  EXPECT_TRUE(pair_to_json(pair)["first_seen"].is_null());
  pair.state = {Verdict::same, Interference::no, true};
  EXPECT_EQ(pair_to_json(pair)["interference"], "no");
}

TEST(Shapes, APairThatWasTracedHasItsTtl) {
  PairView pair = injected_pair();
  pair.injection_ttl = 5;
  EXPECT_EQ(pair_to_json(pair)["ttl"], 5);
}

TEST(Shapes, ATraceThatIsLocated) {
  EXPECT_EQ(trace_to_json(located_trace()).dump(),
            "{\"host\":\"198.51.100.7\",\"port\":443,\"sni\":\"facebook.com\","
            "\"hello\":\"tls12\",\"outcome\":\"located\",\"injection_ttl\":5,\"host_ttl\":9,\"hops_"
            "before_host\":4,"
            "\"hop_before\":\"92.47.151.210\",\"hop_after\":\"95.56.243.92\","
            "\"asn_before\":50482,\"asn_after\":9198,"
            "\"path\":[\"192.0.2.1\",\"*\",\"192.0.2.3\",\"92.47.151.210\",\"95.56.243.92\","
            "\"*\",\"192.0.2.7\",\"*\",\"198.51.100.7\"],"
            "\"runs\":3,\"agreeing\":3,\"confidence\":1.0,\"run_ttls\":[5,5,5],"
            "\"placement\":\"in_path\",\"terminating\":false,\"ttl_copied\":false,"
            "\"path_changed\":false,\"rewritten\":null,\"rewritten_ttl\":null,"
            "\"source_port\":40001,\"mode\":\"one-connection\",\"connections\":6,\"hellos\":41,"
            "\"ways\":1,\"flows\":null,\"vantage\":\"almaty\",\"round\":1,"
            "\"time\":\"2019-07-23T14:06:03.120Z\"}");
}

TEST(Shapes, ATraceThatFoundNothing) {
  TraceRecord trace;
  trace.key = {0xC0000201, 8443, "example.com", "chrome"};
  trace.outcome = TraceOutcome::unreachable;
  trace.mode = TraceMode::per_port;
  EXPECT_EQ(
      trace_to_json(trace).dump(),
      "{\"host\":\"192.0.2.1\",\"port\":8443,\"sni\":\"example.com\","
      "\"hello\":\"chrome\",\"outcome\":\"unreachable\",\"injection_ttl\":null,\"host_ttl\":null,"
      "\"hops_before_host\":null,\"hop_before\":null,\"hop_after\":null,"
      "\"asn_before\":null,\"asn_after\":null,\"path\":[],\"runs\":0,\"agreeing\":0,"
      "\"confidence\":null,\"run_ttls\":[],\"placement\":\"unknown\",\"terminating\":false,"
      "\"ttl_copied\":false,\"path_changed\":false,\"rewritten\":null,"
      "\"rewritten_ttl\":null,\"source_port\":null,\"mode\":\"per-port\","
      "\"connections\":0,\"hellos\":0,\"ways\":0,\"flows\":null,\"vantage\":null,"
      "\"round\":null,\"time\":null}");
}

TEST(Shapes, TheEndsOfATracedLink) {
  TraceRecord trace = located_trace();
  // Routers that keep silent.
  trace.hop_before = trace.hop_after = 0;
  EXPECT_EQ(trace_to_json(trace)["hop_before"], "*");
  EXPECT_EQ(trace_to_json(trace)["hop_after"], "*");
  // The link begins at the scanner, which is no hop.
  trace.injection_ttl = 1;
  EXPECT_TRUE(trace_to_json(trace)["hop_before"].is_null());
  EXPECT_EQ(trace_to_json(trace)["hop_after"], "*");
  // The link ends at the host, whose name is known even where nothing was heard at that TTL.
  trace.injection_ttl = trace.host_ttl;
  EXPECT_EQ(trace_to_json(trace)["hop_before"], "*");
  EXPECT_EQ(trace_to_json(trace)["hop_after"], "198.51.100.7");
  EXPECT_EQ(trace_to_json(trace)["hops_before_host"], 0);
  // What is not located has no link, whatever the runs found.
  trace = located_trace();
  trace.outcome = TraceOutcome::no_majority;
  EXPECT_TRUE(trace_to_json(trace)["hop_before"].is_null());
  EXPECT_TRUE(trace_to_json(trace)["hop_after"].is_null());
}

TEST(Shapes, HopsBeforeTheHostNeedBothTtls) {
  const auto hops = [](uint8_t injection_ttl, uint8_t host_ttl) {
    TraceRecord trace = located_trace();
    trace.injection_ttl = injection_ttl;
    trace.host_ttl = host_ttl;
    return trace_to_json(trace)["hops_before_host"].dump();
  };
  EXPECT_EQ(hops(5, 9), "4");
  EXPECT_EQ(hops(9, 9), "0");
  EXPECT_EQ(hops(1, 255), "254");
  EXPECT_EQ(hops(10, 9), "null");
  EXPECT_EQ(hops(5, 0), "null");
  EXPECT_EQ(hops(0, 9), "null");
  EXPECT_EQ(hops(0, 0), "null");
}

TEST(Shapes, ConfidenceIsAShareInTwoDecimals) {
  const auto confidence = [](uint8_t agreeing, uint8_t runs) {
    TraceRecord trace = located_trace();
    trace.agreeing = agreeing;
    trace.runs = runs;
    return trace_to_json(trace)["confidence"].dump();
  };
  EXPECT_EQ(confidence(3, 3), "1.0");
  EXPECT_EQ(confidence(2, 3), "0.67");
  EXPECT_EQ(confidence(1, 3), "0.33");
  EXPECT_EQ(confidence(5, 7), "0.71");
  EXPECT_EQ(confidence(0, 3), "0.0");
  EXPECT_EQ(confidence(0, 0), "null");
}

TEST(Shapes, ATracedPathEndsWithTheHostWhereItsTtlIsKnown) {
  TraceRecord trace = located_trace();
  trace.flows[0].path = {0xC0000201, 0};
  trace.host_ttl = 0;
  EXPECT_EQ(trace_to_json(trace)["path"].dump(), "[\"192.0.2.1\",\"*\"]");
  trace.host_ttl = 3;
  EXPECT_EQ(trace_to_json(trace)["path"].dump(), "[\"192.0.2.1\",\"*\",\"198.51.100.7\"]");
  trace.host_ttl = 4;  // the hop at TTL 3 is as silent
  EXPECT_EQ(trace_to_json(trace)["path"].dump(), "[\"192.0.2.1\",\"*\",\"*\",\"198.51.100.7\"]");
}

TEST(Shapes, WhatWasRewrittenIsWords) {
  const auto words = [](uint8_t bits) {
    TraceRecord trace = located_trace();
    trace.rewritten = bits;
    trace.rewritten_ttl = 4;
    EXPECT_EQ(trace_to_json(trace)["rewritten_ttl"], 4);
    return trace_to_json(trace)["rewritten"].dump();
  };
  EXPECT_EQ(words(rewritten::type_of_service), "[\"tos\"]");
  EXPECT_EQ(words(rewritten::identification), "[\"id\"]");
  EXPECT_EQ(words(rewritten::ttl), "[\"ttl\"]");
  EXPECT_EQ(words(rewritten::sequence), "[\"sequence\"]");
  EXPECT_EQ(words(rewritten::ports), "[\"ports\"]");
  EXPECT_EQ(words(15), "[\"tos\",\"id\",\"ttl\",\"sequence\"]");
}

TEST(Shapes, WaysAreDifferentPathsToTheHost) {
  TraceRecord trace = located_trace();
  trace.flows = {
      {40001, 2, 3, {1, 2}}, {40002, 2, 3, {1, 2}}, {40003, 0, 3, {1, 3}}, {40004, 2, 4, {1, 2}},
      {40005, 0, 0, {1, 4}}, {40006, 2, 3, {0, 2}}};  // who is silent here may be the router there
  const Row row = trace_to_json(trace);
  EXPECT_EQ(row["ways"], 3);
  EXPECT_EQ(row["source_port"], 40001);
  ASSERT_EQ(row["flows"].size(), 6u);
  EXPECT_EQ(row["flows"][2].dump(),
            "{\"source_port\":40003,\"injection_ttl\":null,\"host_ttl\":3,"
            "\"path\":[\"0.0.0.1\",\"0.0.0.3\",\"198.51.100.7\"]}");
  EXPECT_EQ(row["flows"][4].dump(),
            "{\"source_port\":40005,\"injection_ttl\":null,\"host_ttl\":null,"
            "\"path\":[\"0.0.0.1\",\"0.0.0.4\"]}");
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

TEST(Shapes, HellosByTheirNames) {
  EXPECT_EQ(host_to_json(trusted_host())["hello"], "tls12");
  EXPECT_TRUE(host_to_json({})["hello"].is_null());
  EXPECT_EQ(round_to_json(finished_round())["hellos"], (Row{"tls12", "tls13"}));
  EXPECT_TRUE(pair_to_json({})["hello"].is_null());
}

TEST(Shapes, TimesAreRfc3339InUtc) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_time(1'563'890'759'120), "2019-07-23T14:05:59.120Z");
  EXPECT_EQ(format_time(951'782'400'007), "2000-02-29T00:00:00.007Z");
  EXPECT_EQ(format_time(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Shapes, DetailsAreWords) {
  EXPECT_EQ(describe_detail(Verdict::alert, 112), "TLS alert 112 (unrecognized name)");
  const auto words = [](Verdict verdict) {
    std::vector<std::string> all;
    for (uint8_t detail = 0; all.empty() || !all.back().empty(); ++detail)
      all.push_back(describe_detail(verdict, detail));
    all.pop_back();
    return all;
  };
  EXPECT_EQ(words(Verdict::timeout),
            (std::vector<std::string>{"no answer to the SYN", "no answer to the ClientHello",
                                      "silence in the middle of the flight", "behind a zero window",
                                      "no answer at any TTL"}));
  EXPECT_EQ(words(Verdict::closed),
            (std::vector<std::string>{"FIN before any answer", "FIN in the middle of the answer",
                                      "no certificate: an anonymous suite",
                                      "a HelloRetryRequest that cannot be answered"}));
  EXPECT_EQ(describe_detail(Verdict::same, 7), "");
}

TEST(Shapes, UnknownKindsNameTheKnown) {
  try {
    shape_of("pear");
    FAIL();
  } catch (const OperatorError& error) {
    EXPECT_STREQ(error.what(),
                 "cannot export \"pear\": there are pairs, hosts, certs, interceptors, traces, "
                 "rounds");
  }
}

}  // namespace
}  // namespace steppe
