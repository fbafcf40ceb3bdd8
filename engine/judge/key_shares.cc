// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/key_shares.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <stdexcept>

namespace steppe {
namespace {

template <auto function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    function(object);
  }
};
using Number = std::unique_ptr<BIGNUM, Free<BN_clear_free>>;

struct Curve {
  uint16_t group;
  int nid;
};
constexpr Curve curves[] = {{group::secp256r1, NID_X9_62_prime256v1},
                            {group::secp384r1, NID_secp384r1},
                            {group::secp521r1, NID_secp521r1}};

void require(bool holds) {
  if (!holds) throw std::runtime_error("OpenSSL cannot make the keys of a scan");
}

// So many bytes that hang on the secret and the group: SHAKE of both.
std::vector<uint8_t> stretched(const std::array<uint8_t, 32>& secret, uint16_t group,
                               size_t bytes) {
  const std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>> context{EVP_MD_CTX_new()};
  const uint8_t tag[] = {static_cast<uint8_t>(group >> 8), static_cast<uint8_t>(group)};
  std::vector<uint8_t> out(bytes);
  require(context && EVP_DigestInit_ex(context.get(), EVP_shake256(), nullptr) == 1 &&
          EVP_DigestUpdate(context.get(), secret.data(), secret.size()) == 1 &&
          EVP_DigestUpdate(context.get(), tag, sizeof tag) == 1 &&
          EVP_DigestFinalXOF(context.get(), out.data(), out.size()) == 1);
  return out;
}

KeyPtr x25519_key(const std::array<uint8_t, 32>& secret) {
  const auto scalar = stretched(secret, group::x25519, 32);
  KeyPtr key{EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, scalar.data(), scalar.size())};
  require(key != nullptr);
  return key;
}

// A scalar of 64 bits more than the order, reduced, is as good as a uniform one (FIPS 186-5 A.2.1).
KeyPtr curve_key(const Curve& curve, const std::array<uint8_t, 32>& secret) {
  const std::unique_ptr<EC_GROUP, Free<EC_GROUP_free>> group{EC_GROUP_new_by_curve_name(curve.nid)};
  require(group != nullptr);
  const BIGNUM* order = EC_GROUP_get0_order(group.get());
  const auto bytes = stretched(secret, curve.group, static_cast<size_t>(BN_num_bytes(order)) + 8);
  const std::unique_ptr<BN_CTX, Free<BN_CTX_free>> scratch{BN_CTX_new()};
  const std::unique_ptr<EC_POINT, Free<EC_POINT_free>> point{EC_POINT_new(group.get())};
  const Number wide{BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr)};
  const Number below{BN_dup(order)}, scalar{BN_new()};
  require(scratch && point && wide && below && scalar && BN_sub_word(below.get(), 1) == 1 &&
          BN_mod(scalar.get(), wide.get(), below.get(), scratch.get()) == 1 &&
          BN_add_word(scalar.get(), 1) == 1 &&
          EC_POINT_mul(group.get(), point.get(), scalar.get(), nullptr, nullptr, scratch.get()) ==
              1);
  std::vector<uint8_t> encoded(2 * static_cast<size_t>(BN_num_bytes(order)) + 1);
  require(EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED,
                             encoded.data(), encoded.size(), scratch.get()) == encoded.size());

  const std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>> builder{OSSL_PARAM_BLD_new()};
  require(builder &&
          OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                          OBJ_nid2sn(curve.nid), 0) == 1 &&
          OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar.get()) == 1 &&
          OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded.data(),
                                           encoded.size()) == 1);
  const std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>> parameters{
      OSSL_PARAM_BLD_to_param(builder.get())};
  const KeyContextPtr context{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
  EVP_PKEY* key = nullptr;
  require(parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
          EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters.get()) == 1);
  return KeyPtr{key};
}

std::vector<uint8_t> public_half(EVP_PKEY* key) {
  uint8_t* encoded = nullptr;
  const size_t bytes = EVP_PKEY_get1_encoded_public_key(key, &encoded);
  require(bytes > 0);
  std::vector<uint8_t> copy(encoded, encoded + bytes);
  OPENSSL_free(encoded);
  return copy;
}

}  // namespace

KeyShares::KeyShares(const std::array<uint8_t, 32>& secret) {
  const auto add = [&](uint16_t group, KeyPtr key) {
    shares_.push_back({group, public_half(key.get())});
    keys_.push_back(std::move(key));
  };
  add(group::x25519, x25519_key(secret));
  for (const Curve& curve : curves) add(curve.group, curve_key(curve, secret));
}

EVP_PKEY* KeyShares::key(uint16_t group) const {
  const auto share = std::ranges::find(shares_, group, &KeyShare::group);
  return share == shares_.end() ? nullptr
                                : keys_[static_cast<size_t>(share - shares_.begin())].get();
}

EVP_PKEY_CTX* KeyExchange::context(uint16_t group) {
  for (const auto& [known, context] : contexts_)
    if (known == group) return context.get();
  EVP_PKEY* const key = keys_.key(group);
  if (key == nullptr) return nullptr;
  KeyContextPtr context{EVP_PKEY_CTX_new(key, nullptr)};
  require(context && EVP_PKEY_derive_init(context.get()) == 1);
  contexts_.emplace_back(group, std::move(context));
  return contexts_.back().second.get();
}

std::optional<std::span<const uint8_t>> KeyExchange::derive(uint16_t group,
                                                            std::span<const uint8_t> key_exchange) {
  EVP_PKEY_CTX* const context = this->context(group);
  if (context == nullptr) return std::nullopt;
  // OpenSSL would take compressed points, too, which RFC 8446 4.2.8.2 has no room for.
  const bool on_curve = group != group::x25519;
  if (on_curve && (key_exchange.empty() || key_exchange[0] != POINT_CONVERSION_UNCOMPRESSED))
    return std::nullopt;
  KeyPtr peer;
  if (!on_curve) {
    peer.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, key_exchange.data(),
                                           key_exchange.size()));
  } else {
    // Refuses what is no point of the curve.
    peer.reset(EVP_PKEY_new());
    if (!peer || EVP_PKEY_copy_parameters(peer.get(), keys_.key(group)) != 1 ||
        EVP_PKEY_set1_encoded_public_key(peer.get(), key_exchange.data(), key_exchange.size()) != 1)
      peer.reset();
  }
  size_t bytes = secret_.size();
  const bool derived = peer && EVP_PKEY_derive_set_peer_ex(context, peer.get(), 0) == 1 &&
                       EVP_PKEY_derive(context, secret_.data(), &bytes) == 1;
  ERR_clear_error();
  if (!derived) return std::nullopt;
  return std::span<const uint8_t>(secret_).first(bytes);
}

}  // namespace steppe
