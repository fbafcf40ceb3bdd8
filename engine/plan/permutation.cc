// SPDX-License-Identifier: Apache-2.0
//
// A shuffle without memory
//
// The problem. A scan must not visit addresses in ascending order: all the frames of one second
// would meet one network. It wants a random order, the same again after a restart, that can be
// shared between shards and workers who never speak to each other.
//
// The naive way is to shuffle an array. Each target's number has to be kept, because a shuffle is
// one of n! orders and no short formula tells them apart: 4 bytes for each of 2^32 addresses are
// 16 GB, and a sweep of 10^9 pairs would have its own. A hash of the index needs no memory but is
// no bijection: it visits some targets twice and a third of them never.
//
// Ours is ZMap's. For a prime p the numbers 1..p-1 form a group under multiplication modulo p, and
// the group is cyclic: there are generators g whose powers g^0, g^1, ..., g^(p-2) are all of
// 1..p-1. So the walk
//
//     element(i) = start * g^i mod p,    i = 0 .. p-2
//
// meets each of 1..p-1 exactly once before it returns to where it began. With p the smallest prime
// above n, the element e stands for the index e - 1, and elements beyond n are skipped. The state
// is one number, a step one multiplication. The order is not one that a cryptographer would call
// random, and need not be: it must spread a second's frames over the address space. (g, start) come
// from the seed, so another seed is another order.
//
// Why each index comes exactly once. g generates the group if and only if g^((p-1)/q) != 1 for
// every prime factor q of p-1: the order of g divides p-1, and if it were a proper divisor it would
// divide (p-1)/q for some q. p-1 <= 2^40 + 14 is factored by trial division, 2^20 steps. Of the
// candidates that the seed proposes, phi(p-1)/(p-1) are generators, about three in eight; so the
// search ends after a few.
//
// Random access. g^i comes from i by repeated squaring, 41 steps at most. A walk may start at any
// position, and that is all that resuming takes: keep the position, go on from there.
//
// Shards. Walks with positions first, first + stride, ... for first = 0 .. stride-1 share the
// positions out among themselves, whatever g is: the union is every position, none twice. A shard's
// worker is the walk with first = shard * workers + worker and stride = shards * workers; its
// multiplier is g^stride. Nothing is lost if p-1 is no multiple of the stride: some walks just have
// one position more than others. A walk ends by counting positions, never by meeting its first
// element again, which a walk with a stride need not do; ends that were recognised by an element
// are how scanners came to stop early, or to visit their first targets twice.
//
// What is skipped in vain. Neighbouring primes up to 2^40 are 28 apart on average and never more
// than 540 (the known table of maximal gaps), so of a whole walk at most 540 positions are skipped.
// With one of a few fixed primes, as ZMap has them, a walk skips most of its positions where the
// next prime is far above n.
//
// What a step costs. The multiplier m of a walk never changes, so the division can be paid for in
// advance (Shoup's trick, in NTL's MulModPrecon): with m' = floor(m * 2^64 / p) and
// q = floor(m' * e / 2^64), the true quotient of m * e by p is q or q + 1. For
//     m * e / p - m' * e / 2^64 < e / 2^64 < 1,
// and rounding down takes away less than another 1; hence 0 <= m * e - q * p < 2p. That fits into
// 64 bits whatever m * e does, so the subtraction may wrap, and one comparison finishes it. Three
// multiplications instead of a division of 128 bits by 64, 3 ns a step, and the same code for every
// size.

#include "engine/plan/permutation.h"

#include <openssl/bn.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <new>
#include <random>
#include <vector>

namespace steppe {
namespace {

uint64_t multiply(uint64_t a, uint64_t b, uint64_t modulus) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b % modulus);
}

uint64_t power(uint64_t base, uint64_t exponent, uint64_t modulus) {
  uint64_t result = 1 % modulus;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = multiply(result, base, modulus);
    base = multiply(base, base, modulus);
  }
  return result;
}

uint64_t smallest_prime_above(uint64_t n) {
  const std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> scratch(BN_CTX_new(), BN_CTX_free);
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> candidate(BN_new(), BN_free);
  for (;;) {
    ++n;
    const int prime = candidate && scratch && BN_set_word(candidate.get(), n)
                          ? BN_check_prime(candidate.get(), scratch.get(), nullptr)
                          : -1;
    if (prime < 0) throw std::bad_alloc();  // the only way that these can fail
    if (prime) return n;
  }
}

std::vector<uint64_t> prime_factors(uint64_t n) {
  std::vector<uint64_t> factors;
  for (uint64_t factor = 2; factor * factor <= n; ++factor) {
    if (n % factor) continue;
    factors.push_back(factor);
    while (n % factor == 0) n /= factor;
  }
  if (n > 1) factors.push_back(n);
  return factors;
}

bool generates(uint64_t candidate, uint64_t prime, const std::vector<uint64_t>& factors) {
  return std::none_of(factors.begin(), factors.end(), [&](uint64_t factor) {
    return power(candidate, (prime - 1) / factor, prime) == 1;
  });
}

}  // namespace

Permutation::Permutation(uint64_t n, uint64_t seed) : n_(n) {
  assert(1 <= n && n <= uint64_t{1} << 40);
  prime_ = smallest_prime_above(n);
  // The standard fixes mt19937_64's output, though not its distributions': a seed means the same
  // order everywhere. Modulo's bias of 2^-24 does not matter here.
  std::mt19937_64 random(seed);
  const std::vector<uint64_t> factors = prime_factors(prime_ - 1);
  do {
    generator_ = 1 + random() % (prime_ - 1);
  } while (!generates(generator_, prime_, factors));
  start_ = 1 + random() % (prime_ - 1);
}

Permutation::Walk Permutation::walk(uint64_t first, uint64_t stride) const {
  assert(stride >= 1);
  Walk walk;
  walk.n_ = n_;
  walk.prime_ = prime_;
  walk.position_ = first;
  // A longer stride ends the walk after one position just the same, and position_ cannot overflow.
  walk.stride_ = std::min(stride, positions());
  walk.element_ = multiply(start_, power(generator_, first, prime_), prime_);
  walk.multiplier_ = power(generator_, walk.stride_, prime_);
  walk.multiplier_quotient_ =
      static_cast<uint64_t>((static_cast<unsigned __int128>(walk.multiplier_) << 64) / prime_);
  return walk;
}

}  // namespace steppe
