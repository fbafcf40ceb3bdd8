// SPDX-License-Identifier: Apache-2.0
// JA3, of John Althouse, Jeff Atkinson and Josh Atkins (Salesforce, 2017):
// https://github.com/salesforce/ja3. Five fields parted by commas, the values of each by dashes,
// decimal, in the order in which the client has them: version, cipher suites, extensions,
// supported_groups, ec_point_formats. GREASE is left out everywhere; a field of what is not there
// is empty. The version is the hello's own, which TLS 1.3 froze at 1.2 (771).
#include "engine/wire/client_hello.h"
#include "modules/fingerprints/digest.h"
#include "modules/fingerprints/fingerprints.h"
#include "modules/fingerprints/hello_values.h"

namespace steppe {

namespace {

constexpr uint16_t ec_point_formats = 11;

std::string dashed(const std::vector<uint16_t>& values) {
  std::string text;
  for (const uint16_t value : values)
    text.append(text.empty() ? "" : "-").append(std::to_string(value));
  return text;
}

}  // namespace

Fingerprint ja3(const HelloFields& hello) {
  std::string text = std::to_string(hello.client_version);
  for (const std::vector<uint16_t>& field :
       {hello.cipher_suites, extension_types(hello),
        extension_numbers(hello, extension::supported_groups, 2, 2),
        extension_numbers(hello, ec_point_formats, 1, 1)})
    text.append(",").append(dashed(without_grease(field)));
  return {text, hex_digest("MD5", text)};
}

}  // namespace steppe
