// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/scan_options.h"

#include <gtest/gtest.h>

#include "engine/plan/operator_error.h"
#include "engine/store/store.h"
#include "tests/unit/outputs/samples.h"

namespace steppe {
namespace {

CampaignOptions read(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv = {"scan"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return read_scan_options(static_cast<int>(argv.size()), argv.data());
}

// What every scan needs, then the arguments of the test.
std::vector<std::string> with(std::vector<std::string> more) {
  std::vector<std::string> arguments = {
      "198.51.100.0/24", "--sni", "facebook.com", "-i", "eth0", "--db", "kz.db"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string error_of(const std::vector<std::string>& arguments) {
  try {
    read(arguments);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ScanOptions, TheLeastThatAScanNeeds) {
  const CampaignOptions options = read(with({}));
  const CampaignConfig& config = options.campaign;
  EXPECT_EQ(config.targets.targets.size(), 256u);
  EXPECT_EQ(config.names.controls, 3u);
  EXPECT_EQ(config.names.names.back(), "facebook.com");
  EXPECT_EQ(config.rate_packets_per_second, 10'000);
  EXPECT_EQ(config.target_port, 443);
  EXPECT_EQ(config.ports.devices[0].interface, "eth0");
  EXPECT_EQ(config.database, "kz.db");
  ASSERT_EQ(config.hellos.size(), 2u);
  EXPECT_EQ(config.hellos[0].name, "tls12");
  EXPECT_EQ(config.hellos[1].name, "tls13");
  EXPECT_FALSE(config.verdict_rules.empty());
  EXPECT_FALSE(options.seed_given);
  EXPECT_EQ(options.command.front(), "steppe");
}

TEST(ScanOptions, EveryFlagReachesTheEngine) {
  const CampaignOptions options = read(with({"-p",
                                             "8443",
                                             "-n",
                                             "10%",
                                             "--shards",
                                             "4",
                                             "--shard",
                                             "3",
                                             "--control-sni",
                                             "one.example",
                                             "--control-sni",
                                             "two.example",
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
                                             "--stateful-wait",
                                             "60",
                                             "-t",
                                             "90",
                                             "--probe-ttl",
                                             "200",
                                             "-e",
                                             "7",
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
                                             "--vantage",
                                             "almaty-1",
                                             "--notes",
                                             "a note",
                                             "-v",
                                             "5",
                                             "-q"}));
  const CampaignConfig& config = options.campaign;
  EXPECT_EQ(config.target_port, 8443);
  EXPECT_EQ(config.max_targets, 26u);
  EXPECT_EQ(config.shards, 4u);
  EXPECT_EQ(config.shard, 3u);
  EXPECT_EQ(config.names.names,
            (std::vector<std::string>{"one.example", "two.example", "facebook.com"}));
  EXPECT_EQ(config.rate_packets_per_second, 2'000);
  EXPECT_EQ(config.bandwidth_bits_per_second, 10e6);
  EXPECT_EQ(config.pairs_per_host_per_second, 0.2);
  EXPECT_EQ(config.probes_per_subnet_per_second, 10);
  EXPECT_EQ(config.probes_per_as_per_second, 1'000);
  EXPECT_EQ(config.probes, 2u);
  EXPECT_EQ(config.cooldown_s, 4);
  EXPECT_EQ(config.stateful_wait_s, 60);
  EXPECT_EQ(config.max_runtime_s, 90);
  EXPECT_EQ(config.probe_ttl, 200);
  EXPECT_EQ(config.seed, 7u);
  EXPECT_EQ(config.ports.devices[0].source_address, 0xC0000209u);
  EXPECT_EQ(config.ports.source_port_first, 40000);
  EXPECT_EQ(config.ports.source_port_count, 1000u);
  EXPECT_EQ(config.ports.devices[0].gateway_mac->addr_bytes[5], 1);
  EXPECT_EQ(config.ports.devices[0].gateway_address, 0xC0000201u);
  EXPECT_EQ(config.ports.workers(), 2);
  EXPECT_EQ(config.vantage, "almaty-1");
  EXPECT_EQ(options.notes, "a note");
  EXPECT_EQ(options.verbosity, 5);
  EXPECT_TRUE(options.quiet);
  EXPECT_TRUE(options.seed_given);
}

TEST(ScanOptions, ABandwidthAloneLimits) {
  EXPECT_EQ(read(with({"-B", "10M"})).campaign.rate_packets_per_second, 0);
}

TEST(ScanOptions, AllStagesUnlessTheTraceIsLeftOut) {
  EXPECT_TRUE(read(with({})).campaign.trace.enabled);
  EXPECT_FALSE(read(with({})).campaign.trace.alone);
  EXPECT_TRUE(
      read(with({"--stages", "discover,baseline,probe,confirm,trace"})).campaign.trace.enabled);
  EXPECT_FALSE(read(with({"--stages", "discover,baseline,probe,confirm"})).campaign.trace.enabled);
  // Their order in time is not the operator's to choose.
  EXPECT_TRUE(
      read(with({"--stages", "trace,confirm,probe,baseline,discover"})).campaign.trace.enabled);
}

TEST(ScanOptions, OtherStagesCannotBeLeftOut) {
  EXPECT_EQ(error_of(with({"--stages", "discover,baseline,trace"})),
            "--stages discover,baseline,trace: each stage builds on those before it, so only trace "
            "can be left out, e.g. --stages discover,baseline,probe,confirm,trace");
  EXPECT_EQ(error_of(with({"--stages", "discover"})),
            "--stages discover: each stage builds on those before it, so only trace can be left "
            "out, e.g. --stages discover,baseline,probe,confirm");
  EXPECT_EQ(error_of(with({"--stages", "discover,baseline,prob,confirm"})),
            "--stages prob: there is no such stage, e.g. --stages discover,baseline,probe,confirm");
  EXPECT_EQ(error_of(with({"--stages", "discover,baseline,probe,confirm,traces"})),
            "--stages traces: there is no such stage, e.g. --stages "
            "discover,baseline,probe,confirm,trace");
  // A round's state, not a stage.
  EXPECT_TRUE(error_of(with({"--stages", "discover,baseline,probe,confirm,done"}))
                  .starts_with("--stages done: there is no such stage, e.g. "));
}

TEST(ScanOptions, ATraceAsItIsIfNothingIsSaid) {
  const TraceConfig trace = read(with({})).campaign.trace;
  EXPECT_EQ(trace.mode, TraceMode::one_connection);
  EXPECT_EQ(trace.runs, 3u);
  EXPECT_EQ(trace.flows, 1u);
  EXPECT_EQ(trace.sweeps_per_second, 100);
  EXPECT_EQ(trace.path_port, 80);
  EXPECT_EQ(trace.max_hosts, 0u);
  EXPECT_TRUE(trace.names.empty());
}

TEST(ScanOptions, TraceFlagsReachTheEngine) {
  const TraceConfig trace = read(with({"--trace-mode", "per-port", "--trace-runs", "5", "--flows",
                                       "64", "--router-rate-limit", "2.5k", "--path-port", "8080"}))
                                .campaign.trace;
  EXPECT_EQ(trace.mode, TraceMode::per_port);
  EXPECT_EQ(trace.runs, 5u);
  EXPECT_EQ(trace.flows, 64u);
  EXPECT_EQ(trace.sweeps_per_second, 2500);
  EXPECT_EQ(trace.path_port, 8080);
  EXPECT_EQ(read(with({"--trace-mode", "per-connection"})).campaign.trace.mode,
            TraceMode::per_connection);
}

TEST(ScanOptions, OnlyRealRoutersAreSpared) {
  const std::vector<std::string> simulated = {"--sim", "small", "--db", "small.db"};
  EXPECT_EQ(read(simulated).campaign.trace.sweeps_per_second, 0);
  std::vector<std::string> limited = simulated;
  limited.insert(limited.end(), {"--router-rate-limit", "10"});
  EXPECT_EQ(read(limited).campaign.trace.sweeps_per_second, 10);
}

TEST(ScanOptions, PathsAreSeenOnAnotherPort) {
  EXPECT_EQ(read(with({"-p", "80"})).campaign.trace.path_port, 443);
  EXPECT_EQ(error_of(with({"-p", "8443", "--path-port", "8443"})),
            "--path-port 8443: must not be the target port, where hellos go, e.g. --path-port 80");
  EXPECT_EQ(error_of(with({"-p", "80", "--path-port", "80"})),
            "--path-port 80: must not be the target port, where hellos go, e.g. --path-port 443");
}

TEST(ScanOptions, MistakesInTraceFlags) {
  EXPECT_EQ(error_of(with({"--trace-mode", "per-prot"})),
            "--trace-mode per-prot: must be one-connection, per-connection or per-port, e.g. "
            "--trace-mode per-port");
  EXPECT_EQ(error_of(with({"--trace-mode", "fast"})),
            "--trace-mode fast: must be one-connection, per-connection or per-port, e.g. "
            "--trace-mode one-connection");
  EXPECT_EQ(error_of(with({"--trace-runs", "16"})),
            "--trace-runs 16: must be a whole number, from 1 to 15, e.g. --trace-runs 3");
  EXPECT_EQ(error_of(with({"--trace-runs", "0"})),
            "--trace-runs 0: must be a whole number, from 1 to 15, e.g. --trace-runs 3");
  EXPECT_EQ(error_of(with({"--flows", "65"})),
            "--flows 65: must be a whole number, from 1 to 64, e.g. --flows 8");
  EXPECT_EQ(error_of(with({"--flows", "8", "-s", "61000-61003"})),
            "--flows 8: needs as many source ports, and --source-port gives 4, e.g. --source-port "
            "61000-65535");
  EXPECT_EQ(error_of(with({"--router-rate-limit", "0"})),
            "--router-rate-limit 0: must be above 0, e.g. --router-rate-limit 100");
  EXPECT_EQ(error_of(with({"--path-port", "0"})),
            "--path-port 0: must be a whole number, from 1 to 65535, e.g. --path-port 80");
}

TEST(ScanOptions, SeveralDevicesShareTheCores) {
  const auto two = read(with({"-i", "eth1", "--cores", "5", "-S", "192.0.2.9,192.0.2.130", "-G",
                              "02:00:00:00:00:01", "--gateway-ip", "192.0.2.1,192.0.2.129"}))
                       .campaign.ports;
  ASSERT_EQ(two.devices.size(), 2u);
  EXPECT_EQ(two.devices[0].interface, "eth0");
  EXPECT_EQ(two.devices[1].interface, "eth1");
  EXPECT_EQ(two.devices[0].workers, 3);
  EXPECT_EQ(two.devices[1].workers, 2);
  EXPECT_EQ(two.workers(), 5);
  EXPECT_EQ(two.devices[0].source_address, 0xC0000209u);
  EXPECT_EQ(two.devices[1].source_address, 0xC0000282u);
  EXPECT_EQ(two.devices[1].gateway_address, 0xC0000281u);
  for (const DeviceConfig& device : two.devices) EXPECT_EQ(device.gateway_mac->addr_bytes[5], 1);

  const auto each = read(with({"-i", "eth1,eth2"})).campaign.ports;
  ASSERT_EQ(each.devices.size(), 3u);
  for (const DeviceConfig& device : each.devices) EXPECT_EQ(device.workers, 1);

  const std::vector<std::string> common = {"198.51.100.0/24", "--sni", "a.com", "--db", "kz.db"};
  auto virtual_devices = common;
  for (const char* word : {"--vdev", "net_tap0,iface=a", "--vdev", "net_tap1,iface=b", "-S",
                           "192.0.2.9", "-S", "192.0.2.10"})
    virtual_devices.emplace_back(word);
  const auto taps = read(virtual_devices).campaign.ports;
  ASSERT_EQ(taps.devices.size(), 2u);
  EXPECT_EQ(taps.devices[0].vdev, "net_tap0,iface=a");
  EXPECT_EQ(taps.devices[1].vdev, "net_tap1,iface=b");
  EXPECT_EQ(taps.devices[1].source_address, 0xC000020Au);
}

TEST(ScanOptions, DevicesThatDoNotFitTogetherAreRefused) {
  EXPECT_EQ(error_of(with({"-i", "eth0"})),
            "--interface eth0: is there twice: name each device once, e.g. --interface eth0");
  EXPECT_EQ(error_of(with({"-i", ""})),
            "--interface \"\": must name a device, e.g. --interface eth0");
  EXPECT_EQ(error_of({"198.51.100.0/24", "--sni", "a.com", "--db", "x", "--vdev",
                      "net_tap0,iface=a", "--vdev", "net_tap0,iface=b"}),
            "--vdev net_tap0,iface=b: is there twice: name each device once, e.g. --vdev "
            "net_tap0,iface=dtap0");
  EXPECT_EQ(error_of(with({"-i", "eth1", "--cores", "1"})),
            "--cores 1 is too few for 2 devices: each takes one at least");
  EXPECT_EQ(error_of(with({"-i", "eth1", "-S", "192.0.2.9"})),
            "--source-ip: 1 value for 2 devices: give one for each, in their order");
  EXPECT_EQ(error_of(with({"-i", "eth1,eth2", "--gateway-ip", "192.0.2.1,192.0.2.2"})),
            "--gateway-ip: 2 values for 3 devices: give one for each, in their order");
  EXPECT_EQ(error_of(with({"-G", "02:00:00:00:00:01,02:00:00:00:00:02"})),
            "--gateway-mac: 2 values for 1 device: give one");
}

TEST(ScanOptions, MistakesAreOneLineWithTheWayOut) {
  EXPECT_EQ(error_of(with({"-r", "0"})), "--rate 0: a scan needs a rate above 0, e.g. -r 10k");
  EXPECT_EQ(error_of({"198.51.100.0/24", "-i", "eth0", "--db", "kz.db"}),
            "no names to test: give them with --sni facebook.com or --sni-file names.txt");
  EXPECT_EQ(error_of(with({"--pci", "0000:81:00.0"})),
            "--interface, --pci, --vdev and --sim exclude each other: give one of them");
  EXPECT_EQ(error_of(with({"--shard", "1"})),
            "--shard 1: must be a whole number, from 0 to 0, e.g. --shard 0");
  EXPECT_EQ(
      error_of(with({"--max-targets", "110%"})),
      "--max-targets 110%: a share must be above 0% and at most 100%, e.g. --max-targets 10%");
  EXPECT_EQ(error_of(with({"--hello", "certificat"})),
            "--hello certificat: there is no such ClientHello, e.g. --hello tls12");
  EXPECT_EQ(error_of(with({"-G", "nowhere"})),
            "--gateway-mac nowhere: must be a MAC address, e.g. --gateway-mac 02:00:00:00:00:01");
  EXPECT_TRUE(error_of({"--sni", "a.com", "-i", "eth0", "--db", "x"}).starts_with("no targets: "));
  EXPECT_TRUE(error_of({"--sni", "a.com", "-i", "eth0", "192.0.2.1"}).starts_with("no database: "));
  EXPECT_TRUE(error_of({"--sni", "a.com", "--db", "x", "192.0.2.1"}).starts_with("no device "));
  EXPECT_TRUE(error_of(with({"-m", "/nowhere/m.json"})).starts_with("--metadata-file /nowhere"));
  for (const auto& arguments :
       {with({"-r", "0"}), with({"--rats"}), with({"--asn", "x"}), with({"--root-cas", "/none"})})
    EXPECT_EQ(error_of(arguments).find('\n'), std::string::npos);
}

TEST(ScanOptions, AMistakeLeavesNothingBehind) {
  const TemporaryDirectory directory;
  EXPECT_NE(error_of({"198.51.100.0/24", "-i", "eth0", "--db", directory / "kz.db", "-m",
                      directory / "m.json", "-u", directory / "u.csv", "-l", directory / "log"}),
            "no error");
  EXPECT_EQ(directory.list(), std::vector<std::string>{});
}

TEST(ScanOptions, ADryRunNeedsNeitherDeviceNorDatabase) {
  EXPECT_TRUE(read({"198.51.100.0/24", "--sni", "a.com", "-d"}).dry_run);
}

TEST(ScanOptions, SeedsDifferAndFitIntoJson) {
  const uint64_t one = read(with({})).campaign.seed, two = read(with({})).campaign.seed;
  EXPECT_NE(one, two);
  EXPECT_LT(one, 1ull << 53);
}

// Control names come from the seed: a resumed scan with another seed would have other columns.
TEST(ScanOptions, AResumedScanHasTheSeedOfItsRound) {
  const TemporaryDirectory directory;
  {
    Store store(directory / "kz.db", Store::Mode::write);
    RoundRecord round = finished_round();
    round.stage = Stage::trace;
    round.seed = 4711;
    StoreBatch batch;
    batch.put_round(round);
    batch.put_round_hosts(round.round, round.hosts, round.host_hellos);
    store.commit(batch);
  }
  const CampaignOptions options = read({"198.51.100.0/24", "--sni", "facebook.com", "-i", "eth0",
                                        "--db", directory / "kz.db", "--resume"});
  EXPECT_EQ(options.campaign.seed, 4711u);
  EXPECT_TRUE(options.campaign.resume);
}

TEST(ScanOptions, TheLogBeginsWithWhatIsDone) {
  EXPECT_EQ(read(with({"-e", "7"})).opening, "256 addresses, 1 names and 3 controls, seed 7");
  EXPECT_TRUE(read(with({})).opening.ends_with(" (chosen; -e repeats it)"));
}

}  // namespace
}  // namespace steppe
