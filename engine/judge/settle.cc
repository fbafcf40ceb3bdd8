// SPDX-License-Identifier: Apache-2.0
// The rule by which a pair is settled. A false alarm accuses a government, a miss leaves people
// spied on; so "yes" needs what cannot well be anything else, "no" needs the host's own leaf (or
// one that browsers trust) under the very name, and everything between is "inconclusive".
//
// What a try is worth:
//
//   clean      `same` or `genuine`. The name came through, whatever the controls did.
//   odd leaf   `injected` or `untrusted`. An `untrusted` leaf under an issuer key that is known
//              to forge is `injected`.
//   failure    `reset`, `closed`, `alert`, `timeout`, `not_tls`: anything but a certificate.
//   mute       `unreachable`, a `timeout` but that of the hello, a `reset` that refused the SYN,
//              an `alert` that TLS 1.2 is refused (a name may be hosted with TLS 1.3 only), `none`.
//              Either the name never left us, or its answer had begun and the rest was lost, as a
//              lossy path does to a slow server: these say nothing about the name, not for, not
//              against.
//
// An odd leaf or a failure is *bracketed* when controls worked before and after it, or when the
// one after failed for a while and then worked again (residual blocking, `stateful`). It *counts*
// when it is bracketed, or when it is the first try: that one is the sweep's, whose controls are
// further away, so it adds to an agreement but never makes one. Of three tries that count, two at
// least are bracketed, of two one, and of one perhaps none.
//
// Tries fall into groups that say the same (agree(), below). Then, in this order:
//
//   1. Three `injected` tries of a group count: yes, at once. Clean tries beside them do not
//      help: interceptors miss connections (METHOD 1).
//   2. Three `untrusted` tries agree, and none is `injected`: inconclusive, at once. More tries
//      would bring more of the same; only the interceptors of other hosts can say more.
//   3. A try was clean, there is no odd leaf, and no two failures that count agree: no, at once.
//      A failure that does not repeat is loss. Two that agree are not so easily loss, and are
//      asked on.
//   4. Three failures of a group count, nothing bracketed says otherwise, and no try was clean:
//      yes, at once. But timeouts wait for the end of the tries: a reset whose packet was lost
//      looks like one, and so does what a box drops for a while after it.
//   5. Fewer than limits::tries tries, and more can be made: ask again.
//
// At the end of the tries:
//
//   6. Two `injected` tries of a group count: yes. A leaf with the host's own name, signed twice
//      by one untrusted key, between good controls, is no accident, even if the other tries were
//      clean.
//   7. Three `injected` tries count, under whatever keys: yes. Boxes exist that sign each leaf
//      with a key of its own, and a country may have many boxes.
//   8. No clean try, three failures of a group count, and what is bracketed and says otherwise
//      are timeouts: yes. Lost packets make timeouts out of anything, so timeouts do not
//      contradict a reset; but a reset contradicts timeouts.
//   9. Any `injected` try: that, inconclusive.
//  10. Clean tries, and beside them two `untrusted` ones that agree, or failures that count and
//      agree, two at least and more than the clean ones: that, inconclusive.
//  11. Clean tries otherwise: no (METHOD 3.3).
//  12. Whatever is left: the most frequent verdict, of equals the latest; inconclusive.
//
// Rules 1, 6 and 7 need forging relations or a known key, which modules/verdicts/ and
// interceptors.h judge; a leaf that is merely not trusted never comes to "yes" here. The rules
// count and do not look at the order, but for the first try and the ties of rule 12.
#include "engine/judge/settle.h"

#include <algorithm>

#include "engine/judge/observation.h"
#include "engine/limits.h"

