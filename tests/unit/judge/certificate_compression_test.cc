// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/certificate_compression.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/limits.h"
#include "tests/unit/judge/sealing_server.h"

namespace steppe::testing {
namespace {

// A CompressedCertificate's body: what is behind the message's header.
Bytes body_of(const Bytes& message) {
  return {message.begin() + 4, message.end()};
}
Bytes compressed(const Bytes& plain, uint16_t algorithm) {
  return body_of(compressed_certificate(message(11, plain), algorithm));
}
Bytes claiming(uint16_t algorithm, size_t bytes, const Bytes& content) {
  return body_of(compressed_certificate(algorithm, bytes, content));
}
// Algorithm, two lengths (RFC 8879 4).
constexpr size_t header_bytes = 2 + 3 + 3;
Bytes content_of(const Bytes& body) {
  return {body.begin() + header_bytes, body.end()};
}

class Decompression : public ::testing::TestWithParam<uint16_t> {
 protected:
  const uint16_t algorithm = GetParam();
};

TEST_P(Decompression, BringsBackWhatWasCompressed) {
  for (const size_t bytes :
       {size_t{1}, size_t{2}, size_t{1000}, size_t{70'000}, limits::flight_bytes}) {
    for (const Bytes& plain : {noise(bytes, 1), Bytes(bytes, 0x30)}) {
      const auto back = decompress_certificate(compressed(plain, algorithm));
      ASSERT_TRUE(back) << bytes;
      EXPECT_EQ(*back, plain);
    }
  }
}

TEST_P(Decompression, RefusesAnotherLengthThanItNames) {
  const Bytes plain = noise(1000, 2);
  const Bytes content = content_of(compressed(plain, algorithm));
  for (const size_t bytes : {0, 1, 999, 1001, 2000, 190'000})
    EXPECT_FALSE(decompress_certificate(claiming(algorithm, bytes, content))) << bytes;
  EXPECT_TRUE(decompress_certificate(claiming(algorithm, 1000, content)));
  EXPECT_FALSE(decompress_certificate(claiming(algorithm, 0, {})));
  EXPECT_FALSE(
      decompress_certificate(claiming(algorithm, 0, content_of(compressed({7}, algorithm)))));
}

// What expands beyond all bounds: neither is it believed for what it names, nor does it get more
// room than that.
TEST_P(Decompression, RefusesBombs) {
  const size_t beyond = limits::flight_bytes + 1;
  EXPECT_FALSE(decompress_certificate(compressed(Bytes(beyond, 0), algorithm)));
  const Bytes bomb = content_of(compressed(Bytes(16'000'000, 0), algorithm));
  EXPECT_LT(bomb.size(), 20'000u);
  for (const size_t named : {size_t{1}, size_t{1000}, limits::flight_bytes, beyond,
                             size_t{16'000'000}, size_t{0xffffff}})
    EXPECT_FALSE(decompress_certificate(claiming(algorithm, named, bomb))) << named;
}

TEST_P(Decompression, RefusesWhatIsCutOffOrCarriesMore) {
  const Bytes plain = noise(300, 3);
  const Bytes good = compressed(plain, algorithm);
  for (size_t end = 0; end < good.size(); ++end)
    ASSERT_FALSE(decompress_certificate(std::span(good).first(end))) << end;
  EXPECT_FALSE(decompress_certificate(join({good, {0}})));
  // The same with lengths that agree: a stream that breaks off.
  const Bytes content = content_of(good);
  for (size_t end = 0; end + 5 < content.size(); ++end) {
    const Bytes cut(content.begin(), content.begin() + static_cast<ptrdiff_t>(end));
    ASSERT_FALSE(decompress_certificate(claiming(algorithm, plain.size(), cut))) << end;
  }
}

TEST_P(Decompression, IsTotal) {
  std::mt19937 random{algorithm};
  const Bytes plain = certificate13({noise(200, 4), Bytes(300, 1)});
  const Bytes good = compressed(plain, algorithm);
  for (int round = 0; round < 5000; ++round) {
    Bytes bytes = good;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes)
      bytes[header_bytes + random() % (bytes.size() - header_bytes)] =
          static_cast<uint8_t>(random());
    const auto back = decompress_certificate(bytes);
    if (back) {
      ASSERT_EQ(back->size(), plain.size());
    }
    const Bytes garbage = noise(random() % 100, static_cast<uint32_t>(round));
    decompress_certificate(claiming(algorithm, 1 + random() % 1000, garbage));
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, Decompression, ::testing::Values(1, 2, 3));

TEST(CertificateCompression, RefusesOtherAlgorithms) {
  const Bytes content = content_of(compressed(noise(100, 5), 1));
  EXPECT_TRUE(decompress_certificate(claiming(1, 100, content)));
  for (const uint16_t algorithm : {0, 4, 0x0101, 0xffff})
    EXPECT_FALSE(decompress_certificate(claiming(algorithm, 100, content))) << algorithm;
}

}  // namespace
}  // namespace steppe::testing
