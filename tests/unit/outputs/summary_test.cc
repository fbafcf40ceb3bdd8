// SPDX-License-Identifier: Apache-2.0
// What is said at the end of where the answers are made.
#include "tools/steppe/summary.h"

#include <gtest/gtest.h>

#include "tests/unit/outputs/samples.h"
#include "tools/steppe/metadata.h"
#include "tools/steppe/summary_traces.h"

namespace steppe {
namespace {

constexpr uint32_t address(uint8_t last) {  // 198.51.100.0/24
  return 0xC6336400u + last;
}
constexpr uint32_t router(uint8_t last) {  // 192.0.2.0/24
  return 0xC0000200u + last;
}

TraceRecord located(uint8_t host, const char* name) {
  TraceRecord trace;
  trace.key = {address(host), 443, name, "tls12"};
  trace.round = 1;
  trace.outcome = TraceOutcome::located;
  trace.injection_ttl = 5;
  trace.host_ttl = 8;
  trace.hop_before = router(4);
  trace.hop_after = router(5);
  trace.as_before = 29555;
  trace.as_after = 9198;
  trace.runs = trace.agreeing = 3;
  trace.run_ttls = {5, 5, 5};
  trace.placement = Placement::in_path;
  trace.connections = 6;
  trace.hellos = 40;
  return trace;
}

TraceRecord lost(uint8_t host, TraceOutcome outcome) {
  TraceRecord trace;
  trace.key = {address(host), 443, "facebook.com", "tls12"};
  trace.round = 1;
  trace.outcome = outcome;
  trace.connections = 3;
  trace.hellos = 17;
  return trace;
}

void put(const std::string& directory, const std::vector<TraceRecord>& traces) {
  Store store(directory, Store::Mode::write);
  StoreBatch batch;
  for (const TraceRecord& trace : traces) batch.put_trace(trace);
  store.commit(batch);
}

// Every kind of trace; two names of one host on one link are one host.
std::vector<TraceRecord> sample_traces() {
  std::vector<TraceRecord> traces = {located(7, "facebook.com"), located(7, "google.com"),
                                     located(8, "facebook.com")};
  traces[1].placement = Placement::on_path;
  traces[2].agreeing = 2;

  // A silent router behind it.
  TraceRecord silent = located(9, "facebook.com");
  silent.hop_after = silent.as_after = 0;
  silent.path_changed = true;
  traces.push_back(silent);

  TraceRecord at_host = located(10, "facebook.com");
  at_host.injection_ttl = at_host.host_ttl = 8;
  at_host.hop_before = router(7);
  at_host.hop_after = 0;
  at_host.as_before = at_host.as_after = 9198;
  at_host.terminating = true;
  traces.push_back(at_host);

  TraceRecord at_scanner = located(11, "facebook.com");
  at_scanner.injection_ttl = 1;
  at_scanner.host_ttl = 0;
  at_scanner.hop_before = at_scanner.as_before = 0;
  at_scanner.hop_after = router(1);
  at_scanner.as_after = 50482;
  traces.push_back(at_scanner);

  // As if from beyond the host: no link, no distance.
  TraceRecord copied = located(12, "facebook.com");
  copied.injection_ttl = 10;
  copied.hop_before = copied.hop_after = copied.as_before = copied.as_after = 0;
  copied.ttl_copied = true;
  traces.push_back(copied);

  traces.push_back(lost(13, TraceOutcome::not_injected));
  traces.push_back(lost(14, TraceOutcome::unreachable));
  traces.push_back(lost(15, TraceOutcome::unreachable));
  traces.push_back(lost(16, TraceOutcome::no_answer));
  traces.push_back(lost(17, TraceOutcome::no_control));
  traces.push_back(lost(18, TraceOutcome::no_majority));

  TraceRecord other_round = located(19, "facebook.com");
  other_round.round = 2;
  other_round.connections = 1'000'000;
  traces.push_back(other_round);
  return traces;
}

constexpr const char* sample_text =
    "where it happens: 7 of 13 pairs located on 6 hosts\n"
    "  hop before           hop after            hosts  share %\n"
    "  192.0.2.4 (AS29555)  192.0.2.5 (AS9198)       2     33.3\n"
    "  the scanner          192.0.2.1 (AS50482)      1     16.7\n"
    "  192.0.2.4 (AS29555)  *                        1     16.7\n"
    "  192.0.2.7 (AS9198)   the host (AS9198)        1     16.7\n"
    "  AS before  AS after  hosts  share %  name\n"
    "  AS29555    AS9198        2     33.3  Mobile Telecom-Service LLP -> JSC Kazakhtelecom\n"
    "  unknown    AS50482       1     16.7  unknown -> JSC Kazakhtelecom\n"
    "  AS9198     AS9198        1     16.7  JSC Kazakhtelecom\n"
    "  AS29555    unknown       1     16.7  Mobile Telecom-Service LLP -> unknown\n"
    "  hops before the host  pairs\n"
    "                     0      1\n"
    "                     3      4\n"
    "  80.0 % before the host: 4 of 5 pairs whose distance is known\n"
    "  not located                       pairs\n"
    "  only the host's own answers came      1\n"
    "  no connection to the host             2\n"
    "  no answer to the name at any TTL      1\n"
    "  no answer to the control name         1\n"
    "  the runs do not agree                 1\n"
    "  of the located                                     pairs\n"
    "  on-path: the hello goes on to the host as well         1\n"
    "  terminating: the box ends every connection itself      1\n"
    "  TTL-copying: answers with what the hello had left      1\n"
    "  the path was not the same in all runs                  1\n"
    "  located by a majority of the runs, not all             1\n"
    "  cost: 4.6 connections and 29.4 hellos per pair\n";

TEST(TracesText, SaysWhereItHappens) {
  const TemporaryDirectory directory;
  put(directory / "db", sample_traces());
  const Store store(directory / "db", Store::Mode::read);
  EXPECT_EQ(traces_text(gather_traces(store, 1)), sample_text);
}

TEST(TracesText, NothingIsSaidOfNoTraces) {
  const TemporaryDirectory directory;
  put(directory / "db", sample_traces());
  const Store store(directory / "db", Store::Mode::read);
  EXPECT_EQ(traces_text(gather_traces(store, 3)), "");
}

TEST(TracesText, WithoutAnyPlaceOnlyTheReasons) {
  const TemporaryDirectory directory;
  put(directory / "db", {lost(13, TraceOutcome::no_answer)});
  const Store store(directory / "db", Store::Mode::read);
  EXPECT_EQ(traces_text(gather_traces(store, 1)),
            "where it happens: 0 of 1 pairs located on 0 hosts\n"
            "  not located                       pairs\n"
            "  no answer to the name at any TTL      1\n"
            "  cost: 3.0 connections and 17.0 hellos per pair\n");
}

TEST(TracesText, AsesThatNobodyKnowsHaveNoNames) {
  const TemporaryDirectory directory;
  std::vector<TraceRecord> traces = {located(7, "facebook.com")};
  traces[0].as_before = traces[0].as_after = 0;
  put(directory / "db", traces);
  const std::string text =
      traces_text(gather_traces(Store(directory / "db", Store::Mode::read), 1));
  EXPECT_NE(text.find("\n  unknown    unknown       1    100.0\n"), std::string::npos) << text;
}

// However the trace tells it; and all hosts are one end.
TEST(TracesText, LinksToTheHostsThemselves) {
  const TemporaryDirectory directory;
  std::vector<TraceRecord> traces = {located(7, "facebook.com"), located(8, "facebook.com")};
  traces[0].host_ttl = 0;
  traces[0].hop_after = address(7);
  traces[1].host_ttl = traces[1].injection_ttl;
  traces[1].hop_after = 0;
  put(directory / "db", traces);
  const TraceFindings found = gather_traces(Store(directory / "db", Store::Mode::read), 1);
  ASSERT_EQ(found.links.size(), 1u);
  const auto& [link, hosts] = *found.links.begin();
  EXPECT_EQ(link.second.kind, TraceFindings::End::Kind::host);
  EXPECT_EQ(hosts.size(), 2u);
}

TEST(TracesText, LongListsBelongIntoAnExport) {
  const TemporaryDirectory directory;
  std::vector<TraceRecord> traces;
  for (uint8_t i = 1; i <= 25; i++) {
    traces.push_back(located(i, "facebook.com"));
    traces.back().hop_before = router(i);
  }
  put(directory / "db", traces);
  const Store store(directory / "db", Store::Mode::read);
  const std::string text = traces_text(gather_traces(store, 1));
  EXPECT_NE(text.find("\n  192.0.2.20 "), std::string::npos) << text;
  EXPECT_EQ(text.find("\n  192.0.2.21 "), std::string::npos) << text;
  EXPECT_NE(text.find("\n  and 5 more\n"), std::string::npos) << text;
}

class SummaryOfTraces : public testing::Test {
 protected:
  void SetUp() override {
    write_database(database());
    summary_.round = finished_round();
    summary_.finished = true;
    summary_.port_description = "net_null";
    summary_.status.elapsed_s = 42;
    summary_.status.sent = 700;
    summary_.status.received = 600;
    summary_.status.traced = summary_.status.to_trace = 13;
  }
  std::string database() const { return directory_ / "kz.db"; }

