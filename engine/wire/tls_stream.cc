// SPDX-License-Identifier: Apache-2.0
// Two readers, one inside the other. The outer one takes the records off; the inner ones see
// handshake bytes and alert bytes as two streams without borders, since messages may be split over
// records and share one (RFC 5246 6.2.1). Handshake bytes are either numbers of one to three bytes,
// gathered until whole, or content, which passes in pieces as long as the segments allow: skipped,
// or compared by memcmp. So a flight costs a few dozen steps and one comparison, not a step a byte.
//
// That a decision never depends on the split follows from two rules: every byte is consumed by
// exactly one step, and whatever a byte decides is decided when it is consumed, not with the next.
#include "engine/wire/tls_stream.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace steppe {
namespace {

// RFC 5246 6.2.1. Of the five content types only these two may come in clear before a Certificate;
// ChangeCipherSpec would need a session to resume and application data keys, and we have neither.
constexpr uint8_t record_alert = 21;
constexpr uint8_t record_handshake = 22;
constexpr uint8_t record_header_bytes = 5;
constexpr uint16_t record_bytes_max = (1 << 14) + 2048;  // RFC 5246 6.2.3

// RFC 5246 7.4.
constexpr uint8_t message_server_hello = 2;
constexpr uint8_t message_certificate = 11;
constexpr uint8_t message_server_hello_done = 14;
// ServerHello without session id and extensions: version, random, two lengths' worth of choices.
constexpr uint32_t server_hello_bytes_min = 2 + 32 + 1 + 2 + 1;

// RFC 5246 7.2.
constexpr uint8_t alert_level_warning = 1;
constexpr uint8_t alert_level_fatal = 2;
constexpr uint8_t alert_close_notify = 0;

constexpr uint8_t length_bytes = 3;  // of messages, of the list, of a certificate

}  // namespace

TlsProgress TlsStream::feed(std::span<const uint8_t> bytes,
                            std::span<const uint8_t> expected_leaf) {
  while (!bytes.empty()) {
    if (header_bytes_ < record_header_bytes) {
      if (!read_record_header(bytes.front())) return TlsProgress::not_tls;
      bytes = bytes.subspan(1);
      continue;
    }
    const auto body = bytes.first(std::min<size_t>(bytes.size(), record_left_));
    bytes = bytes.subspan(body.size());
    record_left_ = static_cast<uint16_t>(record_left_ - body.size());
    if (record_left_ == 0) header_bytes_ = 0;
    const TlsProgress progress =
        record_type_ == record_alert ? read_alerts(body) : read_handshake(body, expected_leaf);
    if (progress != TlsProgress::more) return progress;
  }
  return TlsProgress::more;
}

// Returns false at the first byte that no record has there that may precede a Certificate. Text
// (an HTTP answer, an SSH banner) ends at its first byte: 21 and 22 are control characters.
bool TlsStream::read_record_header(uint8_t byte) {
  switch (header_bytes_++) {
    case 0:
      record_type_ = byte;
      return byte == record_handshake || byte == record_alert;
    case 1:
      return byte == 3;
    case 2:  // The minor version says nothing: servers write 0 to 3 here (RFC 5246 E.1).
      return true;
    case 3:
      record_left_ = static_cast<uint16_t>(byte << 8);
      return record_left_ <= record_bytes_max;
    default:
      record_left_ |= byte;
      // Only application data may be empty (RFC 5246 6.2.1).
      return record_left_ > 0 && record_left_ <= record_bytes_max;
  }
}

TlsProgress TlsStream::read_alerts(std::span<const uint8_t> bytes) {
  for (const uint8_t byte : bytes) {
    if (alert_level_ == 0) {
      if (byte != alert_level_warning && byte != alert_level_fatal) return TlsProgress::not_tls;
      alert_level_ = byte;
      continue;
    }
    // Behind close_notify, a warning by its level, nothing comes (RFC 5246 7.2.1).
    if (alert_level_ == alert_level_fatal || byte == alert_close_notify) {
      alert_description_ = byte;
      return TlsProgress::alert;
    }
    alert_level_ = 0;
  }
  return TlsProgress::more;
}

