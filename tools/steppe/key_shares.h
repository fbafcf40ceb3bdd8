// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "engine/wire/client_hello.h"

namespace steppe {

// Of every group that steppe has keys for: x25519, secp256r1, secp384r1, secp521r1. Random bytes of
// the right lengths (RFC 8446 4.2.8): they make a hello that looks like one to be sent, and no key.
std::vector<KeyShare> stand_in_key_shares();

}  // namespace steppe
