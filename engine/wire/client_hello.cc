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
constexpr size_t record_version_offset = 1;
constexpr size_t record_length_offset = 3;
constexpr size_t record_body_offset = 5;
constexpr size_t message_length_offset = 6;
constexpr size_t message_body_offset = 9;
constexpr size_t random_bytes = 32;
constexpr size_t session_id_bytes_max = 32;

// type, length, list length, name type, name length (RFC 6066 3)
constexpr size_t server_name_overhead = 2 + 2 + 2 + 1 + 2;
constexpr size_t extension_header_bytes = 4;

// A message of these lengths hangs some servers; with padding it has 512 (RFC 7685 1).
constexpr size_t padded_from_bytes = 256, padded_to_bytes = 512;

// RFC 8446 D.4: for the sake of boxes that expect to see one.
constexpr uint8_t change_cipher_spec[] = {20, 3, 3, 0, 1, 1};

constexpr uint16_t tls13_version = 0x0304;

void append16(std::vector<uint8_t>& bytes, size_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

void put16(uint8_t* at, size_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

uint16_t get16(std::span<const uint8_t> bytes, size_t offset) {
  return static_cast<uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

// splitmix64 (Steele, Lea, Flood 2014): no key is ever derived from these bytes alone, they only
// have to look as random as every client's do.
uint64_t next_random(uint64_t& state) {
  uint64_t word = state += 0x9e3779b97f4a7c15;
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
  word = (word ^ word >> 27) * 0x94d049bb133111eb;
  return word ^ word >> 31;
}

// Changes the bits of `mask` in each of the bytes.
void scramble(uint8_t* at, size_t bytes, uint8_t mask, uint64_t& random) {
  while (bytes > 0) {
    const size_t part = std::min(bytes, sizeof(uint64_t));
    uint64_t word = 0;
    std::memcpy(&word, at, part);
    word ^= next_random(random) & uint64_t{0x0101010101010101} * mask;
    std::memcpy(at, &word, part);
    at += part;
    bytes -= part;
  }
}

[[noreturn]] void refuse(std::string_view name, const std::string& why) {
  throw std::invalid_argument("hello '" + std::string(name) + "': " + why);
}

uint8_t* write_server_name(uint8_t* at, std::string_view server_name) {
  if (server_name.empty()) return at;
  put16(at, extension::server_name);
  put16(at + 2, server_name.size() + 5);
  put16(at + 4, server_name.size() + 3);
  at[6] = 0;  // host_name
  put16(at + 7, server_name.size());
  std::memcpy(at + server_name_overhead, server_name.data(), server_name.size());
  return at + server_name_overhead + server_name.size();
}

// KeyShareClientHello with one entry, and the cookie: what a second hello has that the first had
// not (RFC 8446 4.1.2).
constexpr size_t key_share_overhead = extension_header_bytes + 2 + 2 + 2;
constexpr size_t cookie_overhead = extension_header_bytes + 2;

uint8_t* write_key_share(uint8_t* at, const KeyShare& share) {
  const size_t bytes = share.key_exchange.size();
  put16(at, extension::key_share);
  put16(at + 2, bytes + 6);
  put16(at + 4, bytes + 4);
  put16(at + 6, share.group);
  put16(at + 8, bytes);
  return std::ranges::copy(share.key_exchange, at + key_share_overhead).out;
}

uint8_t* write_cookie(uint8_t* at, std::span<const uint8_t> cookie) {
  if (cookie.empty()) return at;
  put16(at, extension::cookie);
  put16(at + 2, cookie.size() + 2);
  put16(at + 4, cookie.size());
  return std::ranges::copy(cookie, at + cookie_overhead).out;
}

// Of the extension, for a message that has so many bytes without it. One byte of padding at least:
// some servers do not like an empty extension at the end.
size_t padding_bytes(size_t message_bytes) {
  if (message_bytes < padded_from_bytes || message_bytes >= padded_to_bytes) return 0;
  return std::max(padded_to_bytes - message_bytes, extension_header_bytes + 1);
}

uint8_t* write_padding(uint8_t* at, size_t bytes) {
  if (bytes == 0) return at;
  put16(at, extension::padding);
  put16(at + 2, bytes - extension_header_bytes);
  std::memset(at + extension_header_bytes, 0, bytes - extension_header_bytes);
  return at + bytes;
}

}  // namespace

ClientHello::ClientHello(const HelloDescription& description, std::span<const KeyShare> shares)
    : name_(description.name), session_id_bytes_(description.session_id_bytes) {
  if (description.cipher_suites.empty()) refuse(name_, "has no cipher suites");
  if (session_id_bytes_ > session_id_bytes_max) refuse(name_, "session id over 32 bytes");
  std::vector<uint16_t> types;
  for (const HelloExtension& added : description.extensions)
    types.push_back(is_grease(added.type) ? grease : added.type);
  for (const uint16_t type : types)
    if (std::ranges::count(types, type) > (type == grease ? 2 : 1))
      refuse(name_, "has extension " + std::to_string(type) + " too often");
  if (std::ranges::count(types, extension::server_name) == 0)
    refuse(name_, "needs server_name among its extensions");

  pieces_.emplace_back();
  tail().push_back(22);  // handshake
  append16(tail(), description.record_version);
  append16(tail(), 0);
  tail().push_back(1);  // client_hello
  append_zeros(3);
  append16(tail(), description.client_version);
  draw(tail().size(), random_bytes);
  append_zeros(random_bytes);
  tail().push_back(session_id_bytes_);
  draw(tail().size(), session_id_bytes_);
  append_zeros(session_id_bytes_);
  append16(tail(), description.cipher_suites.size() * 2);
  for (const uint16_t suite : description.cipher_suites) append_value(suite, cipher_slot);
  tail().push_back(1);  // one compression method: null
  tail().push_back(0);
  extensions_length_offset_ = tail().size();
  append16(tail(), 0);
  for (const HelloExtension& added : description.extensions) append_extension(added, shares);
  // RFC 8446 4.2.8: a share of an offered group.
  for (const uint16_t group : offered_shares_)
    if (share_of(group) == nullptr)
      refuse(name_, "does not offer group " + std::to_string(group) + " of its key_share");

  const std::string longest_name(limits::server_name_bytes, 'a');
  if (padded(unpadded_bytes(longest_name, nullptr)) > limits::client_hello_bytes)
    refuse(name_,
           "over " + std::to_string(limits::client_hello_bytes) + " bytes with the longest name");
}

void ClientHello::append_value(uint16_t value, Slot slot) {
  if (is_grease(value))
    pieces_.back().grease.push_back({static_cast<uint16_t>(tail().size()), slot});
  append16(tail(), value);
}

void ClientHello::draw(size_t offset, size_t bytes, uint8_t mask) {
  pieces_.back().drawn.push_back(
      {static_cast<uint16_t>(offset), static_cast<uint16_t>(bytes), mask});
}

void ClientHello::append_extension(const HelloExtension& added, std::span<const KeyShare> shares) {
  const auto connection_decides = [&](Kind kind) {
    pieces_.push_back({.kind = kind});
    pieces_.emplace_back();
  };
  if (added.type == extension::server_name) return connection_decides(Kind::server_name);
  if (added.type == extension::padding) return connection_decides(Kind::padding);
  if (added.type == extension::key_share) {
    pieces_.push_back({.kind = Kind::key_share});
    append_key_share(added, shares);
    pieces_.emplace_back();
    return;
  }
  const bool is_second =
      is_grease(added.type) && std::ranges::any_of(pieces_, [](const Piece& piece) {
        return std::ranges::count(piece.grease, extension_slot, &Grease::slot) > 0;
      });
  append_value(added.type, is_second ? second_slot : extension_slot);
  append16(tail(), added.data.size());
  if (added.type == extension::supported_groups || added.type == extension::supported_versions)
    return append_list(added, shares);
  for (const Drawn& range : added.drawn) {
    if (size_t{range.offset} + range.bytes > added.data.size())
      refuse(name_, "draws more than extension " + std::to_string(added.type) + " has");
    draw(tail().size() + range.offset, range.bytes, range.mask);
  }
  tail().insert(tail().end(), added.data.begin(), added.data.end());
}

// Two-byte values behind their length, which has two bytes (supported_groups, RFC 8446 4.2.7) or
// one (supported_versions, 4.2.1).
void ClientHello::append_list(const HelloExtension& added, std::span<const KeyShare> shares) {
  const bool groups = added.type == extension::supported_groups;
  const size_t length_bytes = groups ? 2 : 1, size = added.data.size();
  if (size < length_bytes || size % 2 != length_bytes % 2 ||
      (groups ? get16(added.data, 0) : added.data[0]) != size - length_bytes)
    refuse(name_, "extension " + std::to_string(added.type) + " is no list");
  const auto list = added.data.subspan(length_bytes);
  tail().insert(tail().end(), added.data.begin(), list.begin());
  for (size_t at = 0; at < list.size(); at += 2) {
    const uint16_t value = get16(list, at);
    append_value(value, groups ? group_slot : version_slot);
    if (!groups) offers_tls13_ = offers_tls13_ || value == tls13_version;
    const auto share = std::ranges::find(shares, value, &KeyShare::group);
    if (groups && share != shares.end()) shares_.push_back(*share);
  }
}

void ClientHello::append_key_share(const HelloExtension& added, std::span<const KeyShare> shares) {
  append16(tail(), extension::key_share);
  append16(tail(), 0);
  append16(tail(), 0);
  if (added.data.size() % 2 != 0) refuse(name_, "key_share is no list of groups");
  for (size_t at = 0; at < added.data.size(); at += 2) {
    const uint16_t group = get16(added.data, at);
    append_value(group, group_slot);
    if (is_grease(group)) {
      append16(tail(), 1);
      tail().push_back(0);
      continue;
    }
    const auto share = std::ranges::find(shares, group, &KeyShare::group);
    if (share == shares.end())
      refuse(name_, "there is no key for group " + std::to_string(group) + " of its key_share");
    offered_shares_.push_back(group);
    append16(tail(), share->key_exchange.size());
    tail().insert(tail().end(), share->key_exchange.begin(), share->key_exchange.end());
  }
  put16(&tail()[2], tail().size() - extension_header_bytes);
  put16(&tail()[4], tail().size() - extension_header_bytes - 2);
}

size_t ClientHello::write(std::span<uint8_t> out, std::string_view server_name,
                          uint64_t random) const {
  assert(out.size() >= limits::client_hello_bytes);
  return write_record(out, server_name, random, nullptr);
}

size_t ClientHello::write_retry(std::span<uint8_t> out, std::string_view server_name,
                                uint64_t random, const HelloRetry& retry) const {
  assert(out.size() >= limits::client_hello_bytes);
  const bool has_key_share = std::ranges::count(pieces_, Kind::key_share, &Piece::kind) != 0;
  const bool wanted = retry.group == 0 || std::ranges::count(offered_shares_, retry.group) == 0;
  if (!has_key_share || !wanted || (retry.group != 0 && share_of(retry.group) == nullptr)) return 0;
  const size_t before = session_id_bytes_ != 0 ? sizeof change_cipher_spec : 0;
  if (before + padded(unpadded_bytes(server_name, &retry)) > limits::client_hello_bytes) return 0;
  std::copy_n(change_cipher_spec, before, out.begin());
  return before + write_record(out.subspan(before), server_name, random, &retry);
}

const KeyShare* ClientHello::share_of(uint16_t group) const {
  const auto share = std::ranges::find(shares_, group, &KeyShare::group);
  return share == shares_.end() ? nullptr : &*share;
}

// Of the whole record, but for padding.
size_t ClientHello::unpadded_bytes(std::string_view server_name, const HelloRetry* retry) const {
  size_t bytes = server_name.empty() ? 0 : server_name_overhead + server_name.size();
  for (const Piece& piece : pieces_) {
    const bool other_share = piece.kind == Kind::key_share && retry != nullptr && retry->group != 0;
    bytes += other_share ? key_share_overhead + share_of(retry->group)->key_exchange.size()
                         : piece.bytes.size();
  }
  const bool cookie = retry != nullptr && !retry->cookie.empty();
  return bytes + (cookie ? cookie_overhead + retry->cookie.size() : 0);
}

size_t ClientHello::padded(size_t unpadded_bytes) const {
  const bool pads = std::ranges::count(pieces_, Kind::padding, &Piece::kind) != 0;
  return unpadded_bytes + (pads ? padding_bytes(unpadded_bytes - record_body_offset) : 0);
}

size_t ClientHello::write_record(std::span<uint8_t> out, std::string_view server_name,
                                 uint64_t random, const HelloRetry* retry) const {
  assert(server_name.size() <= limits::server_name_bytes);
  const uint64_t slots = next_random(random);
  const size_t unpadded = unpadded_bytes(server_name, retry), length = padded(unpadded);
  uint8_t* const record = out.data();
  uint8_t* at = record;
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Kind::server_name:
        at = write_server_name(at, server_name);
        break;
      case Kind::padding:
        at = write_padding(at, length - unpadded);
        break;
      case Kind::key_share:
        if (retry != nullptr && retry->group != 0)
          at = write_key_share(at, *share_of(retry->group));
        else
          at = write_bytes(at, piece, slots, random);
        if (retry != nullptr) at = write_cookie(at, retry->cookie);
        break;
      case Kind::bytes:
        at = write_bytes(at, piece, slots, random);
        break;
    }
  }
  assert(static_cast<size_t>(at - record) == length);
  // Only the first flight may say 0x0301 (RFC 8446 5.1).
  if (retry != nullptr) put16(record + record_version_offset, 0x0303);
  put16(record + record_length_offset, length - record_body_offset);
  // The message's length has three bytes; with at most a few KB the first stays 0.
  put16(record + message_length_offset + 1, length - message_body_offset);
  put16(record + extensions_length_offset_, length - extensions_length_offset_ - 2);
  return length;
}

// slots: four random bits for each say which of the sixteen values stands there.
uint8_t* ClientHello::write_bytes(uint8_t* at, const Piece& piece, uint64_t slots,
                                  uint64_t& random) {
  uint8_t* const end = std::ranges::copy(piece.bytes, at).out;
  for (const Drawn& range : piece.drawn)
    scramble(at + range.offset, range.bytes, range.mask, random);
  for (const Grease& patch : piece.grease) {
    uint64_t which = slots >> 4 * patch.slot & 15;
    // The same extension must not stand there twice (RFC 8701 3.1).
    if (patch.slot == second_slot && which == (slots >> 4 * extension_slot & 15)) which ^= 1;
    put16(at + patch.offset, 0x0a0a + 0x1010 * which);
  }
  return end;
}

}  // namespace steppe
