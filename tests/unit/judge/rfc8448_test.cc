// SPDX-License-Identifier: Apache-2.0
// The traces of RFC 8448: keys and records that are not ours.
#include "tests/unit/judge/rfc8448.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>

#include <algorithm>

#include "engine/judge/flight.h"
#include "engine/judge/key_shares.h"
#include "engine/judge/tls13_keys.h"
#include "engine/limits.h"
#include "engine/wire/hello_retry.h"
#include "engine/wire/tls_stream.h"
#include "tests/unit/wire/flight_builder.h"

namespace steppe::testing {
namespace {

Bytes from_hex(const char* text) {
  long length = 0;
  uint8_t* const bytes = OPENSSL_hexstr2buf(text, &length);
  Bytes copy(bytes, bytes + length);
  OPENSSL_free(bytes);
  return copy;
}

KeyPtr x25519(const Bytes& private_key) {
  return KeyPtr{EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, private_key.data(),
                                             private_key.size())};
}
KeyPtr x25519_peer(const Bytes& share) {
  return KeyPtr{EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, share.data(), share.size())};
}

KeyPtr p256(const Bytes& public_key, const Bytes& private_key) {
  OSSL_PARAM_BLD* const builder = OSSL_PARAM_BLD_new();
  BIGNUM* const scalar =
      BN_bin2bn(private_key.data(), static_cast<int>(private_key.size()), nullptr);
  OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
  OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, public_key.data(),
                                   public_key.size());
  if (!private_key.empty()) OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
  OSSL_PARAM* const parameters = OSSL_PARAM_BLD_to_param(builder);
  const KeyContextPtr context{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(context.get());
  EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  BN_free(scalar);
  return KeyPtr{key};
}

Bytes shared_secret(const KeyPtr& own, const KeyPtr& peer) {
  const KeyContextPtr context{EVP_PKEY_CTX_new(own.get(), nullptr)};
  Bytes secret(32);
  size_t bytes = secret.size();
  EXPECT_EQ(EVP_PKEY_derive_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_derive_set_peer(context.get(), peer.get()), 1);
  EXPECT_EQ(EVP_PKEY_derive(context.get(), secret.data(), &bytes), 1);
  EXPECT_EQ(bytes, secret.size());
  return secret;
}

std::vector<std::span<const uint8_t>> records_of(const Bytes& bytes) {
  std::vector<std::span<const uint8_t>> records;
  for (auto rest = std::span(bytes); !rest.empty();) {
    const size_t length = 5 + rest[3] * 256u + rest[4];
    records.push_back(rest.first(length));
    rest = rest.subspan(length);
  }
  return records;
}

// All four messages of the flight (EncryptedExtensions, Certificate, CertificateVerify, Finished)
// are in its last record; the second of them shows the certificate.
void expect_flight(Tls13Keys& keys, std::span<const uint8_t> record) {
  const auto opened = keys.open(record.first(5), record.subspan(5));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->back(), handshake_record);
  std::vector<uint8_t> types;
  auto rest = opened->first(opened->size() - 1);
  while (rest.size() >= 4) {
    const size_t length = 4 + rest[1] * 65536u + rest[2] * 256u + rest[3];
    ASSERT_LE(length, rest.size());
    types.push_back(rest[0]);
    if (rest[0] == 11) {
      const Bytes certificate = from_hex(rfc8448::certificate);
      const Bytes entry = join({number24(certificate.size()), certificate, {0, 0}});
      EXPECT_TRUE(std::ranges::equal(rest.first(length),
                                     message(11, join({{0}, number24(entry.size()), entry}))));
    }
    rest = rest.subspan(length);
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(types, (std::vector<uint8_t>{8, 11, 15, 20}));
}

// The records' way to a worker: everything but the end, which lies within the one record.
void expect_seen(const Bytes& stream) {
  TlsStream parser;
  EXPECT_EQ(parser.feed(stream, {}), TlsProgress::more);
  EXPECT_TRUE(parser.encrypted());
  EXPECT_TRUE(parser.may_be_over());
}

