// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/wire/tls_reference.h"

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

struct Layers {
  Layer handshake, alerts;
  TlsAnswer broken;  // not_tls where the record layer ends, if it does
};

Layers split_records(std::span<const uint8_t> stream) {
  Layers layers;
  const auto broken = [&](size_t at) { layers.broken = {TlsProgress::not_tls, at + 1}; };
  for (size_t at = 0; at < stream.size();) {
    if (stream[at] != 21 && stream[at] != 22) return broken(at), layers;
    if (at + 1 < stream.size() && stream[at + 1] != 3) return broken(at + 1), layers;
    if (at + 3 < stream.size() && stream[at + 3] * 256 > 16384 + 2048)
      return broken(at + 3), layers;
    if (at + 5 > stream.size()) return layers;
    const size_t length = stream[at + 3] * 256u + stream[at + 4];
    if (length == 0 || length > 16384 + 2048) return broken(at + 4), layers;
    Layer& layer = stream[at] == 21 ? layers.alerts : layers.handshake;
    at += 5;
    for (size_t i = 0; i < length && at < stream.size(); ++i, ++at) layer.add(stream[at], at + 1);
  }
  return layers;
}

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

TlsAnswer read_messages(const Layer& layer, std::span<const uint8_t> expected_leaf) {
  for (size_t at = 0; layer.has(at + 1);) {
    const uint8_t type = layer.bytes[at];
    if ((at == 0) != (type == 2)) return layer.decide(TlsProgress::not_tls, at);
    if (!layer.has(at + 4)) return {};
    const size_t length = layer.number(at + 1, 3);
    at += 4;
    if (type == 14) {
      return layer.decide(length == 0 ? TlsProgress::no_certificate : TlsProgress::not_tls, at - 1);
    }
    if (type == 11) return read_certificate(layer, at, length, expected_leaf);
    if (type == 2) {
      if (length < 38) return layer.decide(TlsProgress::not_tls, at - 1);
      if (!layer.has(at + 2)) return {};
      if (layer.bytes[at] != 3 || layer.bytes[at + 1] > 3) {
        return layer.decide(TlsProgress::not_tls, at + 1);
      }
    }
    at += length;
  }
  return {};
}

}  // namespace

TlsAnswer reference_answer(std::span<const uint8_t> stream,
                           std::span<const uint8_t> expected_leaf) {
  const Layers layers = split_records(stream);
  TlsAnswer first{TlsProgress::more, stream.size()};
  for (const TlsAnswer& answer : {layers.broken, read_alerts(layers.alerts),
                                  read_messages(layers.handshake, expected_leaf)}) {
    if (answer.progress == TlsProgress::more) continue;
    if (first.progress == TlsProgress::more || answer.bytes < first.bytes) first = answer;
  }
  return first;
}

}  // namespace steppe::testing
