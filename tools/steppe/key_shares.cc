// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/key_shares.h"

#include <openssl/rand.h>

#include <stdexcept>

namespace steppe {

std::vector<KeyShare> stand_in_key_shares() {
  constexpr uint16_t x25519 = 29, secp256r1 = 23, secp384r1 = 24, secp521r1 = 25;
  constexpr uint8_t uncompressed_point = 4;
  std::vector<KeyShare> shares;
  for (const auto& [group, bytes] : {std::pair<uint16_t, size_t>{x25519, 32},
                                     {secp256r1, 65},
                                     {secp384r1, 97},
                                     {secp521r1, 133}}) {
    KeyShare share = {group, std::vector<uint8_t>(bytes)};
    if (RAND_bytes(share.key_exchange.data(), static_cast<int>(bytes)) != 1)
      throw std::runtime_error("OpenSSL has no random bytes");
    if (group != x25519) share.key_exchange[0] = uncompressed_point;
    shares.push_back(std::move(share));
  }
  return shares;
}

}  // namespace steppe
