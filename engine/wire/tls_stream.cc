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

#include "engine/wire/hello_retry.h"

namespace steppe {
namespace {

// RFC 5246 6.2.1. Of TLS 1.2 only alerts and handshakes may come before a Certificate:
// ChangeCipherSpec would need a session to resume and application data keys, and we have neither.
// Of TLS 1.3 the former says nothing (RFC 8446 D.4), and all that is encrypted calls itself the
// latter.
constexpr uint8_t record_change_cipher_spec = 20;
constexpr uint8_t record_alert = 21;
constexpr uint8_t record_handshake = 22;
constexpr uint8_t record_application_data = 23;
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

// An encrypted Finished in a record of its own: header, a hash (SHA-256 or SHA-384, as the suites
// have them), content type, tag (RFC 8446 4.4.4, 5.2). No other message before it has one of these
// lengths but by chance, and none of them behind a certificate.
constexpr uint16_t finished_bytes[] = {4 + 32 + 1 + 16, 4 + 48 + 1 + 16};
// What comes before a Finished at least: the smallest certificates, compressed, are larger.
constexpr uint32_t encrypted_bytes_min = 300;

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
    TlsProgress progress = TlsProgress::more;
    if (record_type_ == record_handshake)
      progress = read_handshake(body, expected_leaf);
    else if (record_type_ == record_alert)
      progress = read_alerts(body);
    else if (record_type_ == record_application_data)
      progress = read_encrypted(body);
    if (progress != TlsProgress::more) return progress;
  }
  return TlsProgress::more;
}

// Returns false at the first byte that no record has there that may precede a Certificate. Text
// (an HTTP answer, an SSH banner) ends at its first byte: 20 to 23 are control characters.
bool TlsStream::read_record_header(uint8_t byte) {
  switch (header_bytes_++) {
    case 0:
      record_type_ = byte;
      return may_come_now(byte);
    case 1:
      return byte == 3;
    case 2:  // The minor version says nothing: servers write 0 to 3 here (RFC 5246 E.1).
      return true;
    case 3:
      record_left_ = static_cast<uint16_t>(byte << 8);
      return record_left_ <= record_bytes_max;
    default:
      record_left_ |= byte;
      return begin_record();
  }
}

// Between a ServerHello and the message after it TLS 1.3 may begin; from its first record on all is
// encrypted, but for an alert of somebody who has no key.
bool TlsStream::may_come_now(uint8_t record_type) const {
  const bool encrypted = part_ == Part::encrypted;
  const bool between = part_ == Part::message_type && (hello_seen_ || retry_seen_);
  switch (record_type) {
    case record_alert:
      return true;
    case record_handshake:
      return !encrypted;
    case record_change_cipher_spec:
      return encrypted || between;
    case record_application_data:
      return encrypted || (between && hello_seen_);
    default:
      return false;
  }
}

bool TlsStream::begin_record() {
  // Only application data may be empty (RFC 5246 6.2.1), and that of TLS 1.3 never is (RFC 8446
  // 5.2).
  if (record_left_ == 0 || record_left_ > record_bytes_max) return false;
  if (record_type_ == record_change_cipher_spec) return record_left_ == 1;  // RFC 8446 5
  if (record_type_ == record_application_data) {
    if (part_ == Part::message_type) number_ = 0;
    const bool finished =
        number_ >= encrypted_bytes_min && std::ranges::count(finished_bytes, record_left_) != 0;
    part_ = finished ? Part::finished : Part::encrypted;
  }
  return true;
}

TlsProgress TlsStream::read_encrypted(std::span<const uint8_t> bytes) {
  number_ += static_cast<uint32_t>(bytes.size());
  return part_ == Part::finished && record_left_ == 0 ? TlsProgress::encrypted : TlsProgress::more;
}

bool TlsStream::may_be_over() const {
  return part_ == Part::encrypted && header_bytes_ == 0 && number_ >= encrypted_bytes_min;
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
    } else if (part_ == Part::server_random && random_matches_) {
      const auto expected = std::span(hello_retry_random).last(content_left_);
      random_matches_ = std::memcmp(content.data(), expected.data(), content.size()) == 0;
    }
    content_left_ -= static_cast<uint32_t>(content.size());
    if (content_left_ > 0) continue;
    const TlsProgress progress = finish_content();
    if (progress != TlsProgress::more) return progress;
  }
  return TlsProgress::more;
}

TlsProgress TlsStream::finish_content() {
  if (part_ == Part::certificate) return leaf_may_match_ ? TlsProgress::same : next_certificate();
  if (part_ == Part::server_random) {
    // One retry is all that a server has (RFC 8446 4.1.4).
    if (random_matches_ && retry_seen_) return TlsProgress::not_tls;
    return expect_content(Part::skipped, behind_);
  }
  if (random_matches_) {
    random_matches_ = hello_seen_ = false;  // the ServerHello is still to come
    retry_seen_ = retry_pending_ = true;
  }
  return expect_number(Part::message_type, 1);
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
      // SSL 3.0 to TLS 1.2. TLS 1.3 says 1.2 here, too (RFC 8446 4.1.3), and gives itself away by
      // its next record's type.
      if (number_ < 0x0300 || number_ > 0x0303) return TlsProgress::not_tls;
      random_matches_ = true;
      return expect_content(Part::server_random, hello_retry_random.size());
    case Part::list_length:
      if (number_ != behind_) return TlsProgress::not_tls;
      return next_certificate();
    case Part::certificate_length:
      if (number_ == 0 || number_ > behind_) return TlsProgress::not_tls;
      behind_ -= number_;
      leaf_may_match_ = leaf_may_match_ && number_ == expected_leaf_bytes;
      return expect_content(Part::certificate, number_);
    case Part::server_random:
    case Part::certificate:
    case Part::skipped:
    case Part::encrypted:
    case Part::finished:
      break;
  }
  assert(!"content is no number");
  return TlsProgress::not_tls;
}

TlsProgress TlsStream::begin_message(uint32_t length) {
  switch (message_type_) {
    case message_server_hello:
      if (length < server_hello_bytes_min) return TlsProgress::not_tls;
      behind_ = static_cast<uint32_t>(length - 2 - hello_retry_random.size());
      return expect_number(Part::server_version, 2);
    case message_certificate:
      if (length < length_bytes) return TlsProgress::not_tls;
      behind_ = length - length_bytes;
      return expect_number(Part::list_length, length_bytes);
    case message_server_hello_done:
      return length == 0 ? TlsProgress::no_certificate : TlsProgress::not_tls;
    default:  // SupplementalData (RFC 4680), and what nobody thought of
      return length == 0 ? expect_number(Part::message_type, 1)
                         : expect_content(Part::skipped, length);
  }
}

// The list is at its end, or goes on with a certificate of at least one byte (RFC 5246 7.4.2).
TlsProgress TlsStream::next_certificate() {
  if (behind_ == 0) return TlsProgress::certificate;
  if (behind_ <= length_bytes) return TlsProgress::not_tls;
  behind_ -= length_bytes;
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
