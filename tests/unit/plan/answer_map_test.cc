// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/answer_map.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace steppe {
namespace {

TEST(AnswerMap, BeginsWithoutAnswers) {
  for (const uint64_t size : {0, 1, 31, 32, 33, 64, 1000}) {
    const AnswerMap answers(size);
    EXPECT_EQ(answers.size(), size);
    for (uint64_t i = 0; i < size; ++i) ASSERT_EQ(answers.get(i), Answer::none);
  }
}

TEST(AnswerMap, OneClaimAndOneEnd) {
  AnswerMap answers(100);
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_TRUE(answers.claim(i));
    EXPECT_EQ(answers.get(i), Answer::open);
    EXPECT_FALSE(answers.claim(i));
    EXPECT_EQ(answers.get(i), Answer::open);
    answers.finish(i, i % 3 == 0);
    EXPECT_EQ(answers.get(i), i % 3 == 0 ? Answer::same : Answer::other);
    EXPECT_FALSE(answers.claim(i));
    EXPECT_EQ(answers.get(i), i % 3 == 0 ? Answer::same : Answer::other);
  }
  for (uint64_t i = 0; i < 100; i += 7) answers.forget(i);
  for (uint64_t i = 0; i < 100; ++i)
    EXPECT_EQ(answers.get(i), i % 7 == 0   ? Answer::none
                              : i % 3 == 0 ? Answer::same
                                           : Answer::other);
}

TEST(AnswerMap, AnyStateCanBeForgotten) {
  AnswerMap answers(3);
  for (uint64_t i = 0; i < 3; ++i) answers.claim(i);
  answers.finish(1, true);
  answers.finish(2, false);
  for (uint64_t i = 0; i < 3; ++i) {
    answers.forget(i);
    EXPECT_EQ(answers.get(i), Answer::none);
    EXPECT_TRUE(answers.claim(i));
  }
}

// 32 targets share a word. Each has one worker, but the word has many.
TEST(AnswerMap, NeighboursInAWordDoNotDisturbEachOther) {
  constexpr uint64_t size = 64000;
  AnswerMap answers(size);
  std::vector<std::thread> workers;
  for (uint64_t worker = 0; worker < 4; ++worker)
    workers.emplace_back([&, worker] {
      for (uint64_t i = worker; i < size; i += 4) {
        if (!answers.claim(i)) continue;
        answers.finish(i, i % 5 == 0);
      }
    });
  for (std::thread& worker : workers) worker.join();
  for (uint64_t i = 0; i < size; ++i)
    ASSERT_EQ(answers.get(i), i % 5 == 0 ? Answer::same : Answer::other) << i;
}

}  // namespace
}  // namespace steppe
