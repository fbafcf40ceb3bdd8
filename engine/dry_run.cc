// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "engine/campaign.h"
#include "engine/limits.h"
#include "engine/plan/answer_map.h"
#include "engine/plan/cookie.h"
#include "engine/plan/work_list.h"

namespace steppe {

void dry_run(const CampaignConfig& config, std::FILE* out) {
  const PrefixSet& targets = config.targets.targets;
  const AnswerMap answers(targets.size());
  // The key of a real scan is random; here it is the seed's, so that the same command prints the
  // same.
  std::array<uint8_t, 16> key{};
  for (size_t i = 0; i < 8; ++i) key[i] = static_cast<uint8_t>(config.seed >> 8 * i);
  const Cookie cookie(key, config.ports.source_port_first, config.ports.source_port_count);
  // With several devices it is not said here which of them sends what.
  std::string source;
  if (const auto& devices = config.ports.devices; devices.size() == 1 && devices[0].source_address)
    source = format_address(*devices[0].source_address);
  AddressSweep sweep(targets, answers, config.seed, {0, 1, config.shard, config.shards}, 0,
                     config.max_targets);
  std::fputs("saddr,sport,daddr,dport,seqnum,server_name\n", out);
  std::array<Target, limits::burst> burst;
  while (const uint32_t taken = sweep.take(burst, 0))
    for (uint32_t i = 0; i < taken; ++i) {
      const auto [address, variant] = burst[i];
      const uint16_t port = cookie.source_port(address, variant);
      std::fprintf(out, "%s,%u,%s,%u,%u,%s\n", source.c_str(), port,
                   format_address(address).c_str(), config.target_port,
                   cookie.sequence(address, port, variant), config.names.names[variant].c_str());
    }
}

}  // namespace steppe
