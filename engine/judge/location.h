// SPDX-License-Identifier: Apache-2.0
// Where the answers for one pair are made (METHOD 4): which sweep to make next, and what all of
// them together say. Pure: knows nothing of frames and time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/judge/verdict.h"
#include "engine/limits.h"
#include "engine/wire/hop.h"

namespace steppe {

// What came of tracing a pair. On disk: never renumber.
enum class TraceOutcome : uint8_t {
  located = 0,       // the link is known
  not_injected = 1,  // only the host's own answers came: it has stopped, or takes other ways
  unreachable = 2,   // no connection to the host
  no_answer = 3,     // connections, but no answer to the name at any TTL
  no_control = 4,    // the control name was not answered, so nothing can be held against it
  no_majority = 5,   // the runs do not agree
};
inline constexpr size_t trace_outcome_count = 6;
std::string_view to_string(TraceOutcome outcome);

// How TTLs are tried (METHOD 4). On disk: never renumber.
enum class TraceMode : uint8_t {
  one_connection = 0,  // the hello again and again in one connection, with a growing TTL
  per_connection = 1,  // a connection for each TTL, on the same ports
  per_port = 2,        // a connection and a source port for each TTL, as other tools do it
};
inline constexpr size_t trace_mode_count = 3;
std::string_view to_string(TraceMode mode);

// Whether a box keeps the hello, or answers while it goes on. On disk: never renumber.
enum class Placement : uint8_t { unknown = 0, in_path = 1, on_path = 2 };
inline constexpr size_t placement_count = 3;
std::string_view to_string(Placement placement);

// Whether there is anything to locate: a pair that nobody answers has no TTL at which it is
// answered.
bool is_traceable(Verdict verdict);

// A connection to make: the hello with these TTLs, one after the other.
struct SweepQuestion {
  bool control = true;  // for a control name; else for the name
  uint8_t first_ttl = 1, last_ttl = limits::hops;
  uint8_t sends = limits::sends_per_hop;  // with each TTL, while nobody answers it
  bool patient = false;                   // waits for injectors that are slower than the routers
};

// What came of it.
struct SweepAnswer {
  bool connected = false;
  uint8_t latest_ttl = 0;    // that went out
  uint8_t answered_ttl = 0;  // that was out when something answered; 0: nothing did
  uint8_t received_ttl = 0;  // of the answer, as it arrived
  Verdict verdict = Verdict::none;
  std::array<Hop, limits::hops> hops{};  // by TTL - 1
  bool hops_differ = false;              // two routers answered for one TTL
  uint32_t hellos = 0;                   // packets with a limited TTL
};

// What probes of another kind found of the way to the same host.
struct PathAnswer {
  std::array<Hop, limits::path_hops> hops{};  // by TTL - 1
  uint8_t host_ttl = 0;                       // 0: the host did not answer
};

// All that is known of where a pair's answers are made. TraceRecord has the fields' meanings.
struct Location {
  TraceOutcome outcome = TraceOutcome::no_answer;
  uint8_t injection_ttl = 0, host_ttl = 0;
  uint32_t hop_before = 0, hop_after = 0;  // routers; 0: silent, or none
  bool host_is_after = false;              // no router behind the link: the host itself
  uint8_t agreeing = 0;
  std::vector<uint8_t> run_ttls;
  Placement placement = Placement::unknown;
  bool terminating = false, ttl_copied = false, path_changed = false;
  uint8_t rewritten = 0, rewritten_ttl = 0;
  uint32_t connections = 0, hellos = 0;
  std::vector<uint32_t> path;
};

// The routers on both sides of a link.
using Link = std::pair<uint32_t, uint32_t>;

// The course of one pair's trace on one 5-tuple: a control name for the path and the host's own
// distance, then the name in `runs` runs that must agree. The first run begins at TTL 1; those
// after it two below the smallest TTL that was answered, and wait longer at each. A run that is
// answered at the first of its TTLs tells nothing but that the injection TTL is no larger: the next
// begins at 1. So a guess that is wrong costs a run, and never the result.
class TraceCourse {
 public:
  // expected: what the pair is settled as; runs: 1 to 15.
  TraceCourse(TraceMode mode, uint8_t runs, Verdict expected);

  // nullopt: nothing more to ask.
  std::optional<SweepQuestion> next() const;
  // What came of next().
  void add(const SweepAnswer& answer);
  // Links that other pairs were injected on, as (router before, router after): if the control's
  // path crosses one, the first run begins there. To be told before each next().
  void expect(const std::set<Link>& links);
  // The control was answered from no farther than the name: either the box ends every connection
  // itself, or it sits on the host's own link. Only a path that the box does not touch can tell.
  bool wants_path() const;
  void add_path(const PathAnswer& path) { independent_path_ = path; }

  Location location() const;

 private:
  enum class Phase : uint8_t { control, test, ttl_copying, link_end, over };
  void end_run();
  void begin_run();
  void conclude();
  void look_at_link_end();
  bool copies_ttl() const;
  uint8_t injection_ttl() const;
  void note_hops(const SweepAnswer& answer);
  void on_control(const SweepAnswer& answer);
  void on_test(const SweepAnswer& answer);
  bool on_unanswered(const SweepAnswer& answer);
  bool expects(Verdict verdict) const;
  uint8_t last_ttl() const;
  uint8_t majority() const;
  uint8_t copied_injection_ttl() const;
  uint32_t router(uint8_t ttl) const;

  TraceMode mode_;
  uint8_t runs_;
  Verdict expected_;
  Phase phase_ = Phase::control;
  TraceOutcome outcome_ = TraceOutcome::no_answer;

  uint8_t first_ttl_ = 1, ttl_ = 1;  // of the run; of the next connection
  uint8_t silent_ = 0;               // connections with this TTL that nobody answered (a TTL each)
  uint8_t unconnected_ = 0, resumed_ = 0, failures_ = 0, own_answers_ = 0, attempts_ = 0;
  uint8_t host_ttl_ = 0, lowest_ttl_ = 0, expected_ttl_ = 0;
  std::vector<uint8_t> run_ttls_;
  bool began_too_far_ = false;  // the latest run: it was answered at its first TTL
  uint8_t injected_from_ttl_ =
      limits::hops;                   // where the first of the runs that the box answered began
  uint8_t trigger_received_ttl_ = 0;  // of the answer to the smallest TTL so far
  bool ttl_copied_ = false, path_changed_ = false;
  // The control's; the name's, of any run; of this run; of those that the box answered.
  std::array<Hop, limits::hops> control_hops_{}, test_hops_{}, run_hops_{}, injected_hops_{};
  uint8_t rewritten_ = 0, rewritten_ttl_ = 0;
  uint32_t connections_ = 0, hellos_ = 0;
  std::optional<PathAnswer> independent_path_;
};

}  // namespace steppe
