// SPDX-License-Identifier: Apache-2.0
// What TlsStream should answer, found the slow way: with all bytes at hand, the layers taken apart
// one after the other. Shares nothing with the engine's reader but the meaning of the answers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <span>

#include "engine/wire/tls_stream.h"

namespace steppe::testing {

struct TlsAnswer {
  TlsProgress progress = TlsProgress::more;
  size_t bytes = 0;               // how many it took; all of them for `more`
  uint8_t alert_description = 0;  // for `alert`
  bool operator==(const TlsAnswer&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const TlsAnswer& answer) {
  return out << "progress " << static_cast<int>(answer.progress) << " after " << answer.bytes
             << " bytes, alert " << static_cast<int>(answer.alert_description);
}

TlsAnswer reference_answer(std::span<const uint8_t> stream, std::span<const uint8_t> expected_leaf);

// Feeds `stream` in pieces of the lengths that `next_length` returns (each is cut to what is left;
// 0 feeds an empty piece). `bytes` of the answer is the end of the piece that brought it.
template <typename NextLength>
TlsAnswer feed_in_pieces(std::span<const uint8_t> stream, std::span<const uint8_t> expected_leaf,
                         NextLength next_length) {
  TlsStream parser;
  TlsAnswer answer;
  while (answer.bytes < stream.size() && answer.progress == TlsProgress::more) {
    const size_t length = std::min<size_t>(next_length(), stream.size() - answer.bytes);
    answer.progress = parser.feed(stream.subspan(answer.bytes, length), expected_leaf);
    answer.bytes += length;
  }
  if (answer.progress == TlsProgress::alert) answer.alert_description = parser.alert_description();
  return answer;
}

}  // namespace steppe::testing
