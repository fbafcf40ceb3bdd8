// SPDX-License-Identifier: Apache-2.0
// HKDF (RFC 5869) is written out over HMAC: what TLS wants of it fits one block, and OpenSSL's own
// TLS13-KDF would take three times as long, mostly to read its parameters.
#include "engine/judge/tls13_keys.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <stdexcept>

namespace steppe {
namespace {

// RFC 8446 B.4.
constexpr uint16_t aes_128_gcm_sha256 = 0x1301, aes_256_gcm_sha384 = 0x1302,
                   chacha20_poly1305_sha256 = 0x1303;
constexpr size_t tag_bytes = 16;
// RFC 8446 4.4.1: what stands for the first ClientHello once it was answered with a retry.
constexpr uint8_t message_hash = 254;

void require(bool holds) {
  if (!holds) throw std::runtime_error("OpenSSL lacks what TLS 1.3 needs");
}

}  // namespace

Tls13Keys::Tls13Keys()
    : digest_context_(EVP_MD_CTX_new()),
      cipher_context_(EVP_CIPHER_CTX_new()),
      sha256_(make_hash("SHA256")),
      sha384_(make_hash("SHA384")) {
  using Cipher = std::unique_ptr<EVP_CIPHER, Free<EVP_CIPHER_free>>;
  const auto fetch = [](const char* name) {
    return Cipher{EVP_CIPHER_fetch(nullptr, name, nullptr)};
  };
  suites_ = {{{aes_128_gcm_sha256, &sha256_, 16, fetch("AES-128-GCM")},
              {aes_256_gcm_sha384, &sha384_, 32, fetch("AES-256-GCM")},
              {chacha20_poly1305_sha256, &sha256_, 32, fetch("ChaCha20-Poly1305")}}};
  require(cipher_context_ != nullptr);
  for (const Suite& suite : suites_) require(suite.cipher != nullptr);
}

Tls13Keys::Hash Tls13Keys::make_hash(const char* name) {
  Hash hash;
  hash.digest.reset(EVP_MD_fetch(nullptr, name, nullptr));
  EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  hash.hmac.reset(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);
  const std::string digest_name = name;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                       const_cast<char*>(digest_name.c_str()), 0),
      OSSL_PARAM_construct_end()};
  require(digest_context_ && hash.digest && hash.hmac &&
          EVP_MAC_CTX_set_params(hash.hmac.get(), parameters) == 1);
  hash.bytes = static_cast<size_t>(EVP_MD_get_size(hash.digest.get()));
  // RFC 8446 7.1: the Early Secret of a salt and a key of zeros.
  const Bytes zeros(hash.bytes, 0);
  hash.empty = digest(hash, {});
  hash.derived = expand_label(hash, hmac(hash, zeros, zeros), "derived", hash.empty, hash.bytes);
  return hash;
}

Tls13Keys::Bytes Tls13Keys::digest(const Hash& hash,
                                   std::span<const std::span<const uint8_t>> pieces) {
  Bytes out(hash.bytes);
  require(EVP_DigestInit_ex2(digest_context_.get(), hash.digest.get(), nullptr) == 1);
  for (const auto piece : pieces)
    require(EVP_DigestUpdate(digest_context_.get(), piece.data(), piece.size()) == 1);
  require(EVP_DigestFinal_ex(digest_context_.get(), out.data(), nullptr) == 1);
  return out;
}

// With salt and key it is HKDF-Extract (RFC 5869 2.2).
Tls13Keys::Bytes Tls13Keys::hmac(const Hash& hash, std::span<const uint8_t> key,
                                 std::span<const uint8_t> data) {
  Bytes out(hash.bytes);
  size_t bytes = 0;
  require(EVP_MAC_init(hash.hmac.get(), key.data(), key.size(), nullptr) == 1 &&
          EVP_MAC_update(hash.hmac.get(), data.data(), data.size()) == 1 &&
          EVP_MAC_final(hash.hmac.get(), out.data(), &bytes, out.size()) == 1);
  return out;
}

