// SPDX-License-Identifier: Apache-2.0
// The rows of `steppe fingerprint`. Fields that the ja3 tool has are called as it calls them; null
// is what is not there.
#pragma once

#include <span>
#include <string>

#include "modules/outputs/fields.h"
#include "tools/steppe/hello_streams.h"

namespace steppe {

// Of a hello in a capture, with the addresses, and the server's answer if there is one.
Row seen_hello_to_json(const SeenHello& seen);
std::span<const Field> seen_hello_fields();

// Of a hello that steppe sends, or one in a file, under its name.
Row named_hello_to_json(const std::string& name, const HelloFields& hello);
std::span<const Field> named_hello_fields();

}  // namespace steppe
