// SPDX-License-Identifier: Apache-2.0
// Compressed certificates (RFC 8879), as servers send them to hellos that offer it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace steppe {

// The Certificate message's body out of a CompressedCertificate's (RFC 8879 4). zlib, brotli and
// zstd. nullopt: another algorithm, broken, not of the length that it names, or over
// limits::flight_bytes. Total: any bytes; takes no more memory than the length it names and a
// decoder's window, which is at most 16 MB.
std::optional<std::vector<uint8_t>> decompress_certificate(std::span<const uint8_t> body);

}  // namespace steppe
