// SPDX-License-Identifier: Apache-2.0
// A lost packet can only make an answer come later than it should: with a larger TTL, never with a
// smaller one. So the smallest TTL that was ever answered bounds the truth from above, and what
// must be shown is that the one below it brings nothing.
#include "engine/judge/location.h"

#include <algorithm>

namespace steppe {

std::string_view to_string(TraceOutcome outcome) {
  switch (outcome) {
    case TraceOutcome::located:
      return "located";
    case TraceOutcome::not_injected:
      return "not_injected";
    case TraceOutcome::unreachable:
      return "unreachable";
    case TraceOutcome::no_answer:
      return "no_answer";
    case TraceOutcome::no_control:
      return "no_control";
    case TraceOutcome::no_majority:
      return "no_majority";
  }
  return "unknown";
}

std::string_view to_string(TraceMode mode) {
  switch (mode) {
    case TraceMode::one_connection:
      return "one-connection";
    case TraceMode::per_connection:
      return "per-connection";
    case TraceMode::per_port:
      return "per-port";
  }
  return "unknown";
}

std::string_view to_string(Placement placement) {
  switch (placement) {
    case Placement::unknown:
      break;
    case Placement::in_path:
      return "in_path";
    case Placement::on_path:
      return "on_path";
  }
  return "unknown";
}

namespace {

// Connections that fail in a row before a host, or a name, is given up.
constexpr uint8_t patience = 3;
// A host that closes an idle connection is gone on with, in the next one.
constexpr uint8_t resumptions = 12;
// Runs after the first begin so far below what has been found.
constexpr uint8_t lead = 2;
// A copied TTL arrives with next to nothing left of it: with 1, if the way back is as long as the
// way there. No host begins so low.
constexpr uint8_t suspicious_ttl = 4;
// By how much the TTL is raised to see whether the answer's follows.
constexpr uint8_t raise = 4;

}  // namespace

bool is_traceable(Verdict verdict) {
  return verdict == Verdict::injected || verdict == Verdict::reset || verdict == Verdict::closed ||
         verdict == Verdict::alert || verdict == Verdict::not_tls;
}

TraceCourse::TraceCourse(TraceMode mode, uint8_t runs, Verdict expected)
    : mode_(mode), runs_(runs), expected_(expected) {}

// --- what to ask --------------------------------------------------------------------------------

std::optional<SweepQuestion> TraceCourse::next() const {
  const bool one = mode_ == TraceMode::one_connection;
  switch (phase_) {
    case Phase::control:
    case Phase::test:
      return SweepQuestion{.control = phase_ == Phase::control,
                           .first_ttl = ttl_,
                           .last_ttl = one ? last_ttl() : ttl_,
                           .sends = one ? limits::sends_per_hop : uint8_t{1},
                           // A run that is to be the only one has no time for haste.
                           .patient = phase_ == Phase::test && (lowest_ttl_ != 0 || runs_ == 1)};
    case Phase::ttl_copying:
    case Phase::link_end:
      return SweepQuestion{.control = phase_ == Phase::link_end,
                           .first_ttl = ttl_,
                           .last_ttl = ttl_,
                           .sends = limits::sends_per_hop,
                           .patient = phase_ == Phase::ttl_copying};
    case Phase::over:
      break;
  }
  return std::nullopt;
}

// A control's sweep goes as far as traceroute does, and farther in a second connection. A name's
// goes twice as far as the host: there the answers of a box that copies TTLs must arrive.
uint8_t TraceCourse::last_ttl() const {
  if (phase_ == Phase::control)
    return ttl_ <= limits::path_hops || mode_ != TraceMode::one_connection ? limits::path_hops
                                                                           : limits::hops;
  return static_cast<uint8_t>(std::min<int>(host_ttl_ * 2, limits::hops));
}

void TraceCourse::begin_run() {
  const uint8_t guess = began_too_far_ ? 0 : lowest_ttl_ != 0 ? lowest_ttl_ : expected_ttl_;
  first_ttl_ = ttl_ = guess > lead ? guess - lead : 1;
  silent_ = resumed_ = 0;
  run_hops_ = {};
}

void TraceCourse::expect(const std::set<Link>& links) {
  if (phase_ != Phase::test || attempts_ > 0 || ttl_ != first_ttl_ || expected_ttl_ != 0) return;
  for (uint8_t ttl = 2; ttl < host_ttl_ && expected_ttl_ == 0; ++ttl)
    if (links.contains({router(ttl - 1), router(ttl)})) expected_ttl_ = ttl;
  if (expected_ttl_ != 0) begin_run();
}

// --- what came back -----------------------------------------------------------------------------

void TraceCourse::add(const SweepAnswer& answer) {
  ++connections_;
  hellos_ += answer.hellos;
  if (!answer.connected) {
    if (++unconnected_ < patience) return;
    if (phase_ == Phase::ttl_copying) return look_at_link_end();
    if (phase_ == Phase::link_end) {
      phase_ = Phase::over;
      return;
    }
    if (!run_ttls_.empty()) return conclude();
    outcome_ = TraceOutcome::unreachable;
    phase_ = Phase::over;
    return;
  }
  unconnected_ = 0;
  note_hops(answer);
  if (phase_ == Phase::ttl_copying) {
    ttl_copied_ = answer.answered_ttl == ttl_ && expects(answer.verdict) &&
                  answer.received_ttl == trigger_received_ttl_ + raise;
    if (answer.answered_ttl == ttl_ || ++silent_ >= patience) look_at_link_end();
    return;
  }
  if (phase_ == Phase::link_end) {
    phase_ = Phase::over;
    return;
  }
  // Who resets a connection that has said nothing has lost patience, as who closes it; unless
  // resets are what the name is answered with.
  const bool hung_up =
      answer.verdict == Verdict::reset && (phase_ == Phase::control || expected_ != Verdict::reset);
  if ((answer.answered_ttl == 0 || hung_up) && on_unanswered(answer)) return;
  if (phase_ == Phase::control)
    on_control(answer);
  else
    on_test(answer);
}

// True: the run goes on, in another connection.
bool TraceCourse::on_unanswered(const SweepAnswer& answer) {
  if (mode_ != TraceMode::one_connection) {
    // A connection for each TTL, and for each repetition of it.
    const bool heard = answer.hops[ttl_ - 1].router != 0;
    if (!heard && ++silent_ < limits::sends_per_hop) return true;
    silent_ = 0;
    const uint8_t last = last_ttl();
    return ++ttl_ <= last;
  }
  if (answer.latest_ttl < last_ttl()) {
    ttl_ = std::max(answer.latest_ttl, ttl_);
    return ++resumed_ < resumptions;
  }
  if (phase_ != Phase::control || answer.latest_ttl >= limits::hops) return false;
  ttl_ = answer.latest_ttl + 1;
  return true;
}

void TraceCourse::note_hops(const SweepAnswer& answer) {
  const bool control = phase_ == Phase::control || phase_ == Phase::link_end;
  auto& hops = control ? control_hops_ : test_hops_;
  path_changed_ = path_changed_ || answer.hops_differ;
  uint32_t refusing = 0;
  for (uint8_t i = 0; i < limits::hops; ++i) {
    const Hop& hop = answer.hops[i];
    if (hop.router == 0) continue;
    // Who lets nothing pass says so for every larger TTL, too.
    if (hop.unreachable != 0 && hop.router == refusing) continue;
    if (hop.unreachable != 0) refusing = hop.router;
    for (const auto* known : {&control_hops_, &test_hops_})
      if ((*known)[i].router != 0 && (*known)[i].router != hop.router) path_changed_ = true;
    if (hops[i].router == 0) hops[i] = hop;
    run_hops_[i] = hop;
    if (hop.rewritten != 0 && (rewritten_ttl_ == 0 || i + 1 < rewritten_ttl_))
      rewritten_ttl_ = i + 1;
    rewritten_ |= hop.rewritten;
  }
}

void TraceCourse::on_control(const SweepAnswer& answer) {
  // A leaf that is new and trusted is the host's own as well.
  if (answer.answered_ttl != 0 &&
      (answer.verdict == Verdict::same || answer.verdict == Verdict::genuine)) {
    host_ttl_ = answer.answered_ttl;
    phase_ = Phase::test;
  } else if (++failures_ >= patience) {
    outcome_ = TraceOutcome::no_control;
    phase_ = Phase::over;
    return;
  }
  if (phase_ == Phase::test) failures_ = 0;
  begin_run();
}

bool TraceCourse::expects(Verdict verdict) const {
  return verdict == expected_ || (expected_ == Verdict::injected && verdict == Verdict::untrusted);
}

void TraceCourse::on_test(const SweepAnswer& answer) {
  ++attempts_;
  const uint8_t ttl = answer.answered_ttl;
  if (ttl != 0 && expects(answer.verdict)) {
    if (lowest_ttl_ == 0 || ttl < lowest_ttl_) {
      lowest_ttl_ = ttl;
      trigger_received_ttl_ = answer.received_ttl;
    }
    injected_from_ttl_ = std::min(injected_from_ttl_, first_ttl_);
    for (size_t i = 0; i < run_hops_.size(); ++i)
      if (run_hops_[i].router != 0) injected_hops_[i] = run_hops_[i];
    began_too_far_ = ttl == first_ttl_ && first_ttl_ > 1;
    if (!began_too_far_) run_ttls_.push_back(ttl);
  } else if (answer.verdict == Verdict::same || answer.verdict == Verdict::genuine) {
    ++own_answers_;
  } else {
    ++failures_;
  }
  end_run();
}

void TraceCourse::end_run() {
  const bool unanimous =
      std::ranges::all_of(run_ttls_, [&](uint8_t ttl) { return ttl == run_ttls_.front(); });
  const bool enough =
      run_ttls_.size() >= runs_ && (unanimous || run_ttls_.size() >= runs_ * 2u - 1);
  const bool hopeless = lowest_ttl_ == 0 && (own_answers_ >= 2 || failures_ >= patience);
  if (enough || hopeless || attempts_ >= runs_ * 3 + patience) return conclude();
  begin_run();
}

void TraceCourse::conclude() {
  phase_ = Phase::over;
  if (run_ttls_.empty()) {
    outcome_ = own_answers_ > 0 ? TraceOutcome::not_injected : TraceOutcome::no_answer;
    return;
  }
  const uint8_t ttl = majority();
  outcome_ = ttl == 0 ? TraceOutcome::no_majority : TraceOutcome::located;
  if (ttl == 0) return;
  if (trigger_received_ttl_ > suspicious_ttl) return look_at_link_end();
  phase_ = Phase::ttl_copying;
  ttl_ = std::min<int>(ttl + raise, limits::hops);
  silent_ = unconnected_ = 0;
}

// Behind a box in the path only the control's one sweep has heard the router. That it is silent is
// said of a router that the report may name, so it is asked once more.
void TraceCourse::look_at_link_end() {
  const uint8_t ttl = injection_ttl();
  phase_ = ttl < host_ttl_ && router(ttl) == 0 ? Phase::link_end : Phase::over;
  ttl_ = ttl;
  unconnected_ = 0;
}

// What more than half of the runs say; 0: nothing.
uint8_t TraceCourse::majority() const {
  for (const uint8_t ttl : run_ttls_)
    if (std::ranges::count(run_ttls_, ttl) * 2 > std::ssize(run_ttls_)) return ttl;
  return 0;
}

// --- what it says -------------------------------------------------------------------------------

bool TraceCourse::wants_path() const {
  return outcome_ == TraceOutcome::located && host_ttl_ != 0 && majority() == host_ttl_;
}

uint32_t TraceCourse::router(uint8_t ttl) const {
  if (ttl == 0 || ttl > limits::hops) return 0;
  const Hop& hop = control_hops_[ttl - 1];
  return hop.router != 0 ? hop.router : test_hops_[ttl - 1].router;
}

// Where a box that copies TTLs sits: an answer comes only once what is left of the TTL carries it
// all the way back. A box in the path swallows the hello before, so the first router that answers
// the control and not the name is behind it; else half of the way there and back is.
uint8_t TraceCourse::copied_injection_ttl() const {
  const uint8_t ttl = majority();
  for (uint8_t hop = 1; hop < ttl && hop < host_ttl_; ++hop) {
    // Runs that began beyond this hop know nothing of it.
    const bool before_is_heard =
        hop == 1 ? injected_from_ttl_ == 1 : injected_hops_[hop - 2].router != 0;
    if (control_hops_[hop - 1].router != 0 && injected_hops_[hop - 1].router == 0 &&
        before_is_heard)
      return hop;
  }
  return static_cast<uint8_t>(std::clamp((ttl - trigger_received_ttl_) / 2 + 1, 1, int{ttl}));
}

bool TraceCourse::copies_ttl() const {
  return ttl_copied_ || (outcome_ == TraceOutcome::located && majority() > host_ttl_ &&
                         trigger_received_ttl_ <= suspicious_ttl);
}

uint8_t TraceCourse::injection_ttl() const {
  return copies_ttl() ? copied_injection_ttl() : majority();
}

Location TraceCourse::location() const {
  Location found{.outcome = outcome_,
                 .host_ttl = host_ttl_,
                 .run_ttls = run_ttls_,
                 .path_changed = path_changed_,
                 .rewritten = rewritten_,
                 .rewritten_ttl = rewritten_ttl_,
                 .connections = connections_,
                 .hellos = hellos_,
                 .path = {}};
  found.agreeing = static_cast<uint8_t>(std::ranges::count(run_ttls_, majority()));
  found.ttl_copied = copies_ttl();
  const uint8_t injection_ttl = this->injection_ttl();

  // What lies behind a box that ends every connection, seen from elsewhere.
  std::array<uint32_t, limits::hops> behind{};
  uint8_t path_end = host_ttl_;
  if (wants_path() && independent_path_) {
    const uint8_t reached = independent_path_->host_ttl;
    path_end = std::max(path_end, reached);
    for (uint8_t ttl = injection_ttl; ttl < (reached != 0 ? reached : limits::path_hops); ++ttl) {
      behind[ttl - 1] = independent_path_->hops[ttl - 1].router;
      if (behind[ttl - 1] != 0) path_end = std::max<uint8_t>(path_end, ttl + 1);
    }
    found.terminating = path_end > injection_ttl;
    if (found.terminating) found.host_ttl = independent_path_->host_ttl;
  }
  for (uint8_t ttl = 1; ttl < path_end; ++ttl)
    found.path.push_back(found.terminating && ttl >= injection_ttl ? behind[ttl - 1] : router(ttl));
  if (outcome_ != TraceOutcome::located) return found;

  found.injection_ttl = injection_ttl;
  found.hop_before = router(injection_ttl - 1);
  found.host_is_after = injection_ttl >= found.host_ttl && found.host_ttl != 0;
  // Nobody is beyond the host, unless it has moved away since the control.
  found.path_changed = found.path_changed || (injection_ttl > host_ttl_ && !found.terminating);
  if (!found.host_is_after)
    found.hop_after = found.terminating ? behind[injection_ttl - 1] : router(injection_ttl);
  // The hello that was answered went on to the next router, or it did not. What a run met that the
  // box let pass says nothing of it.
  if (found.terminating)
    found.placement = Placement::in_path;
  else if (!found.host_is_after && injected_hops_[injection_ttl - 1].router != 0)
    found.placement = Placement::on_path;
  else if (!found.host_is_after && control_hops_[injection_ttl - 1].router != 0)
    found.placement = Placement::in_path;
  return found;
}

}  // namespace steppe