TlsProgress TlsStream::read_handshake(std::span<const uint8_t> bytes,
                                      std::span<const uint8_t> expected_leaf) {
  while (!bytes.empty()) {
    if (number_left_ > 0) {
      number_ = number_ << 8 | bytes.front();
      bytes = bytes.subspan(1);
      if (--number_left_ > 0) continue;
      const TlsProgress progress = finish_number(expected_leaf.size());
      if (progress != TlsProgress::more) return progress;
      continue;
    }
    const auto content = bytes.first(std::min<size_t>(bytes.size(), content_left_));
    bytes = bytes.subspan(content.size());
    if (part_ == Part::certificate && leaf_may_match_) {
      assert(content_left_ <= expected_leaf.size());
      const auto expected = expected_leaf.last(content_left_);
      leaf_may_match_ = std::memcmp(content.data(), expected.data(), content.size()) == 0;
    }
    content_left_ -= static_cast<uint32_t>(content.size());
    if (content_left_ > 0) continue;
    if (part_ == Part::skipped) {
      expect_number(Part::message_type, 1);
      continue;
    }
    if (leaf_may_match_) return TlsProgress::same;
    const TlsProgress progress = next_certificate();
    if (progress != TlsProgress::more) return progress;
  }
  return TlsProgress::more;
}

TlsProgress TlsStream::finish_number(size_t expected_leaf_bytes) {
  switch (part_) {
    case Part::message_type:
      message_type_ = static_cast<uint8_t>(number_);
      // One ServerHello, and before anything else. An echo of our ClientHello ends here as well.
      if ((message_type_ == message_server_hello) == hello_seen_) return TlsProgress::not_tls;
      hello_seen_ = true;
      return expect_number(Part::message_length, length_bytes);
    case Part::message_length:
      return begin_message(number_);
    case Part::server_version:
      // SSL 3.0 to TLS 1.2, all of which show their certificate. A server that takes TLS 1.3
      // unasked says 1.2 here (RFC 8446 4.1.3), and gives itself away by its next record's type.
      if (number_ < 0x0300 || number_ > 0x0303) return TlsProgress::not_tls;
      return expect_content(Part::skipped, content_left_);
    case Part::list_length:
      if (number_ != list_left_) return TlsProgress::not_tls;
      return next_certificate();
    case Part::certificate_length:
      if (number_ == 0 || number_ > list_left_) return TlsProgress::not_tls;
      list_left_ -= number_;
      leaf_may_match_ = leaf_may_match_ && number_ == expected_leaf_bytes;
      return expect_content(Part::certificate, number_);
    case Part::certificate:
    case Part::skipped:
      break;
  }
  assert(!"content is no number");
  return TlsProgress::not_tls;
}

TlsProgress TlsStream::begin_message(uint32_t length) {
  switch (message_type_) {
    case message_server_hello:
      if (length < server_hello_bytes_min) return TlsProgress::not_tls;
      content_left_ = length - 2;  // what stands behind the version
      return expect_number(Part::server_version, 2);
    case message_certificate:
      if (length < length_bytes) return TlsProgress::not_tls;
      list_left_ = length - length_bytes;
      return expect_number(Part::list_length, length_bytes);
    case message_server_hello_done:
      return length == 0 ? TlsProgress::no_certificate : TlsProgress::not_tls;
    default:  // SupplementalData (RFC 4680), and what nobody thought of
      return expect_content(Part::skipped, length);
  }
}

// The list is at its end, or goes on with a certificate of at least one byte (RFC 5246 7.4.2).
TlsProgress TlsStream::next_certificate() {
  if (list_left_ == 0) return TlsProgress::certificate;
  if (list_left_ <= length_bytes) return TlsProgress::not_tls;
  list_left_ -= length_bytes;
  return expect_number(Part::certificate_length, length_bytes);
}

TlsProgress TlsStream::expect_number(Part part, uint8_t bytes) {
  part_ = part;
  number_ = 0;
  number_left_ = bytes;
  return TlsProgress::more;
}

TlsProgress TlsStream::expect_content(Part part, uint32_t bytes) {
  part_ = part;
  content_left_ = bytes;
  return TlsProgress::more;
}

}  // namespace steppe
