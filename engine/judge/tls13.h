// SPDX-License-Identifier: Apache-2.0
// What a server's TLS 1.3 flight says (RFC 8446): the keys are derived from the scan's own share,
// and the records opened as far as the certificate goes. Nothing is authenticated, as in a flight
// of TLS 1.2 that breaks off at the certificate: who forges signs as well.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/judge/flight.h"
#include "engine/judge/key_shares.h"
#include "engine/judge/tls13_keys.h"
#include "engine/wire/client_hello.h"

namespace steppe {

// What a connection's hello was made of: the transcript begins with it.
struct AskedHello {
  const ClientHello* hello = nullptr;
  uint64_t random = 0;
};

// One thread's. Keeps a reference to the keys.
class Tls13Reader {
 public:
  explicit Tls13Reader(const KeyShares& keys) : exchange_(keys) {}

  // bytes: the server's, in order, from the first, with the HelloRetryRequest if there was one.
  // expected_leaf: as for TlsStream; once it has come, nothing behind it is opened. Total: any
  // bytes give a Flight.
  Flight read(std::span<const uint8_t> bytes, const AskedHello& asked, std::string_view server_name,
              std::span<const uint8_t> expected_leaf);

 private:
  // The keys, out of the records in clear; what is behind them is left in `rest`. False: the
  // ServerHello is not there in whole or, with flight.broken, is none of TLS 1.3 that answers our
  // hello.
  bool begin(std::span<const uint8_t>& rest, const AskedHello& asked, std::string_view server_name,
             Flight& flight);
  bool derive_keys(const Flight& flight, size_t server_hello_at, const AskedHello& asked,
                   std::string_view server_name);
  static bool read_messages(Flight& flight, size_t& next, std::span<const uint8_t> expected_leaf);

  KeyExchange exchange_;
  Tls13Keys keys_;
};

}  // namespace steppe
