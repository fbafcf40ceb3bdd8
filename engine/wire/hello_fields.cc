// SPDX-License-Identifier: Apache-2.0
// Two steps: the records are taken off as far as they are there, then the message is read as far as
// it is there. Every length is held against the message's own before it is held against the bytes
// that have come, so a hello that breaks the grammar is known by the byte that breaks it.
#include "engine/wire/hello_fields.h"

#include <algorithm>

namespace steppe {
namespace {

using enum HelloReading;

// RFC 8446 5.1, RFC 5246 6.2.1.
constexpr uint8_t record_alert = 21, record_handshake = 22, record_major_version = 3;
constexpr size_t record_header_bytes = 5, record_bytes_max = 1 << 14;
constexpr size_t alert_bytes = 2;
constexpr uint8_t alert_level_warning = 1;

// RFC 8446 4, 4.1.2.
constexpr uint8_t message_client_hello = 1, message_server_hello = 2;
constexpr size_t message_header_bytes = 4;
constexpr size_t random_bytes = 32, session_id_bytes_max = 32;
// All parts of a ClientHello at their longest: versions, random, session id, suites, compression
// methods, extensions, each of the last four behind its length.
constexpr size_t hello_bytes_max =
    2 + random_bytes + 1 + session_id_bytes_max + 2 + 65534 + 1 + 255 + 2 + 65535;

size_t number(std::span<const uint8_t> bytes) {
  size_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

// A record's header, as far as it is there. `complete`: body_bytes is how long its body is.
HelloReading read_record_header(std::span<const uint8_t> stream, uint8_t type, size_t& body_bytes) {
  if (!stream.empty() && stream[0] != type) return no_hello;
  if (stream.size() > 1 && stream[1] != record_major_version) return no_hello;
  if (stream.size() > 3 && size_t{stream[3]} << 8 > record_bytes_max) return no_hello;
  if (stream.size() < record_header_bytes) return incomplete;
  body_bytes = number(stream.subspan(3, 2));
  // Only application data may come in empty records.
  return body_bytes == 0 || body_bytes > record_bytes_max ? no_hello : complete;
}

size_t message_bytes(std::span<const uint8_t> message) {
  return message_header_bytes + number(message.subspan(1, 3));
}

bool is_whole(std::span<const uint8_t> message) {
  return message.size() >= message_header_bytes && message.size() >= message_bytes(message);
}

// Takes the records off until one message is whole, or there are no more of them.
HelloReading read_records(std::span<const uint8_t> stream, std::vector<uint8_t>& messages) {
  while (!is_whole(messages)) {
    size_t body_bytes = 0;
    const HelloReading header = read_record_header(stream, record_handshake, body_bytes);
    if (header != complete) return header;
    stream = stream.subspan(record_header_bytes);
    const auto body = stream.first(std::min(stream.size(), body_bytes));
    messages.insert(messages.end(), body.begin(), body.end());
    stream = stream.subspan(body.size());
  }
  return complete;
}

// Walks over a message of which only the beginning may be there. The first thing that goes wrong
// stays; after it every value is 0 or empty.
class Cursor {
 public:
  // body_bytes: of the whole message; `here`: what of it has come.
  Cursor(std::span<const uint8_t> here, size_t body_bytes) : here_(here), left_(body_bytes) {}

  HelloReading reading() const { return reading_; }
  bool fine() const { return reading_ == complete; }
  size_t left() const { return left_; }
  void require(bool holds) {
    if (fine() && !holds) reading_ = no_hello;
  }

  std::span<const uint8_t> bytes(size_t count) {
    require(count <= left_);
    if (fine() && count > here_.size()) reading_ = incomplete;
    if (!fine()) return {};
    const auto taken = here_.first(count);
    here_ = here_.subspan(count);
    left_ -= count;
    return taken;
  }
  size_t number(size_t count) { return steppe::number(bytes(count)); }
  uint16_t number16() { return static_cast<uint16_t>(number(2)); }

 private:
  std::span<const uint8_t> here_;
  size_t left_;
  HelloReading reading_ = complete;
};

// A message of that type, as far as it is there; whether more of it will come is the cursor's to
// find out.
Cursor open_message(std::span<const uint8_t> message, uint8_t type) {
  Cursor cursor(message, message_header_bytes + hello_bytes_max);
  const size_t seen_type = cursor.number(1);
  cursor.require(seen_type == type);
  const size_t body_bytes = cursor.number(3);
  cursor.require(body_bytes <= hello_bytes_max);
  return cursor.fine() ? Cursor(message.subspan(message_header_bytes), body_bytes) : cursor;
}

// The extensions fill the message; TLS 1.2 and before may have none, not even their length.
template <typename Take>
void read_extensions(Cursor& cursor, const Take& take) {
  if (cursor.left() == 0) return;
  const size_t list_bytes = cursor.number(2);
  cursor.require(list_bytes == cursor.left());
  while (cursor.fine() && cursor.left() > 0) {
    const uint16_t type = cursor.number16();
    const auto data = cursor.bytes(cursor.number(2));
    if (cursor.fine()) take(type, data);
  }
}

std::span<const uint8_t> read_session_id(Cursor& cursor) {
  const size_t length = cursor.number(1);
  cursor.require(length <= session_id_bytes_max);
  return cursor.bytes(length);
}

HelloReading read_client_message(std::span<const uint8_t> message, HelloFields& fields) {
  Cursor cursor = open_message(message, message_client_hello);
  fields.client_version = cursor.number16();
  fields.random = cursor.bytes(random_bytes);
  fields.session_id = read_session_id(cursor);
  const size_t suites_bytes = cursor.number(2);
  cursor.require(suites_bytes > 0 && suites_bytes % 2 == 0);
  const auto suites = cursor.bytes(suites_bytes);
  for (size_t at = 0; at < suites.size(); at += 2)
    fields.cipher_suites.push_back(static_cast<uint16_t>(number(suites.subspan(at, 2))));
  const size_t methods = cursor.number(1);
  cursor.require(methods > 0);
  fields.compression_methods = cursor.bytes(methods);
  if (cursor.fine())
    read_extensions(cursor, [&](uint16_t type, std::span<const uint8_t> data) {
      fields.extensions.push_back({type, data});
    });
  return cursor.reading();
}

HelloReading read_server_message(std::span<const uint8_t> message, ServerHelloFields& fields) {
  Cursor cursor = open_message(message, message_server_hello);
  fields.legacy_version = cursor.number16();
  cursor.bytes(random_bytes);
  read_session_id(cursor);
  fields.cipher_suite = cursor.number16();
  cursor.bytes(1);  // compression method
  if (cursor.fine())
    read_extensions(cursor, [&](uint16_t type, std::span<const uint8_t>) {
      fields.extensions.push_back(type);
    });
  return cursor.reading();
}

HelloReading pass_warnings(std::span<const uint8_t>& stream) {
  while (!stream.empty() && stream[0] == record_alert) {
    size_t body_bytes = 0;
    const HelloReading header = read_record_header(stream, record_alert, body_bytes);
    if (header != complete) return header;
    const auto body = stream.subspan(record_header_bytes);
    if (body_bytes != alert_bytes) return no_hello;
    if (!body.empty() && body[0] != alert_level_warning) return no_hello;
    if (body.size() < alert_bytes) return incomplete;
    stream = body.subspan(alert_bytes);
  }
  return complete;
}

// The message decides as far as it goes; where it wants more, a broken record behind it does.
HelloReading join(HelloReading message, HelloReading records) {
  return message == incomplete && records == no_hello ? no_hello : message;
}

}  // namespace

HelloReading read_client_hello(std::span<const uint8_t> stream, HelloFields& fields,
                               std::vector<uint8_t>& messages) {
  fields = {};
  messages.clear();
  if (stream.empty()) return incomplete;
  if (stream[0] == message_client_hello) return read_client_message(stream, fields);
  const HelloReading records = read_records(stream, messages);
  if (stream.size() > 2)
    fields.record_version = static_cast<uint16_t>(number(stream.subspan(1, 2)));
  return join(read_client_message(messages, fields), records);
}

HelloReading read_server_hello(std::span<const uint8_t> stream, ServerHelloFields& fields) {
  fields = {};
  if (const HelloReading warnings = pass_warnings(stream); warnings != complete) return warnings;
  std::vector<uint8_t> messages;
  const HelloReading records = read_records(stream, messages);
  return join(read_server_message(messages, fields), records);
}

}  // namespace steppe
