// SPDX-License-Identifier: Apache-2.0
// AES-128 (FIPS 197), one block at a time, by the processor's AES-NI instructions. OpenSSL's EVP
// costs some 100 ns a call, more than a whole probe may; the instructions take 10, and overlap.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstdint>

namespace steppe {

// Immutable, thread-safe, copyable. Its time does not depend on key or block.
class Aes128 {
 public:
  explicit Aes128(const std::array<uint8_t, 16>& key);

  __m128i encrypt(__m128i block) const {
    block = _mm_xor_si128(block, round_keys_[0]);
    for (int round = 1; round < 10; ++round) block = _mm_aesenc_si128(block, round_keys_[round]);
    return _mm_aesenclast_si128(block, round_keys_[10]);
  }
  // Several blocks round by round: each waits 40 cycles for its own rounds, but eight of them
  // together hardly longer.
  template <size_t count>
  void encrypt(__m128i (&blocks)[count]) const {
    for (__m128i& block : blocks) block = _mm_xor_si128(block, round_keys_[0]);
#pragma GCC unroll 9
    for (int round = 1; round < 10; ++round)
      for (__m128i& block : blocks) block = _mm_aesenc_si128(block, round_keys_[round]);
    for (__m128i& block : blocks) block = _mm_aesenclast_si128(block, round_keys_[10]);
  }

 private:
  __m128i round_keys_[11];
};

}  // namespace steppe
