// SPDX-License-Identifier: Apache-2.0
// The server's flight, read as it streams in: records (RFC 5246 6.2.1), handshake messages (7.4),
// and in the Certificate message (7.4.2) the leaf, compared with the expected one. Of TLS 1.3 all
// behind the ServerHello is encrypted (RFC 8446 2); there only its end can be found.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace steppe {

enum class TlsProgress : uint8_t {
  more,            // nothing decided yet
  same,            // a whole leaf that equals the expected one; the chain behind it is not awaited
  certificate,     // a Certificate message to its end, with another leaf, none, or none expected
  alert,           // a fatal alert, or close_notify; alert_description() says which
  not_tls,         // no TLS record, or a handshake that breaks the grammar
  no_certificate,  // ServerHelloDone without a Certificate (an anonymous suite): treated as closed
  encrypted,       // a flight of TLS 1.3 up to what must be its Finished
};

// The parser's whole state, small enough for a flow's cache line. Total: any bytes, in any split,
// lead to the same answer at the same byte. Never reads behind its input, keeps no pointer to it,
// never allocates, bounds nothing but by its 24-bit lengths (the flow bounds a flight). Once feed()
// returned anything but `more`, the state must not be fed again. One thread at a time.
class TlsStream {
 public:
  // bytes: the next in-order bytes from the server. expected_leaf: the DER of the host's baseline
  // leaf, empty if there is none; REQUIRES the same in every call. Warning alerts are passed over:
  // servers that do not know the name send unrecognized_name as one and go on (RFC 6066 3).
  TlsProgress feed(std::span<const uint8_t> bytes, std::span<const uint8_t> expected_leaf);

  // AlertDescription (RFC 5246 7.2). Meaningful after TlsProgress::alert.
  uint8_t alert_description() const { return alert_description_; }
  // Whether a HelloRetryRequest is complete that has not been taken yet: the server awaits another
  // hello (RFC 8446 4.1.4). Forgets it.
  bool take_retry() { return std::exchange(retry_pending_, false); }
  // False once the leaf differs from the expected one, by length or by a byte.
  bool leaf_may_match() const { return leaf_may_match_; }
  // Whether what is behind the ServerHello is encrypted.
  bool encrypted() const { return part_ >= Part::encrypted; }
  // Whether an encrypted flight may be at its end: the last record is whole, and there was room for
  // a certificate. Not every server gives its Finished a record of its own; then only silence
  // tells.
  bool may_be_over() const;

 private:
  // What the next handshake byte belongs to: a number (number_left_ > 0) or content; behind them
  // what an encrypted record is.
  enum class Part : uint8_t {
    message_type,
    message_length,
    server_version,
    server_random,
    list_length,
    certificate_length,
    certificate,
    skipped,
    encrypted,
    finished,
  };

  bool read_record_header(uint8_t byte);
  bool may_come_now(uint8_t record_type) const;
  bool begin_record();
  TlsProgress read_alerts(std::span<const uint8_t> bytes);
  TlsProgress read_handshake(std::span<const uint8_t> bytes,
                             std::span<const uint8_t> expected_leaf);
  TlsProgress read_encrypted(std::span<const uint8_t> bytes);
  TlsProgress finish_number(size_t expected_leaf_bytes);
  TlsProgress finish_content();
  TlsProgress begin_message(uint32_t length);
  TlsProgress next_certificate();
  TlsProgress expect_number(Part part, uint8_t bytes);
  TlsProgress expect_content(Part part, uint32_t bytes);

  uint32_t content_left_ = 0;  // of the content that is passing
  uint32_t behind_ = 0;        // of the ServerHello, of the certificate list, behind that content
  // The number being read, most significant byte first. Of an encrypted flight: its bytes so far.
  uint32_t number_ = 0;
  uint16_t record_left_ = 0;
  uint8_t header_bytes_ = 0;  // of the record's header, so far
  uint8_t record_type_ = 0;
  uint8_t number_left_ = 1;
  Part part_ = Part::message_type;
  uint8_t message_type_ = 0;
  uint8_t alert_level_ = 0;  // 0 between alerts
  uint8_t alert_description_ = 0;
  bool hello_seen_ : 1 = false;
  bool leaf_may_match_ : 1 = true;
  bool random_matches_ : 1 = false;  // so far, that of a HelloRetryRequest
  bool retry_seen_ : 1 = false;
  bool retry_pending_ = false;
};
static_assert(sizeof(TlsStream) <= 24 && std::is_trivially_copyable_v<TlsStream>);

}  // namespace steppe
