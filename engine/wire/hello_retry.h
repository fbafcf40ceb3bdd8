// SPDX-License-Identifier: Apache-2.0
// HelloRetryRequest: a server of TLS 1.3 that wants another key share, or its cookie back (RFC 8446
// 4.1.4).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace steppe {

// ServerHello.random of a HelloRetryRequest: SHA-256 of its name (RFC 8446 4.1.3).
inline constexpr std::array<uint8_t, 32> hello_retry_random = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

struct HelloRetry {
  uint16_t group = 0;                    // of the share that is wanted; 0: the shares are right
  std::span<const uint8_t> cookie = {};  // to be sent back; empty: none
};

// What a HelloRetryRequest asks for; `message` is the handshake message with its header, whole.
// nullopt: it asks for nothing, which RFC 8446 4.1.4 forbids, or breaks the grammar. The cookie
// points into the message.
std::optional<HelloRetry> read_hello_retry(std::span<const uint8_t> message);

// The first handshake message of a server's flight, its records taken off into `out`. nullopt: it
// is not there in whole, or is longer than `out`.
std::optional<std::span<const uint8_t>> first_message(std::span<const uint8_t> flight,
                                                      std::span<uint8_t> out);

}  // namespace steppe
