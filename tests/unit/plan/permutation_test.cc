// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/permutation.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>

#include <algorithm>
#include <memory>
#include <random>
#include <unordered_set>
#include <vector>

namespace steppe {
namespace {

// start * generator^position mod prime - 1, by OpenSSL alone.
uint64_t element_by_bignum(const Permutation& permutation, uint64_t position) {
  const auto number = [](uint64_t value) {
    std::unique_ptr<BIGNUM, decltype(&BN_free)> result(BN_new(), BN_free);
    BN_set_word(result.get(), value);
    return result;
  };
  const std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context(BN_CTX_new(), BN_CTX_free);
  const auto result = number(0), generator = number(permutation.generator()),
             start = number(permutation.start()), exponent = number(position),
             prime = number(permutation.prime());
  BN_mod_exp(result.get(), generator.get(), exponent.get(), prime.get(), context.get());
  BN_mod_mul(result.get(), result.get(), start.get(), prime.get(), context.get());
  return BN_get_word(result.get()) - 1;
}

uint64_t power_by_bignum(uint64_t base, uint64_t exponent, uint64_t modulus) {
  BIGNUM *b = BN_new(), *e = BN_new(), *m = BN_new(), *r = BN_new();
  BN_CTX* context = BN_CTX_new();
  BN_set_word(b, base);
  BN_set_word(e, exponent);
  BN_set_word(m, modulus);
  BN_mod_exp(r, b, e, m, context);
  const uint64_t result = BN_get_word(r);
  for (BIGNUM* n : {b, e, m, r}) BN_free(n);
  BN_CTX_free(context);
  return result;
}

bool is_prime_by_division(uint64_t n) {
  if (n < 2) return false;
  for (uint64_t d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return true;
}

// Marks what the walk gives, and fails at the first index that is out of range or comes again.
class Seen {
 public:
  explicit Seen(uint64_t n) : bits_(n) {}
  void mark(uint64_t index) {
    ASSERT_LT(index, bits_.size());
    ASSERT_FALSE(bits_[index]) << index << " came twice";
    bits_[index] = true;
    ++count_;
  }
  uint64_t count() const { return count_; }

 private:
  std::vector<bool> bits_;
  uint64_t count_ = 0;
};

// The sizes spread evenly over their logarithms, so that small ones, where an error by one is a
// large part of the whole, are well represented.
TEST(Permutation, EachIndexComesExactlyOnceOverAllShards) {
  std::mt19937_64 random(7);
  for (int trial = 0; trial < 1000; ++trial) {
    const uint64_t n = 1 + random() % (uint64_t{1} << (trial % 21));
    const uint64_t shards = 1 + random() % 34;
    const uint64_t workers = 1 + random() % 3;
    const uint64_t stride = shards * workers;
    const Permutation permutation(n, random());
    Seen seen(n);
    for (uint64_t first = 0; first < stride; ++first) {
      Permutation::Walk walk = permutation.walk(first, stride);
      // Every walk is interrupted once, somewhere, and goes on from its position.
      uint64_t until_interrupted = random() % (n / stride + 2);
      while (const auto index = walk.next()) {
        ASSERT_NO_FATAL_FAILURE(seen.mark(*index)) << "n " << n << " stride " << stride;
        if (until_interrupted-- == 0) walk = permutation.walk(walk.position(), stride);
      }
      ASSERT_GE(walk.position(), permutation.positions());
      ASSERT_EQ(walk.next(), std::nullopt);
    }
    ASSERT_EQ(seen.count(), n) << "stride " << stride;
  }
}

TEST(Permutation, TheFullTwoToTheTwenty) {
  const uint64_t n = uint64_t{1} << 20;
  const Permutation permutation(n, 3);
  Seen seen(n);
  for (uint64_t first = 0; first < 34; ++first) {
    Permutation::Walk walk = permutation.walk(first, 34);
    while (const auto index = walk.next()) ASSERT_NO_FATAL_FAILURE(seen.mark(*index));
  }
  EXPECT_EQ(seen.count(), n);
}

TEST(Permutation, SmallestSizes) {
  for (uint64_t n = 1; n <= 12; ++n) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const Permutation permutation(n, seed);
      Permutation::Walk walk = permutation.walk(0, 1);
      std::vector<uint64_t> indices;
      while (const auto index = walk.next()) indices.push_back(*index);
      std::sort(indices.begin(), indices.end());
      ASSERT_EQ(indices.size(), n);
      for (uint64_t i = 0; i < n; ++i) ASSERT_EQ(indices[i], i);
    }
  }
}

TEST(Permutation, SameSeedSameOrderOtherSeedOtherOrder) {
  const auto order = [](uint64_t seed) {
    const Permutation permutation(100000, seed);
    Permutation::Walk walk = permutation.walk(0, 1);
    std::vector<uint64_t> indices;
    for (int i = 0; i < 20; ++i) indices.push_back(walk.next().value());
    return indices;
  };
  EXPECT_EQ(order(5), order(5));
  EXPECT_NE(order(5), order(6));
}

// A seed that is written into a resumed scan's record must mean the same order on every machine.
TEST(Permutation, OrderOfASeedIsFixed) {
  const Permutation permutation(1000, 42);
  Permutation::Walk walk = permutation.walk(0, 1);
  std::vector<uint64_t> indices;
  for (int i = 0; i < 5; ++i) indices.push_back(walk.next().value());
  EXPECT_EQ(permutation.prime(), 1009u);
  EXPECT_EQ(indices, (std::vector<uint64_t>{922, 783, 478, 208, 581}));
}

TEST(Permutation, WalksBeyondTheEndAreEmpty) {
  const Permutation permutation(100, 1);
  for (const uint64_t first : {permutation.positions(), permutation.positions() + 1, UINT64_MAX}) {
    EXPECT_EQ(permutation.walk(first, 1).next(), std::nullopt);
  }
  // A stride that would overflow the position if it were added as it is: the walk would go back.
  Permutation::Walk walk = permutation.walk(permutation.positions() - 1, UINT64_MAX);
  walk.next();
  EXPECT_GE(walk.position(), permutation.positions());
  EXPECT_EQ(walk.next(), std::nullopt);
}

// The quotient that a step estimates is one too small only where the next element is below 2^18 or
// so, once in some 2^27 steps of the largest walk. This is such a step, found by search.
TEST(Permutation, TheRareStepThatNeedsTheLastSubtraction) {
  constexpr uint64_t position = 118756840;
  const Permutation permutation(uint64_t{1} << 40, 12);
  Permutation::Walk walk = permutation.walk(position, 1);
  EXPECT_EQ(walk.next(), 74621820136 - 1);
  EXPECT_EQ(walk.next(), 438 - 1);
  EXPECT_EQ(walk.next(), element_by_bignum(permutation, position + 2));
}

class LargePermutation : public testing::TestWithParam<uint64_t> {};

TEST_P(LargePermutation, PrimeIsTheSmallestAbove) {
  const Permutation permutation(GetParam(), 11);
  ASSERT_GT(permutation.prime(), GetParam());
  EXPECT_TRUE(is_prime_by_division(permutation.prime()));
  for (uint64_t n = GetParam() + 1; n < permutation.prime(); ++n) {
    EXPECT_FALSE(is_prime_by_division(n));
  }
}

TEST_P(LargePermutation, GeneratorHasFullOrder) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const Permutation permutation(GetParam(), seed);
    const uint64_t prime = permutation.prime(), order = prime - 1;
    EXPECT_EQ(power_by_bignum(permutation.generator(), order, prime), 1u);
    uint64_t left = order;
    for (uint64_t q = 2; left > 1; q = q * q > left ? left : q + 1) {
      if (left % q) continue;
      EXPECT_NE(power_by_bignum(permutation.generator(), order / q, prime), 1u) << q;
      while (left % q == 0) left /= q;
    }
  }
}

