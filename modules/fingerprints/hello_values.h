// SPDX-License-Identifier: Apache-2.0
// What stands in a hello's extensions. Total: of data that breaks the grammar, the values that are
// whole.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/wire/hello_fields.h"

namespace steppe {

// The data of the first extension of this type; nullopt if there is none.
std::optional<std::span<const uint8_t>> extension_data(const HelloFields& hello, uint16_t type);

// A list of numbers of `value_bytes` each behind its length, which has `length_bytes`.
std::vector<uint16_t> listed_numbers(std::span<const uint8_t> data, size_t length_bytes,
                                     size_t value_bytes);

// The same of an extension; empty if there is none.
std::vector<uint16_t> extension_numbers(const HelloFields& hello, uint16_t type,
                                        size_t length_bytes, size_t value_bytes);

// The first host_name (RFC 6066 3); "" if there is none.
std::string server_name(const HelloFields& hello);

// ProtocolNames (RFC 7301 3.1), in order, GREASE too.
std::vector<std::string> application_protocols(const HelloFields& hello);

// Without the values of RFC 8701.
std::vector<uint16_t> without_grease(std::vector<uint16_t> values);

// The types of all extensions, in order.
std::vector<uint16_t> extension_types(const HelloFields& hello);

}  // namespace steppe
