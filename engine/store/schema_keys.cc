// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <stdexcept>

#include "engine/store/big_endian.h"
#include "engine/store/schema.h"

namespace steppe::schema {
namespace {

constexpr std::string_view version_name = "format version";

std::string address_text(uint32_t address) {
  const in_addr network = {htonl(address)};
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &network, text, sizeof(text));
}

std::string numbers_key(Kind kind, uint32_t first, uint32_t second) {
  std::string key = prefix(kind);
  append_u32(key, first);
  append_u32(key, second);
  return key;
}

std::string digest_key(Kind kind, const Digest& digest) {
  std::string key = prefix(kind);
  key.append(digest.begin(), digest.end());
  return key;
}

std::string question_key(Kind kind, const PairKey& pair) {
  assert(pair.server_name.find('\0') == std::string::npos);
  std::string key = prefix(kind, pair.address);
  append_u16(key, pair.port);
  return key.append(pair.server_name).append(1, '\0').append(pair.hello);
}

std::string bytes_in_hex(std::string_view bytes) {
  return hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

// A name from disk may be anything, and a message is one line.
std::string printable(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(
      out, [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return out;
}

bool is_kind(std::string_view key, Kind kind) {
  return !key.empty() && key[0] == static_cast<char>(kind);
}

bool is_kind(std::string_view key, Kind kind, size_t size) {
  return key.size() == size && is_kind(key, kind);
}

}  // namespace

std::string version_key() {
  return prefix(Kind::meta).append(version_name);
}
std::string round_key(uint32_t number) {
  return prefix(Kind::round, number);
}
std::string names_key(uint32_t number) {
  return prefix(Kind::names, number);
}
std::string hosts_key(uint32_t number) {
  return prefix(Kind::hosts, number);
}
std::string page_key(uint32_t number, uint32_t index) {
  return numbers_key(Kind::page, number, index);
}
std::string discovered_key(uint32_t number, uint32_t address) {
  return numbers_key(Kind::discovered, number, address);
}

std::string host_key(uint32_t address, uint16_t port) {
  std::string key = prefix(Kind::host, address);
  append_u16(key, port);
  return key;
}

std::string pair_key(const PairKey& pair) {
  return question_key(Kind::pair, pair);
}
std::string trace_key(const PairKey& pair) {
  return question_key(Kind::trace, pair);
}

std::string certificate_key(const Digest& digest) {
  return digest_key(Kind::certificate, digest);
}
std::string interceptor_key(const Digest& spki) {
  return digest_key(Kind::interceptor, spki);
}

std::string prefix(Kind kind) {
  return std::string(1, static_cast<char>(kind));
}

std::string prefix(Kind kind, uint32_t number) {
  std::string key = prefix(kind);
  append_u32(key, number);
  return key;
}

uint32_t read_round_key(std::string_view key) {
  if (!is_kind(key, Kind::round, 5)) broken(key, "the key is of another kind or length");
  return read_u32(key.substr(1));
}

std::pair<uint32_t, uint32_t> read_numbers_key(std::string_view key) {
  if (!is_kind(key, Kind::page, 9) && !is_kind(key, Kind::discovered, 9))
    broken(key, "the key is of another kind or length");
  return {read_u32(key.substr(1)), read_u32(key.substr(5))};
}

std::pair<uint32_t, uint16_t> read_host_key(std::string_view key) {
  if (!is_kind(key, Kind::host, 7)) broken(key, "the key is of another kind or length");
  return {read_u32(key.substr(1)), read_u16(key.substr(5))};
}

PairKey read_pair_key(std::string_view key) {
  if (key.size() < 7 || (!is_kind(key, Kind::pair) && !is_kind(key, Kind::trace)))
    broken(key, "the key is of another kind or length");
  const std::string_view question = key.substr(7);
  const size_t end = question.find('\0');
  if (end == std::string_view::npos) broken(key, "the key names no ClientHello");
  return {read_u32(key.substr(1)), read_u16(key.substr(5)), std::string(question.substr(0, end)),
          std::string(question.substr(end + 1))};
}

Digest read_digest_key(std::string_view key) {
  if (!is_kind(key, Kind::certificate, 33) && !is_kind(key, Kind::interceptor, 33))
    broken(key, "the key is of another kind or length");
  Digest digest;
  std::copy(key.begin() + 1, key.end(), digest.begin());
  return digest;
}

std::string describe(std::string_view key) {
  const auto round_text = [&] { return "round " + std::to_string(read_u32(key.substr(1))); };
  const auto host_text = [&] {
    return address_text(read_u32(key.substr(1))) + ":" + std::to_string(read_u16(key.substr(5)));
  };
  const auto question_text = [&] {
    const std::string_view question = key.substr(7);
    const size_t end = question.find('\0');
    std::string text = host_text() + " " + printable(question.substr(0, end));
    if (end != std::string_view::npos) text += " (" + printable(question.substr(end + 1)) + ")";
    return text;
  };
  if (key == version_key()) return "the format version";
  if (is_kind(key, Kind::round, 5)) return round_text();
  if (is_kind(key, Kind::names, 5)) return "names of " + round_text();
  if (is_kind(key, Kind::hosts, 5)) return "hosts of " + round_text();
  if (is_kind(key, Kind::page, 9))
    return "page " + std::to_string(read_u32(key.substr(5))) + " of " + round_text();
  if (is_kind(key, Kind::discovered, 9))
    return "discovered " + address_text(read_u32(key.substr(5))) + " of " + round_text();
  if (is_kind(key, Kind::host, 7)) return "host " + host_text();
  if (key.size() >= 7 && is_kind(key, Kind::pair)) return "pair " + question_text();
  if (key.size() >= 7 && is_kind(key, Kind::trace)) return "trace " + question_text();
  if (is_kind(key, Kind::certificate, 33)) return "certificate " + bytes_in_hex(key.substr(1));
  if (is_kind(key, Kind::interceptor, 33)) return "interceptor " + bytes_in_hex(key.substr(1));
  return "key " + bytes_in_hex(key);
}

void broken(std::string_view key, const std::string& what) {
  throw std::runtime_error("broken record: " + describe(key) + ": " + what);
}

}  // namespace steppe::schema
