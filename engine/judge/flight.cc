// SPDX-License-Identifier: Apache-2.0
// Two sweeps, each over the whole: records off first, then messages. That is the plain way, and
// nothing like the worker's single sweep over pieces, which is what makes a comparison worth it.
#include "engine/judge/flight.h"

#include <optional>

namespace steppe {
namespace {

// RFC 5246 6.2.1 and 7.2.
constexpr uint8_t content_alert = 21, content_handshake = 22;
constexpr size_t record_header_bytes = 5, fragment_bytes_max = (1 << 14) + 2048;
constexpr uint8_t alert_warning = 1, alert_close_notify = 0;
// RFC 5246 7.4.
constexpr uint8_t type_server_hello = 2, type_certificate = 11;
constexpr size_t message_header_bytes = 4, random_bytes = 32;

// Reads big-endian numbers and pieces off the front; what is not there is nullopt.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : rest_(bytes) {}

  size_t left() const { return rest_.size(); }

  std::optional<uint32_t> number(size_t bytes) {
    if (rest_.size() < bytes) return std::nullopt;
    uint32_t value = 0;
    for (const uint8_t byte : rest_.first(bytes)) value = value << 8 | byte;
    rest_ = rest_.subspan(bytes);
    return value;
  }

  std::optional<std::span<const uint8_t>> piece(size_t bytes) {
    if (rest_.size() < bytes) return std::nullopt;
    const auto front = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return front;
  }

  std::span<const uint8_t> all() {
    const auto everything = rest_;
    rest_ = {};
    return everything;
  }

 private:
  std::span<const uint8_t> rest_;
};

// Only warnings may stand between handshake records (RFC 6066 3: unrecognized_name), and
// close_notify is the end whatever its level (RFC 5246 7.2.1).
bool is_passing_alert(std::span<const uint8_t> fragment) {
  return fragment.size() == 2 && fragment[0] == alert_warning && fragment[1] != alert_close_notify;
}

// Appends the handshake bytes of all records up to the first that is neither handshake nor a
// warning. A cut-off last record gives what there is of it.
void take_records_off(std::span<const uint8_t> bytes, Flight& flight) {
  Reader reader{bytes};
  while (reader.left() >= record_header_bytes) {
    const uint32_t type = *reader.number(1), major = *reader.number(1);
    reader.number(1);  // the minor version: servers write 0 to 3 here (RFC 5246 E.1)
    const uint32_t length = *reader.number(2);
    const bool known = type == content_alert || type == content_handshake;
    if (!known || major != 3 || length == 0 || length > fragment_bytes_max) return;
    flight.tls = true;
    const auto whole = reader.piece(length);
    const auto fragment = whole ? *whole : reader.all();
    if (type == content_alert) {
      if (is_passing_alert(fragment)) continue;
      return;
    }
    flight.messages.insert(flight.messages.end(), fragment.begin(), fragment.end());
  }
}

// RFC 5246 7.4.1.3.
void read_server_hello(std::span<const uint8_t> body, Flight& flight) {
  Reader reader{body};
  const auto version = reader.number(2);
  if (!version || !reader.piece(random_bytes)) return;
  flight.version = static_cast<uint16_t>(*version);
  const auto session_id_bytes = reader.number(1);
  if (!session_id_bytes || !reader.piece(*session_id_bytes)) return;
  if (const auto suite = reader.number(2)) flight.cipher_suite = static_cast<uint16_t>(*suite);
}

// RFC 5246 7.4.2: certificate_list<0..2^24-1> of ASN.1Cert<1..2^24-1>. Returns whether the list
// fills its message and its certificates fill the list.
bool read_certificates(std::span<const uint8_t> body, Flight& flight) {
  Reader reader{body};
  const auto list_bytes = reader.number(3);
  if (!list_bytes) return false;
  const bool fills = *list_bytes == reader.left();
  while (reader.left() > 0) {
    const auto bytes = reader.number(3);
    if (!bytes || *bytes == 0) return false;
    const auto certificate = reader.piece(*bytes);
    if (!certificate) return false;
    flight.chain.push_back(*certificate);
  }
  return fills;
}

}  // namespace

Flight read_flight(std::span<const uint8_t> bytes) {
  Flight flight;
  take_records_off(bytes, flight);
  Reader reader{flight.messages};
  while (reader.left() >= message_header_bytes) {
    const uint32_t type = *reader.number(1);
    const auto whole = reader.piece(*reader.number(3));
    const auto body = whole ? *whole : reader.all();
    if (type == type_server_hello) {
      read_server_hello(body, flight);
    } else if (type == type_certificate) {
      const bool good = read_certificates(body, flight);
      flight.complete = whole.has_value() && good;
      break;
    }
  }
  return flight;
}

}  // namespace steppe