  TemporaryDirectory directory_;
  CampaignSummary summary_;
};

TEST_F(SummaryOfTraces, AScansHasItBetweenWhoIsHitAndWhoDoesIt) {
  put(database(), sample_traces());
  const std::string text = summary_text(summary_, Store(database(), Store::Mode::read), "kz.db");
  const size_t tables = text.find("\ninterference with "), traces = text.find(sample_text),
               interceptor = text.find("\ninterceptor 33");
  ASSERT_NE(traces, std::string::npos) << text;
  EXPECT_LT(tables, traces) << text;
  EXPECT_LT(traces, interceptor) << text;
  EXPECT_NE(text.find("\n  steppe export traces --db kz.db\n"), std::string::npos) << text;
}

TEST_F(SummaryOfTraces, AScanWithoutTracesSaysNothingOfThem) {
  summary_.round.round = 3;
  const std::string text = summary_text(summary_, Store(database(), Store::Mode::read), "kz.db");
  EXPECT_EQ(text.find("where it happens"), std::string::npos) << text;
  EXPECT_EQ(text.find("traces"), std::string::npos) << text;
}

TEST_F(SummaryOfTraces, ATraceHasNothingElse) {
  put(database(), sample_traces());
  const Store store(database(), Store::Mode::read);
  EXPECT_EQ(trace_summary_text(summary_, store, "my db"),
            "\nround 1: traced after 0:42\n"
            "13 of 13 pairs traced\n\n" +
                std::string(sample_text) +
                "\nsent 700 frames, received 600, dropped 0; net_null\n"
                "next:\n"
                "  steppe export traces --db 'my db'\n"
                "  steppe query HOST NAME --db 'my db'\n");
  summary_.finished = false;
  EXPECT_TRUE(
      trace_summary_text(summary_, store, "my db").starts_with("\nround 1: stopped after 0:42\n"));
}

TEST_F(SummaryOfTraces, MetadataHasSettingsAndCost) {
  put(database(), sample_traces());
  CampaignOptions options;
  TraceConfig& trace = options.campaign.trace;
  trace.mode = TraceMode::per_port;
  trace.runs = 5;
  trace.flows = 8;
  trace.sweeps_per_second = 250;
  trace.max_hosts = 100;
  trace.names = {"facebook.com"};
  trace.path_port = 8080;
  summary_.status.traced = 12;
  const TraceFindings traces = gather_traces(Store(database(), Store::Mode::read), 1);
  Row json = metadata_of(options, summary_, traces);
  EXPECT_EQ(json["stages"], Row::parse(R"(["discover","baseline","probe","confirm","trace"])"));
  EXPECT_EQ(json["trace_mode"], "per-port");
  EXPECT_EQ(json["trace_runs"], 5);
  EXPECT_EQ(json["flows"], 8);
  EXPECT_EQ(json["router_rate_limit"], 250);
  EXPECT_EQ(json["path_port"], 8080);
  EXPECT_EQ(json["max_hosts"], 100);
  EXPECT_EQ(json["trace_names"], Row::parse(R"(["facebook.com"])"));
  EXPECT_EQ(json["pairs_traced"], 12);
  EXPECT_EQ(json["pairs_to_trace"], 13);
  EXPECT_EQ(json["traces"].dump(),
            R"({"pairs":13,"located":7,"not_injected":1,"unreachable":2,"no_answer":1,)"
            R"("no_control":1,"no_majority":1,"connections":60,"hellos":382})");

  trace.enabled = false;
  EXPECT_EQ(metadata_of(options, summary_, traces)["stages"],
            Row::parse(R"(["discover","baseline","probe","confirm"])"));
  trace.enabled = trace.alone = true;
  EXPECT_EQ(metadata_of(options, summary_, traces)["stages"], Row::parse(R"(["trace"])"));
}

}  // namespace
}  // namespace steppe
