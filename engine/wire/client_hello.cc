// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/client_hello.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <stdexcept>
#include <string>

namespace steppe {
namespace {

// Where the parts of a ClientHello stand in its record (RFC 5246 6.2.1, 7.4, 7.4.1.2).
constexpr size_t record_length_offset = 3;
constexpr size_t record_body_offset = 5;
constexpr size_t message_length_offset = 6;
constexpr size_t message_body_offset = 9;
constexpr size_t random_offset = 11;
constexpr size_t random_bytes = 32;
constexpr size_t session_id_offset = random_offset + random_bytes + 1;
constexpr size_t session_id_bytes_max = 32;

constexpr uint16_t extension_server_name = 0;
// type, length, list length, name type, name length (RFC 6066 3)
constexpr size_t server_name_overhead = 2 + 2 + 2 + 1 + 2;

void append16(std::vector<uint8_t>& bytes, size_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

void put16(uint8_t* at, size_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

// splitmix64 (Steele, Lea, Flood 2014): no key is ever derived from these bytes, they only have to
// look as random as every client's do.
uint64_t next_random(uint64_t& state) {
  uint64_t word = state += 0x9e3779b97f4a7c15;
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
  word = (word ^ word >> 27) * 0x94d049bb133111eb;
  return word ^ word >> 31;
}

void fill_random(uint8_t* at, size_t bytes, uint64_t& state) {
  while (bytes > 0) {
    const uint64_t word = next_random(state);
    const size_t part = std::min(bytes, sizeof word);
    std::memcpy(at, &word, part);
    at += part;
    bytes -= part;
  }
}

[[noreturn]] void refuse(const HelloDescription& description, const char* why) {
  throw std::invalid_argument("hello '" + std::string(description.name) + "': " + why);
}

}  // namespace

ClientHello::ClientHello(const HelloDescription& description)
    : session_id_bytes_(description.session_id_bytes) {
  if (description.cipher_suites.empty()) refuse(description, "has no cipher suites");
  if (session_id_bytes_ > session_id_bytes_max) refuse(description, "session id over 32 bytes");
  const auto names =
      std::ranges::count(description.extensions, extension_server_name, &HelloExtension::type);
  if (names != 1) refuse(description, "needs server_name among its extensions, once");

  before_.push_back(22);  // handshake
  append16(before_, description.record_version);
  append16(before_, 0);
  before_.push_back(1);  // client_hello
  before_.insert(before_.end(), 3, 0);
  append16(before_, description.client_version);
  before_.insert(before_.end(), random_bytes, 0);
  before_.push_back(session_id_bytes_);
  before_.insert(before_.end(), session_id_bytes_, 0);
  append16(before_, description.cipher_suites.size() * 2);
  for (const uint16_t suite : description.cipher_suites) append16(before_, suite);
  before_.push_back(1);  // one compression method: null
  before_.push_back(0);
  extensions_length_offset_ = before_.size();
  append16(before_, 0);

  std::vector<uint8_t>* side = &before_;
  for (const HelloExtension& extension : description.extensions) {
    if (extension.type == extension_server_name) {
      side = &after_;
      continue;
    }
    append16(*side, extension.type);
    append16(*side, extension.data.size());
    side->insert(side->end(), extension.data.begin(), extension.data.end());
  }
  const size_t longest =
      before_.size() + server_name_overhead + limits::server_name_bytes + after_.size();
  if (longest > limits::client_hello_bytes) refuse(description, "over limits::client_hello_bytes");
}

size_t ClientHello::write(std::span<uint8_t> out, std::string_view server_name,
                          uint64_t random) const {
  assert(out.size() >= limits::client_hello_bytes);
  assert(server_name.size() <= limits::server_name_bytes);
  uint8_t* const record = out.data();
  std::memcpy(record, before_.data(), before_.size());
  uint8_t* at = record + before_.size();
  if (!server_name.empty()) {
    put16(at, extension_server_name);
    put16(at + 2, server_name.size() + 5);
    put16(at + 4, server_name.size() + 3);
    at[6] = 0;  // host_name
    put16(at + 7, server_name.size());
    std::memcpy(at + server_name_overhead, server_name.data(), server_name.size());
    at += server_name_overhead + server_name.size();
  }
  at = std::ranges::copy(after_, at).out;

  const size_t length = static_cast<size_t>(at - record);
  put16(record + record_length_offset, length - record_body_offset);
  // The message's length has three bytes; with at most 1 KB the first stays 0.
  put16(record + message_length_offset + 1, length - message_body_offset);
  put16(record + extensions_length_offset_, length - extensions_length_offset_ - 2);
  fill_random(record + random_offset, random_bytes, random);
  fill_random(record + session_id_offset, session_id_bytes_, random);
  return length;
}

}  // namespace steppe
