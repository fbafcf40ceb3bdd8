// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/metadata.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include "engine/plan/prefix_set.h"
#include "modules/outputs/shapes.h"

namespace steppe {

namespace {

Row text_or_null(const std::string& text) {
  return text.empty() ? Row(nullptr) : Row(text);
}

Row time_or_null(int64_t unix_ms) {
  return unix_ms == 0 ? Row(nullptr) : Row(format_time(unix_ms));
}

std::string local_host_name() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

// What was said of the device, null: nothing; of several devices a list of that.
template <typename Text>
Row of_devices(const PortsConfig& ports, const Text& text) {
  Row words = Row::array();
  for (const DeviceConfig& device : ports.devices) words.push_back(text_or_null(text(device)));
  return words.size() == 1 ? words[0] : words;
}

std::string gateway_mac(const DeviceConfig& device) {
  if (!device.gateway_mac) return "";
  return fmt::format("{:02x}", fmt::join(device.gateway_mac->addr_bytes, ":"));
}

std::string gateway_ip(const DeviceConfig& device) {
  return device.gateway_address ? format_address(*device.gateway_address) : "";
}

void add_trace_request(Row& json, const TraceConfig& trace) {
  json["stages"] = Row::array();
  if (!trace.alone)
    for (const Stage stage : {Stage::discover, Stage::baseline, Stage::probe, Stage::confirm})
      json["stages"].push_back(to_string(stage));
  if (trace.enabled) json["stages"].push_back(to_string(Stage::trace));
  json["trace_mode"] = to_string(trace.mode);
  json["trace_runs"] = trace.runs;
  json["flows"] = trace.flows;
  json["router_rate_limit"] = trace.sweeps_per_second;
  json["path_port"] = trace.path_port;
  json["max_hosts"] = trace.max_hosts;
  json["trace_names"] = trace.names;
}

Row traces_to_json(const TraceFindings& traces) {
  Row json = Row::object();
  json["pairs"] = traces.pairs;
  for (size_t i = 0; i < traces.outcomes.size(); i++)
    json[std::string(to_string(static_cast<TraceOutcome>(i)))] = traces.outcomes[i];
  json["connections"] = traces.connections;
  json["hellos"] = traces.hellos;
  return json;
}

// The flags, as they took effect.
void add_request(Row& json, const CampaignOptions& options) {
  const CampaignConfig& config = options.campaign;
  const PortsConfig& ports = config.ports;
  json["local_hostname"] = local_host_name();
  json["version"] = STEPPE_VERSION;
  json["target_port"] = config.target_port;
  json["source_port_first"] = ports.source_port_first;
  json["source_port_last"] = ports.source_port_last();
  json["max_targets"] = config.max_targets;
  json["max_runtime"] = config.max_runtime_s;
  json["iface"] = of_devices(ports, [](const auto& device) { return device.interface; });
  json["pci"] = of_devices(ports, [](const auto& device) { return device.pci; });
  json["vdev"] = of_devices(ports, [](const auto& device) { return device.vdev; });
  json["simulation"] = text_or_null(options.scenario);
  json["rate"] = config.rate_packets_per_second;
  json["bandwidth"] = config.bandwidth_bits_per_second;
  json["server_rate_limit"] = config.pairs_per_host_per_second;
  json["subnet_rate_limit"] = config.probes_per_subnet_per_second;
  json["as_rate_limit"] = config.probes_per_as_per_second;
  json["probes"] = config.probes;
  json["cooldown_secs"] = config.cooldown_s;
  json["stateful_wait_secs"] = config.stateful_wait_s;
  json["probe_ttl"] = config.probe_ttl;
  add_trace_request(json, config.trace);
  json["senders"] = ports.workers();
  json["seed"] = config.seed;
  json["seed_provided"] = options.seed_given;
  json["shard_num"] = config.shard;
  json["total_shards"] = config.shards;
  json["gateway_mac"] = of_devices(ports, gateway_mac);
  json["gateway_ip"] = of_devices(ports, gateway_ip);
  json["source_ips"] = Row::array();
  for (const DeviceConfig& device : ports.devices)
    if (device.source_address) json["source_ips"].push_back(format_address(*device.source_address));
  json["cli_cidr_destinations"] = options.targets;
  json["countries"] = options.countries;
  json["asns"] = options.as_numbers;
  json["blocklist_filenames"] = options.blocklist_files;
  json["allowlist_filenames"] = options.allowlist_files;
  json["list_of_ips_filename"] = text_or_null(options.list_of_ips_file);
  json["root_cas"] = text_or_null(config.root_cas);
  json["log_file"] = text_or_null(options.log_file);
  json["log_level"] = options.verbosity;
  json["quiet"] = options.quiet;
  json["resume"] = config.resume;
  json["database"] = config.database;
  json["notes"] = text_or_null(options.notes);
}

// What each stage took, on the machine's clock; busy: processor time of the workers' rounds that
// moved something.
void add_stage_costs(Row& json, const std::vector<StageCost>& stages) {
  double busy_s = 0;
  json["stage_costs"] = Row::array();
  for (const StageCost& stage : stages) {
    json["stage_costs"].push_back({{"stage", std::string(to_string(stage.stage))},
                                   {"elapsed_secs", stage.elapsed_s},
                                   {"busy_seconds", stage.busy_s},
                                   {"process_seconds", stage.process_s},
                                   {"total_sent", stage.probes},
                                   {"packets_sent", stage.sent},
                                   {"packets_received", stage.received}});
    busy_s += stage.busy_s;
  }
  json["busy_seconds"] = busy_s;
}

}  // namespace

Row metadata_of(const CampaignOptions& options, const CampaignSummary& summary,
                const TraceFindings& traces) {
  const CampaignStatus& status = summary.status;
  Row json = Row::object();
  add_request(json, options);

  // Frames that were not ours, or not in order, are an outcome each; `packets` has them all.
  json["blocklist_total_allowed"] = summary.targets_total;
  json["blocklist_total_not_allowed"] = summary.blocked_total;
  json["packets_sent"] = status.sent;
  json["total_sent"] = status.probes_sent;
  json["packets_received"] = status.received;
  json["packets_dropped"] = status.dropped;
  json["packets"] = summary.packets;
  json["port"] = text_or_null(summary.port_description);
  json["hosts"] = status.hosts;
  json["hosts_trusted"] = status.trusted;
  json["pairs"] = status.pairs;
  json["pairs_settled"] = status.settled;
  json["pairs_injected"] = status.injected;
  Row verdicts = Row::object();
  for (size_t i = 0; i < summary.verdicts.size(); i++)
    verdicts[std::string(to_string(static_cast<Verdict>(i)))] = summary.verdicts[i];
  json["verdicts"] = std::move(verdicts);
  json["pairs_traced"] = status.traced;
  json["pairs_to_trace"] = status.to_trace;
  json["traces"] = traces_to_json(traces);
  json["elapsed_secs"] = status.elapsed_s;
  add_stage_costs(json, summary.stages);
  json["send_start_time"] = time_or_null(summary.round.started_ms);
  json["recv_end_time"] = time_or_null(
      summary.round.ended_ms != 0 ? summary.round.ended_ms : summary.round.last_checkpoint_ms);
  json["finished"] = summary.finished;
  json["runtime_over"] = summary.runtime_over;
  json["round"] = round_to_json(summary.round);
  return json;
}

}  // namespace steppe
