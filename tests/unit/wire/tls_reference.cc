// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/wire/tls_reference.h"

#include <algorithm>
#include <vector>

namespace steppe::testing {
namespace {

// A layer's bytes, each with the number of stream bytes up to and with it.
struct Layer {
  std::vector<uint8_t> bytes;
  std::vector<size_t> ends;

  void add(uint8_t byte, size_t end) {
    bytes.push_back(byte);
    ends.push_back(end);
  }
  bool has(size_t count) const { return count <= bytes.size(); }
  size_t number(size_t at, size_t count) const {
    size_t value = 0;
    for (size_t i = at; i < at + count; ++i) value = value * 256 + bytes[i];
    return value;
  }
  // The answer that the byte at `at` decides.
  TlsAnswer decide(TlsProgress progress, size_t at) const { return {progress, ends[at]}; }
};

TlsAnswer read_alerts(const Layer& layer) {
  for (size_t at = 0; layer.has(at + 1); at += 2) {
    if (layer.bytes[at] != 1 && layer.bytes[at] != 2) return layer.decide(TlsProgress::not_tls, at);
    if (!layer.has(at + 2)) break;
    if (layer.bytes[at] == 2 || layer.bytes[at + 1] == 0) {
      TlsAnswer answer = layer.decide(TlsProgress::alert, at + 1);
      answer.alert_description = layer.bytes[at + 1];
      return answer;
    }
  }
  return {};
}

TlsAnswer read_certificate(const Layer& layer, size_t at, size_t length,
                           std::span<const uint8_t> expected_leaf) {
  if (length < 3) return layer.decide(TlsProgress::not_tls, at - 1);
  if (!layer.has(at + 3)) return {};
  if (layer.number(at, 3) != length - 3) return layer.decide(TlsProgress::not_tls, at + 2);
  const size_t end = at + length;
  bool leaf = true;
  for (at += 3; at < end;) {
    if (end - at <= 3) return layer.decide(TlsProgress::not_tls, at - 1);
    if (!layer.has(at + 3)) return {};
    const size_t bytes = layer.number(at, 3);
    at += 3;
    if (bytes == 0 || bytes > end - at) return layer.decide(TlsProgress::not_tls, at - 1);
    if (!layer.has(at + bytes)) return {};
    if (leaf && bytes == expected_leaf.size() &&
        std::ranges::equal(std::span(layer.bytes).subspan(at, bytes), expected_leaf)) {
      return layer.decide(TlsProgress::same, at + bytes - 1);
    }
    leaf = false;
    at += bytes;
  }
  return layer.decide(TlsProgress::certificate, end - 1);
}

constexpr uint8_t retry_random[] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

// What the handshake layer says, read from its beginning.
struct Handshake {
  TlsAnswer answer = {};
  bool between = false;    // its last byte ends a message
  bool has_hello = false;  // a ServerHello that is no HelloRetryRequest has begun
  size_t retry_at = 0;     // stream bytes to the end of a HelloRetryRequest; 0: none
};

Handshake read_messages(const Layer& layer, std::span<const uint8_t> expected_leaf) {
  Handshake read;
  const auto decide = [&](TlsProgress progress, size_t at) {
    read.answer = layer.decide(progress, at);
    return read;
  };
  size_t at = 0;
  for (; layer.has(at + 1);) {
    const uint8_t type = layer.bytes[at];
    if (read.has_hello == (type == 2)) return decide(TlsProgress::not_tls, at);
    read.has_hello = true;
    if (!layer.has(at + 4)) return read;
    const size_t length = layer.number(at + 1, 3);
    at += 4;
    if (type == 14)
      return decide(length == 0 ? TlsProgress::no_certificate : TlsProgress::not_tls, at - 1);
    if (type == 11) {
      read.answer = read_certificate(layer, at, length, expected_leaf);
      return read;
    }
    if (type == 2) {
      if (length < 38) return decide(TlsProgress::not_tls, at - 1);
      if (!layer.has(at + 2)) return read;
      if (layer.bytes[at] != 3 || layer.bytes[at + 1] > 3)
        return decide(TlsProgress::not_tls, at + 1);
      if (!layer.has(at + 34)) return read;
      const auto random = std::span(layer.bytes).subspan(at + 2, 32);
      if (std::ranges::equal(random, retry_random)) {
        if (read.retry_at != 0) return decide(TlsProgress::not_tls, at + 33);
        if (!layer.has(at + length)) return read;
        read.retry_at = layer.ends[at + length - 1];
        read.has_hello = false;
      }
    }
    at += length;
  }
  read.between = at == layer.bytes.size();
  return read;
}

// Where the records lead: what they hold, and where they end.
struct Records {
  Layer handshake = {}, alerts = {};
  TlsAnswer end = {};          // by the records' headers, or by an encrypted Finished
  size_t first_encrypted = 0;  // stream bytes to the end of its header; 0: none
  size_t encrypted_bytes = 0;
  bool whole = false;  // the last record
};

Records read_records(std::span<const uint8_t> stream, std::span<const uint8_t> expected_leaf) {
  Records read;
  const auto broken = [&](size_t at) {
    read.end = {TlsProgress::not_tls, at + 1};
    return read;
  };
  for (size_t at = 0; at < stream.size();) {
    read.whole = false;
    const uint8_t type = stream[at];
    const Handshake before = read_messages(read.handshake, expected_leaf);
    const bool is_encrypted = read.first_encrypted != 0;
    const bool behind_hello = before.between && before.has_hello;
    const bool behind_retry = before.between && before.retry_at != 0;
    const bool fits = type == 21 || (type == 22 && !is_encrypted) ||
                      (type == 20 && (is_encrypted || behind_hello || behind_retry)) ||
                      (type == 23 && (is_encrypted || behind_hello));
    if (!fits) return broken(at);
    if (at + 1 < stream.size() && stream[at + 1] != 3) return broken(at + 1);
    if (at + 3 < stream.size() && stream[at + 3] * 256 > 16384 + 2048) return broken(at + 3);
    if (at + 5 > stream.size()) return read;
    const size_t length = stream[at + 3] * 256u + stream[at + 4];
    if (length == 0 || length > 16384 + 2048) return broken(at + 4);
    if (type == 20 && length != 1) return broken(at + 4);
    at += 5;
    const size_t there = std::min(length, stream.size() - at);
    read.whole = there == length;
    if (type == 23) {
      if (!is_encrypted) read.first_encrypted = at;
      const bool is_finished = read.encrypted_bytes >= 300 && (length == 53 || length == 69);
      read.encrypted_bytes += there;
      if (is_finished) {
        if (read.whole) read.end = {TlsProgress::encrypted, at + length};
        read.whole = false;  // not what may be over: it is over, or not whole
        return read;
      }
    }
    for (size_t i = at; i < at + there; ++i) {
      if (type == 21) read.alerts.add(stream[i], i + 1);
      if (type == 22) read.handshake.add(stream[i], i + 1);
    }
    at += there;
  }
  return read;
}

}  // namespace

TlsAnswer reference_answer(std::span<const uint8_t> stream,
                           std::span<const uint8_t> expected_leaf) {
  const Records records = read_records(stream, expected_leaf);
  const Handshake handshake = read_messages(records.handshake, expected_leaf);
  TlsAnswer first{TlsProgress::more, stream.size()};
  for (const TlsAnswer& answer : {records.end, read_alerts(records.alerts), handshake.answer}) {
    if (answer.progress == TlsProgress::more) continue;
    if (first.progress == TlsProgress::more || answer.bytes < first.bytes) first = answer;
  }
  if (handshake.retry_at <= first.bytes) first.retry_bytes = handshake.retry_at;
  first.encrypted = records.first_encrypted != 0 && records.first_encrypted <= first.bytes;
  first.may_be_over = first.progress == TlsProgress::more && first.encrypted && records.whole &&
                      records.encrypted_bytes >= 300;
  return first;
}

}  // namespace steppe::testing
