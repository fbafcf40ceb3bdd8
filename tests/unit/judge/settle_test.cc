// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/settle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/judge/observation.h"
#include "engine/limits.h"

namespace steppe {
namespace {

constexpr Digest key_of(uint8_t mark) {
  Digest digest{};
  digest[0] = mark;
  return digest;
}

// A try in a letter or two: S same, G genuine, I/J/K injected under three keys, N injected without
// a key, U/V untrusted under two keys, W untrusted without a key, R reset, C closed, A/B alerts,
// T timeout of the hello, Y timeout of the SYN, Z timeout in the middle of the answer, F refused
// SYN, Q alert that TLS 1.2 is refused, H not TLS, X unreachable, 0 none. A + behind it: between
// good controls; a ~: stateful.
std::vector<Try> tries_of(std::string_view text) {
  std::vector<Try> tries;
  for (const char letter : text) {
    if (letter == '+') {
      tries.back().controls_before_and_after = true;
      continue;
    }
    if (letter == '~') {
      tries.back().stateful = true;
      continue;
    }
    if (letter == ' ') continue;
    Try one;
    one.time_ms = static_cast<int64_t>(tries.size());
    switch (letter) {
      case 'S':
        one.verdict = Verdict::same;
        break;
      case 'G':
        one.verdict = Verdict::genuine;
        break;
      case 'I':
      case 'J':
      case 'K':
      case 'N':
        one.verdict = Verdict::injected;
        break;
      case 'U':
      case 'V':
      case 'W':
        one.verdict = Verdict::untrusted;
        break;
      case 'R':
        one.verdict = Verdict::reset;
        break;
      case 'C':
        one.verdict = Verdict::closed;
        break;
      case 'A':
        one.verdict = Verdict::alert, one.detail = 112;
        break;
      case 'B':
        one.verdict = Verdict::alert, one.detail = 40;
        break;
      case 'T':
        one.verdict = Verdict::timeout, one.detail = 1;
        break;
      case 'Y':
        one.verdict = Verdict::timeout, one.detail = 0;
        break;
      case 'Z':
        one.verdict = Verdict::timeout, one.detail = detail::flight_broke_off;
        break;
      case 'F':
        one.verdict = Verdict::reset, one.detail = detail::syn_refused;
        break;
      case 'Q':
        one.verdict = Verdict::alert, one.detail = detail::protocol_version;
        break;
      case 'H':
        one.verdict = Verdict::not_tls;
        break;
      case 'X':
        one.verdict = Verdict::unreachable;
        break;
      case '0':
        break;
      default:
        ADD_FAILURE() << letter;
    }
    if (std::string_view("IJKUV").find(letter) != std::string_view::npos)
      one.issuer_spki = key_of(static_cast<uint8_t>(letter));
    // Forgers make a leaf for each connection; a host's odd leaf stays the same.
    if (std::string_view("IJKN").find(letter) != std::string_view::npos)
      one.leaf = key_of(static_cast<uint8_t>(100 + tries.size()));
    if (std::string_view("UVW").find(letter) != std::string_view::npos)
      one.leaf = key_of(static_cast<uint8_t>(letter));
    tries.push_back(one);
  }
  return tries;
}

Settlement settled(std::string_view text, bool final = false) {
  return settle(tries_of(text), final, nullptr, nullptr);
}

constexpr auto yes = Interference::yes, no = Interference::no, unclear = Interference::inconclusive;

struct Case {
  const char* tries;
  bool final;
  bool settled;
  Verdict verdict;
  Interference interference;
  uint8_t agreeing;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << '"' << one.tries << '"' << (one.final ? ", final" : "");
}

class Settling : public testing::TestWithParam<Case> {};

TEST_P(Settling, FollowsTheRule) {
  const Case& expected = GetParam();
  const Settlement answer = settled(expected.tries, expected.final);
  EXPECT_EQ(answer.settled, expected.settled) << expected.tries;
  EXPECT_EQ(to_string(answer.verdict), to_string(expected.verdict)) << expected.tries;
  EXPECT_EQ(to_string(answer.interference), to_string(expected.interference)) << expected.tries;
  EXPECT_EQ(answer.agreeing, expected.agreeing) << expected.tries;
  EXPECT_EQ(answer.attempts, tries_of(expected.tries).size()) << expected.tries;
}

// clang-format off
INSTANTIATE_TEST_SUITE_P(Nothing, Settling, testing::Values(
    Case{"", false, false, Verdict::none, unclear, 0},
    Case{"", true, true, Verdict::none, unclear, 0}));

INSTANTIATE_TEST_SUITE_P(Clean, Settling, testing::Values(
    Case{"S", false, true, Verdict::same, no, 1},
    Case{"G", false, true, Verdict::genuine, no, 1},
    // A failure that does not repeat is loss.
    Case{"R S+", false, true, Verdict::same, no, 1},
    Case{"R S", false, true, Verdict::same, no, 1},
    Case{"T G+", false, true, Verdict::genuine, no, 1},
    Case{"R T+ S+", false, true, Verdict::same, no, 1},
    Case{"A B+ S+", false, true, Verdict::same, no, 1},
    // The name never went out: not a failure that repeats.
    Case{"Y Y+ Y+ S+", false, true, Verdict::same, no, 1},
    Case{"X X+ S+", false, true, Verdict::same, no, 1},
    // Failures while the controls failed too are the host's.
    Case{"R R R S", false, true, Verdict::same, no, 1},
    Case{"S G", false, true, Verdict::genuine, no, 1},
    // An odd leaf asks for all tries.
    Case{"U S+", false, false, Verdict::same, unclear, 1},
    Case{"U S+ S+ S+ S+", false, true, Verdict::same, no, 4},
    Case{"U S+", true, true, Verdict::same, no, 1},
    Case{"U V+ S+ S+ S+", false, true, Verdict::same, no, 3},
    Case{"U G+ S+ S+ S+", false, true, Verdict::genuine, no, 1}));

INSTANTIATE_TEST_SUITE_P(FailuresBesideClean, Settling, testing::Values(
    // Two that agree are asked on, as boxes miss connections.
    Case{"R R+ S+", false, false, Verdict::reset, unclear, 2},
    Case{"R R+ S+ S+ S+", false, true, Verdict::same, no, 3},
    Case{"R R+ S+ R+ R+", false, true, Verdict::reset, unclear, 4},
    Case{"R R+ S+ R+ S+", false, true, Verdict::reset, unclear, 3},
    Case{"R R+ T+ T+ S+", false, true, Verdict::timeout, unclear, 2},
    Case{"R R+ T+ R+ S+", false, true, Verdict::reset, unclear, 3},
    Case{"T R+ S+ T+ R+", false, true, Verdict::reset, unclear, 2}));

INSTANTIATE_TEST_SUITE_P(Injected, Settling, testing::Values(
    Case{"I", false, false, Verdict::injected, unclear, 1},
    Case{"I", true, true, Verdict::injected, unclear, 1},
    Case{"I I+", false, false, Verdict::injected, unclear, 2},
    Case{"I I+ I+", false, true, Verdict::injected, yes, 3},
    // One alone between good controls is not enough, nor none.
    Case{"I I I+", false, false, Verdict::injected, unclear, 3},
    Case{"I I I I I", false, true, Verdict::injected, unclear, 5},
    Case{"I I I I I+", false, true, Verdict::injected, yes, 5},
    Case{"I+ I+ I+", false, true, Verdict::injected, yes, 3},
    // Residual blocking breaks the control after; a pause heals it.
    Case{"I I~ I~", false, true, Verdict::injected, yes, 3},
    // The box misses connections.
    Case{"I S+ I+", false, false, Verdict::injected, unclear, 2},
    Case{"I S+ I+ I+", false, true, Verdict::injected, yes, 3},
    Case{"I S+ S+ I+ S+", false, true, Verdict::injected, yes, 2},
    Case{"I G+ S+ I+ S+", false, true, Verdict::injected, yes, 2},
    Case{"R S+ S+", false, true, Verdict::same, no, 2},
    Case{"I S+ S+ I S+", false, true, Verdict::injected, unclear, 2},
    Case{"I S+ S+ S+ S+", false, true, Verdict::injected, unclear, 1},
    Case{"I G+", false, false, Verdict::genuine, unclear, 1},
    Case{"I G+ G+ G+ G+", false, true, Verdict::injected, unclear, 1},
    // Failures beside it.
    Case{"I R+ I+ I+", false, true, Verdict::injected, yes, 3},
    Case{"I R+ T+ I+ R+", false, true, Verdict::injected, yes, 2},
    Case{"I R+ R+ R+", false, true, Verdict::reset, yes, 3},
    Case{"R I+ R+ R+", false, false, Verdict::reset, unclear, 3},
    Case{"R I+ R+ R+ R+", false, true, Verdict::injected, unclear, 1},
    // Dropped early with two, one of them well placed.
    Case{"I I+", true, true, Verdict::injected, yes, 2},
    Case{"I I", true, true, Verdict::injected, unclear, 2}));

INSTANTIATE_TEST_SUITE_P(InjectedUnderSeveralKeys, Settling, testing::Values(
    Case{"I J+ K+", false, false, Verdict::injected, unclear, 1},
    Case{"I J+ K+ R+ T+", false, true, Verdict::injected, yes, 3},
    Case{"I J+ S+ S+ S+", false, true, Verdict::injected, unclear, 1},
    Case{"I J+ I+ J+ S+", false, true, Verdict::injected, yes, 2},
    // No key was sent: the leaves differ with every connection, the relations are the same.
    Case{"N N+ N+", false, true, Verdict::injected, yes, 3},
    Case{"N I+ N+ I+ S+", false, true, Verdict::injected, yes, 2}));

INSTANTIATE_TEST_SUITE_P(Untrusted, Settling, testing::Values(
    Case{"U U+", false, false, Verdict::untrusted, unclear, 2},
    Case{"U U+ U+", false, true, Verdict::untrusted, unclear, 3},
    Case{"U V+ U+ V+", false, false, Verdict::untrusted, unclear, 2},
    Case{"U V+ U+ V+ V+", false, true, Verdict::untrusted, unclear, 3},
    Case{"W W+ W+", false, true, Verdict::untrusted, unclear, 3},
    Case{"U S+ U+ S+ S+", false, true, Verdict::untrusted, unclear, 2},
    Case{"U U+ U+ I+", false, false, Verdict::untrusted, unclear, 3},
    Case{"U U+ U+ I+ U+", false, true, Verdict::injected, unclear, 1}));

INSTANTIATE_TEST_SUITE_P(Failures, Settling, testing::Values(
    Case{"R", false, false, Verdict::reset, unclear, 1},
    Case{"R R+", false, false, Verdict::reset, unclear, 2},
    Case{"R R+", true, true, Verdict::reset, unclear, 2},
    Case{"R R+ R+", false, true, Verdict::reset, yes, 3},
    Case{"C C+ C+", false, true, Verdict::closed, yes, 3},
    Case{"A A+ A+", false, true, Verdict::alert, yes, 3},
    // Three timeouts were once enough; two lost resets and a box that drops everything for a while
    // after a reset had looked like a box that drops.
    Case{"T T+ T+", false, false, Verdict::timeout, unclear, 3},
    Case{"T T+ T+ T+ T+", false, true, Verdict::timeout, yes, 5},
    Case{"T T+ T+ R+ R+", false, true, Verdict::timeout, unclear, 3},
    Case{"H H+ H+", false, true, Verdict::not_tls, yes, 3},
    Case{"R R~ R~", false, true, Verdict::reset, yes, 3},
    // The first try cannot stand in for one between good controls.
    Case{"R R R+ R", false, false, Verdict::reset, unclear, 4},
    Case{"R R R R+ R", false, true, Verdict::reset, unclear, 5},
    Case{"R R R R R", false, true, Verdict::reset, unclear, 5},
    // Another answer, but outside of good controls.
    Case{"T R+ R+ R+", false, true, Verdict::reset, yes, 3},
    // Timeouts beside resets are loss; resets beside timeouts are not.
    Case{"R T+ R+ R+", false, false, Verdict::reset, unclear, 3},
    Case{"R T+ R+ R+ T+", false, true, Verdict::reset, yes, 3},
    Case{"T R+ T+ T+ R+", false, true, Verdict::timeout, unclear, 3},
    Case{"R C+ R+ R+ R+", false, true, Verdict::reset, unclear, 4},
    Case{"A B+ A+ A+ B+", false, true, Verdict::alert, unclear, 3},
    Case{"R U+ R+ R+ R+", false, true, Verdict::reset, unclear, 4},
    Case{"R C+ R+ C+ T+", false, true, Verdict::closed, unclear, 2},
    // Three of five with two tries that never sent the name.
    Case{"R Y+ R+ Y+ R+", false, true, Verdict::reset, yes, 3},
    Case{"R X+ R+ R+", false, true, Verdict::reset, yes, 3}));

INSTANTIATE_TEST_SUITE_P(Mute, Settling, testing::Values(
    Case{"X X+ X+", false, false, Verdict::unreachable, unclear, 3},
    Case{"X X+ X+ X+ X+", false, true, Verdict::unreachable, unclear, 5},
    Case{"Y Y+ Y+ Y+ Y+", false, true, Verdict::timeout, unclear, 5},
    Case{"Z Z+ Z+ Z+ Z+", false, true, Verdict::timeout, unclear, 5},
    Case{"F F+ F+ F+ F+", false, true, Verdict::reset, unclear, 5},
    Case{"Q Q+ Q+ Q+ Q+", false, true, Verdict::alert, unclear, 5},
    Case{"0 0 0 0 0", false, true, Verdict::none, unclear, 5},
    Case{"R T+", true, true, Verdict::timeout, unclear, 1}));  // a tie: the latest
// clang-format on

bool is_u(const Digest& spki, const void* context) {
  return spki == *static_cast<const Digest*>(context);
}

TEST(Settle, UntrustedUnderAForgingKeyCountsAsInjected) {
  const Digest forging = key_of('U');
  EXPECT_EQ(settle(tries_of("U U+ U+"), false, is_u, &forging).interference, yes);
  EXPECT_EQ(settle(tries_of("U U+ U+"), false, is_u, &forging).verdict, Verdict::injected);
  EXPECT_EQ(settle(tries_of("V V+ V+"), false, is_u, &forging).interference, unclear);
  EXPECT_EQ(settle(tries_of("U S+ U+ S+ S+"), false, is_u, &forging).interference, yes);
  // It agrees with an `injected` try under the same key.
  auto tries = tries_of("U U+ U+");
  tries[1].verdict = Verdict::injected;
  EXPECT_EQ(settle(tries, false, is_u, &forging).agreeing, 3);
}

TEST(Settle, StatefulIsKept) {
  EXPECT_TRUE(settled("R R~ R+").stateful);
  EXPECT_FALSE(settled("R R+ R+").stateful);
  EXPECT_TRUE(settled("R~", true).stateful);
}

// Whatever came behind the sweep's try may come in any order: the answer is the same.
TEST(Settle, OrderOfTheLaterTriesDoesNotMatter) {
  const char letters[] = "SGIJNUWRCAT";
  const auto order = [](const Try& a, const Try& b) { return a.time_ms < b.time_ms; };
  int checked = 0;
  for (const char first : std::string_view(letters))
    for (const char one : std::string_view(letters))
      for (const char two : std::string_view(letters)) {
        const std::string text = std::string() + first + one + "+" + two + "+" + one + two + "+";
        auto tries = tries_of(text);
        const Settlement expected = settle(tries, true, nullptr, nullptr);
        do {
          const Settlement answer = settle(tries, true, nullptr, nullptr);
          ASSERT_EQ(answer.interference, expected.interference) << text;
          // Verdicts of equal weight follow the latest, and only where nothing was concluded.
          if (expected.interference != unclear) {
            ASSERT_EQ(answer.verdict, expected.verdict) << text;
            ASSERT_EQ(answer.agreeing, expected.agreeing) << text;
          }
          ++checked;
        } while (std::next_permutation(tries.begin() + 1, tries.end(), order));
      }
  EXPECT_EQ(checked, 11 * 11 * 11 * 24);
}

// Over all sets of five tries: what is accused has evidence, what is acquitted came through.
TEST(Settle, NoAccusationAndNoAcquittalWithoutGrounds) {
  const std::vector<std::string> kinds = {"S",  "S+", "I",  "I+", "J+", "U+",
                                          "V+", "R",  "R+", "T+", "Y+", "X+"};
  const size_t count = kinds.size();
  for (size_t index = 0; index < count * count * count * count * count; ++index) {
    std::string text;
    for (size_t i = 0, rest = index; i < 5; ++i, rest /= count) text += kinds[rest % count];
    const auto tries = tries_of(text);
    const Settlement answer = settle(tries, true, nullptr, nullptr);
    ASSERT_TRUE(answer.settled);
    const auto with = [&](auto what) { return std::count_if(tries.begin(), tries.end(), what); };
    const auto clean = with([](const Try& one) { return one.verdict == Verdict::same; });
    if (answer.interference == yes) {
      ASSERT_GE(with([&](const Try& one) { return one.verdict == answer.verdict; }), 2) << text;
      ASSERT_GE(with([&](const Try& one) {
                  return one.verdict == answer.verdict && one.controls_before_and_after;
                }),
                1)
          << text;
      if (answer.verdict != Verdict::injected) {
        ASSERT_EQ(clean, 0) << text;
      }
      ASSERT_TRUE(answer.verdict != Verdict::untrusted && answer.verdict != Verdict::unreachable);
    }
    if (answer.interference == no) {
      ASSERT_GE(clean, 1) << text;
      ASSERT_EQ(with([](const Try& one) { return one.verdict == Verdict::injected; }), 0) << text;
    }
  }
}

// What was settled early stays what it is: one more try cannot be asked for again.
TEST(Settle, EarlyAnswersAreTheFinalOnes) {
  for (const char* text : {"I I+ I+", "R R+ R+", "R S+", "U U+ U+", "I S+ I+ I+"}) {
    const Settlement early = settled(text, false), last = settled(text, true);
    ASSERT_TRUE(early.settled) << text;
    EXPECT_EQ(early.verdict, last.verdict) << text;
    EXPECT_EQ(early.interference, last.interference) << text;
  }
}

TEST(Agree, ComparesWhatTheVerdictHangsOn) {
  const auto pair = [](std::string_view text) {
    const auto tries = tries_of(text);
    return agree(tries[0], tries[1]) && agree(tries[1], tries[0]);
  };
  EXPECT_TRUE(pair("II"));
  EXPECT_FALSE(pair("IJ"));
  EXPECT_TRUE(pair("NN"));
  EXPECT_FALSE(pair("IN"));
  EXPECT_TRUE(pair("UU"));
  EXPECT_FALSE(pair("UV"));
  EXPECT_TRUE(pair("WW"));
  EXPECT_FALSE(pair("UI"));
  EXPECT_TRUE(pair("AA"));
  EXPECT_FALSE(pair("AB"));
  EXPECT_TRUE(pair("TY"));
  EXPECT_FALSE(pair("RC"));
  auto tries = tries_of("WW");
  tries[1].leaf = key_of(9);
  EXPECT_FALSE(agree(tries[0], tries[1]));
}

}  // namespace
}  // namespace steppe