TEST(Rfc8448, Section3SimpleHandshake) {
  namespace trace = rfc8448::simple;
  const Bytes client_hello = from_hex(trace::client_hello), bytes = from_hex(trace::records);
  const auto records = records_of(bytes);
  ASSERT_EQ(records.size(), 2u);
  const ServerHello hello = read_server_hello(records[0].subspan(9));
  EXPECT_EQ(hello.version, 0x0304);
  EXPECT_EQ(hello.cipher_suite, 0x1301);
  EXPECT_EQ(hello.group, group::x25519);
  EXPECT_TRUE(std::ranges::equal(hello.key_exchange, from_hex(trace::server_share)));

  const Bytes shared = shared_secret(x25519(from_hex(trace::private_key)),
                                     x25519_peer(from_hex(trace::server_share)));
  EXPECT_EQ(shared, from_hex(trace::shared_secret));
  Tls13Keys keys;
  const std::span<const uint8_t> transcript[] = {client_hello, records[0].subspan(5)};
  ASSERT_TRUE(keys.begin(hello.cipher_suite, shared, {}, transcript));
  expect_flight(keys, records[1]);
  // It is the first record only once.
  EXPECT_FALSE(keys.open(records[1].first(5), records[1].subspan(5)));
  expect_seen(bytes);
}

TEST(Rfc8448, Section5HelloRetryRequest) {
  namespace trace = rfc8448::retried;
  const Bytes first = from_hex(trace::client_hello), retry_record = from_hex(trace::retry_record),
              second = from_hex(trace::second_client_hello), bytes = from_hex(trace::records);
  Bytes out(limits::hello_retry_bytes);
  const auto retry_message = first_message(retry_record, out);
  ASSERT_TRUE(retry_message);
  EXPECT_TRUE(std::ranges::equal(*retry_message, std::span(retry_record).subspan(5)));
  const auto retry = read_hello_retry(*retry_message);
  ASSERT_TRUE(retry);
  EXPECT_EQ(retry->group, group::secp256r1);
  EXPECT_EQ(retry->cookie.size(), 0x72u);
  EXPECT_TRUE(read_server_hello(retry_message->subspan(4)).is_retry);
  // The cookie came back.
  EXPECT_FALSE(std::ranges::search(second, retry->cookie).empty());

  const auto records = records_of(bytes);
  ASSERT_EQ(records.size(), 2u);
  const ServerHello hello = read_server_hello(records[0].subspan(9));
  EXPECT_EQ(hello.group, group::secp256r1);
  EXPECT_FALSE(hello.is_retry);
  const Bytes shared =
      shared_secret(p256(from_hex(trace::public_key), from_hex(trace::private_key)),
                    p256(from_hex(trace::server_share), {}));
  Tls13Keys keys;
  const std::span<const uint8_t> transcript[] = {*retry_message, second, records[0].subspan(5)};
  ASSERT_TRUE(keys.begin(hello.cipher_suite, shared, first, transcript));
  expect_flight(keys, records[1]);

  // Not without the first hello in the transcript.
  const std::span<const uint8_t> shortened[] = {second, records[0].subspan(5)};
  ASSERT_TRUE(keys.begin(hello.cipher_suite, shared, {}, shortened));
  EXPECT_FALSE(keys.open(records[1].first(5), records[1].subspan(5)));
  expect_seen(join({retry_record, bytes}));
}

TEST(Rfc8448, Section7CompatibilityMode) {
  namespace trace = rfc8448::compatible;
  const Bytes client_hello = from_hex(trace::client_hello), bytes = from_hex(trace::records);
  const auto records = records_of(bytes);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_TRUE(std::ranges::equal(records[1], change_cipher_spec()));
  const ServerHello hello = read_server_hello(records[0].subspan(9));
  const Bytes shared = shared_secret(x25519(from_hex(trace::private_key)),
                                     x25519_peer(from_hex(trace::server_share)));
  Tls13Keys keys;
  const std::span<const uint8_t> transcript[] = {client_hello, records[0].subspan(5)};
  ASSERT_TRUE(keys.begin(hello.cipher_suite, shared, {}, transcript));
  expect_flight(keys, records[2]);
  expect_seen(bytes);
}

}  // namespace
}  // namespace steppe::testing