namespace steppe {
namespace {

enum class Kind : uint8_t { clean, injected, untrusted, failure, mute };

Kind kind_of(const Try& one) {
  switch (one.verdict) {
    case Verdict::same:
    case Verdict::genuine:
      return Kind::clean;
    case Verdict::injected:
      return Kind::injected;
    case Verdict::untrusted:
      return Kind::untrusted;
    case Verdict::timeout:
      return one.detail == detail::hello_unanswered ? Kind::failure : Kind::mute;
    case Verdict::reset:
      return one.detail == detail::syn_refused ? Kind::mute : Kind::failure;
    case Verdict::alert:
      // Whatever was offered: of a hello with TLS 1.3 in it, this is more than need be.
      return one.detail == detail::protocol_version ? Kind::mute : Kind::failure;
    case Verdict::closed:
      // A key of a kind that this scan lacks was wanted: that is our failure.
      return one.detail == detail::retry_unanswerable ? Kind::mute : Kind::failure;
    case Verdict::not_tls:
      return Kind::failure;
    case Verdict::none:
    case Verdict::unreachable:
      break;
  }
  return Kind::mute;
}

bool is_bracketed(const Try& one) {
  return one.controls_before_and_after || one.stateful;
}

// Tries that say the same. Mute ones make groups of their own, which only rule 12 looks at.
struct Group {
  const Try* example;
  Kind kind;
  uint8_t members = 0, counted = 0, bracketed = 0;
  size_t latest = 0;
};

// The tries as the rules see them.
struct Tally {
  std::vector<Group> groups;
  uint8_t members[5] = {}, counted[5] = {};  // by kind

  explicit Tally(std::span<const Try> tries) {
    for (size_t i = 0; i < tries.size(); ++i) add(tries[i], i);
  }

  void add(const Try& one, size_t position) {
    const Kind kind = kind_of(one);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& candidate) {
      return candidate.kind == kind && agree(*candidate.example, one);
    });
    if (group == groups.end())
      group = groups.insert(groups.end(), Group{.example = &one, .kind = kind});
    const bool between_controls = is_bracketed(one), counts = between_controls || position == 0;
    const auto index = static_cast<size_t>(kind);
    ++group->members, ++members[index];
    group->counted += counts, counted[index] += counts;
    group->bracketed += between_controls;
    group->latest = position;
  }

  uint8_t members_of(Kind kind) const { return members[static_cast<size_t>(kind)]; }
  uint8_t counted_of(Kind kind) const { return counted[static_cast<size_t>(kind)]; }

  // The group of this kind with the most tries that count, then the most bracketed ones; nullptr if
  // there is none.
  const Group* largest(Kind kind) const {
    const Group* best = nullptr;
    for (const Group& group : groups)
      if (group.kind == kind && (best == nullptr || std::pair(group.counted, group.bracketed) >=
                                                        std::pair(best->counted, best->bracketed)))
        best = &group;
    return best;
  }

  // As many members as any, of equals the one heard of last.
  const Group& most_frequent() const {
    return *std::max_element(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
      return std::pair(a.members, a.latest) < std::pair(b.members, b.latest);
    });
  }

  // Bracketed tries that are neither in the group nor mute; timeouts are left out if asked so.
  bool is_contradicted(const Group& group, bool by_timeouts) const {
    return std::any_of(groups.begin(), groups.end(), [&](const Group& other) {
      return &other != &group && other.kind != Kind::mute && other.bracketed > 0 &&
             (by_timeouts || other.example->verdict != Verdict::timeout);
    });
  }
};

}  // namespace

bool agree(const Try& a, const Try& b) {
  if (a.verdict != b.verdict) return false;
  switch (a.verdict) {
    case Verdict::injected:
      // Forged leaves are made one for each connection: without a key they have nothing else to
      // share, and their relations to the host's own leaf say enough.
      return a.issuer_spki == b.issuer_spki;
    case Verdict::untrusted:
      return a.issuer_spki == b.issuer_spki && (a.issuer_spki || a.leaf == b.leaf);
    case Verdict::alert:
      return a.detail == b.detail;
    default:
      return true;
  }
}

