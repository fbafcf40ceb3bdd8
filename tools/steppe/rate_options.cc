// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/rate_options.h"

#include "tools/steppe/values.h"

namespace steppe {

void declare_rates(CommandLine& line, RateFlags& f) {
  line.group("Rate and politeness");
  line.value("-r,--rate", f.rate, "N", "10k",
             "packets per second of all kinds, k/M/G (10000; with --sim no limit)");
  line.value("-B,--bandwidth", f.bandwidth, "N", "10M",
             "bits per second, k/M/G; without -r it alone limits");
  line.value("--server-rate-limit", f.server_rate, "N", "0.2", "pairs per host and second");
  line.value("--subnet-rate-limit", f.subnet_rate, "N", "10", "probes per /24 and second");
  line.value("--as-rate-limit", f.as_rate, "N", "1k", "probes per AS and second");
  line.value("-P,--probes", f.probes, "N", "3", "SYNs to a target that does not answer (3)");
  line.value("-c,--cooldown-time", f.cooldown, "SECONDS", "8",
             "how long replies are awaited after the last probe (8)");
  line.value("-t,--max-runtime", f.max_runtime, "SECONDS", "3600", "end after this time");
  line.value("--probe-ttl", f.probe_ttl, "N", "64", "TTL of what is sent (64)");
}

void read_rates(const RateFlags& f, bool simulated, CampaignConfig& config) {
  if (!f.rate.empty()) {
    config.rate_packets_per_second =
        positive_quantity("--rate", f.rate, "a scan needs a rate above 0", "-r 10k");
  } else if (!f.bandwidth.empty()) {
    config.rate_packets_per_second =
        0;  // as in ZMap, the bandwidth takes the place of the default rate
  } else if (simulated) {
    config.rate_packets_per_second = 0;
  }
  const auto limit = [](std::string_view flag, const std::string& text, double& value,
                        std::string_view example) {
    if (!text.empty()) value = positive_quantity(flag, text, "must be above 0", example);
  };
  limit("--bandwidth", f.bandwidth, config.bandwidth_bits_per_second, "10M");
  limit("--server-rate-limit", f.server_rate, config.pairs_per_host_per_second, "0.2");
  limit("--subnet-rate-limit", f.subnet_rate, config.probes_per_subnet_per_second, "10");
  limit("--as-rate-limit", f.as_rate, config.probes_per_as_per_second, "1k");

  if (!f.probes.empty())
    config.probes = static_cast<uint32_t>(whole_number("--probes", f.probes, 1, 16, "3"));
  if (!f.cooldown.empty()) config.cooldown_s = seconds("--cooldown-time", f.cooldown, 0, "8");
  if (!f.max_runtime.empty())
    config.max_runtime_s = seconds("--max-runtime", f.max_runtime, 1e-3, "3600");
  if (!f.probe_ttl.empty())
    config.probe_ttl = static_cast<uint8_t>(whole_number("--probe-ttl", f.probe_ttl, 1, 255, "64"));
}

}  // namespace steppe