TEST_P(LargePermutation, StepsAgreeWithExponentiation) {
  const Permutation permutation(GetParam(), 12);
  constexpr uint64_t steps = 100000;
  for (const uint64_t stride : {uint64_t{1}, uint64_t{68}}) {
    for (const uint64_t first : {uint64_t{0}, uint64_t{65535}, permutation.positions() / 2,
                                 permutation.positions() - steps * stride}) {
      Permutation::Walk walk = permutation.walk(first, stride);
      std::unordered_set<uint64_t> seen;
      for (uint64_t i = 0; i < steps; ++i) {
        const uint64_t before = walk.position();
        const auto index = walk.next();
        if (!index) break;  // the last positions may all be skipped
        ASSERT_LT(*index, GetParam());
        ASSERT_TRUE(seen.insert(*index).second);
        // Where next() skipped positions, the element is that of the last one it looked at.
        if (i % 997 == 0) {
          ASSERT_EQ(*index, element_by_bignum(permutation, walk.position() - stride)) << before;
        }
      }
      EXPECT_GT(seen.size(), steps - 600);
    }
  }
}

TEST_P(LargePermutation, TheLastPositionsEndTheWalk) {
  const Permutation permutation(GetParam(), 13);
  for (const uint64_t stride : {uint64_t{1}, uint64_t{34}}) {
    const uint64_t first = permutation.positions() - 1000;
    Permutation::Walk walk = permutation.walk(first, stride);
    std::vector<uint64_t> expected, got;
    for (uint64_t position = first; position < permutation.positions(); position += stride) {
      const uint64_t index = element_by_bignum(permutation, position);
      if (index < GetParam()) expected.push_back(index);
    }
    while (const auto index = walk.next()) got.push_back(*index);
    EXPECT_EQ(got, expected);
    EXPECT_EQ(walk.next(), std::nullopt);
    EXPECT_GE(walk.position(), permutation.positions());
  }
}

INSTANTIATE_TEST_SUITE_P(AroundPowersOfTwo, LargePermutation,
                         testing::Values((uint64_t{1} << 31) - 1, (uint64_t{1} << 32) - 6,
                                         (uint64_t{1} << 32) - 1, uint64_t{1} << 32,
                                         (uint64_t{1} << 32) + 1, (uint64_t{1} << 40) - 1,
                                         uint64_t{1} << 40));

}  // namespace
}  // namespace steppe
