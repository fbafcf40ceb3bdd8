// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/trace_findings.h"

namespace steppe {

namespace {

using End = TraceFindings::End;

End end_before(const TraceRecord& trace) {
  if (trace.injection_ttl == 1) return {End::Kind::scanner, 0, trace.as_before};
  return {trace.hop_before == 0 ? End::Kind::silent : End::Kind::router, trace.hop_before,
          trace.as_before};
}

// All hosts are one end: what counts of a link that leads to the host itself is where it begins.
End end_after(const TraceRecord& trace) {
  const bool at_host = trace.hop_after == trace.key.address ||
                       (trace.host_ttl != 0 && trace.injection_ttl == trace.host_ttl);
  if (at_host) return {End::Kind::host, 0, trace.as_after};
  return {trace.hop_after == 0 ? End::Kind::silent : End::Kind::router, trace.hop_after,
          trace.as_after};
}

void add_located(const TraceRecord& trace, TraceFindings& findings) {
  const uint32_t host = trace.key.address;
  findings.hosts.insert(host);
  // Beyond the host there is nobody: such a TTL leads to no link.
  const bool beyond_host = trace.host_ttl != 0 && trace.injection_ttl > trace.host_ttl;
  if (!beyond_host || trace.hop_before != 0 || trace.hop_after != 0) {
    findings.links[{end_before(trace), end_after(trace)}].insert(host);
    findings.borders[{trace.as_before, trace.as_after}].insert(host);
  }
  if (trace.injection_ttl != 0 && trace.host_ttl >= trace.injection_ttl)
    findings.hops_before_host[trace.host_ttl - trace.injection_ttl]++;
  findings.on_path += trace.placement == Placement::on_path;
  findings.terminating += trace.terminating;
  findings.ttl_copied += trace.ttl_copied;
  findings.path_changed += trace.path_changed;
  findings.disputed += trace.agreeing < trace.runs;
}

}  // namespace

TraceFindings gather_traces(const Store& store, uint32_t round) {
  TraceFindings findings;
  store.for_each_trace([&](const TraceRecord& trace) {
    if (trace.round != round) return true;
    findings.pairs++;
    findings.outcomes[static_cast<size_t>(trace.outcome)]++;
    findings.connections += trace.connections;
    findings.hellos += trace.hellos;
    if (trace.outcome == TraceOutcome::located) add_located(trace, findings);
    return true;
  });
  return findings;
}

}  // namespace steppe
