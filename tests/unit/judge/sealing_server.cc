// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/judge/sealing_server.h"

#include <brotli/encode.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <zlib.h>
#include <zstd.h>

#include <stdexcept>

#include "engine/judge/certificate_compression.h"

namespace steppe::testing {
namespace {

void check(bool good) {
  if (!good) throw std::runtime_error("a test's sealing failed");
}

Bytes bytes_of(std::span<const uint8_t> span) {
  return {span.begin(), span.end()};
}

const char* digest_name(bool sha384) {
  return sha384 ? "SHA384" : "SHA256";
}
size_t digest_bytes(bool sha384) {
  return sha384 ? 48 : 32;
}

Bytes digest(bool sha384, const Bytes& data) {
  Bytes out(digest_bytes(sha384));
  check(EVP_Q_digest(nullptr, digest_name(sha384), nullptr, data.data(), data.size(), out.data(),
                     nullptr) == 1);
  return out;
}

Bytes kdf(bool sha384, const char* mode, Bytes key, Bytes salt, std::string label, Bytes context,
          size_t bytes) {
  EVP_KDF* const function = EVP_KDF_fetch(nullptr, "TLS13-KDF", nullptr);
  EVP_KDF_CTX* const kdf = EVP_KDF_CTX_new(function);
  std::string prefix = "tls13 ", name = digest_name(sha384), how = mode;
  std::vector<OSSL_PARAM> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, how.data(), 0),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, prefix.data(), prefix.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, label.data(), label.size())};
  const auto add = [&](const char* parameter, Bytes& value) {
    if (!value.empty())
      parameters.push_back(
          OSSL_PARAM_construct_octet_string(parameter, value.data(), value.size()));
  };
  add(OSSL_KDF_PARAM_KEY, key);
  add(OSSL_KDF_PARAM_SALT, salt);
  add(OSSL_KDF_PARAM_DATA, context);
  parameters.push_back(OSSL_PARAM_construct_end());
  Bytes out(bytes);
  check(EVP_KDF_derive(kdf, out.data(), out.size(), parameters.data()) == 1);
  EVP_KDF_CTX_free(kdf);
  EVP_KDF_free(function);
  return out;
}

Bytes exchange(EVP_PKEY* own, EVP_PKEY* peer) {
  const KeyContextPtr context{EVP_PKEY_CTX_new(own, nullptr)};
  size_t bytes = 0;
  check(EVP_PKEY_derive_init(context.get()) == 1 &&
        EVP_PKEY_derive_set_peer(context.get(), peer) == 1 &&
        EVP_PKEY_derive(context.get(), nullptr, &bytes) == 1);
  Bytes secret(bytes);
  check(EVP_PKEY_derive(context.get(), secret.data(), &bytes) == 1);
  secret.resize(bytes);
  return secret;
}

// Of a record, or of the last of two.
Bytes message_in(std::span<const uint8_t> records) {
  if (records[0] == change_cipher_spec_record) records = records.subspan(6);
  return bytes_of(records.subspan(5));
}

}  // namespace

SealingServer::SealingServer(const KeyShares& keys, uint16_t suite, uint16_t group)
    : suite_(suite), group_(group), sha384_(suite == 0x1302) {
  static const KeyShares own{{7, 7, 7}};
  for (const KeyShare& share : own.shares())
    if (share.group == group) share_ = share.key_exchange;
  shared_ = exchange(own.key(group), keys.key(group));
}

Bytes SealingServer::hello(std::span<const uint8_t> client_hello) {
  return begin(message_in(client_hello));
}

Bytes SealingServer::hello(std::span<const uint8_t> first_hello, const Bytes& retry,
                           std::span<const uint8_t> second_hello) {
  const Bytes hash = digest(sha384_, message_in(first_hello));
  return begin(join({message(254, hash), retry, message_in(second_hello)}));
}

Bytes SealingServer::begin(const Bytes& transcript) {
  const Bytes key_share = join({number16(group_), number16(share_.size()), share_});
  const Bytes extensions = join({extension(43, number16(version_)), extension(51, key_share)});
  const Bytes hello = message(2, join({{3, 3},
                                       noise(32, 5),
                                       {0},
                                       number16(suite_),
                                       {0},
                                       number16(extensions.size()),
                                       extensions}));
  const Bytes hash = digest(sha384_, join({transcript, hello}));
  const size_t bytes = digest_bytes(sha384_);
  const Bytes early = kdf(sha384_, "EXTRACT_ONLY", {}, {}, "derived", {}, bytes);
  const Bytes handshake = kdf(sha384_, "EXTRACT_ONLY", shared_, early, "derived", {}, bytes);
  const Bytes traffic = kdf(sha384_, "EXPAND_ONLY", handshake, {}, "s hs traffic", hash, bytes);
  key_ = kdf(sha384_, "EXPAND_ONLY", traffic, {}, "key", {}, suite_ == 0x1301 ? 16 : 32);
  iv_ = kdf(sha384_, "EXPAND_ONLY", traffic, {}, "iv", {}, 12);
  sequence_ = 0;
  return record(handshake_record, hello);
}

