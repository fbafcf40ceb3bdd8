// SPDX-License-Identifier: Apache-2.0
#include "modules/fingerprints/digest.h"

#include <openssl/evp.h>

#include <stdexcept>

#include "engine/judge/trust.h"

namespace steppe {

std::string hex_digest(const char* algorithm, std::string_view text) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  size_t length = 0;
  if (EVP_Q_digest(nullptr, algorithm, nullptr, text.data(), text.size(), digest, &length) != 1)
    throw std::runtime_error(std::string("OpenSSL has no ") + algorithm);
  return hex({digest, length});
}

}  // namespace steppe
