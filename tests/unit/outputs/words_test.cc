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

}  // namespace
}  // namespace steppe
