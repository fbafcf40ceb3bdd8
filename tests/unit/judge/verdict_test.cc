// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/verdict.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace steppe {
namespace {

// The numbers are on disk, the words in everybody's scripts.
TEST(Verdict, NumbersAndWordsStay) {
  const char* words[] = {"none",   "same",  "genuine", "injected", "untrusted",  "reset",
                         "closed", "alert", "timeout", "not_tls",  "unreachable"};
  static_assert(std::size(words) == verdict_count);
  for (uint8_t number = 0; number < verdict_count; ++number) {
    EXPECT_EQ(to_string(static_cast<Verdict>(number)), words[number]);
    EXPECT_EQ(verdict_from(words[number]), static_cast<Verdict>(number));
  }
  EXPECT_EQ(to_string(static_cast<Verdict>(200)), "?");
  EXPECT_EQ(verdict_from("?"), std::nullopt);
  EXPECT_EQ(verdict_from("Same"), std::nullopt);
  EXPECT_EQ(verdict_from(""), std::nullopt);
}

TEST(HostStatus, NumbersAndWordsStay) {
  const char* words[] = {"unknown",     "trusted",       "untrusted", "unstable",
                         "needs_tls13", "rejects_names", "not_tls",   "closed",
                         "reset",       "timeout",       "dropped",   "refuses_tls"};
  static_assert(std::size(words) == host_status_count);
  for (uint8_t number = 0; number < host_status_count; ++number) {
    EXPECT_EQ(to_string(static_cast<HostStatus>(number)), words[number]);
    EXPECT_EQ(host_status_from(words[number]), static_cast<HostStatus>(number));
  }
  EXPECT_EQ(host_status_from("none"), std::nullopt);
}

TEST(Interference, NumbersAndWordsStay) {
  const char* words[] = {"no", "yes", "inconclusive"};
  for (uint8_t number = 0; number < 3; ++number) {
    EXPECT_EQ(to_string(static_cast<Interference>(number)), words[number]);
    EXPECT_EQ(interference_from(words[number]), static_cast<Interference>(number));
  }
  EXPECT_EQ(interference_from("maybe"), std::nullopt);
}

}  // namespace
}  // namespace steppe
