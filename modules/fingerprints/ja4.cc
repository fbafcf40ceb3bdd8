// SPDX-License-Identifier: Apache-2.0
// JA4, the fingerprint of TLS clients by FoxIO (John Althouse, 2023; BSD 3-Clause, and without
// patent claims): https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md. The
// sentences in quotation marks are that page's.
//
// Three parts: a_b_c. The first can be read; the others are sorted and hashed, so that clients that
// shuffle their extensions (Chrome since 110) stay one client.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/wire/client_hello.h"
#include "modules/fingerprints/digest.h"
#include "modules/fingerprints/fingerprints.h"
#include "modules/fingerprints/hello_values.h"

namespace steppe {

namespace {

constexpr uint16_t signature_algorithms = 13, application_layer_protocol_negotiation = 16;
constexpr size_t digest_characters = 12;
constexpr size_t counted_to = 99;

std::string_view version_letters(uint16_t version) {
  switch (version) {
    case 0x0304:
      return "13";
    case 0x0303:
      return "12";
    case 0x0302:
      return "11";
    case 0x0301:
      return "10";
    case 0x0300:
      return "s3";
    case 0x0002:
      return "s2";
    default:
      return "00";
  }
}

// "If extension 0x002b exists (supported_versions), then the version is the highest value in the
// extension. Remember to ignore GREASE values."
uint16_t version_of(const HelloFields& hello) {
  const auto versions =
      without_grease(extension_numbers(hello, extension::supported_versions, 1, 2));
  return versions.empty() ? hello.client_version : *std::ranges::max_element(versions);
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_grease_name(const std::string& name) {
  return name.size() == 2 && is_grease(static_cast<uint16_t>(static_cast<uint8_t>(name[0]) << 8 |
                                                             static_cast<uint8_t>(name[1])));
}

// First and last character of the first ALPN value; of its hex form, "if the first or last byte of
// the first ALPN is non-alphanumeric". FoxIO's own programs print 9 for each such byte instead.
std::string protocol_letters(const HelloFields& hello) {
  auto names = application_protocols(hello);
  std::erase_if(names, is_grease_name);
  if (names.empty() || names.front().empty()) return "00";
  const char first = names.front().front(), last = names.front().back();
  if (is_alphanumeric(first) && is_alphanumeric(last)) return {first, last};
  return fmt::format("{:x}{:x}", static_cast<uint8_t>(first) >> 4, static_cast<uint8_t>(last) & 15);
}

std::string hex_list(const std::vector<uint16_t>& values) {
  std::string text;
  for (const uint16_t value : values)
    text += fmt::format("{}{:04x}", text.empty() ? "" : ",", value);
  return text;
}

std::string sorted_list(std::vector<uint16_t> values) {
  std::ranges::sort(values);
  return hex_list(values);
}

// "We do this rather than running a sha256 hash of nothing as this makes it clear to the user when
// a field has no values."
std::string short_digest(const std::string& text) {
  if (text.empty()) return std::string(digest_characters, '0');
  return hex_digest("SHA256", text).substr(0, digest_characters);
}

}  // namespace

Fingerprint ja4(const HelloFields& hello) {
  const auto suites = without_grease(hello.cipher_suites);
  auto extensions = without_grease(extension_types(hello));
  const bool names_a_domain = std::ranges::count(extensions, extension::server_name) != 0;
  const std::string readable =
      fmt::format("t{}{}{:02}{:02}{}", version_letters(version_of(hello)),
                  names_a_domain ? 'd' : 'i', std::min(suites.size(), counted_to),
                  std::min(extensions.size(), counted_to), protocol_letters(hello));

  // They are in the first part already, and left out here "so that the same application would have
  // the same _c section of the fingerprint regardless of if it were going to a domain, IP, or
  // changing ALPNs".
  std::erase_if(extensions, [](uint16_t type) {
    return type == extension::server_name || type == application_layer_protocol_negotiation;
  });
  const std::string sorted_suites = sorted_list(suites);
  std::string sorted_extensions = sorted_list(extensions);
  // "If there are no signature algorithms in the hello packet, then the string ends without an
  // underscore".
  if (const auto algorithms = without_grease(extension_numbers(hello, signature_algorithms, 2, 2));
      !algorithms.empty())
    sorted_extensions += "_" + hex_list(algorithms);
  return {readable + "_" + sorted_suites + "_" + sorted_extensions,
          readable + "_" + short_digest(sorted_suites) + "_" + short_digest(sorted_extensions)};
}

}  // namespace steppe
