// SPDX-License-Identifier: Apache-2.0
// export, query and the summary over a small database.
#include <gtest/gtest.h>

#include <fstream>

#include "engine/plan/operator_error.h"
#include "modules/outputs/fields.h"
#include "tests/unit/outputs/samples.h"
#include "tools/steppe/output_file.h"
#include "tools/steppe/subcommands.h"
#include "tools/steppe/summary.h"

namespace steppe {
namespace {

class Database : public testing::Test {
 protected:
  void SetUp() override { write_database(directory_ / "kz.db"); }

  // Runs a subcommand over the database, and returns what it prints.
  std::string run(int (*subcommand)(int, const char* const*), std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--db", directory_ / "kz.db"});
    std::vector<const char*> argv = {"test"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    testing::internal::CaptureStdout();
    try {
      EXPECT_EQ(subcommand(static_cast<int>(argv.size()), argv.data()), 0);
    } catch (const OperatorError& error) {
      return testing::internal::GetCapturedStdout() + "error: " + error.what();
    }
    return testing::internal::GetCapturedStdout();
  }

  TemporaryDirectory directory_;
};

TEST_F(Database, EveryPairIsExportedOnce) {
  EXPECT_EQ(run(run_export, {"pairs", "--format", "csv", "-f", "host,sni,control,verdict,asn"}),
            "host,sni,control,verdict,asn\n"
            "198.51.100.7,control.example,true,same,9198\n"
            "198.51.100.7,facebook.com,false,injected,9198\n"
            "198.51.100.8,control.example,true,same,29555\n"
            "198.51.100.8,facebook.com,false,same,29555\n");
}

TEST_F(Database, FiltersAndNestedFields) {
  EXPECT_EQ(run(run_export, {"pairs", "--output-filter", "verdict != same", "-f",
                             "host,evidence.key,interference"}),
            "{\"host\":\"198.51.100.7\",\"evidence\":{\"key\":\"rsa-2048 e=3\"},"
            "\"interference\":\"yes\"}\n");
}

TEST_F(Database, EveryKindIsJson) {
  for (const char* kind : {"pairs", "hosts", "certs", "interceptors", "traces", "rounds"}) {
    std::istringstream lines(run(run_export, {kind}));
    size_t count = 0;
    for (std::string line; std::getline(lines, line); count++)
      EXPECT_TRUE(Row::accept(line)) << line;
    EXPECT_GE(count, 1u) << kind;
  }
}

TEST_F(Database, TracesAsCsv) {
  EXPECT_EQ(
      run(run_export, {"traces", "--format", "csv"}),
      "host,port,sni,hello,outcome,injection_ttl,host_ttl,hops_before_host,hop_before,hop_after,"
      "asn_before,asn_after,path,runs,agreeing,confidence,run_ttls,placement,terminating,"
      "ttl_copied,path_changed,rewritten,rewritten_ttl,source_port,mode,connections,hellos,"
      "ways,vantage,round,time\n"
      "198.51.100.7,443,facebook.com,tls12,located,5,9,4,92.47.151.210,95.56.243.92,50482,9198,"
      "192.0.2.1 * 192.0.2.3 92.47.151.210 95.56.243.92 * 192.0.2.7 * 198.51.100.7,3,3,1.0,"
      "5 5 5,in_path,false,false,false,,,40001,one-connection,6,41,1,almaty,1,"
      "2019-07-23T14:06:03.120Z\n");
}

TEST_F(Database, TracesAreFilteredByTheirFields) {
  const auto found = [&](const char* filter) {
    return run(run_export, {"traces", "--output-filter", filter, "-f", "sni"}) ==
           "{\"sni\":\"facebook.com\"}\n";
  };
  EXPECT_TRUE(found("hops_before_host >= 3"));
  EXPECT_FALSE(found("hops_before_host >= 5"));
  EXPECT_TRUE(found("hops_before_host > 3.5 && confidence = 1"));
  EXPECT_TRUE(found("path = 95.56.243.92 && path = '*'"));
  EXPECT_FALSE(found("path = 95.56.243.9"));
  EXPECT_TRUE(found("run_ttls = 5"));
  EXPECT_FALSE(found("run_ttls = 6"));
  EXPECT_TRUE(found("asn_before = 50482 && hop_after = 95.56.243.92 && outcome = located"));
  EXPECT_TRUE(found("rewritten = null && flows = null"));
  EXPECT_FALSE(found("terminating = true || placement != in_path"));
}

TEST_F(Database, PairsHaveTheTtlOfTheirTrace) {
  EXPECT_EQ(run(run_export, {"pairs", "--format", "csv", "-f", "host,sni,ttl"}),
            "host,sni,ttl\n"
            "198.51.100.7,control.example,\n"
            "198.51.100.7,facebook.com,5\n"
            "198.51.100.8,control.example,\n"
            "198.51.100.8,facebook.com,\n");
}

TEST_F(Database, AFileIsThereOnlyWhenItIsWhole) {
  const std::string path = directory_ / "pairs.csv";
  EXPECT_EQ(run(run_export, {"hosts", "--format", "csv", "-f", "host", "-o", path}), "");
  EXPECT_EQ(read_text(path), "host\n198.51.100.7\n198.51.100.8\n");
  EXPECT_EQ(directory_.list(), (std::vector<std::string>{"kz.db", "pairs.csv"}));
}

TEST_F(Database, ExportMistakes) {
  EXPECT_TRUE(run(run_export, {"pear"}).starts_with("error: cannot export \"pear\""));
  EXPECT_TRUE(run(run_export, {"pairs", "-f", "hots"}).starts_with("error: no field \"hots\""));
  EXPECT_TRUE(run(run_export, {"pairs", "--format", "xml"}).starts_with("error: no output module"));
  EXPECT_TRUE(run(run_export, {}).starts_with("error: nothing to export"));
}

TEST_F(Database, QueryAHost) {
  const std::string text = run(run_query, {"198.51.100.7"});
  EXPECT_NE(text.find("198.51.100.7 port 443: trusted\n"), std::string::npos) << text;
  EXPECT_NE(text.find("injected, interference: yes, 3 of 3 tries agree"), std::string::npos)
      << text;
  EXPECT_NE(text.find("key replaced by rsa-2048 e=3"), std::string::npos) << text;
  EXPECT_NE(text.find("\n1 other names: same as the baseline\n"), std::string::npos) << text;
}

TEST_F(Database, QueryAPairInFull) {
  const std::string text = run(run_query, {"198.51.100.7", "Facebook.com"});
  EXPECT_NE(text.find("tries"), std::string::npos) << text;
  EXPECT_NE(text.find("controls worked before and after, by C=KZ"), std::string::npos) << text;
  EXPECT_EQ(text.find("control.example"), std::string::npos) << text;
}

TEST_F(Database, QueryShowsTheTraceOfAPair) {
  const std::string text = run(run_query, {"198.51.100.7", "facebook.com"});
  EXPECT_TRUE(
      text.ends_with("  trace         located\n"
                     "  link          92.47.151.210 (AS50482) -> 95.56.243.92 (AS9198)\n"
                     "  injection     injected at TTL 5, host at TTL 9: 4 hops before the host\n"
                     "  path          192.0.2.1 * 192.0.2.3 92.47.151.210 [injected] 95.56.243.92 "
                     "* 192.0.2.7 * 198.51.100.7\n"
                     "  confidence    1.00: 3 of 3 runs agree (TTL 5 5 5)\n"
                     "  box           in the path: it keeps the hello\n"
                     "  traced        2019-07-23T14:06:03.120Z in round 1, 6 connections, 41 "
                     "hellos\n"))
      << text;
  // A pair without a trace, and a whole host, are shown without one.
  EXPECT_EQ(run(run_query, {"198.51.100.8", "facebook.com"}).find("trace"), std::string::npos);
  EXPECT_EQ(run(run_query, {"198.51.100.7"}).find("trace"), std::string::npos);
}

// A second round, under another hello: nothing is injected there.
TEST_F(Database, QueryShowsANameUnderAllHellos) {
  write_round_under("chrome", directory_ / "kz.db");
  const std::string host = run(run_query, {"198.51.100.7"});
  const size_t first = host.find("\nfacebook.com\n  hello         chrome\n  verdict       same");
  const size_t second =
      host.find("\nfacebook.com\n  hello         tls12\n  verdict       injected");
  EXPECT_NE(first, std::string::npos) << host;
  EXPECT_NE(second, std::string::npos) << host;
  EXPECT_LT(first, second);
  // control.example, under both.
  EXPECT_NE(host.find("\n1 other names: same as the baseline\n"), std::string::npos) << host;
  EXPECT_EQ(host.find("control.example"), std::string::npos) << host;

  const std::string pair = run(run_query, {"198.51.100.7", "facebook.com"});
  EXPECT_NE(pair.find("\n  hello         chrome\n"), std::string::npos) << pair;
  EXPECT_NE(pair.find("\n  hello         tls12\n"), std::string::npos) << pair;
  // The trace is of the pair that was injected.
  EXPECT_GT(pair.find("  trace "), pair.find("\n  hello         tls12\n"));
  EXPECT_EQ(run(run_export, {"pairs", "--format", "csv", "-f", "host,sni,hello,verdict",
                             "--output-filter", "hello = chrome"}),
            "host,sni,hello,verdict\n"
            "198.51.100.7,control.example,chrome,same\n"
            "198.51.100.7,facebook.com,chrome,same\n");
}

TEST_F(Database, QueryForMachines) {
  std::istringstream lines(run(run_query, {"198.51.100.7", "--format", "jsonl"}));
  std::vector<std::string> verdicts;
  for (std::string line; std::getline(lines, line);)
    verdicts.push_back(Row::parse(line)["verdict"]);
  EXPECT_EQ(verdicts, (std::vector<std::string>{"same", "injected"}));
}

TEST_F(Database, QueryWhatIsNotThere) {
  EXPECT_TRUE(run(run_query, {"192.0.2.1"}).starts_with("error: host 192.0.2.1 is not in "));
  EXPECT_TRUE(run(run_query, {"198.51.100.7", "example.org"})
                  .starts_with("error: host 198.51.100.7 was not asked for example.org"));
  EXPECT_TRUE(run(run_query, {"facebook.com"}).starts_with("error: HOST facebook.com: must be"));
}

TEST_F(Database, SummarySaysWhatWasFound) {
  CampaignSummary summary;
  summary.round = finished_round();
  summary.finished = true;
  summary.targets_total = 256;
  summary.status.pairs = summary.status.settled = 4;
  summary.verdicts[static_cast<size_t>(Verdict::same)] = 3;
  summary.verdicts[static_cast<size_t>(Verdict::injected)] = 1;
  const std::string text =
      summary_text(summary, Store(directory_ / "kz.db", Store::Mode::read), "my db");
  for (const char* part :
       {"256 addresses; 2 hosts answered, 2 trusted and probed\n", "  injected      1\n",
        "facebook.com      1  injected 1\n", "AS9198      1  injected 1  JSC Kazakhtelecom\n",
        "issuer    C=KZ,CN=Security Certificate\n", "manner    keeps subject and SAN; key replaced",
        "steppe export pairs --db 'my db' --output-filter 'verdict != same'\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(OutputFile, WhatIsNotCommittedIsRemoved) {
  const TemporaryDirectory directory;
  std::ofstream(directory / "out") << "old";
  {
    OutputFile file(directory / "out");
    EXPECT_TRUE(file.write("new"));
  }
  EXPECT_EQ(read_text(directory / "out"), "old");
  EXPECT_EQ(directory.list(), std::vector<std::string>{"out"});
  {
    OutputFile file(directory / "out");
    EXPECT_TRUE(file.write("new"));
    EXPECT_TRUE(file.commit());
  }
  EXPECT_EQ(read_text(directory / "out"), "new");
  EXPECT_EQ(directory.list(), std::vector<std::string>{"out"});
}

TEST(OutputFile, ADeviceIsWrittenInPlace) {
  OutputFile file("/dev/null");
  EXPECT_TRUE(file.write("bytes"));
  EXPECT_TRUE(file.commit());
}

}  // namespace
}  // namespace steppe
