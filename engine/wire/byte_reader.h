// SPDX-License-Identifier: Apache-2.0
// Big-endian numbers and pieces off the front of some bytes: how TLS structures are read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace steppe {

// What is not there is nullopt, and takes nothing.
class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : rest_(bytes) {}

  size_t left() const { return rest_.size(); }

  // bytes: 1 to 4.
  std::optional<uint32_t> number(size_t bytes) {
    if (rest_.size() < bytes) return std::nullopt;
    uint32_t value = 0;
    for (const uint8_t byte : rest_.first(bytes)) value = value << 8 | byte;
    rest_ = rest_.subspan(bytes);
    return value;
  }

  std::optional<std::span<const uint8_t>> piece(size_t bytes) {
    if (rest_.size() < bytes) return std::nullopt;
    const auto front = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return front;
  }

  // A vector (RFC 8446 3.4) with its length in front, in so many bytes.
  std::optional<std::span<const uint8_t>> vector(size_t length_bytes) {
    const auto before = rest_;
    const auto bytes = number(length_bytes);
    const auto content = bytes ? piece(*bytes) : std::nullopt;
    if (!content) rest_ = before;
    return content;
  }

  std::span<const uint8_t> all() {
    const auto everything = rest_;
    rest_ = {};
    return everything;
  }

 private:
  std::span<const uint8_t> rest_;
};

}  // namespace steppe
