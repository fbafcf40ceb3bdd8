// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/aes128.h"

namespace steppe {
namespace {

// FIPS 197, 5.2, four words at a time: word i of the next round key is the sum of words 0..i of
// this one, and of a word made from the last one, which AESKEYGENASSIST leaves in lane 3.
template <int round_constant>
__m128i next_round_key(__m128i key) {
  const __m128i last_word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, round_constant), 0xff);
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
  return _mm_xor_si128(key, last_word);
}

}  // namespace

Aes128::Aes128(const std::array<uint8_t, 16>& key) {
  round_keys_[0] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key.data()));
  round_keys_[1] = next_round_key<0x01>(round_keys_[0]);
  round_keys_[2] = next_round_key<0x02>(round_keys_[1]);
  round_keys_[3] = next_round_key<0x04>(round_keys_[2]);
  round_keys_[4] = next_round_key<0x08>(round_keys_[3]);
  round_keys_[5] = next_round_key<0x10>(round_keys_[4]);
  round_keys_[6] = next_round_key<0x20>(round_keys_[5]);
  round_keys_[7] = next_round_key<0x40>(round_keys_[6]);
  round_keys_[8] = next_round_key<0x80>(round_keys_[7]);
  round_keys_[9] = next_round_key<0x1b>(round_keys_[8]);
  round_keys_[10] = next_round_key<0x36>(round_keys_[9]);
}

}  // namespace steppe