Bytes SealingServer::seal(const OpenRecord& open) {
  const Bytes inner = join({open.content, {open.type}, Bytes(open.padding_bytes, 0)});
  Bytes sealed = record(application_data_record, Bytes(inner.size() + 16));
  Bytes nonce = iv_;
  for (size_t i = 0; i < 8; ++i) nonce[4 + i] ^= static_cast<uint8_t>(sequence_ >> (56 - 8 * i));
  ++sequence_;
  const EVP_CIPHER* const cipher = suite_ == 0x1301   ? EVP_aes_128_gcm()
                                   : suite_ == 0x1302 ? EVP_aes_256_gcm()
                                                      : EVP_chacha20_poly1305();
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  int bytes = 0;
  check(EVP_EncryptInit_ex(context, cipher, nullptr, key_.data(), nonce.data()) == 1 &&
        EVP_EncryptUpdate(context, nullptr, &bytes, sealed.data(), 5) == 1 &&
        EVP_EncryptUpdate(context, sealed.data() + 5, &bytes, inner.data(),
                          static_cast<int>(inner.size())) == 1 &&
        EVP_EncryptFinal_ex(context, sealed.data() + 5 + bytes, &bytes) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16,
                            sealed.data() + sealed.size() - 16) == 1);
  EVP_CIPHER_CTX_free(context);
  return sealed;
}

Bytes SealingServer::seal(const Bytes& messages, size_t record_bytes) {
  Bytes all;
  for (size_t at = 0; at < messages.size(); at += record_bytes) {
    const auto piece =
        std::span(messages).subspan(at, std::min(record_bytes, messages.size() - at));
    all = join({all, seal(OpenRecord{handshake_record, bytes_of(piece)})});
  }
  return all;
}

Bytes certificate13(const std::vector<Bytes>& chain, const Bytes& extensions) {
  Bytes list;
  for (const Bytes& certificate : chain)
    list = join(
        {list, number24(certificate.size()), certificate, number16(extensions.size()), extensions});
  return message(11, join({{0}, number24(list.size()), list}));
}

Bytes compressed_certificate(uint16_t algorithm, size_t uncompressed_bytes, const Bytes& content) {
  return message(25, join({number16(algorithm), number24(uncompressed_bytes),
                           number24(content.size()), content}));
}

Bytes compressed_certificate(const Bytes& message, uint16_t algorithm) {
  const Bytes body(message.begin() + 4, message.end());
  Bytes out(body.size() + 1024);
  size_t bytes = out.size();
  if (algorithm == 1) {
    uLongf length = bytes;
    check(compress(out.data(), &length, body.data(), body.size()) == Z_OK);
    bytes = length;
  } else if (algorithm == 2) {
    check(BrotliEncoderCompress(11, 22, BROTLI_MODE_GENERIC, body.size(), body.data(), &bytes,
                                out.data()) == BROTLI_TRUE);
  } else {
    bytes = ZSTD_compress(out.data(), out.size(), body.data(), body.size(), 3);
    check(ZSTD_isError(bytes) == 0);
  }
  out.resize(bytes);
  return compressed_certificate(algorithm, body.size(), out);
}

namespace {

size_t number_at(const Bytes& bytes, size_t at, size_t count) {
  size_t value = 0;
  for (size_t i = at; i < at + count; ++i) value = value * 256 + bytes[i];
  return value;
}

// The Certificate message that begins at `at`, which is there in whole.
OpenAnswer read_certificate(const Bytes& messages, size_t at, size_t end) {
  const OpenAnswer broken{.broken = true};
  OpenAnswer answer{.complete = true};
  at += 4;
  if (end - at < 1 || end - at < 1 + messages[at] + 3u) return broken;
  at += 1 + messages[at];
  if (number_at(messages, at, 3) != end - at - 3) return broken;
  for (at += 3; at < end;) {
    if (end - at < 3) return broken;
    const size_t bytes = number_at(messages, at, 3);
    at += 3;
    if (bytes == 0 || end - at < bytes + 2) return broken;
    answer.chain.emplace_back(messages.begin() + static_cast<ptrdiff_t>(at),
                              messages.begin() + static_cast<ptrdiff_t>(at + bytes));
    at += bytes;
    const size_t extensions = number_at(messages, at, 2);
    if (end - at - 2 < extensions) return broken;
    at += 2 + extensions;
  }
  return answer;
}

bool shows(const Bytes& messages, size_t at, std::span<const uint8_t> leaf) {
  if (leaf.empty() || messages.size() < at + 5) return false;
  at += 5 + messages[at + 4] + 3;
  return messages.size() >= at + 3 + leaf.size() && number_at(messages, at, 3) == leaf.size() &&
         std::ranges::equal(std::span(messages).subspan(at + 3, leaf.size()), leaf);
}

OpenAnswer read_messages(const Bytes& messages, std::span<const uint8_t> expected_leaf) {
  for (size_t at = 0; at < messages.size();) {
    if (messages[at] == 11 && shows(messages, at, expected_leaf)) return {.same = true};
    if (messages.size() < at + 4) return {};
    const size_t end = at + 4 + number_at(messages, at + 1, 3);
    if (messages.size() < end) return {};
    if (messages[at] == 20) return {.broken = true};
    if (messages[at] == 11) return read_certificate(messages, at, end);
    if (messages[at] == 25) {
      const auto body = decompress_certificate(std::span(messages).subspan(at + 4, end - at - 4));
      return body ? read_messages(message(11, *body), expected_leaf) : OpenAnswer{.broken = true};
    }
    at = end;
  }
  return {};
}

}  // namespace

OpenAnswer reference_answer(std::span<const OpenRecord> records,
                            std::span<const uint8_t> expected_leaf) {
  Bytes messages;
  for (const OpenRecord& record : records) {
    // A type of zero is padding as well.
    Bytes inner = join({record.content, {record.type}});
    while (!inner.empty() && inner.back() == 0) inner.pop_back();
    if (inner.empty()) return {.broken = true};
    const uint8_t type = inner.back();
    inner.pop_back();
    if (type == alert_record && inner.size() == 2) return {.alert = inner[1]};
    if (type != handshake_record) return {.broken = true};
    messages = join({messages, inner});
    const OpenAnswer answer = read_messages(messages, expected_leaf);
    if (answer != OpenAnswer{}) return answer;
  }
  return {};
}

}  // namespace steppe::testing
