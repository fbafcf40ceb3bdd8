// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/cookie.h"

#include <cassert>

namespace steppe {

Cookie::Cookie(const std::array<uint8_t, 16>& key, uint16_t port_first, uint32_t port_count)
    : aes_(key), port_first_(port_first), port_count_(port_count) {
  assert(port_count >= 1 && port_first + port_count <= 65536);
}

}  // namespace steppe
