// SPDX-License-Identifier: Apache-2.0
// What a probe goes to.
#pragma once

#include <cstdint>

namespace steppe {

struct Target {
  uint32_t address;  // host byte order
  uint32_t variant;  // which hello, name or step of the pass: see plan/cookie.h
};

}  // namespace steppe