Settlement settle(std::span<const Try> tries, bool final,
                  bool (*is_interceptor)(const Digest& spki, const void* context),
                  const void* context) {
  Settlement answer;
  answer.attempts = static_cast<uint8_t>(std::min<size_t>(tries.size(), UINT8_MAX));
  if (tries.empty()) {
    answer.settled = final;
    return answer;
  }

  std::vector<Try> heard(tries.begin(), tries.end());
  for (Try& one : heard) {
    answer.stateful |= one.stateful;
    if (one.verdict == Verdict::untrusted && one.issuer_spki && is_interceptor != nullptr &&
        is_interceptor(*one.issuer_spki, context))
      one.verdict = Verdict::injected;
  }
  const Tally tally{heard};

  const auto say = [&answer](Verdict verdict, uint8_t agreeing, Interference interference) {
    answer.settled = true;
    answer.verdict = verdict;
    answer.agreeing = agreeing;
    answer.interference = interference;
    return answer;
  };
  const auto say_clean = [&] {
    // With both, `genuine` is the one that tells more: the host has a leaf for this name.
    const auto count = [&heard](Verdict verdict) {
      return static_cast<uint8_t>(std::count_if(
          heard.begin(), heard.end(), [=](const Try& one) { return one.verdict == verdict; }));
    };
    const Verdict verdict = count(Verdict::genuine) > 0 ? Verdict::genuine : Verdict::same;
    return say(verdict, count(verdict), Interference::no);
  };

  constexpr uint8_t enough = limits::agreeing_tries;
  const uint8_t clean = tally.members_of(Kind::clean);
  const uint8_t injected = tally.members_of(Kind::injected);
  const uint8_t untrusted = tally.members_of(Kind::untrusted);
  const Group* const forged = tally.largest(Kind::injected);
  const Group* const failed = tally.largest(Kind::failure);
  uint8_t untrusted_agreeing = 0;
  for (const Group& group : tally.groups)
    if (group.kind == Kind::untrusted)
      untrusted_agreeing = std::max(untrusted_agreeing, group.members);

  // 1
  if (forged != nullptr && forged->counted >= enough)
    return say(Verdict::injected, forged->members, Interference::yes);
  // 2
  if (injected == 0 && untrusted_agreeing >= enough)
    return say(Verdict::untrusted, untrusted_agreeing, Interference::inconclusive);
  // 3
  const bool failures_agree = failed != nullptr && failed->counted >= 2;
  if (clean > 0 && injected + untrusted == 0 && !failures_agree) return say_clean();
  // 4
  const bool failures_are_many = clean == 0 && failed != nullptr && failed->counted >= enough;
  if (failures_are_many && failed->example->verdict != Verdict::timeout &&
      !tally.is_contradicted(*failed, true))
    return say(failed->example->verdict, failed->members, Interference::yes);
  // 5
  if (!final && tries.size() < limits::tries) {
    answer.verdict = tally.most_frequent().example->verdict;
    answer.agreeing = tally.most_frequent().members;
    return answer;
  }

  // 6
  if (forged != nullptr && forged->counted >= 2)
    return say(Verdict::injected, forged->members, Interference::yes);
  // 7
  if (tally.counted_of(Kind::injected) >= enough)
    return say(Verdict::injected, injected, Interference::yes);
  // 8
  if (failures_are_many && !tally.is_contradicted(*failed, false))
    return say(failed->example->verdict, failed->members, Interference::yes);
  // 9
  if (forged != nullptr) return say(Verdict::injected, forged->members, Interference::inconclusive);
  // 10
  if (clean > 0 && untrusted_agreeing >= 2)
    return say(Verdict::untrusted, untrusted_agreeing, Interference::inconclusive);
  if (clean > 0 && failures_agree && failed->counted > clean)
    return say(failed->example->verdict, failed->members, Interference::inconclusive);
  // 11
  if (clean > 0) return say_clean();
  // 12
  const Group& group = tally.most_frequent();
  return say(group.example->verdict, group.members, Interference::inconclusive);
}

}  // namespace steppe
