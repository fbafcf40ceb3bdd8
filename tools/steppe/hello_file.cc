// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/hello_file.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "engine/judge/trust.h"
#include "engine/plan/operator_error.h"
#include "modules/fingerprints/hello_values.h"
#include "tools/steppe/capture.h"
#include "tools/steppe/hello_streams.h"
#include "tools/steppe/key_shares.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

constexpr uint16_t session_ticket = 35, pre_shared_key = 41, early_data = 42;
constexpr uint16_t tls13_version = 0x0304, usual_record_version = 0x0301;
constexpr size_t most_grease_extensions = 2;  // those that ClientHello can tell apart
constexpr size_t name_digits = 12;

// What a hello may be in, as hex with as much white space as there are digits.
constexpr size_t file_bytes = 1 << 20;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw OperatorError("--hello-file " + path + ": " + why);
}

std::vector<uint8_t> read_bytes(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    check_readable("--hello-file", path, "chrome.hex");
    file.open(path, std::ios::binary);
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::vector<uint8_t> bytes(file_bytes);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (in.bad() || (in.fail() && !in.eof())) refuse(path, "cannot be read: name a file");
  bytes.resize(static_cast<size_t>(in.gcount()));
  return bytes;
}

int digit_value(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// nullopt: this is no text of hex digits.
std::optional<std::vector<uint8_t>> read_hex(std::span<const uint8_t> text) {
  std::vector<uint8_t> bytes;
  bool half = false;
  for (size_t i = 0; i < text.size(); i++) {
    const uint8_t c = text[i];
    if (std::isspace(c) || c == ':') continue;
    if (c == '0' && !half && i + 1 < text.size() && (text[i + 1] | 0x20) == 'x') {
      i++;
      continue;
    }
    const int value = digit_value(c);
    if (value < 0) return std::nullopt;
    if (half)
      bytes.back() = static_cast<uint8_t>(bytes.back() << 4 | value);
    else
      bytes.push_back(static_cast<uint8_t>(value));
    half = !half;
  }
  if (half) return std::nullopt;
  return bytes;
}

CapturedHello first_of_capture(const std::string& path) {
  CapturedHello found;
  HelloStreams streams([&](const SeenHello& seen) {
    if (!found.stream.empty()) return;
    found.stream = seen.bytes;
    found.fields.record_version = seen.fields.record_version;
  });
  Capture capture(path);
  CapturedFrame frame;
  while (found.stream.empty() && capture.next(frame))
    if (const auto segment = read_segment(capture.link_type(), frame.bytes))
      streams.add(*segment, frame.time_ms);
  streams.finish();
  if (found.stream.empty()) refuse(path, "there is no ClientHello in this capture");
  const uint16_t record_version = found.fields.record_version;
  read_client_hello(found.stream, found.fields, found.messages);
  found.fields.record_version = record_version;
  return found;
}

std::string group_text(uint16_t group) {
  constexpr uint16_t x25519_mlkem768 = 4588;
  return group == x25519_mlkem768 ? "4588 (X25519MLKEM768)" : std::to_string(group);
}

// Below it are curves and finite fields (RFC 8446 4.2.7), from here on all that has ML-KEM.
constexpr uint16_t first_preferred_group = 0x0200;

std::vector<uint16_t> known_groups() {
  std::vector<uint16_t> groups;
  for (const KeyShare& share : stand_in_key_shares()) groups.push_back(share.group);
  return groups;
}

bool contains(const std::vector<uint16_t>& values, uint16_t value) {
  return std::ranges::count(values, value) != 0;
}

// One value of RFC 8701 stands for all in a description.
uint16_t with_one_grease(uint16_t value) {
  return is_grease(value) ? grease : value;
}

void append16(std::vector<uint8_t>& bytes, size_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

std::vector<uint8_t> numbers(const std::vector<uint16_t>& values) {
  std::vector<uint8_t> bytes;
  for (const uint16_t value : values) append16(bytes, value);
  return bytes;
}

// The groups of KeyShareClientHello (RFC 8446 4.2.8), as far as its entries are whole.
std::vector<uint16_t> shared_groups(std::span<const uint8_t> data) {
  std::vector<uint16_t> groups;
  for (size_t at = 2; at + 4 <= data.size();) {
    groups.push_back(static_cast<uint16_t>(data[at] << 8 | data[at + 1]));
    at += size_t{4} + static_cast<size_t>(data[at + 2] << 8 | data[at + 3]);
  }
  return groups;
}

}  // namespace

CapturedHello read_hello_file(const std::string& path) {
  CapturedHello captured;
  captured.stream = read_bytes(path);
  if (looks_like_capture(captured.stream)) {
    if (path == "-") refuse(path, "a capture must be given by its path: write it to a file");
    return first_of_capture(path);
  }
  if (auto bytes = read_hex(captured.stream)) captured.stream = *std::move(bytes);
  switch (read_client_hello(captured.stream, captured.fields, captured.messages)) {
    case HelloReading::complete:
      return captured;
    case HelloReading::incomplete:
      refuse(path, captured.stream.empty() ? "is empty: give it a ClientHello"
                                           : "the ClientHello is not whole: capture it to its end");
    case HelloReading::no_hello:
      break;
  }
  refuse(path,
         "is no ClientHello: give a TLS record or a handshake message, raw or as hex digits, or a "
         "capture");
}

HelloFile::HelloFile(const CapturedHello& captured, const std::string& path) {
  const HelloFields& hello = captured.fields;
  if (hello.compression_methods.size() != 1 || hello.compression_methods[0] != 0)
    refuse(path, "it offers compression, which steppe does not have: take a hello without it");
  choose_suites(hello, path);
  choose_groups(hello);
  if (!extension_data(hello, extension::server_name)) {
    keep(extension::server_name, {});
    notes_.emplace_back("put server_name (0) first, as it had none");
  }
  for (const HelloFields::Extension& extension : hello.extensions) add(extension);

  description_ = {
      .name = "",
      .meaning = "a captured ClientHello",
      .record_version = hello.record_version == 0 ? usual_record_version : hello.record_version,
      .client_version = hello.client_version,
      .session_id_bytes = static_cast<uint8_t>(hello.session_id.size()),
      .cipher_suites = suites_,
      .extensions = extensions_,
  };
  name_it();
  try {
    const ClientHello sendable(description_, stand_in_key_shares());
  } catch (const std::invalid_argument& error) {
    refuse(path, std::string("steppe cannot send it (") + error.what() + "): take another one");
  }
}

// Of TLS 1.3 only what can be opened may be offered; of TLS 1.2 all of it, as it shows its
// certificate before any cipher counts.
void HelloFile::choose_suites(const HelloFields& hello, const std::string& path) {
  const bool offers_tls13 =
      contains(extension_numbers(hello, extension::supported_versions, 1, 2), tls13_version);
  if (offers_tls13 && !extension_data(hello, extension::key_share))
    refuse(path, "it offers TLS 1.3 without a key_share (51), which servers refuse: take another");
  std::string left_out;
  size_t tls13_suites = 0;
  for (const uint16_t suite : hello.cipher_suites) {
    // TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256; CCM ones; SM4.
    const bool known = suite >= 0x1301 && suite <= 0x1303;
    const bool unknown = suite >> 8 == 0x13 || suite == 0x00c6 || suite == 0x00c7;
    tls13_suites += known;
    if (offers_tls13 && unknown && !known)
      left_out += (left_out.empty() ? "" : ", ") + std::to_string(suite);
    else
      suites_.push_back(with_one_grease(suite));
  }
  if (offers_tls13 && tls13_suites == 0)
    refuse(path,
           "it offers TLS 1.3 with none of its three usual cipher suites, which are all that "
           "steppe can read: take another");
  if (!left_out.empty())
    notes_.push_back("left out cipher suites of TLS 1.3 that it cannot read: " + left_out);
}

// A server may ask for a share of any group that was offered (RFC 8446 4.1.4). Those with ML-KEM
// are preferred by all that know them, so they are not offered, as there are no keys for them; the
// finite fields and curves that steppe lacks as well only by servers that know nothing else, and
// they stay: the list is part of what a client looks like. TLS 1.2 shows its certificate before any
// key counts: there all of it stays.
void HelloFile::choose_groups(const HelloFields& hello) {
  groups_ = extension_numbers(hello, extension::supported_groups, 2, 2);
  std::ranges::transform(groups_, groups_.begin(), with_one_grease);
  const auto shares = extension_data(hello, extension::key_share);
  if (!contains(extension_numbers(hello, extension::supported_versions, 1, 2), tls13_version) ||
      !shares)
    return;
  const std::vector<uint16_t> known = known_groups();
  const auto without_key = [&](uint16_t group) {
    return group != grease && !contains(known, group);
  };
  const auto preferred_without_key = [&](uint16_t group) {
    return without_key(group) && group >= first_preferred_group;
  };
  const auto leave_out = [&](std::vector<uint16_t>& from, const std::string& where,
                             const auto& is_out) {
    std::string left_out;
    for (const uint16_t group : from)
      if (is_out(group)) left_out += (left_out.empty() ? "" : ", ") + group_text(group);
    std::erase_if(from, is_out);
    if (!left_out.empty())
      notes_.push_back("left out of " + where + " what steppe has no keys for: " + left_out);
  };
  shares_ = shared_groups(*shares);
  std::ranges::transform(shares_, shares_.begin(), with_one_grease);
  leave_out(groups_, "supported_groups (10)", preferred_without_key);
  leave_out(shares_, "key_share (51)", without_key);
  if (std::ranges::any_of(shares_, [](uint16_t group) { return group != grease; })) return;
  // X25519, or the first that there is a key for.
  const uint16_t x25519 = known.front();
  const auto first_known =
      std::ranges::find_if(groups_, [&](uint16_t group) { return contains(known, group); });
  uint16_t chosen = x25519;
  if (first_known == groups_.end())
    groups_.push_back(x25519);
  else if (!contains(groups_, x25519))
    chosen = *first_known;
  shares_.push_back(chosen);
  notes_.push_back("gave group " + group_text(chosen) + " a key share, as none was left");
}

void HelloFile::add(const HelloFields::Extension& extension) {
  const uint16_t type = with_one_grease(extension.type);
  std::vector<uint8_t> data(extension.data.begin(), extension.data.end());
  const auto leave_out = [&](const std::string& why) { notes_.push_back("left out " + why); };
  switch (type) {
    case pre_shared_key:
      return leave_out("pre_shared_key (41): steppe resumes no session");
    case early_data:
      return leave_out("early_data (42): steppe resumes no session");
    case extension::cookie:
      return leave_out("cookie (44): it belongs to another connection");
    case grease:
      if (std::ranges::count(extensions_, grease, &HelloExtension::type) == most_grease_extensions)
        return leave_out("a third extension with a value of GREASE: steppe has two");
      break;
    case extension::server_name:
    case extension::padding:
      data.clear();
      break;
    case session_ticket:
      if (!data.empty())
        notes_.emplace_back("emptied session_ticket (35): steppe resumes no session");
      data.clear();
      break;
    case extension::supported_groups:
      data = numbers(groups_);
      data.insert(data.begin(),
                  {static_cast<uint8_t>(data.size() >> 8), static_cast<uint8_t>(data.size())});
      break;
    case extension::supported_versions: {
      std::vector<uint16_t> versions = listed_numbers(extension.data, 1, 2);
      std::ranges::transform(versions, versions.begin(), with_one_grease);
      data = numbers(versions);
      data.insert(data.begin(), static_cast<uint8_t>(data.size()));
      break;
    }
    case extension::key_share:
      if (shares_.empty())
        return leave_out("key_share (51): it is for TLS 1.3, which was not offered");
      data = numbers(shares_);
      break;
    default:
      break;
  }
  keep(type, std::move(data));
}

void HelloFile::keep(uint16_t type, std::vector<uint8_t> data) {
  data_.push_back(std::move(data));
  extensions_.push_back({type, data_.back()});
}

void HelloFile::name_it() {
  std::vector<uint8_t> content;
  append16(content, description_.record_version);
  append16(content, description_.client_version);
  append16(content, description_.session_id_bytes);
  append16(content, suites_.size());
  for (const uint16_t suite : suites_) append16(content, suite);
  for (const HelloExtension& extension : extensions_) {
    append16(content, extension.type);
    append16(content, extension.data.size());
    content.insert(content.end(), extension.data.begin(), extension.data.end());
  }
  name_ = "file:" + hex(sha256(content)).substr(0, name_digits);
  description_.name = name_;
}

}  // namespace steppe
