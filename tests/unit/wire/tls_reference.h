// SPDX-License-Identifier: Apache-2.0
// What TlsStream should answer, found the slow way: with all bytes at hand, the layers taken apart
// one after the other. Shares nothing with the engine's reader but the meaning of the answers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <span>
#include <vector>

#include "engine/wire/tls_stream.h"

namespace steppe::testing {

struct TlsAnswer {
  TlsProgress progress = TlsProgress::more;
  size_t bytes = 0;               // how many it took; all of them for `more`
  uint8_t alert_description = 0;  // for `alert`
  size_t retry_bytes = 0;         // how many it took to a HelloRetryRequest's end; 0: none
  bool encrypted = false;
  bool may_be_over = false;  // for `more`
  bool operator==(const TlsAnswer&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const TlsAnswer& answer) {
  return out << "progress " << static_cast<int>(answer.progress) << " after " << answer.bytes
             << " bytes, alert " << static_cast<int>(answer.alert_description) << ", retry at "
             << answer.retry_bytes << (answer.encrypted ? ", encrypted" : "")
             << (answer.may_be_over ? ", may be over" : "");
}

// Byte by byte.
TlsAnswer reference_answer(std::span<const uint8_t> stream, std::span<const uint8_t> expected_leaf);

// Feeds `stream` in pieces of the lengths that `next_length` returns (each is cut to what is left;
// 0 feeds an empty piece). `bytes` and `retry_bytes` of the answer are the ends of the pieces that
// brought them; `ends`, if given, gets the ends of all pieces.
template <typename NextLength>
TlsAnswer feed_in_pieces(std::span<const uint8_t> stream, std::span<const uint8_t> expected_leaf,
                         NextLength next_length, std::vector<size_t>* ends = nullptr) {
  TlsStream parser;
  TlsAnswer answer;
  while (answer.bytes < stream.size() && answer.progress == TlsProgress::more) {
    const size_t length = std::min<size_t>(next_length(), stream.size() - answer.bytes);
    answer.progress = parser.feed(stream.subspan(answer.bytes, length), expected_leaf);
    answer.bytes += length;
    if (ends != nullptr) ends->push_back(answer.bytes);
    // A second event would overwrite the first, and so be noticed.
    if (parser.take_retry()) answer.retry_bytes = answer.bytes;
  }
  if (answer.progress == TlsProgress::alert) answer.alert_description = parser.alert_description();
  if (answer.progress == TlsProgress::more) answer.may_be_over = parser.may_be_over();
  answer.encrypted = parser.encrypted();
  return answer;
}

// What an answer that was found byte by byte is for who feeds pieces that end there: each event
// comes with the piece that has its byte, neither before nor after it.
inline TlsAnswer in_pieces(TlsAnswer by_byte, std::span<const size_t> ends) {
  const auto end_of_piece = [&](size_t bytes) {
    return bytes == 0 ? 0 : *std::ranges::lower_bound(ends, bytes);
  };
  by_byte.bytes = end_of_piece(by_byte.bytes);
  by_byte.retry_bytes = end_of_piece(by_byte.retry_bytes);
  return by_byte;
}

}  // namespace steppe::testing
