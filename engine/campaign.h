// SPDX-License-Identifier: Apache-2.0
// One campaign (a round): discover + baseline, trust, probe, confirm, trace, from a configuration
// to a settled database.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/judge/interceptors.h"
#include "engine/judge/verdict_rule.h"
#include "engine/plan/blocklist.h"
#include "engine/plan/clock.h"
#include "engine/plan/names.h"
#include "engine/port/ports.h"
#include "engine/store/records.h"
#include "engine/wire/client_hello.h"

namespace steppe {

// Stage trace (engine/trace.cc).
struct TraceConfig {
  bool enabled = true;  // --stages
  bool alone = false;   // steppe trace: this stage on the latest settled round
  TraceMode mode = TraceMode::one_connection;  // --trace-mode
  uint32_t runs = 3;                           // --trace-runs: that must agree, else more are made
  uint32_t flows = 1;              // --flows: source ports to look at for each pair, 1 to 64
  double sweeps_per_second = 100;  // --router-rate-limit: what the nearest router sees; 0: no limit
  uint32_t max_hosts = 0;          // -n of steppe trace; 0: all
  std::vector<std::string> names;  // --sni of steppe trace: of these names only; empty: all
  uint16_t path_port = 80;         // --path-port: TCP port of independent path probes
};

// Everything that a campaign is told. The program fills it in; the engine copies it at the start.
struct CampaignConfig {
  TargetSet targets;
  NameTable names;
  uint16_t target_port = 443;
  PortsConfig ports;

  std::string database;  // --db: directory
  bool resume = false;   // --resume: go on with an unfinished round
  std::string vantage;   // --vantage
  std::string root_cas;  // --root-cas: PEM; empty: the system's
  std::string root_pem;  // PEM text in their place; empty: none
  // --hello: what hosts are asked with; a second one only those that refuse the first. REQUIRED.
  std::vector<HelloDescription> hellos;
  std::span<const VerdictRule* const> verdict_rules;
  InterceptorRule interceptor_rule;

  Clock* clock = nullptr;  // REQUIRED; outlives the campaign
  // Who announces an address; where it says 0, or is empty: as libloc has it.
  std::function<uint32_t(uint32_t address)> as_number;

  PortLog log;  // lines that explain a choice made for the operator; REQUIRED

  double rate_packets_per_second = 10000;  // -r; 0: no limit
  double bandwidth_bits_per_second = 0;    // -B; 0: no limit
  // Politeness, as averages over a pass (plan/work_list.h); 0: no limit.
  double pairs_per_host_per_second = 0;     // --server-rate-limit
  double probes_per_subnet_per_second = 0;  // --subnet-rate-limit, for each /24
  double probes_per_as_per_second = 0;      // --as-rate-limit
  uint32_t probes = 3;                      // -P: SYNs to a target that does not answer, at most
  double cooldown_s = 8;                    // -c: replies are awaited so long after the last probe
  TraceConfig trace;
  double stateful_wait_s = 120;    // a host whose controls fail after a test is left alone so long
  double max_runtime_s = 0;        // -t; 0: no limit
  uint64_t max_targets = 0;        // -n: addresses of discovery; 0: all
  uint64_t seed = 0;               // -e: orders and control names
  uint32_t shards = 1, shard = 0;  // --shards, --shard: of discovery's addresses
  uint8_t probe_ttl = 64;          // --probe-ttl
};

// A moment of a campaign, for the status line. Counters only grow.
struct CampaignStatus {
  Stage stage = Stage::discover;
  uint32_t pass = 0;                // of the stage, from 1
  double elapsed_s = 0;             // of the whole campaign
  double stage_share = 0;           // 0..1 of this pass's targets sent
  double stage_left_s = 0;          // estimate for this pass, at the rate so far
  uint64_t targets = 0;             // targets asked in this pass so far
  uint64_t sent = 0, received = 0;  // frames
  uint64_t probes_sent = 0;         // SYNs among them
  uint64_t answered = 0;            // targets of this pass that answered with a valid SYN-ACK
  uint64_t dropped = 0;  // by NIC, mbuf pool, ring: the device's imissed + rx_nombuf, tx full
  uint64_t hosts = 0, trusted = 0;    // TLS hosts found, trusted ones
  uint64_t settled = 0, pairs = 0;    // of this round
  uint64_t injected = 0;              // settled with interference
  uint64_t traced = 0, to_trace = 0;  // pairs of the trace stage
  uint64_t in_flight = 0;             // open connections
  bool cooling_down = false;
};

// What a stage took.
struct StageCost {
  Stage stage = Stage::discover;
  double elapsed_s = 0;  // on the machine's clock, also in a simulated country
  uint64_t probes = 0, sent = 0, received = 0;
  // Processor time of the workers' busy rounds (plan/busy_time.h), of a simulated country's, and of
  // the whole process, polling included.
  double busy_s = 0, peer_busy_s = 0, process_s = 0;
};

// What a campaign did, for the summary and the metadata file.
struct CampaignSummary {
  CampaignStatus status;  // the last one
  RoundRecord round;
  std::map<std::string, uint64_t>
      packets;                   // outcome -> count, of every frame received (engine/counters.h)
  bool finished = false;         // false: stopped before its end; --resume goes on
  bool runtime_over = false;     // -t ended it
  std::string port_description;  // "net_af_xdp on scan0, 1 queue, own address 198.18.0.2 shared
                                 // with the kernel"
  uint64_t targets_total = 0, blocked_total = 0;
  std::array<uint64_t, verdict_count> verdicts{};
  std::vector<StageCost> stages;  // in order, as far as this run came
  bool huge_pages = false;
};

// Runs a campaign to its end, or until stop >= 1 (ends cleanly: no new probes, replies awaited for
// the cooldown, everything written) or >= 2 (at once; what is durable stays). Calls on_status about
// once a second from the calling thread. Throws OperatorError before anything is sent or written.
CampaignSummary run_campaign(const CampaignConfig& config, const std::atomic<int>& stop,
                             const std::function<void(const CampaignStatus&)>& on_status);

// -d: prints what the first pass (discovery) would send, in order, one line a probe:
// "saddr,sport,daddr,dport,seqnum,server_name" with a header row. Opens no device and no database.
void dry_run(const CampaignConfig& config, std::FILE* out);

}  // namespace steppe
