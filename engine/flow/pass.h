// SPDX-License-Identifier: Apache-2.0
// What the data plane must know of the pass that is going on: from a SYN-ACK's numbers to the name
// to send, and to the leaf to expect.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/flow/path_probes.h"
#include "engine/flow/sweep.h"
#include "engine/plan/answer_map.h"
#include "engine/plan/cookie.h"
#include "engine/plan/names.h"
#include "engine/plan/prefix_set.h"
#include "engine/plan/work_list.h"
#include "engine/wire/client_hello.h"

namespace steppe {

// A probed host, as the data plane sees it.
struct HostPlan {
  std::span<const uint8_t> baseline_leaf;  // DER; empty: none known yet
  bool own_control = false;  // controls are asked with `own_name` (empty: without a name)
  std::string own_name;
  uint8_t hello = 0;  // of the pass's
  // No more is asked for at first: as far into the server's flight as the leaf ends, if all is as
  // expected; 0: all of it.
  uint32_t wanted_bytes = 0;
};

// What the random bytes of a connection's hello are made of: the same in each retransmission, and
// for the judge who needs the transcript.
constexpr uint64_t hello_random(uint32_t initial_sequence, uint32_t address) {
  return uint64_t{initial_sequence} << 32 | address;
}

// Read-only while a pass runs, but for `answers`. A host's index is the rank of its address.
struct Pass {
  Cookie cookie;
  const PrefixSet& addresses;  // of the hosts
  const NameTable& names;
  std::span<const HostPlan> hosts;      // by index; empty in discovery: nothing known of any host
  std::span<const ClientHello> hellos;  // as HostPlan names them
  // In discovery: hosts, ascending, that are known to refuse the first hello, and get the second.
  std::span<const uint32_t> second_hello_hosts;
  AnswerMap& answers;
  uint32_t variants;  // of the cookie, all hosts'
  // Confirming passes only: host i's step s asks for column step_columns[answers_at[i] /
  // asks_per_step + s], and its answers lie at answers_at[i] + variant. Otherwise empty: the
  // variant is the column.
  std::span<const uint64_t> answers_at;
  std::span<const uint32_t> step_columns;
  // Traces only: the sweep of a host's lane l lies at sweeps[answers_at[i] + l / sweep_lanes], its
  // answer at the same place; variant = number * sweep_stride + l. Otherwise empty.
  std::span<Sweep> sweeps;
  uint32_t sweep_stride = 1, sweep_lanes = 1;
  // Independent path probes only, by host: nothing but these is sent, to this TCP port and as ICMP
  // echo with this identifier.
  std::span<PathProbes> paths;
  uint16_t path_port = 0, echo_identifier = 0;
  // Most targets are known to answer: then no more SYNs are out than the flow table has room for.
  // In discovery few do.
  bool expects_answers = true;
  bool report_unopened = true;  // tell the judges of refusals and ICMP errors, too

  // The place of (host, variant) in `answers`; nullopt if the host is not asked it.
  std::optional<uint64_t> answer_index(uint32_t host, uint32_t variant) const {
    if (answers_at.empty()) return uint64_t{host} * variants + variant;
    const uint32_t lane = sweeps.empty() ? variant : variant % sweep_stride;
    const uint64_t index = answers_at[host] + lane / sweep_lanes;
    if (index >= answers_at[host + 1]) return std::nullopt;
    // An earlier connection's, on the same port or another of the pair's.
    if (!sweeps.empty() && (sweeps[index].number != variant / sweep_stride ||
                            sweeps[index].lane != lane % sweep_lanes))
      return std::nullopt;
    return index;
  }
  // REQUIRES a pass of sweeps, and an answer index.
  Sweep& sweep(uint32_t host, uint32_t variant) const {
    return sweeps[answers_at[host] + variant % sweep_stride / sweep_lanes];
  }
  uint32_t column(uint32_t host, uint32_t variant) const {
    if (!sweeps.empty()) return sweep(host, variant).column;
    return answers_at.empty() ? variant
                              : step_columns[(answers_at[host] + variant) / asks_per_step];
  }
  std::string_view server_name(uint32_t host, uint32_t variant) const {
    const uint32_t asked = column(host, variant);
    if (!hosts.empty() && hosts[host].own_control && names.is_control(asked))
      return hosts[host].own_name;
    return names.names[asked];
  }
  const ClientHello& hello(uint32_t host) const {
    if (!hosts.empty()) return hellos[hosts[host].hello];
    return hellos[std::ranges::binary_search(second_hello_hosts, host) ? 1 : 0];
  }
  // Of the hello of (host, variant), see hello_random().
  uint64_t random(uint32_t host, uint32_t variant) const {
    const uint32_t address = addresses.address(host);
    const uint16_t source_port = cookie.source_port(address, variant);
    return hello_random(cookie.sequence(address, source_port, variant), address);
  }
  std::span<const uint8_t> baseline(uint32_t host) const {
    return hosts.empty() ? std::span<const uint8_t>{} : hosts[host].baseline_leaf;
  }
  uint32_t wanted_bytes(uint32_t host) const {
    return hosts.empty() || !sweeps.empty() ? 0 : hosts[host].wanted_bytes;
  }
};

}  // namespace steppe
