// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/command_line.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/plan/operator_error.h"
#include "tests/unit/outputs/samples.h"

namespace steppe {
namespace {

struct Parsed {
  std::string rate, database, error;
  std::vector<std::string> targets, names;
  bool quiet = false, goes_on = false;
};

Parsed parse(std::vector<const char*> arguments) {
  Parsed parsed;
  CommandLine line("scan", "about", "Examples: none");
  line.positionals("TARGETS", parsed.targets, "networks");
  line.value("-r,--rate", parsed.rate, "N", "10k", "rate");
  line.value("--db", parsed.database, "DIR", "kz.db", "database");
  line.values("--sni", parsed.names, "NAME", "facebook.com", "name");
  line.flag("-q,--quiet", parsed.quiet, "quiet");
  line.config_file("-C,--config", "file");
  arguments.insert(arguments.begin(), "scan");
  try {
    parsed.goes_on = line.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const OperatorError& error) {
    parsed.error = error.what();
  }
  return parsed;
}

TEST(CommandLine, ReadsFlagsAndTargets) {
  const Parsed parsed = parse({"-r", "5k", "192.0.2.0/24", "-q", "198.51.100.1"});
  EXPECT_EQ(parsed.error, "");
  EXPECT_TRUE(parsed.goes_on);
  EXPECT_EQ(parsed.rate, "5k");
  EXPECT_TRUE(parsed.quiet);
  EXPECT_EQ(parsed.targets, (std::vector<std::string>{"192.0.2.0/24", "198.51.100.1"}));
}

// A repeatable flag that swallowed what stands behind its value would turn a target into a server
// name.
TEST(CommandLine, ARepeatableFlagTakesOneValueAtATime) {
  const Parsed parsed = parse({"--sni", "a.com", "192.0.2.1", "--sni", "b.com,c.com"});
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.names, (std::vector<std::string>{"a.com", "b.com", "c.com"}));
  EXPECT_EQ(parsed.targets, (std::vector<std::string>{"192.0.2.1"}));
}

TEST(CommandLine, UnknownFlagsAreAnsweredWithTheClosest) {
  EXPECT_EQ(parse({"--rats", "5"}).error, "no flag --rats: did you mean --rate?");
  EXPECT_EQ(parse({"--qiet"}).error, "no flag --qiet: did you mean --quiet?");
  EXPECT_EQ(parse({"--rats=5"}).error, "no flag --rats: did you mean --rate?");
  EXPECT_EQ(parse({"--xylophone"}).error, "no flag --xylophone: steppe scan --help lists them");
}

TEST(CommandLine, MissingAndRepeatedValues) {
  EXPECT_EQ(parse({"--rate"}).error, "--rate needs a value, e.g. --rate 10k");
  EXPECT_EQ(parse({"-r"}).error, "--rate needs a value, e.g. --rate 10k");
  EXPECT_EQ(parse({"-r", "1", "-r", "2"}).error,
            "--rate is given more than once: give it once, e.g. --rate 10k");
  EXPECT_EQ(parse({"--sni"}).error, "--sni needs a value, e.g. --sni facebook.com");
  EXPECT_EQ(parse({"--quiet=3"}).error, "--quiet takes no value: write it alone");
}

TEST(CommandLine, ConfigurationFile) {
  const TemporaryDirectory directory;
  const std::string path = directory / "scan.conf";
  std::ofstream(path) << "# a comment\nrate = 20k\nquiet = true\nsni = [\"a.com\", \"b.com\"]\n";
  const Parsed alone = parse({"-C", path.c_str()});
  EXPECT_EQ(alone.error, "");
  EXPECT_EQ(alone.rate, "20k");
  EXPECT_TRUE(alone.quiet);
  EXPECT_EQ(alone.names, (std::vector<std::string>{"a.com", "b.com"}));
  const Parsed overruled = parse({"-C", path.c_str(), "--rate", "1k", "--sni", "c.com"});
  EXPECT_EQ(overruled.rate, "1k");
  EXPECT_EQ(overruled.names, (std::vector<std::string>{"c.com"}));

  std::ofstream(path) << "rats = 20k\n";
  EXPECT_EQ(parse({"-C", path.c_str()}).error,
            "no flag --rats in the configuration file: did you mean --rate?");
  EXPECT_EQ(
      parse({"-C", "/nowhere/scan.conf"}).error,
      "--config /nowhere/scan.conf: cannot be read: name a file of lines like \"rate = 10k\"");
}

TEST(CommandLine, HelpHasFlagsAndExamples) {
  testing::internal::CaptureStdout();
  const Parsed parsed = parse({"--help"});
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_FALSE(parsed.goes_on);
  EXPECT_EQ(parsed.error, "");
  EXPECT_NE(text.find("-r,--rate N"), std::string::npos) << text;
  EXPECT_NE(text.find("Examples: none"), std::string::npos) << text;
}

}  // namespace
}  // namespace steppe
