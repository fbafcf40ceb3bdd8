// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/suggestion.h"

#include <algorithm>
#include <vector>

namespace steppe {

size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the usual table: a swap looks back two of them.
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); j++) previous[j] = j;
  for (size_t i = 1; i <= a.size(); i++) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); j++) {
      const size_t replacement = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replacement});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

std::string closest(std::string_view word, std::span<const std::string> known) {
  // Dashes say nothing about what was meant.
  const auto letters = [](std::string_view text) {
    const size_t first = text.find_first_not_of('-');
    return first == std::string_view::npos ? std::string_view() : text.substr(first);
  };
  const std::string_view wanted = letters(word);
  std::string best;
  size_t best_distance = SIZE_MAX;
  for (const std::string& candidate : known) {
    const std::string_view offered = letters(candidate);
    size_t distance = edit_distance(wanted, offered);
    const bool prefix = wanted.size() >= 3 && offered.starts_with(wanted);
    if (prefix) distance = 1;
    // A single letter has nothing in common with another single letter.
    const size_t most = std::max<size_t>(2, wanted.size() / 3);
    if (distance <= most && distance < std::max(wanted.size(), offered.size()) &&
        distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace steppe
