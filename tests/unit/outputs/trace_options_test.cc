// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/trace_options.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/plan/operator_error.h"
#include "tests/unit/outputs/samples.h"
#include "tools/steppe/subcommands.h"

namespace steppe {
namespace {

constexpr uint32_t host_a = 0xC6336407, host_b = 0xC6336408;  // 198.51.100.7, .8

class TraceOptions : public testing::Test {
 protected:
  // What every trace needs, then the arguments of the test.
  CampaignOptions read(const std::vector<std::string>& more) { return read_whole(with(more)); }
  std::vector<std::string> with(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"-i", "eth0", "--db", database()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  static CampaignOptions read_whole(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv = {"trace"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return read_trace_options(static_cast<int>(argv.size()), argv.data());
  }
  static std::string error_of_whole(const std::vector<std::string>& arguments) {
    try {
      read_whole(arguments);
    } catch (const OperatorError& error) {
      return error.what();
    }
    return "no error";
  }
  std::string error_of(const std::vector<std::string>& more) { return error_of_whole(with(more)); }

  std::string database() const { return directory_ / "kz.db"; }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return directory_ / name;
  }
  // Another round of the same database; nothing is settled in it.
  void add_round(const RoundRecord& round) {
    Store store(database(), Store::Mode::write);
    StoreBatch batch;
    batch.put_round(round);
    batch.put_round_hosts(round.round, round.hosts, round.host_hellos);
    store.commit(batch);
  }

  TemporaryDirectory directory_;
};

class TraceOfARound : public TraceOptions {
 protected:
  void SetUp() override { write_database(database()); }
};

TEST_F(TraceOfARound, WhatWasAskedComesFromTheRound) {
  const CampaignOptions options = read({});
  const CampaignConfig& config = options.campaign;
  EXPECT_EQ(options.nothing_to_do, "");
  EXPECT_TRUE(config.trace.alone);
  EXPECT_TRUE(config.trace.enabled);
  EXPECT_FALSE(config.resume);
  EXPECT_EQ(config.database, database());
  EXPECT_EQ(config.names.names, (std::vector<std::string>{"control.example", "facebook.com"}));
  EXPECT_EQ(config.names.controls, 1u);
  EXPECT_EQ(config.target_port, 443);
  ASSERT_EQ(config.hellos.size(), 2u);
  EXPECT_EQ(config.hellos[0].name, "tls12");
  EXPECT_EQ(config.hellos[1].name, "tls13");
  EXPECT_EQ(config.seed, 42u);
  EXPECT_FALSE(options.seed_given);
  EXPECT_EQ(config.vantage, "almaty");
  EXPECT_EQ(config.targets.targets.size(), 2u);
  EXPECT_TRUE(config.targets.targets.contains(host_a));
  EXPECT_TRUE(config.targets.targets.contains(host_b));
  EXPECT_FALSE(config.verdict_rules.empty());
  EXPECT_NE(config.clock, nullptr);
  EXPECT_EQ(config.ports.devices[0].interface, "eth0");
  EXPECT_EQ(config.rate_packets_per_second, 10'000);
  EXPECT_EQ(config.trace.sweeps_per_second, 100);
  EXPECT_EQ(options.command.front(), "steppe");
  EXPECT_EQ(options.command[1], "trace");
  EXPECT_EQ(options.opening, "round 1: 1 hosts with interference to trace, 3 runs, seed 42");
}

// 198.51.100.0/24 is set aside for documentation: whoever scanned it had named it, and only hosts
// of the round are opened by that.
TEST_F(TraceOfARound, OnlyHostsOfTheRoundMayBeSentTo) {
  const PrefixSet blocked = read({}).campaign.targets.blocked;
  EXPECT_FALSE(blocked.contains(host_a));
  EXPECT_TRUE(blocked.contains(host_b + 1));
  EXPECT_TRUE(blocked.contains(0x0A000001));
}

TEST_F(TraceOfARound, EveryFlagReachesTheEngine) {
  const std::string roots = file("roots.pem", "");
  const CampaignOptions options = read({"--sni",
                                        "Facebook.com",
                                        "-n",
                                        "1",
                                        "--vantage",
                                        "astana",
                                        "-e",
                                        "7",
                                        "--root-cas",
                                        roots,
                                        "--trace-mode",
                                        "per-connection",
                                        "--trace-runs",
                                        "5",
                                        "--flows",
                                        "8",
                                        "--router-rate-limit",
                                        "1k",
                                        "--path-port",
                                        "8080",
                                        "-r",
                                        "2k",
                                        "-B",
                                        "10M",
                                        "--server-rate-limit",
                                        "0.2",
                                        "--subnet-rate-limit",
                                        "10",
                                        "--as-rate-limit",
                                        "1k",
                                        "-P",
                                        "2",
                                        "-c",
                                        "4",
                                        "-t",
                                        "90",
                                        "--probe-ttl",
                                        "200",
                                        "-S",
                                        "192.0.2.9",
                                        "-s",
                                        "40000-40999",
                                        "-G",
                                        "02:00:00:00:00:01",
                                        "--gateway-ip",
                                        "192.0.2.1",
                                        "--cores",
                                        "2",
                                        "-m",
                                        directory_ / "m.json",
                                        "-u",
                                        directory_ / "u.csv",
                                        "-l",
                                        directory_ / "log",
                                        "--notes",
                                        "a note",
                                        "-v",
                                        "4",
                                        "-q"});
  const CampaignConfig& config = options.campaign;
  EXPECT_EQ(config.trace.names, (std::vector<std::string>{"facebook.com"}));
  EXPECT_EQ(config.trace.max_hosts, 1u);
  EXPECT_EQ(config.vantage, "astana");
  EXPECT_EQ(config.seed, 7u);
  EXPECT_TRUE(options.seed_given);
  EXPECT_EQ(config.root_cas, roots);
  EXPECT_EQ(config.trace.mode, TraceMode::per_connection);
  EXPECT_EQ(config.trace.runs, 5u);
  EXPECT_EQ(config.trace.flows, 8u);
  EXPECT_EQ(config.trace.sweeps_per_second, 1000);
  EXPECT_EQ(config.trace.path_port, 8080);
  EXPECT_EQ(config.rate_packets_per_second, 2'000);
  EXPECT_EQ(config.bandwidth_bits_per_second, 10e6);
  EXPECT_EQ(config.pairs_per_host_per_second, 0.2);
  EXPECT_EQ(config.probes_per_subnet_per_second, 10);
  EXPECT_EQ(config.probes_per_as_per_second, 1'000);
  EXPECT_EQ(config.probes, 2u);
  EXPECT_EQ(config.cooldown_s, 4);
  EXPECT_EQ(config.max_runtime_s, 90);
  EXPECT_EQ(config.probe_ttl, 200);
  EXPECT_EQ(config.ports.devices[0].source_address, 0xC0000209u);
  EXPECT_EQ(config.ports.source_port_first, 40000);
  EXPECT_EQ(config.ports.source_port_count, 1000u);
  EXPECT_EQ(config.ports.devices[0].gateway_mac->addr_bytes[5], 1);
  EXPECT_EQ(config.ports.devices[0].gateway_address, 0xC0000201u);
  EXPECT_EQ(config.ports.workers(), 2);
  EXPECT_EQ(options.metadata_file, directory_ / "m.json");
  EXPECT_EQ(options.status_updates_file, directory_ / "u.csv");
  EXPECT_EQ(options.log_file, directory_ / "log");
  EXPECT_EQ(options.notes, "a note");
  EXPECT_EQ(options.verbosity, 4);
  EXPECT_TRUE(options.quiet);
  EXPECT_EQ(directory_.list(), (std::vector<std::string>{"kz.db", "roots.pem"}));
}

TEST_F(TraceOfARound, FlagsFromAFile) {
  const std::string path = file("trace.conf", "flows = 4\nsni = \"facebook.com\"\n");
  const CampaignOptions options = read({"-C", path});
  EXPECT_EQ(options.campaign.trace.flows, 4u);
  EXPECT_EQ(options.campaign.trace.names, (std::vector<std::string>{"facebook.com"}));
}

TEST_F(TraceOfARound, NamesAreThoseOfTheRound) {
  EXPECT_EQ(read({"--sni-file", file("names.txt", "facebook.com\n")}).campaign.trace.names,
            (std::vector<std::string>{"facebook.com"}));
  EXPECT_EQ(error_of({"--sni", "faceboo.com"}),
            "--sni faceboo.com: round 1 did not test this name, e.g. --sni facebook.com");
  EXPECT_EQ(error_of({"--sni-file", file("more.txt", "facebook.com\ngoogle.com\n")}),
            "--sni google.com: round 1 did not test this name, e.g. --sni facebook.com");
  // The control names are no tests.
  EXPECT_EQ(error_of({"--sni", "control.example"}),
            "--sni control.example: round 1 did not test this name, e.g. --sni facebook.com");
}

TEST_F(TraceOfARound, NothingThatIsBlockedIsTraced) {
  const CampaignOptions options = read({"-b", file("block.txt", "198.51.100.8\n")});
  EXPECT_EQ(options.campaign.targets.targets.size(), 1u);
  EXPECT_TRUE(options.campaign.targets.targets.contains(host_a));
  EXPECT_TRUE(options.campaign.targets.blocked.contains(host_b));
  EXPECT_EQ(options.blocklist_files.size(), 1u);
  const CampaignOptions allowed = read({"-w", file("allow.txt", "198.51.100.7\n192.0.2.0/24\n")});
  EXPECT_EQ(allowed.campaign.targets.targets.size(), 1u);
  EXPECT_TRUE(allowed.campaign.targets.targets.contains(host_a));
  EXPECT_FALSE(allowed.campaign.targets.targets.contains(host_b));
  EXPECT_EQ(error_of({"-b", file("most.txt", "198.51.100.7\n")}),
            "none of the 1 hosts with interference in round 1 may be traced: shorten the "
            "blocklist, or widen the allowlist");
  EXPECT_TRUE(error_of({"-b", file("all.txt", "198.51.100.0/24\n")})
                  .starts_with("no address is left to scan: all 2 are on a blocklist"));
}

TEST_F(TraceOfARound, MistakesAreOneLineWithTheWayOut) {
  EXPECT_EQ(error_of({"-n", "0"}),
            "--max-hosts 0: must be a whole number, from 1 to 4294967295, e.g. --max-hosts 100");
  EXPECT_EQ(error_of({"-e", "x"}), "--seed x: must be a whole number, 0 or more, e.g. --seed 42");
  EXPECT_EQ(error_of({"--path-port", "443"}),
            "--path-port 443: must not be the target port, where hellos go, e.g. --path-port 80");
  EXPECT_EQ(error_of({"--flows", "0"}),
            "--flows 0: must be a whole number, from 1 to 64, e.g. --flows 8");
  EXPECT_EQ(error_of({"-r", "0"}), "--rate 0: a scan needs a rate above 0, e.g. -r 10k");
  EXPECT_EQ(error_of({"--flow", "2"}), "no flag --flow: did you mean --flows?");
  EXPECT_EQ(error_of({"198.51.100.7"}),
            "too many arguments, from \"198.51.100.7\" on: steppe trace --help has the form");
  EXPECT_EQ(error_of({"--stages", "trace"}).substr(0, 18), "no flag --stages: ");
  EXPECT_EQ(error_of({"--sim", "small"}),
            "--interface, --pci, --vdev and --sim exclude each other: give one of them");
  EXPECT_TRUE(error_of({"--sim-seed", "7"}).starts_with("--sim-clock, --sim-date and --sim-seed "));
  EXPECT_TRUE(error_of_whole({"--db", database()}).starts_with("no device to send from: "));
  EXPECT_EQ(error_of_whole({"-i", "eth0"}),
            "no database: name the directory of a scan's results, e.g. --db kz.db");
  EXPECT_TRUE(error_of({"-m", "/nowhere/m.json"}).starts_with("--metadata-file /nowhere"));
  EXPECT_TRUE(error_of({"--root-cas", "/none"}).starts_with("--root-cas /none: cannot be read"));
}

TEST_F(TraceOfARound, ARoundThatIsNotFinishedIsGoneOnWithFirst) {
  RoundRecord round = finished_round();
  round.round = 3;
  round.ended_ms = 0;
  for (const Stage stage : {Stage::discover, Stage::baseline, Stage::probe, Stage::confirm}) {
    round.stage = stage;
    add_round(round);
    EXPECT_EQ(error_of({}), "round 3 in " + database() +
                                " is unfinished: go on with steppe scan --resume --db " +
                                database() + " and the flags that it was begun with, then trace");
  }
}

TEST_F(TraceOfARound, ATraceThatWasInterruptedIsDoneAgain) {
  RoundRecord round = finished_round();
  round.stage = Stage::trace;
  round.ended_ms = 0;
  add_round(round);
  EXPECT_EQ(read({}).nothing_to_do, "");
}

// Pairs that an earlier round found are not the latest round's.
TEST_F(TraceOfARound, ARoundWithoutInterferenceHasNothingToTrace) {
  RoundRecord round = finished_round();
  round.round = 2;
  round.names = {"control.example", "facebook.com", "google.com"};
  add_round(round);
  EXPECT_EQ(read({}).nothing_to_do,
            "no pair with an answer from the middle in round 2: nothing to trace");
  EXPECT_EQ(
      read({"--sni", "google.com"}).nothing_to_do,
      "no pair with an answer from the middle under these names in round 2: nothing to trace");

  testing::internal::CaptureStdout();
  const std::string path = database();
  const char* argv[] = {"trace", "-i", "eth0", "--db", path.c_str()};
  const int code = run_trace(5, argv);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "no pair with an answer from the middle in round 2: nothing to trace\n");
  EXPECT_EQ(code, 0);
}

TEST_F(TraceOfARound, AHelloThatIsGone) {
  RoundRecord round = finished_round();
  round.hellos = {"tls12", "firefox-200"};
  add_round(round);
  EXPECT_EQ(error_of({}),
            "round 1 was asked with the ClientHello firefox-200, which this steppe does not have: "
            "scan again, then trace");
}

TEST_F(TraceOfARound, ASimulatedCountryGoesOnWhereTheRoundEnded) {
  RoundRecord round = finished_round();
  round.vantage = "outside";
  add_round(round);
  const std::vector<std::string> simulated = {"--sim",   "small", "--sim-clock",
                                              "virtual", "--db",  database()};
  const CampaignOptions options = read_whole(simulated);
  EXPECT_EQ(options.campaign.vantage, "outside");
  EXPECT_EQ(options.campaign.ports.devices[0].source_address, 0xC613000Au);  // 198.19.0.10
  EXPECT_EQ(options.campaign.ports.peer, options.simulated.get());
  EXPECT_EQ(options.simulated->date(), round.last_checkpoint_ms);
  EXPECT_TRUE(options.campaign.clock->stepped());
  EXPECT_FALSE(options.campaign.root_pem.empty());
  EXPECT_EQ(options.campaign.trace.sweeps_per_second, 0);
  EXPECT_EQ(options.campaign.rate_packets_per_second, 0);

  std::vector<std::string> elsewhere = simulated;
  elsewhere.insert(elsewhere.end(), {"--vantage", "moon"});
  EXPECT_NE(error_of_whole(elsewhere).find("moon"), std::string::npos);
  std::vector<std::string> later = simulated;
  later.insert(later.end(), {"--sim-date", "2024-05-02"});
  EXPECT_EQ(read_whole(later).simulated->date(), sim::parse_date("2024-05-02"));
}

TEST_F(TraceOptions, ADatabaseWithoutRounds) {
  { const Store store(database(), Store::Mode::write); }
  EXPECT_EQ(error_of({}), database() +
                              " has no round yet: scan first, e.g. steppe scan --country KZ --sni "
                              "facebook.com -i eth0 --db " +
                              database());
}

TEST_F(TraceOptions, ADatabaseThatIsNotThereIsNotMade) {
  EXPECT_NE(error_of({}), "no error");
  EXPECT_EQ(directory_.list(), std::vector<std::string>{});
}

}  // namespace
}  // namespace steppe
