// SPDX-License-Identifier: Apache-2.0
// Rates, bandwidths and counts as ZMap's users write them: 10000, 10k, 1.5M, 2G.
#pragma once

#include <string_view>

namespace steppe {

// A decimal number with at most one suffix: k, M, G (either case) for 10^3, 10^6, 10^9. Finite and
// not negative; whether 0 means anything is the caller's business. Throws OperatorError on anything
// else: signs, exponents, blanks, other suffixes.
double parse_quantity(std::string_view text);

}  // namespace steppe
