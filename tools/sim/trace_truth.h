// SPDX-License-Identifier: Apache-2.0
// Where on each way the boxes of a simulated country answer, and how far a trace is from it.
#pragma once

#include <string>
#include <string_view>

#include "engine/store/records.h"
#include "tools/sim/layout.h"

namespace steppe::sim {

// Where on a way a hello for the name is answered in the host's place. nullptr: nowhere; no box of
// the way deals with it at `date`, or one drops it.
const Crossing* answering_box(const Layout& layout, const Host& host, const Path& path,
                              std::string_view server_name, Date date);

// What of a located trace is right.
struct TraceCheck {
  bool place = false;       // both TTLs, and both ends of the link
  bool placement = true;    // or unknown
  bool terminating = true;  // on the host's own link nothing shows it: what is not said is right
  bool ttl_copied = true;
  bool paths = true;  // every hop and TTL that its flows name
  std::string right;  // in words
  bool perfect() const { return place && placement && terminating && ttl_copied && paths; }
};

// A trace is about the way of its first flow's source port; TraceMode::per_port asks over several,
// so there any of the host's ways will do. Silent routers are 0, and those with a limit on their
// errors may be. The boxes are as they were at the trace's time, or, if nobody answered any more,
// as they were at settled_ms, when the pair's verdict was reached: a box that stops just then has
// been located all the same. REQUIRES that the trace is located, and of this host.
TraceCheck check_trace(const Layout& layout, const Host& host, const TraceRecord& trace,
                       Date settled_ms);

// "TTL 5 92.47.151.210 -> 95.56.243.92, host 9, in-path": what a located trace says.
std::string trace_words(const TraceRecord& trace);

}  // namespace steppe::sim
