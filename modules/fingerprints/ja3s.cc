// SPDX-License-Identifier: Apache-2.0
// JA3S, JA3's counterpart for servers (https://github.com/salesforce/ja3): version, the suite that
// was chosen, and the extensions in the order in which the server has them. Its definition leaves
// no GREASE out: servers must not send any (RFC 8701 3). A server answers different clients
// differently, so a JA3S says something only beside a JA3.
#include "modules/fingerprints/digest.h"
#include "modules/fingerprints/fingerprints.h"

namespace steppe {

Fingerprint ja3s(uint16_t legacy_version, uint16_t cipher_suite,
                 std::span<const uint16_t> extensions) {
  std::string text = std::to_string(legacy_version) + "," + std::to_string(cipher_suite) + ",";
  for (size_t i = 0; i < extensions.size(); i++)
    text.append(i == 0 ? "" : "-").append(std::to_string(extensions[i]));
  return {text, hex_digest("MD5", text)};
}

}  // namespace steppe
