// SPDX-License-Identifier: Apache-2.0
// Big-endian integers in strings: keys that sort as their numbers do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace steppe::schema {

inline void append_u16(std::string& out, uint16_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

inline void append_u32(std::string& out, uint32_t value) {
  append_u16(out, static_cast<uint16_t>(value >> 16));
  append_u16(out, static_cast<uint16_t>(value));
}

// REQUIRE that so many bytes are there.
inline uint16_t read_u16(std::string_view in) {
  return static_cast<uint16_t>(static_cast<uint8_t>(in[0]) << 8 | static_cast<uint8_t>(in[1]));
}

inline uint32_t read_u32(std::string_view in) {
  return static_cast<uint32_t>(read_u16(in)) << 16 | read_u16(in.substr(2));
}

}  // namespace steppe::schema
