// SPDX-License-Identifier: Apache-2.0
// What a server may send, and what nobody should: streams of every make, of TLS 1.2 and 1.3, whole,
// truncated, with a few bytes changed, or with a piece cut out.
#pragma once

#include <random>

#include "tests/unit/wire/flight_builder.h"

namespace steppe::testing {

class AnyStream {
 public:
  size_t below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }
  bool one_in(size_t count) { return below(count) == 0; }

  Bytes small_noise(size_t limit) {
    return noise(below(limit), static_cast<uint32_t>(below(1000)));
  }

  Bytes any_messages(const Bytes& expected) {
    Bytes messages = one_in(20) ? Bytes{} : server_hello(one_in(10) ? 0x0304 : 0x0303);
    while (one_in(4))
      messages = join({messages, message(static_cast<uint8_t>(below(30)), small_noise(40))});
    std::vector<Bytes> chain;
    if (!one_in(10)) chain.push_back(one_in(2) ? expected : small_noise(60));
    if (!chain.empty() && one_in(4)) chain[0] = expected, chain[0][below(expected.size())] ^= 1;
    while (one_in(2)) chain.push_back(small_noise(50));
    if (!one_in(8)) messages = join({messages, certificate(chain)});
    return join({messages, server_key_exchange(), server_hello_done()});
  }

  Bytes any_alerts() {
    Bytes alerts;
    while (one_in(10)) {
      const uint8_t level = one_in(4) ? 2 : 1;
      alerts = join({alerts, one_in(3) ? record(alert_record, {level})
                                       : alert(level, static_cast<uint8_t>(below(120)))});
    }
    return alerts;
  }

  Bytes any_records(const Bytes& messages) {
    Bytes stream;
    for (size_t at = 0; at < messages.size();) {
      stream = join({stream, any_alerts()});
      const size_t length = std::min(messages.size() - at, 1 + below(one_in(2) ? 12 : 600));
      const auto begin = messages.begin() + static_cast<ptrdiff_t>(at);
      stream = join(
          {stream, record(handshake_record, Bytes(begin, begin + static_cast<ptrdiff_t>(length)))});
      at += length;
    }
    return stream;
  }

  Bytes any_encrypted() {
    if (one_in(3)) return encrypted(one_in(2) ? 53 : 69);
    return one_in(30) ? record(handshake_record, small_noise(40)) : encrypted(1 + below(250));
  }

  Bytes any_tls13() {
    Bytes stream = one_in(3) ? any_records(hello_retry_to(23)) : Bytes{};
    if (!stream.empty() && one_in(8)) stream = join({stream, any_records(hello_retry_to(24))});
    while (one_in(3)) stream = join({stream, change_cipher_spec()});
    if (!one_in(20)) stream = join({stream, any_records(server_hello())});
    for (size_t left = below(8); left > 0; --left) {
      while (one_in(5)) stream = join({stream, change_cipher_spec()});
      stream = join({stream, one_in(5) ? any_alerts() : Bytes{}, any_encrypted()});
    }
    return stream;
  }

  // expected: what half of the leaves are.
  Bytes any_stream(const Bytes& expected) {
    Bytes stream = one_in(2) ? any_tls13() : any_records(any_messages(expected));
    if (stream.empty()) return stream;
    for (size_t changes = one_in(2) ? below(4) : 0; changes > 0; --changes) {
      stream[below(stream.size())] = static_cast<uint8_t>(one_in(2) ? below(256) : below(4));
    }
    if (one_in(4)) stream.resize(below(stream.size() + 1));
    if (one_in(6) && !stream.empty()) {
      const auto from = stream.begin() + static_cast<ptrdiff_t>(below(stream.size()));
      stream.erase(from,
                   from + static_cast<ptrdiff_t>(below(static_cast<size_t>(stream.end() - from))));
    }
    return stream;
  }

 private:
  std::mt19937 random_{20190723};
};

}  // namespace steppe::testing
