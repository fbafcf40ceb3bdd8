// SPDX-License-Identifier: Apache-2.0
// ClientHellos as data: a description is compiled once into pieces; a connection then costs a few
// copies and a few patches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/limits.h"
#include "engine/wire/hello_retry.h"

namespace steppe {

// IANA TLS ExtensionType values that are more than data to us.
namespace extension {
inline constexpr uint16_t server_name = 0, supported_groups = 10, padding = 21,
                          supported_versions = 43, cookie = 44, key_share = 51;
}  // namespace extension

// In a description: one of the values of RFC 8701, drawn for each connection. May stand for a
// cipher suite, for an extension or two, and in the data of supported_groups, supported_versions
// and key_share.
inline constexpr uint16_t grease = 0x0a0a;
constexpr bool is_grease(uint16_t value) {
  return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

// Bytes of an extension's data that are drawn for each connection, where `mask` has ones.
struct Drawn {
  uint16_t offset, bytes;  // in the data
  uint8_t mask = 0xff;     // of each byte
};

// One extension as it goes on the wire, in order.
struct HelloExtension {
  uint16_t type;  // IANA TLS ExtensionType
  // extension_data. Not for server_name, which is the connection's; nor for padding, which fills a
  // message of 256 to 511 bytes up to 512 (RFC 7685). Of key_share: the groups that get a share, in
  // two bytes each.
  std::span<const uint8_t> data;
  std::span<const Drawn> drawn = {};  // none where the engine writes the data, as above
};

// A ClientHello as a table (modules/hellos/ has them, one a file).
struct HelloDescription {
  std::string_view name;     // for --hello
  std::string_view meaning;  // one line for --help
  uint16_t record_version;   // of the record layer, 0x0301 as RFC 5246 E.1 advises
  uint16_t client_version;   // 0x0303: TLS 1.2, and with supported_versions later ones
  uint8_t session_id_bytes;  // 0 to 32, random
  std::span<const uint16_t> cipher_suites;
  std::span<const HelloExtension> extensions;
};

// The public half of a key for a group: what a KeyShareEntry holds (RFC 8446 4.2.8).
struct KeyShare {
  uint16_t group;  // IANA TLS NamedGroup
  std::vector<uint8_t> key_exchange;
};

// Immutable once made; keeps nothing of the description. Thread-safe.
class ClientHello {
 public:
  // shares: of every group that anybody may ask for. Throws std::invalid_argument if the
  // description has no suites, a session id over 32 bytes, not exactly one server_name, an
  // extension twice (three times: grease), a list whose length is wrong, or a key_share without a
  // share of ours or with a group that is not offered; or if it makes a hello over
  // limits::client_hello_bytes with the longest name.
  explicit ClientHello(const HelloDescription& description, std::span<const KeyShare> shares = {});

  std::string_view name() const { return name_; }
  bool offers_tls13() const { return offers_tls13_; }

  // Writes the record into `out` and returns its length. REQUIRES limits::client_hello_bytes in
  // `out` and limits::server_name_bytes in server_name at most. An empty server_name leaves the
  // extension out. `random` spreads over all that is drawn; the same arguments give the same
  // bytes (a retransmission can be built again, and a judge's transcript). Data plane: no
  // allocation.
  size_t write(std::span<uint8_t> out, std::string_view server_name, uint64_t random) const;

  // The same for the client's answer to a HelloRetryRequest (RFC 8446 4.1.2): with a session id a
  // change_cipher_spec record (D.4), then the second hello in a record. 0: it cannot be answered: a
  // group that was not offered or needs no retry (4.2.8), or a cookie that makes the hello too
  // long.
  size_t write_retry(std::span<uint8_t> out, std::string_view server_name, uint64_t random,
                     const HelloRetry& retry) const;

 private:
  // What stands between two places that hang on the connection.
  enum class Kind : uint8_t { bytes, server_name, key_share, padding };
  struct Grease {
    uint16_t offset;  // in the piece
    uint8_t slot;
  };
  struct Piece {
    Kind kind = Kind::bytes;
    std::vector<uint8_t> bytes = {};  // of a key_share: the whole extension
    std::vector<Grease> grease = {};
    std::vector<Drawn> drawn = {};  // offsets in the piece
  };
  enum Slot : uint8_t { cipher_slot, group_slot, version_slot, extension_slot, second_slot };

  void append_extension(const HelloExtension& added, std::span<const KeyShare> shares);
  void append_key_share(const HelloExtension& added, std::span<const KeyShare> shares);
  void append_list(const HelloExtension& added, std::span<const KeyShare> shares);
  void append_value(uint16_t value, Slot slot);
  void append_zeros(size_t bytes) { tail().insert(tail().end(), bytes, 0); }
  void draw(size_t offset, size_t bytes, uint8_t mask = 0xff);
  std::vector<uint8_t>& tail() { return pieces_.back().bytes; }
  const KeyShare* share_of(uint16_t group) const;
  size_t unpadded_bytes(std::string_view server_name, const HelloRetry* retry) const;
  size_t padded(size_t unpadded_bytes) const;
  size_t write_record(std::span<uint8_t> out, std::string_view server_name, uint64_t random,
                      const HelloRetry* retry) const;
  static uint8_t* write_bytes(uint8_t* at, const Piece& piece, uint64_t slots, uint64_t& random);

  std::string name_;
  std::vector<Piece> pieces_;
  std::vector<KeyShare> shares_;          // that a server may ask for
  std::vector<uint16_t> offered_shares_;  // groups that it need not ask for
  size_t extensions_length_offset_ = 0;
  uint8_t session_id_bytes_ = 0;
  bool offers_tls13_ = false;
};

}  // namespace steppe
