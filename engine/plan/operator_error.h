// SPDX-License-Identifier: Apache-2.0
// An operator's mistake, or a machine that is not ready: stops at the start, with advice in one
// line.
#pragma once

#include <stdexcept>
#include <string>

namespace steppe {

// what() is one line: what was wrong, and what to do. The program prints it and exits with 2.
class OperatorError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace steppe
