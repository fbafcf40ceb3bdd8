// SPDX-License-Identifier: Apache-2.0
// What an operator probably meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace steppe {

// Single-letter insertions, deletions, replacements and swaps of neighbours that turn one word into
// the other (optimal string alignment distance).
size_t edit_distance(std::string_view a, std::string_view b);

// The known word closest to `word`, the first of equals; "" when none is so close that it is worth
// mentioning (a third of its letters, and at least two, may be wrong; a longer word that `word`
// begins is always close).
std::string closest(std::string_view word, std::span<const std::string> known);

}  // namespace steppe
