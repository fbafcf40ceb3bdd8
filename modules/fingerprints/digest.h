// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace steppe {

// algorithm: OpenSSL's name, "MD5". In lower-case hex. Throws std::runtime_error if this OpenSSL
// has it not (FIPS mode has no MD5).
std::string hex_digest(const char* algorithm, std::string_view text);

}  // namespace steppe
