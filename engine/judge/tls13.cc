// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/tls13.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "engine/judge/certificate_compression.h"
#include "engine/limits.h"
#include "engine/wire/byte_reader.h"
#include "engine/wire/hello_retry.h"

namespace steppe {
namespace {

using Bytes = std::span<const uint8_t>;

// RFC 8446 5.1, B.1, B.3.
constexpr uint8_t record_change_cipher_spec = 20, record_alert = 21, record_handshake = 22,
                  record_application_data = 23;
constexpr size_t record_header_bytes = 5;
constexpr uint8_t message_server_hello = 2, message_certificate = 11, message_finished = 20,
                  message_compressed_certificate = 25;  // RFC 8879 4
constexpr size_t message_header_bytes = 4;
constexpr uint16_t tls13_version = 0x0304;

struct Record {
  Bytes header, body;
  uint8_t type() const { return header[0]; }
};

// Takes the next record off the front; nullopt: it is not there in whole.
std::optional<Record> take_record(Bytes& bytes) {
  ByteReader reader{bytes};
  const auto header = reader.piece(record_header_bytes);
  if (!header) return std::nullopt;
  const auto body = reader.piece(static_cast<size_t>((*header)[3]) << 8 | (*header)[4]);
  if (!body) return std::nullopt;
  bytes = reader.all();
  return Record{*header, *body};
}

// The message that begins here, with its header; empty: it is not there in whole.
Bytes message_at(Bytes bytes) {
  ByteReader reader{bytes};
  const bool has_header = reader.number(1) && reader.vector(3);
  return has_header ? bytes.first(bytes.size() - reader.left()) : Bytes{};
}

// CertificateEntry certificate_list<0..2^24-1> (RFC 8446 4.4.2). Returns whether the list fills the
// message and its entries fill the list.
bool read_certificates(Bytes body, Flight& flight) {
  ByteReader reader{body};
  const auto context = reader.vector(1);
  const auto list = reader.vector(3);
  if (!context || !list || reader.left() != 0) return false;
  for (ByteReader entries{*list}; entries.left() > 0;) {
    const auto certificate = entries.vector(3);
    if (!certificate || certificate->empty() || !entries.vector(2)) return false;
    flight.chain.push_back(*certificate);
  }
  return true;
}

// The leaf of a Certificate message that has begun to come in; empty: not there yet.
Bytes leaf_of(Bytes message) {
  ByteReader reader{message};
  const bool begun = reader.piece(message_header_bytes) && reader.vector(1) && reader.piece(3);
  return begun ? reader.vector(3).value_or(Bytes{}) : Bytes{};
}

// Takes the records of a HelloRetryRequest and of the ServerHello, or of the latter alone. Returns
// where in flight.messages the ServerHello begins, once it is there in whole.
std::optional<size_t> read_hellos(Bytes& rest, Flight& flight) {
  size_t server_hello_at = 0;
  while (const auto record = take_record(rest)) {
    flight.broken = record->type() == record_application_data;
    if (flight.broken) break;
    if (record->type() != record_handshake) continue;
    flight.tls = true;
    flight.messages.insert(flight.messages.end(), record->body.begin(), record->body.end());
    const Bytes message = message_at(Bytes(flight.messages).subspan(server_hello_at));
    if (message.empty()) continue;
    flight.hello = read_server_hello(message.subspan(message_header_bytes));
    const bool second_retry = flight.hello.is_retry && server_hello_at != 0;
    flight.broken = message[0] != message_server_hello || second_retry;
    if (flight.broken) break;
    if (!flight.hello.is_retry) return server_hello_at;
    server_hello_at = message.size();
    flight.messages.resize(server_hello_at);
  }
  return std::nullopt;
}

// Of alerts in clear, that of those that ends a connection, as the worker has it: warnings are
// passed over, but for close_notify (RFC 5246 7.2.1).
std::optional<uint8_t> ending_alert(Bytes alerts) {
  constexpr uint8_t fatal = 2, close_notify = 0;
  for (ByteReader reader{alerts}; reader.left() >= 2;) {
    const uint32_t level = *reader.number(1), description = *reader.number(1);
    if (level == fatal || description == close_notify) return static_cast<uint8_t>(description);
  }
  return std::nullopt;
}

}  // namespace

bool Tls13Reader::begin(Bytes& rest, const AskedHello& asked, std::string_view server_name,
                        Flight& flight) {
  const auto server_hello_at = read_hellos(rest, flight);
  if (server_hello_at)
    flight.broken = flight.hello.version != tls13_version ||
                    !derive_keys(flight, *server_hello_at, asked, server_name);
  // It points into messages that give way to those behind them.
  flight.hello.key_exchange = {};
  flight.messages.clear();
  return server_hello_at && !flight.broken;
}

bool Tls13Reader::derive_keys(const Flight& flight, size_t server_hello_at, const AskedHello& asked,
                              std::string_view server_name) {
  std::array<uint8_t, limits::client_hello_bytes> first, second;
  const size_t first_bytes = asked.hello->write(first, server_name, asked.random);
  const Bytes first_hello = Bytes(first).first(first_bytes).subspan(record_header_bytes);
  const Bytes messages = flight.messages;
  const Bytes server_hello = message_at(messages.subspan(server_hello_at));
  std::vector<Bytes> transcript;
  Bytes retried;
  if (server_hello_at != 0) {
    const auto retry = read_hello_retry(messages.first(server_hello_at));
    const size_t bytes =
        retry ? asked.hello->write_retry(second, server_name, asked.random, *retry) : 0;
    // A change_cipher_spec record may stand before it.
    Bytes sent = Bytes(second).first(bytes);
    auto record = take_record(sent);
    if (record && record->type() != record_handshake) record = take_record(sent);
    if (!record) return false;
    retried = first_hello;
    transcript = {messages.first(server_hello_at), record->body, server_hello};
  } else {
    transcript = {first_hello, server_hello};
  }
  const auto shared = exchange_.derive(flight.hello.group, flight.hello.key_exchange);
  return shared && keys_.begin(flight.hello.cipher_suite, *shared, retried, transcript);
}

// Reads the messages behind `next`, as far as they are whole. True: there is an answer.
bool Tls13Reader::read_messages(Flight& flight, size_t& next, Bytes expected_leaf) {
  while (next < flight.messages.size()) {
    const Bytes left = Bytes(flight.messages).subspan(next);
    if (left[0] == message_certificate && !expected_leaf.empty() &&
        std::ranges::equal(leaf_of(left), expected_leaf))
      return flight.same = true;
    const Bytes message = message_at(left);
    if (message.empty()) return false;
    const Bytes body = message.subspan(message_header_bytes);
    if (message[0] == message_certificate) {
      flight.complete = read_certificates(body, flight);
      flight.broken = !flight.complete;
      return true;
    }
    if (message[0] == message_compressed_certificate) {
      auto certificates = decompress_certificate(body);
      flight.broken = !certificates;
      if (!certificates) return true;
      // As if it had come as it is.
      const size_t bytes = certificates->size();
      flight.messages = {message_certificate, static_cast<uint8_t>(bytes >> 16),
                         static_cast<uint8_t>(bytes >> 8), static_cast<uint8_t>(bytes)};
      flight.messages.insert(flight.messages.end(), certificates->begin(), certificates->end());
      next = 0;
      continue;
    }
    // A handshake without a certificate is one of a session that we never had.
    if (message[0] == message_finished) return flight.broken = true;
    next += message.size();
  }
  return false;
}

Flight Tls13Reader::read(Bytes bytes, const AskedHello& asked, std::string_view server_name,
                         Bytes expected_leaf) {
  Flight flight;
  if (!begin(bytes, asked, server_name, flight)) return flight;
  size_t next = 0;
  while (const auto record = take_record(bytes)) {
    if (record->type() == record_change_cipher_spec) continue;  // RFC 8446 D.4
    const bool sealed = record->type() == record_application_data;
    const auto opened = sealed ? keys_.open(record->header, record->body) : std::nullopt;
    const uint8_t type = opened ? opened->back() : record->type();
    const Bytes content = opened ? opened->first(opened->size() - 1) : record->body;
    // Who has no key may still alert in clear, or warn of something there.
    if (!opened && type == record_alert && content.size() % 2 == 0) {
      flight.alert = ending_alert(content);
      if (!flight.alert) continue;
      return flight;
    }
    if (type == record_alert && content.size() == 2) {
      flight.alert = content[1];
      return flight;
    }
    if (!opened || type != record_handshake) {
      flight.broken = true;
      return flight;
    }
    flight.messages.insert(flight.messages.end(), content.begin(), content.end());
    if (read_messages(flight, next, expected_leaf)) return flight;
  }
  return flight;
}

}  // namespace steppe
