// SPDX-License-Identifier: Apache-2.0
// Fingerprints of hellos, one definition a file: what kind of program a client is, by what it
// offers, whatever its address. JA4 only of TLS clients: the rest of FoxIO's family is not free.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/wire/hello_fields.h"

namespace steppe {

struct Fingerprint {
  std::string text;    // everything that went into it
  std::string digest;  // what is compared, and found in lists
};

// Pure and thread-safe, for any fields: an extension whose data breaks the grammar counts with the
// values that are whole.

// "771,4865-4866,0-10-11,29-23,0" and its MD5 in hex.
Fingerprint ja3(const HelloFields& hello);

// Of a server's answer: "771,49200,65281-11" and its MD5 in hex.
Fingerprint ja3s(uint16_t legacy_version, uint16_t cipher_suite,
                 std::span<const uint16_t> extensions);

// Of a client over TCP: text is what FoxIO calls JA4_r, "t13d0203h2_1301,1302_000a,002b_0403", and
// the digest JA4, "t13d0203h2_62ed6f6ca7ad_...".
Fingerprint ja4(const HelloFields& hello);

}  // namespace steppe
