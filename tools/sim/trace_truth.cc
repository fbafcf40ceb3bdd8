// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/trace_truth.h"

#include <algorithm>

namespace steppe::sim {
namespace {

uint8_t host_ttl_of(const Path& path) {
  return static_cast<uint8_t>(path.routers.size() + 1);
}

// Whether `found` is what a trace can know of the hop at a TTL; 0 is nothing.
bool is_hop(const Path& path, const Host& host, size_t ttl, uint32_t found) {
  if (ttl == 0) return found == 0;  // the scanner itself
  if (ttl >= host_ttl_of(path)) return ttl == host_ttl_of(path) && found == host.address;
  const Router& router = path.routers[ttl - 1];
  if (router.silent) return found == 0;
  return found == router.address || (found == 0 && router.icmp_per_s > 0);
}

bool is_place(const Path& path, const Host& host, const Crossing& crossing,
              const TraceRecord& trace) {
  return trace.injection_ttl == crossing.hops_before + 1 && trace.host_ttl == host_ttl_of(path) &&
         is_hop(path, host, crossing.hops_before, trace.hop_before) &&
         is_hop(path, host, crossing.hops_before + 1u, trace.hop_after);
}

// A hop that was not heard is no mistake here: a path says which ones it knows.
bool is_way(const Path& path, const Host& host, const Crossing* crossing, const TracedFlow& flow) {
  if (flow.injection_ttl != 0 &&
      (crossing == nullptr || flow.injection_ttl != crossing->hops_before + 1))
    return false;
  if (flow.host_ttl != 0 && flow.host_ttl != host_ttl_of(path)) return false;
  for (size_t i = 0; i < flow.path.size(); ++i) {
    const uint32_t found = flow.path[i];
    if (found != 0 && (i >= path.routers.size() || !is_hop(path, host, i + 1, found))) return false;
  }
  return true;
}

std::string_view words_of(Placement placement) {
  switch (placement) {
    case Placement::in_path:
      return ", in-path";
    case Placement::on_path:
      return ", on-path";
    case Placement::unknown:
      break;
  }
  return "";
}

std::string hop_words(uint32_t address) {
  return address == 0 ? "*" : format_address(address);
}

// The trace that is right on this way.
TraceRecord right_trace(const Layout& layout, const Host& host, const Path& path,
                        const Crossing& crossing) {
  const Middlebox& box = layout.scenario().middleboxes[crossing.middlebox];
  const auto heard = [&](size_t ttl) {
    if (ttl == host_ttl_of(path)) return host.address;
    const Router& router = path.routers[ttl - 1];
    return router.silent ? 0 : router.address;
  };
  TraceRecord right;
  right.outcome = TraceOutcome::located;
  right.injection_ttl = static_cast<uint8_t>(crossing.hops_before + 1);
  right.host_ttl = host_ttl_of(path);
  right.hop_before = heard(crossing.hops_before);
  right.hop_after = heard(right.injection_ttl);
  right.placement = box.in_path ? Placement::in_path : Placement::on_path;
  right.terminating = box.terminates;
  right.ttl_copied = box.copies_ttl;
  return right;
}

// The boxes at one time, beside one trace.
class Check {
 public:
  Check(const Layout& layout, const Host& host, const TraceRecord& trace, Date date)
      : layout_(layout), host_(host), trace_(trace), date_(date) {}

  bool anybody_answers() const {
    for (uint32_t way = 0; way < layout_.path_count(host_); ++way)
      if (answering(layout_.path_number(host_, way)) != nullptr) return true;
    return false;
  }

  TraceCheck result() const {
    const uint16_t source_port = trace_.flows.empty() ? 0 : trace_.flows.front().source_port;
    Path path = layout_.path(host_, source_port);
    if (trace_.mode == TraceMode::per_port)
      for (uint32_t way = 0; way < layout_.path_count(host_); ++way)
        if (const Path other = layout_.path_number(host_, way); is_right_on(other)) path = other;
    const Crossing* crossing = answering(path);
    TraceCheck check;
    check.paths = trace_.mode == TraceMode::per_port || paths_are_right();
    if (crossing == nullptr) {
      check.right = "nobody answers in the host's place";
      return check;
    }
    const TraceRecord right = right_trace(layout_, host_, path, *crossing);
    const bool shows_nothing = right.injection_ttl == right.host_ttl;
    check.right = trace_words(right) + (check.paths ? "" : ", other hops or TTLs on its paths");
    check.place = is_place(path, host_, *crossing, trace_);
    check.placement = trace_.placement == Placement::unknown || trace_.placement == right.placement;
    check.terminating =
        trace_.terminating == right.terminating || (!trace_.terminating && shows_nothing);
    check.ttl_copied = trace_.ttl_copied == right.ttl_copied;
    return check;
  }

 private:
  const Crossing* answering(const Path& path) const {
    return answering_box(layout_, host_, path, trace_.key.server_name, date_);
  }
  bool is_right_on(const Path& path) const {
    const Crossing* crossing = answering(path);
    return crossing != nullptr && is_place(path, host_, *crossing, trace_);
  }
  bool paths_are_right() const {
    return std::ranges::all_of(trace_.flows, [&](const TracedFlow& flow) {
      const Path path = layout_.path(host_, flow.source_port);
      return is_way(path, host_, answering(path), flow);
    });
  }

  const Layout& layout_;
  const Host& host_;
  const TraceRecord& trace_;
  const Date date_;
};

}  // namespace

const Crossing* answering_box(const Layout& layout, const Host& host, const Path& path,
                              std::string_view server_name, Date date) {
  for (const Crossing& crossing : path.crossings) {
    const Action action = layout.scenario().middleboxes[crossing.middlebox].action;
    if (action == Action::forward || !layout.lists(crossing.middlebox, server_name) ||
        !layout.covers(crossing.middlebox, host, date))
      continue;
    // Whatever stands behind a box that drops does not hear of the name.
    return action == Action::drop ? nullptr : &crossing;
  }
  return nullptr;
}

TraceCheck check_trace(const Layout& layout, const Host& host, const TraceRecord& trace,
                       Date settled_ms) {
  const Check then(layout, host, trace, trace.time_ms);
  if (then.anybody_answers()) return then.result();
  return Check(layout, host, trace, settled_ms).result();
}

std::string trace_words(const TraceRecord& trace) {
  std::string words = "TTL " + std::to_string(trace.injection_ttl) + " " +
                      hop_words(trace.hop_before) + " -> " + hop_words(trace.hop_after) +
                      ", host " + std::to_string(trace.host_ttl);
  words += words_of(trace.placement);
  if (trace.terminating) words += ", terminating";
  if (trace.ttl_copied) words += ", TTL copied";
  return words;
}

}  // namespace steppe::sim
