// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/key_shares.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/err.h>

#include <algorithm>

namespace steppe {
namespace {

using Bytes = std::vector<uint8_t>;
using Secret = std::array<uint8_t, 32>;

constexpr Secret secret = {0x5e, 0xc2, 0xe7};

struct Named {
  uint16_t group;
  const char* name;
  size_t share_bytes, secret_bytes;
};
constexpr Named groups[] = {{group::x25519, nullptr, 32, 32},
                            {group::secp256r1, "P-256", 65, 32},
                            {group::secp384r1, "P-384", 97, 48},
                            {group::secp521r1, "P-521", 133, 66}};

KeyPtr generate(const Named& named) {
  return KeyPtr{named.name == nullptr ? EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")
                                      : EVP_EC_gen(named.name)};
}

Bytes public_half(EVP_PKEY* key) {
  uint8_t* encoded = nullptr;
  const size_t bytes = EVP_PKEY_get1_encoded_public_key(key, &encoded);
  Bytes copy(encoded, encoded + bytes);
  OPENSSL_free(encoded);
  return copy;
}

// The secret as the other side finds it, from nothing but our share's bytes.
Bytes others_secret(EVP_PKEY* other, const KeyShare& share) {
  const KeyPtr peer{EVP_PKEY_new()};
  EXPECT_EQ(EVP_PKEY_copy_parameters(peer.get(), other), 1);
  EXPECT_EQ(EVP_PKEY_set1_encoded_public_key(peer.get(), share.key_exchange.data(),
                                             share.key_exchange.size()),
            1);
  const KeyContextPtr context{EVP_PKEY_CTX_new(other, nullptr)};
  Bytes found(66);
  size_t bytes = found.size();
  EXPECT_EQ(EVP_PKEY_derive_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_derive_set_peer(context.get(), peer.get()), 1);
  EXPECT_EQ(EVP_PKEY_derive(context.get(), found.data(), &bytes), 1);
  found.resize(bytes);
  return found;
}

Bytes derived(KeyExchange& exchange, uint16_t group, const Bytes& key_exchange) {
  const auto shared = exchange.derive(group, key_exchange);
  return shared ? Bytes(shared->begin(), shared->end()) : Bytes{};
}

TEST(KeyShares, AreWellFormedPoints) {
  const KeyShares keys(secret);
  ASSERT_EQ(keys.shares().size(), std::size(groups));
  for (size_t i = 0; i < std::size(groups); ++i) {
    const KeyShare& share = keys.shares()[i];
    EXPECT_EQ(share.group, groups[i].group);
    EXPECT_EQ(share.key_exchange.size(), groups[i].share_bytes);
    EVP_PKEY* const key = keys.key(share.group);
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(public_half(key), share.key_exchange);
    if (share.group == group::x25519) continue;
    EXPECT_EQ(share.key_exchange[0], 4);  // RFC 8446 4.2.8.2
    const KeyContextPtr context{EVP_PKEY_CTX_new(key, nullptr)};
    EXPECT_EQ(EVP_PKEY_check(context.get()), 1) << groups[i].name;
  }
  EXPECT_EQ(keys.key(30), nullptr);
  EXPECT_EQ(keys.key(0), nullptr);
}

TEST(KeyShares, AreAFunctionOfTheSecret) {
  const KeyShares keys(secret), again(secret);
  Secret other_secret = secret;
  other_secret[31] ^= 1;
  const KeyShares other(other_secret);
  for (size_t i = 0; i < std::size(groups); ++i) {
    EXPECT_EQ(keys.shares()[i].key_exchange, again.shares()[i].key_exchange);
    EXPECT_NE(keys.shares()[i].key_exchange, other.shares()[i].key_exchange);
  }
}

TEST(KeyShares, AgreeWithTheOtherSide) {
  const KeyShares keys(secret);
  KeyExchange exchange(keys);
  for (int round = 0; round < 20; ++round)
    for (size_t i = 0; i < std::size(groups); ++i) {
      const KeyPtr other = generate(groups[i]);
      const Bytes shared = derived(exchange, groups[i].group, public_half(other.get()));
      EXPECT_EQ(shared, others_secret(other.get(), keys.shares()[i]));
      EXPECT_EQ(shared.size(), groups[i].secret_bytes);
    }
}

// RFC 8446 7.4.2: zeros at the front of the X coordinate stay. One in 256 has such.
TEST(KeyShares, KeepTheSecretsLeadingZeros) {
  const KeyShares keys(secret);
  KeyExchange exchange(keys);
  size_t led_by_zero = 0;
  for (int round = 0; round < 3000 && led_by_zero == 0; ++round) {
    const KeyPtr other = generate(groups[1]);
    const Bytes shared = derived(exchange, group::secp256r1, public_half(other.get()));
    ASSERT_EQ(shared.size(), 32u);
    led_by_zero += shared[0] == 0;
  }
  EXPECT_GT(led_by_zero, 0u);
}

TEST(KeyShares, RefuseWhatIsNoPoint) {
  const KeyShares keys(secret);
  KeyExchange exchange(keys);
  for (const Named& named : groups) {
    const Bytes good = public_half(generate(named).get());
    const auto refused = [&](const Bytes& bytes) {
      return !exchange.derive(named.group, bytes).has_value();
    };
    for (size_t bytes = 0; bytes < good.size() + 40; ++bytes) {
      Bytes resized = good;
      resized.resize(bytes);
      EXPECT_EQ(refused(resized), bytes != good.size()) << named.share_bytes << ": " << bytes;
    }
    EXPECT_TRUE(refused(Bytes(good.size(), 0)));
    EXPECT_FALSE(refused(good)) << "after others were refused";
    EXPECT_EQ(ERR_peek_error(), 0u);
    if (named.group == group::x25519) continue;
    Bytes off_curve = good;
    off_curve.back() ^= 1;
    EXPECT_TRUE(refused(off_curve));
    EXPECT_TRUE(refused(Bytes(good.size(), 0xff)));
    EXPECT_TRUE(refused({0}));  // infinity
    // Other forms of the same point, which TLS 1.3 does not have (RFC 8446 4.2.8.2).
    const size_t coordinate = good.size() / 2;
    Bytes compressed(good.begin(), good.begin() + static_cast<ptrdiff_t>(1 + coordinate));
    compressed[0] = static_cast<uint8_t>(2 + (good.back() & 1));
    EXPECT_TRUE(refused(compressed));
    Bytes hybrid = good;
    hybrid[0] = static_cast<uint8_t>(6 + (good.back() & 1));
    EXPECT_TRUE(refused(hybrid));
  }
  EXPECT_FALSE(exchange.derive(30, Bytes(56, 9)));
  EXPECT_FALSE(exchange.derive(0, {}));
}

// RFC 7748 6.1: points of small order make a secret of zeros, which RFC 8446 7.4.2 refuses.
TEST(KeyShares, RefusePointsOfSmallOrder) {
  const KeyShares keys(secret);
  KeyExchange exchange(keys);
  Bytes zero(32, 0), one(32, 0), minus_one(32, 0xff);
  one[0] = 1;
  minus_one[0] = 0xec;
  minus_one[31] = 0x7f;
  for (const Bytes& point : {zero, one, minus_one})
    EXPECT_FALSE(exchange.derive(group::x25519, point));
}

}  // namespace
}  // namespace steppe
