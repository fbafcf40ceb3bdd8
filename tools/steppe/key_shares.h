// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "engine/wire/client_hello.h"

namespace steppe {

// Of every group that steppe has keys for: x25519, secp256r1, secp384r1, secp521r1. Always the
// same: for hellos that are looked at, or tried out, and not sent.
std::vector<KeyShare> stand_in_key_shares();

}  // namespace steppe
