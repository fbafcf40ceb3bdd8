// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/aes128.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <memory>
#include <random>

namespace steppe {
namespace {

using Block = std::array<uint8_t, 16>;

Block encrypt(const Block& key, const Block& block) {
  Block result;
  const __m128i loaded = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block.data()));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(result.data()), Aes128(key).encrypt(loaded));
  return result;
}

TEST(Aes128, Fips197AppendixC1) {
  const Block key = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
                     0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f};
  const Block plain = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                       0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
  const Block cipher = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                        0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
  EXPECT_EQ(encrypt(key, plain), cipher);
}

TEST(Aes128, AgreesWithOpenSsl) {
  std::mt19937 random(1);
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  for (int trial = 0; trial < 1000; ++trial) {
    Block key, plain, expected;
    for (uint8_t& byte : key) byte = static_cast<uint8_t>(random());
    for (uint8_t& byte : plain) byte = static_cast<uint8_t>(random());
    int length = 0;
    ASSERT_EQ(EVP_EncryptInit_ex(context.get(), EVP_aes_128_ecb(), nullptr, key.data(), nullptr),
              1);
    ASSERT_EQ(EVP_EncryptUpdate(context.get(), expected.data(), &length, plain.data(), 16), 1);
    ASSERT_EQ(length, 16);
    ASSERT_EQ(encrypt(key, plain), expected);
  }
}

}  // namespace
}  // namespace steppe
