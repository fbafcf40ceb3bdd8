// SPDX-License-Identifier: Apache-2.0
// A course beside a way whose truth is known: a row of routers, a box on one of its links, a host.
#include "engine/judge/location.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace steppe {
namespace {

constexpr uint8_t usual_ttl = 64;  // of the host's packets

// What a hello meets on its way. Routers have the numbers of their TTLs as addresses.
struct Way {
  uint8_t host_ttl = 9;
  uint8_t box_ttl = 5;  // the smallest that reaches the box; 0: there is none
  bool in_path = true, terminating = false, copies_ttl = false, swallows = false;
  uint8_t box_sends_ttl = usual_ttl;
  Verdict says = Verdict::injected;
  std::set<uint8_t> silent = {};
  double loss = 0;              // of each packet, both ways
  uint8_t slow_by = 0;          // an impatient sweep is so many TTLs farther when the box answers
  uint8_t closes_after = 0;     // the host closes a connection after so many TTLs; 0: never
  uint8_t rewrites_behind = 0;  // routers with more than this TTL see another type of service
  std::set<uint32_t> missed = {};  // connections of the name that the box overlooks
  std::mt19937 random{1};
  uint32_t names = 0;

  bool lost() { return std::uniform_real_distribution<>(0, 1)(random) < loss; }

  SweepAnswer answer(const SweepQuestion& question) {
    SweepAnswer answer{.connected = true};
    const bool hit = !question.control && box_ttl != 0 && !missed.contains(names);
    names += !question.control;
    bool box_has_it = false;
    for (uint8_t ttl = question.first_ttl; ttl <= question.last_ttl; ++ttl) {
      if (closes_after != 0 && ttl - question.first_ttl >= closes_after) return answer;
      answer.latest_ttl = ttl;
      for (uint8_t send = 0; send < question.sends; ++send) {
        ++answer.hellos;
        if (lost()) continue;
        const uint8_t slow = question.patient || !hit ? 0 : slow_by;
        const bool at_box = box_ttl != 0 && ttl >= box_ttl + slow && (hit || terminating);
        if (at_box && swallows) continue;
        if (at_box || box_has_it) {
          box_has_it = box_has_it || in_path;
          const int hops = box_ttl - 1;
          const int received = copies_ttl ? ttl - 2 * hops : box_sends_ttl - hops;
          if (received > 0 && !lost()) {
            answer.answered_ttl = ttl;
            answer.received_ttl = static_cast<uint8_t>(received);
            answer.verdict = hit ? says : Verdict::same;
            // A box beside the way lets the hello go on to where it ends.
            if (!in_path && ttl < host_ttl && !silent.contains(ttl)) hear(answer, ttl);
            return answer;
          }
          if (in_path) continue;
        }
        if (ttl >= host_ttl) {
          if (lost()) continue;
          answer.answered_ttl = ttl;
          answer.received_ttl = static_cast<uint8_t>(usual_ttl - host_ttl + 1);
          answer.verdict = Verdict::same;
          return answer;
        }
        if (silent.contains(ttl) || lost()) continue;
        hear(answer, ttl);
        break;
      }
    }
    return answer;
  }

