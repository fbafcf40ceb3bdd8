// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/wire/hello_parts.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "engine/limits.h"
#include "tests/unit/wire/openssl_server.h"

namespace steppe::testing {
namespace {

size_t number(std::span<const uint8_t> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), size_t{0},
                         [](size_t value, uint8_t byte) { return value << 8 | byte; });
}

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : rest_(bytes) {}
  Bytes take(size_t count) {
    if (rest_.size() < count) throw std::runtime_error("the hello ends too early");
    const Bytes taken(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(count));
    rest_ = rest_.subspan(count);
    return taken;
  }
  uint16_t take16() { return static_cast<uint16_t>(number(take(2))); }
  Bytes vector(size_t length_bytes) { return take(number(take(length_bytes))); }
  bool empty() const { return rest_.empty(); }
  void end() const {
    if (!empty()) throw std::runtime_error("something stands behind");
  }

 private:
  std::span<const uint8_t> rest_;
};

std::vector<uint16_t> numbers(const Bytes& bytes) {
  std::vector<uint16_t> all;
  for (Reader reader(bytes); !reader.empty();) all.push_back(reader.take16());
  return all;
}

std::vector<uint16_t> list(const Bytes& data, size_t length_bytes) {
  Reader reader(data);
  const Bytes content = reader.vector(length_bytes);
  reader.end();
  return numbers(content);
}

KeyShare share_of(uint16_t group, EVP_PKEY* made) {
  const Key key(made);
  unsigned char* encoded = nullptr;
  const size_t bytes = EVP_PKEY_get1_encoded_public_key(key.get(), &encoded);
  if (bytes == 0) throw std::runtime_error("no key");
  KeyShare share{group, Bytes(encoded, encoded + bytes)};
  OPENSSL_free(encoded);
  return share;
}

}  // namespace

HelloParts take_apart(std::span<const uint8_t> record) {
  HelloParts parts;
  Reader outer(record);
  if (outer.take(1)[0] != handshake_record) throw std::runtime_error("no handshake record");
  parts.record_version = outer.take16();
  const Bytes message = outer.vector(2);
  outer.end();
  parts.message_bytes = message.size();
  Reader reader(message);
  if (reader.take(1)[0] != 1) throw std::runtime_error("no client_hello");
  if (number(reader.take(3)) != message.size() - 4) throw std::runtime_error("a wrong length");
  parts.client_version = reader.take16();
  parts.random = reader.take(32);
  parts.session_id = reader.vector(1);
  parts.suites = numbers(reader.vector(2));
  parts.compression = reader.vector(1);
  const Bytes extensions = reader.vector(2);
  reader.end();
  for (Reader each(extensions); !each.empty();) {
    const uint16_t type = each.take16();
    parts.extensions.emplace_back(type, each.vector(2));
  }
  return parts;
}

std::vector<uint16_t> HelloParts::types() const {
  std::vector<uint16_t> all;
  for (const auto& [type, data] : extensions) all.push_back(type);
  return all;
}

const Bytes& HelloParts::data(uint16_t type) const {
  for (const auto& [present, data] : extensions)
    if (present == type) return data;
  throw std::out_of_range("no extension " + std::to_string(type));
}

std::vector<uint16_t> HelloParts::groups() const {
  return list(data(extension::supported_groups), 2);
}
std::vector<uint16_t> HelloParts::versions() const {
  return list(data(extension::supported_versions), 1);
}

std::vector<KeyShare> HelloParts::shares() const {
  Reader outer(data(extension::key_share));
  const Bytes entries = outer.vector(2);
  outer.end();
  std::vector<KeyShare> all;
  for (Reader reader(entries); !reader.empty();) {
    const uint16_t group = reader.take16();
    all.push_back({group, reader.vector(2)});
  }
  return all;
}

std::vector<KeyShare> fixed_shares() {
  KeyShare x25519{29, Bytes(32)}, p256{23, Bytes(65)};
  std::iota(x25519.key_exchange.begin(), x25519.key_exchange.end(), uint8_t{0});
  std::unique_ptr<EC_GROUP, Free<EC_GROUP_free>> curve(
      EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  EXPECT_EQ(
      EC_POINT_point2oct(curve.get(), EC_GROUP_get0_generator(curve.get()),
                         POINT_CONVERSION_UNCOMPRESSED, p256.key_exchange.data(), 65, nullptr),
      65u);
  return {x25519, p256};
}

std::vector<KeyShare> fresh_shares() {
  return {share_of(29, EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")),
          share_of(23, EVP_EC_gen("P-256")), share_of(24, EVP_EC_gen("P-384")),
          share_of(25, EVP_EC_gen("P-521"))};
}

namespace {

template <typename Write>
Bytes all_written(Write write) {
  Bytes out(limits::client_hello_bytes, 0xee);
  const size_t length = write(out);
  EXPECT_LE(length, out.size());
  EXPECT_EQ(std::count(out.begin() + static_cast<ptrdiff_t>(length), out.end(), 0xee),
            static_cast<ptrdiff_t>(out.size() - length));
  out.resize(length);
  return out;
}

}  // namespace

Bytes written(const ClientHello& hello, std::string_view server_name, uint64_t random) {
  return all_written([&](Bytes& out) { return hello.write(out, server_name, random); });
}

Bytes written_retry(const ClientHello& hello, std::string_view server_name, uint64_t random,
                    const HelloRetry& retry) {
  return all_written(
      [&](Bytes& out) { return hello.write_retry(out, server_name, random, retry); });
}

}  // namespace steppe::testing
