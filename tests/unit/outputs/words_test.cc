// SPDX-License-Identifier: Apache-2.0
// Suggestions, values of flags, evidence in words, tables.
#include <gtest/gtest.h>

#include "engine/plan/operator_error.h"
#include "tests/unit/outputs/samples.h"
#include "tools/steppe/describe.h"
#include "tools/steppe/suggestion.h"
#include "tools/steppe/values.h"

namespace steppe {
namespace {

TEST(Suggestion, DistancesOfASingleSlip) {
  EXPECT_EQ(edit_distance("rate", "rate"), 0u);
  EXPECT_EQ(edit_distance("rate", "rates"), 1u);
  EXPECT_EQ(edit_distance("rate", "rte"), 1u);
  EXPECT_EQ(edit_distance("rate", "rale"), 1u);
  EXPECT_EQ(edit_distance("rate", "raet"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Suggestion, TheClosestFlag) {
  const std::vector<std::string> flags = {
      "--rate", "--resume", "--bandwidth", "--server-rate-limit", "--source-port", "--db"};
  EXPECT_EQ(closest("--rates", flags), "--rate");
  EXPECT_EQ(closest("-rate", flags), "--rate");
  EXPECT_EQ(closest("--bandwith", flags), "--bandwidth");
  EXPECT_EQ(closest("--sever-rate-limits", flags), "--server-rate-limit");
  EXPECT_EQ(closest("--band", flags), "--bandwidth");
  EXPECT_EQ(closest("--xylophone", flags), "");
  EXPECT_EQ(closest("-z", flags), "");
}

std::string error_of(auto&& function) {
  try {
    function();
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Values, WholeNumbers) {
  EXPECT_EQ(whole_number("--probes", "3", 1, 16, "3"), 3u);
  const std::string error = "--probes 0: must be a whole number, from 1 to 16, e.g. --probes 3";
  EXPECT_EQ(error_of([] { whole_number("--probes", "0", 1, 16, "3"); }), error);
  for (const char* text : {"", "17", "-1", "+1", "1.5", " 1", "1 ", "1x", "18446744073709551617"})
    EXPECT_THROW(whole_number("--probes", text, 1, 16, "3"), OperatorError) << text;
}

TEST(Values, QuantitiesAndSeconds) {
  EXPECT_EQ(positive_quantity("--rate", "10k", "", "10k"), 10'000);
  EXPECT_EQ(
      error_of([] { positive_quantity("--rate", "0", "a scan needs a rate above 0", "10k"); }),
      "--rate 0: a scan needs a rate above 0, e.g. --rate 10k");
  EXPECT_THROW(positive_quantity("--rate", "fast", "", "10k"), OperatorError);
  EXPECT_EQ(seconds("-c", "1.5", 0, "8"), 1.5);
  for (const char* text : {"", "-1", "inf", "nan", "8s"})
    EXPECT_THROW(seconds("-c", text, 0, "8"), OperatorError) << text;
}

TEST(Values, PortsAddressesAndAses) {
  EXPECT_EQ(port_range("-s", "40000"), (std::pair<uint16_t, uint32_t>{40000, 1}));
  EXPECT_EQ(port_range("-s", "1-65535"), (std::pair<uint16_t, uint32_t>{1, 65535}));
  for (const char* text : {"", "0", "65536", "5-4", "5-", "-5", "5-6-7", "a"})
    EXPECT_THROW(port_range("-s", text), OperatorError) << text;
  EXPECT_EQ(address("-S", "198.51.100.7"), 0xC6336407u);
  EXPECT_THROW(address("-S", "198.51.100"), OperatorError);
  EXPECT_EQ(as_number("--asn", "AS9198"), 9198u);
  EXPECT_EQ(as_number("--asn", "9198"), 9198u);
  for (const char* text : {"", "AS", "0", "ASN9198", "4294967296"})
    EXPECT_THROW(as_number("--asn", text), OperatorError) << text;
}

TEST(Values, FilesThatCanBeRead) {
  EXPECT_EQ(error_of([] { check_readable("--root-cas", "", "roots.pem"); }), "no error");
  EXPECT_EQ(error_of([] { check_readable("--root-cas", "/dev/null", "roots.pem"); }), "no error");
  EXPECT_EQ(error_of([] { check_readable("--root-cas", "/nowhere/ca.pem", "roots.pem"); }),
            "--root-cas /nowhere/ca.pem: cannot be read (No such file or directory), e.g. "
            "--root-cas roots.pem");
}

TEST(Values, ACommandThatAShellReadsBack) {
  EXPECT_EQ(shell_command({"steppe", "scan", "--notes", "it's a test", "", "198.51.100.0/24"}),
            "steppe scan --notes 'it'\\''s a test' '' 198.51.100.0/24");
  EXPECT_EQ(shell_command({"$(reboot)"}), "'$(reboot)'");
}

TEST(Describe, AForgedLeaf) {
  EXPECT_EQ(describe_evidence(forged_evidence()),
            "keeps subject and SAN; key replaced by rsa-2048 e=3; another issuer; validity shifted "
            "by -6 h; first 96 of 128 bits of the serial kept; extensions removed: "
            "authorityKeyIdentifier keyUsage; not trusted by browsers");
}

using Facts = std::vector<std::pair<std::string, std::string>>;

TEST(Describe, ATraceThatIsLocated) {
  EXPECT_EQ(describe_trace(located_trace()),
            (Facts{{"trace", "located"},
                   {"link", "92.47.151.210 (AS50482) -> 95.56.243.92 (AS9198)"},
                   {"injection", "injected at TTL 5, host at TTL 9: 4 hops before the host"},
                   {"path",
                    "192.0.2.1 * 192.0.2.3 92.47.151.210 [injected] 95.56.243.92 * 192.0.2.7 * "
                    "198.51.100.7"},
                   {"confidence", "1.00: 3 of 3 runs agree (TTL 5 5 5)"},
                   {"box", "in the path: it keeps the hello"}}));
}

// All that a trace can say beside where.
TEST(Describe, ATraceOfAnOddBox) {
  TraceRecord trace = located_trace();
  trace.injection_ttl = 1;
  trace.host_ttl = 2;
  trace.hop_before = trace.as_before = 0;
  trace.as_after = 0;
  trace.agreeing = 2;
  trace.run_ttls = {1, 1, 3};
  trace.placement = Placement::on_path;
  trace.terminating = trace.ttl_copied = trace.path_changed = true;
  trace.rewritten = rewritten::type_of_service | rewritten::sequence;
  trace.rewritten_ttl = 1;
  trace.flows = {{40001, 1, 2, {0xC0000201}}, {40002, 1, 2, {0xC0000202}}};
  EXPECT_EQ(
      describe_trace(trace),
      (Facts{
          {"trace", "located"},
          {"link", "the scanner -> 95.56.243.92"},
          {"injection", "injected at TTL 1, host at TTL 2: 1 hop before the host"},
          {"path", "[injected] 192.0.2.1 198.51.100.7"},
          {"", "not every hop was the same in all runs"},
          {"ways", "2 different paths on 2 source ports"},
          {"confidence", "0.67: 2 of 3 runs agree (TTL 1 1 3)"},
          {"box",
           "beside the path: the hello goes on to the host; it ends every TCP connection itself; "
           "its answers leave with the TTL that the hello had left"},
          {"rewritten", "tos sequence, seen first at TTL 1"}}));
}

TEST(Describe, TracesWithoutAPlace) {
  TraceRecord trace = located_trace();
  trace.outcome = TraceOutcome::not_injected;
  trace.runs = trace.agreeing = 0;
  trace.placement = Placement::unknown;
  trace.flows[0].path = {0xC0000201};
  trace.host_ttl = 0;
  EXPECT_EQ(
      describe_trace(trace),
      (Facts{{"trace", "not located: only the host's own answers came"}, {"path", "192.0.2.1"}}));
  trace.outcome = TraceOutcome::located;
  EXPECT_EQ(describe_trace(trace)[2],
            (std::pair<std::string, std::string>(
                "injection", "injected at TTL 5, the host's own distance is not known")));
  trace.host_ttl = 4;
  EXPECT_EQ(describe_trace(trace)[2],
            (std::pair<std::string, std::string>(
                "injection", "injected at TTL 5, host at TTL 4: only beyond the host")));
}

TEST(Describe, Shifts) {
  EXPECT_EQ(describe_shift(-21600), "-6 h");
  EXPECT_EQ(describe_shift(-86400), "-24 h");
  EXPECT_EQ(describe_shift(172800), "+2 d");
  EXPECT_EQ(describe_shift(5400), "+1.5 h");
  EXPECT_EQ(describe_shift(90), "+90 s");
  EXPECT_EQ(describe_shift(-3601), "-3601 s");
}

TEST(Describe, Tables) {
  EXPECT_EQ(format_table({{"name", "hosts"}, {"facebook.com", "9"}, {"x.y", "10"}}),
            "  name          hosts\n  facebook.com      9\n  x.y              10\n");
  EXPECT_EQ(format_table({}), "");
}

TEST(Describe, SharesAreNumbersInTablesAndAddressesAreNot) {
  EXPECT_EQ(format_table({{"hop", "share %"}, {"192.0.2.1", "9.5"}, {"192.0.2.10", "90.5"}}),
            "  hop         share %\n  192.0.2.1       9.5\n  192.0.2.10     90.5\n");
}

}  // namespace
}  // namespace steppe
