// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/cookie.h"

#include <cassert>

namespace steppe {

Cookie::Cookie(const std::array<uint8_t, 16>& key, uint16_t port_first, uint32_t port_count)
    : aes_(key),
      port_first_(port_first),
      port_count_(port_count),
      port_count_reciprocal_(rte_reciprocal_value(port_count)) {
  assert(port_count >= 1 && port_first + port_count <= 65536);
}

void Cookie::number(std::span<const Target> targets, std::span<uint16_t> source_ports,
                    std::span<uint32_t> sequences) const {
  constexpr size_t lanes = 8;
  size_t i = 0;
  for (; i + lanes <= targets.size(); i += lanes) {
    __m128i blocks[lanes];
    for (size_t lane = 0; lane < lanes; ++lane) blocks[lane] = block(targets[i + lane].address);
    aes_.encrypt(blocks);
    for (size_t lane = 0; lane < lanes; ++lane) {
      const uint32_t variant = targets[i + lane].variant;
      source_ports[i + lane] = source_port_at(blocks[lane], variant);
      sequences[i + lane] = first_sequence(blocks[lane], source_ports[i + lane]) + variant;
    }
  }
  for (; i < targets.size(); ++i) {
    const auto [address, variant] = targets[i];
    source_ports[i] = source_port(address, variant);
    sequences[i] = sequence(address, source_ports[i], variant);
  }
}

}  // namespace steppe