// HKDF-Expand-Label (RFC 8446 7.1), of one block: T(1) = HMAC(secret, HkdfLabel | 1).
Tls13Keys::Bytes Tls13Keys::expand_label(const Hash& hash, std::span<const uint8_t> secret,
                                         std::string_view label, std::span<const uint8_t> context,
                                         size_t bytes) {
  constexpr std::string_view prefix = "tls13 ";
  Bytes info = {static_cast<uint8_t>(bytes >> 8), static_cast<uint8_t>(bytes),
                static_cast<uint8_t>(prefix.size() + label.size())};
  info.insert(info.end(), prefix.begin(), prefix.end());
  info.insert(info.end(), label.begin(), label.end());
  info.push_back(static_cast<uint8_t>(context.size()));
  info.insert(info.end(), context.begin(), context.end());
  info.push_back(1);
  Bytes out = hmac(hash, secret, info);
  out.resize(bytes);
  return out;
}

bool Tls13Keys::begin(uint16_t number, std::span<const uint8_t> shared,
                      std::span<const uint8_t> first_hello,
                      std::span<const std::span<const uint8_t>> messages) {
  const Suite* suite = nullptr;
  for (const Suite& known : suites_)
    if (known.number == number) suite = &known;
  if (suite == nullptr) return false;
  const Hash& hash = *suite->hash;

  std::vector<std::span<const uint8_t>> pieces(messages.begin(), messages.end());
  Bytes stand_in;
  if (!first_hello.empty()) {
    stand_in = digest(hash, std::span(&first_hello, 1));
    stand_in.insert(stand_in.begin(), {message_hash, 0, 0, static_cast<uint8_t>(hash.bytes)});
    pieces.insert(pieces.begin(), stand_in);
  }
  const Bytes handshake = hmac(hash, hash.derived, shared);
  const Bytes traffic =
      expand_label(hash, handshake, "s hs traffic", digest(hash, pieces), hash.bytes);
  const Bytes key = expand_label(hash, traffic, "key", {}, suite->key_bytes);
  const Bytes iv = expand_label(hash, traffic, "iv", {}, write_iv_.size());
  std::copy(iv.begin(), iv.end(), write_iv_.begin());
  sequence_ = 0;
  require(EVP_DecryptInit_ex2(cipher_context_.get(), suite->cipher.get(), key.data(), nullptr,
                              nullptr) == 1);
  return true;
}

std::optional<std::span<const uint8_t>> Tls13Keys::open(std::span<const uint8_t> header,
                                                        std::span<const uint8_t> sealed) {
  if (sealed.size() <= tag_bytes) return std::nullopt;
  const auto tag = sealed.last(tag_bytes);
  sealed = sealed.first(sealed.size() - tag_bytes);
  // RFC 8446 5.3: the record's number, padded on the left, over the IV.
  std::array<uint8_t, 12> nonce = write_iv_;
  for (size_t i = 0; i < sizeof sequence_; ++i)
    nonce[nonce.size() - 1 - i] ^= static_cast<uint8_t>(sequence_ >> 8 * i);
  ++sequence_;
  opened_.resize(sealed.size());
  EVP_CIPHER_CTX* const context = cipher_context_.get();
  int bytes = 0;
  const bool good = EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
                    EVP_DecryptUpdate(context, nullptr, &bytes, header.data(),
                                      static_cast<int>(header.size())) == 1 &&
                    EVP_DecryptUpdate(context, opened_.data(), &bytes, sealed.data(),
                                      static_cast<int>(sealed.size())) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, tag_bytes,
                                        const_cast<uint8_t*>(tag.data())) == 1 &&
                    EVP_DecryptFinal_ex(context, opened_.data(), &bytes) == 1;
  ERR_clear_error();
  if (!good) return std::nullopt;
  // RFC 8446 5.4: zeros behind the type are padding; there must be a type.
  size_t end = opened_.size();
  while (end > 0 && opened_[end - 1] == 0) --end;
  if (end == 0) return std::nullopt;
  return std::span<const uint8_t>(opened_).first(end);
}

}  // namespace steppe