  void hear(SweepAnswer& answer, uint8_t ttl) const {
    answer.hops[ttl - 1] = {.router = ttl,
                            .unreachable = 0,
                            .rewritten = rewrites_behind != 0 && ttl > rewrites_behind
                                             ? rewritten::type_of_service
                                             : uint8_t{0},
                            .reserved = 0};
  }
};

constexpr int most_questions = 400;

Location trace(Way& way, TraceMode mode = TraceMode::one_connection, uint8_t runs = 3) {
  TraceCourse course(mode, runs, way.says);
  int asked = 0;
  for (; asked < most_questions; ++asked) {
    const auto question = course.next();
    if (!question) break;
    EXPECT_GE(question->first_ttl, 1);
    EXPECT_LE(question->first_ttl, question->last_ttl);
    EXPECT_LE(question->last_ttl, limits::hops);
    course.add(way.answer(*question));
  }
  EXPECT_LT(asked, most_questions);
  return course.location();
}

TEST(Location, FindsTheLink) {
  Way way;
  const Location found = trace(way);
  EXPECT_EQ(found.outcome, TraceOutcome::located);
  EXPECT_EQ(found.injection_ttl, 5);
  EXPECT_EQ(found.host_ttl, 9);
  EXPECT_EQ(found.hop_before, 4u);
  EXPECT_EQ(found.hop_after, 5u);
  EXPECT_FALSE(found.host_is_after);
  EXPECT_EQ(found.run_ttls, (std::vector<uint8_t>{5, 5, 5}));
  EXPECT_EQ(found.agreeing, 3);
  EXPECT_EQ(found.placement, Placement::in_path);
  EXPECT_FALSE(found.terminating || found.ttl_copied || found.path_changed);
  EXPECT_EQ(found.path, (std::vector<uint32_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(found.connections, 4u);  // a control, and three runs
  // The control as far as the host, the first run as far as the box; the others need no more than
  // the two TTLs before it.
  EXPECT_EQ(found.hellos, 9u + 5 + 3 + 3);
}

// Where others were injected on the same way, the first run begins; a guess that is wrong either
// way only costs.
TEST(Location, BeginsWhereOthersWereInjected) {
  for (const uint8_t box_ttl : {5, 8, 4, 2})
    for (const uint8_t others : {5, 8}) {
      Way way{.box_ttl = box_ttl};
      TraceCourse course(TraceMode::one_connection, 3, Verdict::injected);
      uint8_t first_ttl = 0;
      while (true) {
        course.expect({{others - 1, others}, {77, 78}});
        const auto question = course.next();
        if (!question) break;
        if (!question->control && first_ttl == 0) first_ttl = question->first_ttl;
        course.add(way.answer(*question));
      }
      EXPECT_EQ(first_ttl, others - 2);
      EXPECT_EQ(course.location().outcome, TraceOutcome::located);
      EXPECT_EQ(course.location().injection_ttl, box_ttl) << "others at " << +others;
      EXPECT_EQ(course.location().run_ttls, (std::vector<uint8_t>{box_ttl, box_ttl, box_ttl}));
      if (box_ttl == others) {
        EXPECT_EQ(course.location().hellos, 9u + 3 + 3 + 3);
      }
    }
  // Also where TTLs are copied: what a run that began late has not asked is not silent.
  for (const uint8_t box_ttl : {2, 4, 5, 6}) {
    Way copying{.host_ttl = 12, .box_ttl = box_ttl, .copies_ttl = true};
    TraceCourse course(TraceMode::one_connection, 3, Verdict::injected);
    for (auto question = course.next(); question; question = course.next()) {
      course.add(copying.answer(*question));
      course.expect({{4, 5}});
    }
    EXPECT_TRUE(course.location().ttl_copied);
    EXPECT_EQ(course.location().injection_ttl, box_ttl);
  }
  // Links of other ways change nothing.
  Way way;
  TraceCourse course(TraceMode::one_connection, 3, Verdict::injected);
  course.add(way.answer(*course.next()));
  course.expect({{77, 78}, {3, 5}});
  EXPECT_EQ(course.next()->first_ttl, 1);
}

// Each box place on ways of each length, silent routers anywhere: the TTL is right in every mode,
// and a silent end of the link stays unknown.
TEST(Location, FindsEveryPlaceInEveryMode) {
  std::mt19937 random(2);
  for (const TraceMode mode :
       {TraceMode::one_connection, TraceMode::per_connection, TraceMode::per_port})
    for (uint8_t host_ttl = 1; host_ttl <= 24; ++host_ttl)
      for (uint8_t box_ttl = 1; box_ttl <= host_ttl; ++box_ttl) {
        Way way{.host_ttl = host_ttl, .box_ttl = box_ttl};
        for (uint8_t ttl = 1; ttl < host_ttl; ++ttl)
          if (random() % 3 == 0) way.silent.insert(ttl);
        const auto heard = [&](uint8_t ttl) {
          return ttl == 0 || way.silent.contains(ttl) ? 0u : ttl;
        };
        const Location found = trace(way, mode);
        ASSERT_EQ(found.outcome, TraceOutcome::located) << +box_ttl << " of " << +host_ttl;
        ASSERT_EQ(found.injection_ttl, box_ttl) << "host at " << +host_ttl;
        ASSERT_EQ(found.host_ttl, host_ttl);
        ASSERT_EQ(found.hop_before, heard(static_cast<uint8_t>(box_ttl - 1)));
        ASSERT_EQ(found.host_is_after, box_ttl == host_ttl);
        if (box_ttl < host_ttl) {
          ASSERT_EQ(found.hop_after, heard(box_ttl));
        }
        ASSERT_EQ(found.path.size(), host_ttl - 1u);
        ASSERT_NE(found.placement, Placement::on_path);
      }
}

// A silent first router, and no link that is known: every mode gets past it.
TEST(Location, GetsPastSilentRoutersWhateverOthersFound) {
  for (const TraceMode mode :
       {TraceMode::one_connection, TraceMode::per_connection, TraceMode::per_port}) {
    Way way{.silent = {1, 2}};
    TraceCourse course(mode, 3, Verdict::injected);
    int asked = 0;
    for (; asked < most_questions; ++asked) {
      course.expect({});
      const auto question = course.next();
      if (!question) break;
      course.add(way.answer(*question));
    }
    EXPECT_LT(asked, most_questions);
    EXPECT_EQ(course.location().injection_ttl, 5);
  }
}

// A name that is swallowed has an end as well, within the TTLs that there are.
TEST(Location, GivesUpOnNamesThatNobodyAnswers) {
  for (const TraceMode mode :
       {TraceMode::one_connection, TraceMode::per_connection, TraceMode::per_port})
    for (const uint8_t host_ttl : {9, 40}) {
      Way way{.host_ttl = host_ttl, .swallows = true};
      if (mode != TraceMode::one_connection && host_ttl > limits::path_hops) continue;
      EXPECT_EQ(trace(way, mode).outcome, TraceOutcome::no_answer);
    }
}

// A run whose guess was too far begins at 1 next: no guess loses a result, however few the runs.
TEST(Location, OneRunIsEnoughWhateverTheGuess) {
  Way way{.host_ttl = 24, .box_ttl = 4};
  TraceCourse course(TraceMode::one_connection, 1, Verdict::injected);
  while (true) {
    course.expect({{19, 20}});
    const auto question = course.next();
    if (!question) break;
    // The only run has no second one to correct it.
    EXPECT_TRUE(question->control || question->patient);
    course.add(way.answer(*question));
  }
  EXPECT_EQ(course.location().outcome, TraceOutcome::located);
  EXPECT_EQ(course.location().injection_ttl, 4);
  EXPECT_EQ(course.location().run_ttls, (std::vector<uint8_t>{4}));
}

// A host that has moved away since its control is no copier of TTLs.
TEST(Location, MarksAnswersFromBeyondTheHost) {
  TraceCourse course(TraceMode::one_connection, 1, Verdict::injected);
  course.add({.connected = true, .latest_ttl = 10, .answered_ttl = 10, .verdict = Verdict::same});
  course.add({.connected = true,
              .latest_ttl = 11,
              .answered_ttl = 11,
              .received_ttl = 55,
              .verdict = Verdict::injected});
  EXPECT_FALSE(course.next());
  const Location found = course.location();
  EXPECT_EQ(found.injection_ttl, 11);
  EXPECT_FALSE(found.ttl_copied);
  EXPECT_TRUE(found.path_changed && found.host_is_after);
}

// A day later the host may have a new leaf, and it may be one that resets whoever is idle.
TEST(Location, BearsRenewedLeavesAndResetsOfTheIdle) {
  TraceCourse course(TraceMode::one_connection, 1, Verdict::injected);
  course.add({.connected = true, .latest_ttl = 4, .answered_ttl = 4, .verdict = Verdict::reset});
  ASSERT_TRUE(course.next());
  EXPECT_TRUE(course.next()->control);
  EXPECT_EQ(course.next()->first_ttl, 4);
  course.add({.connected = true, .latest_ttl = 9, .answered_ttl = 9, .verdict = Verdict::genuine});
  EXPECT_EQ(course.location().host_ttl, 9);
  EXPECT_FALSE(course.next()->control);
}

// A firewall that says "unreachable" says so for every TTL that reaches it: it is one hop.
TEST(Location, TakesAFirewallForOneHop) {
  Way way{.host_ttl = 5};
  TraceCourse course(TraceMode::one_connection, 1, Verdict::injected);
  while (const auto question = course.next()) course.add(way.answer(*question));
  ASSERT_TRUE(course.wants_path());
  PathAnswer path{.host_ttl = 5};
  for (uint8_t ttl = 1; ttl <= limits::path_hops; ++ttl)
    path.hops[ttl - 1] = {.router = 99, .unreachable = 1, .rewritten = 0, .reserved = 0};
  course.add_path(path);
  EXPECT_FALSE(course.location().terminating);
  EXPECT_EQ(course.location().path.size(), 4u);

  TraceCourse fenced(TraceMode::one_connection, 1, Verdict::reset);
  SweepAnswer control{
      .connected = true, .latest_ttl = 9, .answered_ttl = 9, .verdict = Verdict::same};
  for (uint8_t ttl = 3; ttl < 9; ++ttl)
    control.hops[ttl - 1] = {.router = 99, .unreachable = 1, .rewritten = 0, .reserved = 0};
  fenced.add(control);
  control.hops[5] = {.router = 6, .unreachable = 0, .rewritten = 0, .reserved = 0};
  EXPECT_EQ(fenced.location().path, (std::vector<uint32_t>{0, 0, 99, 0, 0, 0, 0, 0}));
}

// A lost packet makes an answer come with a larger TTL: one run may be wrong, not most of them.
TEST(Location, OutvotesWhatLossDid) {
  for (const TraceMode mode : {TraceMode::one_connection, TraceMode::per_connection}) {
    uint32_t disagreeing = 0;
    for (uint32_t seed = 0; seed < 3000; ++seed) {
      Way way{.host_ttl = 12, .box_ttl = 7, .silent = {3, 6, 9}, .loss = 0.1};
      way.random.seed(seed);
      const Location found = trace(way, mode);
      ASSERT_EQ(found.outcome, TraceOutcome::located) << seed;
      ASSERT_EQ(found.injection_ttl, 7) << seed;
      disagreeing += found.agreeing < found.run_ttls.size();
    }
    EXPECT_GT(disagreeing, 0u);    // else nothing was outvoted
    EXPECT_LT(disagreeing, 300u);  // 3 sends lose one answer in 150; runs of one send, one in five
  }
}

// In the path only the control hears the router behind the box: one that seems silent is asked
// again.
TEST(Location, AsksTwiceWhetherTheLinksEndIsSilent) {
  Way silent{.silent = {5}};
  const Location found = trace(silent);
  EXPECT_EQ(found.hop_after, 0u);
  EXPECT_EQ(found.connections, 5u);
  EXPECT_EQ(found.placement, Placement::unknown);

  Way way;
  TraceCourse course(TraceMode::one_connection, 3, Verdict::injected);
  SweepAnswer control = way.answer(*course.next());
  control.hops[4] = {};  // all three were lost
  course.add(control);
  std::optional<SweepQuestion> last;
  while (const auto question = course.next()) {
    last = question;
    course.add(way.answer(*question));
  }
  EXPECT_TRUE(last->control);
  EXPECT_EQ(last->first_ttl, 5);
  EXPECT_EQ(last->last_ttl, 5);
  EXPECT_EQ(course.location().hop_after, 5u);
  EXPECT_EQ(course.location().placement, Placement::in_path);
}

// A box that is slower than the routers is found late at first: with a TTL that has gone on.
TEST(Location, GoesBackForSlowBoxes) {
  for (uint8_t slow_by = 1; slow_by <= 3; ++slow_by) {
    Way way{.in_path = false, .slow_by = slow_by};
    const Location found = trace(way);
    EXPECT_EQ(found.injection_ttl, 5) << +slow_by;
    EXPECT_EQ(found.run_ttls.front(), 5 + slow_by);
    EXPECT_EQ(found.placement, Placement::on_path);
    // A run that is answered at its very first TTL has no say.
    EXPECT_EQ(std::ranges::count(found.run_ttls, 5), std::ssize(found.run_ttls) - 1);
  }
}

TEST(Location, TellsWhoLetsTheHelloPass) {
  Way beside{.in_path = false};
  EXPECT_EQ(trace(beside).placement, Placement::on_path);
  EXPECT_EQ(beside.host_ttl, 9);
  // Where the router behind the box never speaks, nobody can tell.
  Way hidden{.silent = {5}};
  EXPECT_EQ(trace(hidden).placement, Placement::unknown);
  Way last{.host_ttl = 5};
  EXPECT_EQ(trace(last).placement, Placement::unknown);
}

// A copied TTL brings an answer only twice as far as the box: it is not taken for the box's place.
TEST(Location, RecognisesCopiedTtls) {
  for (const bool in_path : {true, false})
    for (uint8_t box_ttl = 2; box_ttl <= 5; ++box_ttl) {
      Way way{.host_ttl = 12, .box_ttl = box_ttl, .in_path = in_path, .copies_ttl = true};
      const Location found = trace(way);
      EXPECT_EQ(found.outcome, TraceOutcome::located);
      EXPECT_TRUE(found.ttl_copied) << +box_ttl;
      EXPECT_EQ(found.injection_ttl, box_ttl);
      EXPECT_EQ(found.placement, in_path ? Placement::in_path : Placement::on_path);
      EXPECT_EQ(found.run_ttls.front(), 2 * box_ttl - 1);
    }
  // Next to nothing left of the TTL, but the same with every hello: somebody begins low.
  Way low{.box_sends_ttl = 6};
  EXPECT_FALSE(trace(low).ttl_copied);
  EXPECT_EQ(trace(low).injection_ttl, 5);
  EXPECT_EQ(trace(low).connections, 5u);
  // Nearer to the host than to us, its answers come only from beyond the host's distance.
  Way far{.host_ttl = 9, .box_ttl = 7, .copies_ttl = true};
  const Location found = trace(far);
  EXPECT_TRUE(found.ttl_copied);
  EXPECT_EQ(found.injection_ttl, 7);
  EXPECT_EQ(found.run_ttls.front(), 13);
  // Half of the routers silent: then half of the way there and back is where it is.
  Way dark{.host_ttl = 12, .box_ttl = 4, .copies_ttl = true, .silent = {1, 2, 3, 4, 5, 6, 7}};
  EXPECT_EQ(trace(dark).injection_ttl, 4);
}

TEST(Location, LooksBehindBoxesThatTerminate) {
  Way way{.terminating = true};
  TraceCourse course(TraceMode::one_connection, 3, Verdict::injected);
  while (const auto question = course.next()) course.add(way.answer(*question));
  ASSERT_TRUE(course.wants_path());
  EXPECT_FALSE(course.location().terminating);  // not before something is seen behind it
  PathAnswer path{.host_ttl = 9};
  for (uint8_t ttl = 1; ttl < 9; ++ttl) path.hops[ttl - 1].router = 100u + ttl;
  course.add_path(path);
  const Location found = course.location();
  EXPECT_TRUE(found.terminating);
  EXPECT_EQ(found.placement, Placement::in_path);
  EXPECT_EQ(found.injection_ttl, 5);
  EXPECT_EQ(found.host_ttl, 9);
  EXPECT_EQ(found.hop_before, 4u);
  EXPECT_EQ(found.hop_after, 105u);
  EXPECT_EQ(found.path, (std::vector<uint32_t>{1, 2, 3, 4, 105, 106, 107, 108}));

  // The host does not answer there either, but a router behind the box does.
  path.host_ttl = 0;
  course.add_path(path);
  EXPECT_TRUE(course.location().terminating);
  EXPECT_EQ(course.location().host_ttl, 0);
  EXPECT_EQ(course.location().path.size(), 8u);

  // The host is where the answers come from: the box is on its own link.
  PathAnswer same_distance{.host_ttl = 5};
  course.add_path(same_distance);
  EXPECT_FALSE(course.location().terminating);
  EXPECT_TRUE(course.location().host_is_after);
}

TEST(Location, SaysWhyNothingIsLocated) {
  Way gone{.box_ttl = 0};
  EXPECT_EQ(trace(gone).outcome, TraceOutcome::not_injected);
  EXPECT_EQ(trace(gone).injection_ttl, 0);
  EXPECT_EQ(trace(gone).host_ttl, 9);

  TraceCourse nobody(TraceMode::one_connection, 3, Verdict::injected);
  int asked = 0;
  for (; nobody.next() && asked < most_questions; ++asked) nobody.add({});
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(nobody.location().outcome, TraceOutcome::unreachable);

  Way silent{.host_ttl = 200, .box_ttl = 0};
  const Location unanswered = trace(silent);
  EXPECT_EQ(unanswered.outcome, TraceOutcome::no_control);
  EXPECT_EQ(unanswered.connections, 6u);  // three times, as far as 32 and then as far as 64

  Way swallows{.copies_ttl = true};  // and its answers never arrive
  swallows.box_ttl = 8;
  swallows.host_ttl = 6;
  EXPECT_EQ(trace(swallows).outcome, TraceOutcome::not_injected);

  // Three runs with three answers.
  TraceCourse torn(TraceMode::one_connection, 3, Verdict::injected);
  torn.add({.connected = true, .latest_ttl = 9, .answered_ttl = 9, .verdict = Verdict::same});
  for (uint8_t ttl = 40; torn.next(); ttl -= 1)
    torn.add({.connected = true,
              .latest_ttl = ttl,
              .answered_ttl = ttl,
              .received_ttl = 50,
              .verdict = Verdict::injected});
  EXPECT_EQ(torn.location().outcome, TraceOutcome::no_majority);
  EXPECT_EQ(torn.location().injection_ttl, 0);
}

// A box that meets some connections only: its answers locate it, the host's own do not count.
TEST(Location, BearsConnectionsThatTheBoxMisses) {
  Way way{.missed = {0, 2, 4}};
  const Location found = trace(way);
  EXPECT_EQ(found.outcome, TraceOutcome::located);
  EXPECT_EQ(found.injection_ttl, 5);
  EXPECT_EQ(found.run_ttls.size(), 3u);
  // What passed it then does not make it one beside the path.
  EXPECT_EQ(found.placement, Placement::in_path);
}

// A host that closes an idle connection is gone on with in the next one.
TEST(Location, ResumesWhereTheHostHungUp) {
  Way way{.host_ttl = 20, .box_ttl = 15, .closes_after = 4};
  const Location found = trace(way);
  EXPECT_EQ(found.outcome, TraceOutcome::located);
  EXPECT_EQ(found.injection_ttl, 15);
  EXPECT_EQ(found.host_ttl, 20);
  EXPECT_GT(found.connections, 8u);
  EXPECT_EQ(found.path.size(), 19u);
}

TEST(Location, AcceptsOtherVerdictsAsTheySettled) {
  for (const Verdict verdict :
       {Verdict::reset, Verdict::not_tls, Verdict::closed, Verdict::alert}) {
    Way way{.says = verdict};
    EXPECT_EQ(trace(way).injection_ttl, 5) << to_string(verdict);
  }
  // A forged leaf without its relations is still one (judge/settle.h), a reset is not.
  TraceCourse course(TraceMode::one_connection, 1, Verdict::injected);
  SweepAnswer control{
      .connected = true, .latest_ttl = 9, .answered_ttl = 9, .verdict = Verdict::same};
  control.hops[4].router = 5;
  course.add(control);
  course.add({.connected = true, .latest_ttl = 3, .answered_ttl = 3, .verdict = Verdict::reset});
  EXPECT_TRUE(course.next());
  course.add({.connected = true,
              .latest_ttl = 5,
              .answered_ttl = 5,
              .received_ttl = 60,
              .verdict = Verdict::untrusted});
  EXPECT_FALSE(course.next());
  EXPECT_EQ(course.location().injection_ttl, 5);
}

TEST(Location, KeepsWhatQuotesShowed) {
  Way way{.rewrites_behind = 3};
  const Location found = trace(way);
  EXPECT_EQ(found.rewritten, rewritten::type_of_service);
  EXPECT_EQ(found.rewritten_ttl, 4);

  // Nearest first, whichever is heard of first.
  TraceCourse course(TraceMode::one_connection, 1, Verdict::injected);
  SweepAnswer answer{
      .connected = true, .latest_ttl = 9, .answered_ttl = 9, .verdict = Verdict::same};
  answer.hops[6] = {.router = 7, .unreachable = 0, .rewritten = rewritten::ports, .reserved = 0};
  course.add(answer);
  answer.verdict = Verdict::injected;
  answer.hops[2] = {.router = 3, .unreachable = 0, .rewritten = rewritten::ttl, .reserved = 0};
  course.add(answer);
  EXPECT_EQ(course.location().rewritten, rewritten::ports | rewritten::ttl);
  EXPECT_EQ(course.location().rewritten_ttl, 3);
}

TEST(Location, MarksPathsThatChange) {
  TraceCourse course(TraceMode::one_connection, 1, Verdict::injected);
  SweepAnswer control{
      .connected = true, .latest_ttl = 9, .answered_ttl = 9, .verdict = Verdict::same};
  control.hops[1].router = 22;
  course.add(control);
  EXPECT_FALSE(course.location().path_changed);
  SweepAnswer test{.connected = true,
                   .latest_ttl = 5,
                   .answered_ttl = 5,
                   .received_ttl = 60,
                   .verdict = Verdict::injected};
  test.hops[1].router = 33;
  course.add(test);
  EXPECT_TRUE(course.location().path_changed);

  TraceCourse other(TraceMode::one_connection, 1, Verdict::injected);
  control.hops_differ = true;
  other.add(control);
  EXPECT_TRUE(other.location().path_changed);
}

}  // namespace
}  // namespace steppe
