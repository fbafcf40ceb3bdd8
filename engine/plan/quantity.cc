// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/quantity.h"

#include <charconv>
#include <system_error>

#include "engine/plan/operator_error.h"
#include "engine/plan/text_file.h"

namespace steppe {
namespace {

// 0 for what is no suffix.
double factor(std::string_view suffix) {
  if (suffix.empty()) return 1;
  if (suffix == "k" || suffix == "K") return 1e3;
  if (suffix == "m" || suffix == "M") return 1e6;
  if (suffix == "g" || suffix == "G") return 1e9;
  return 0;
}

}  // namespace

double parse_quantity(std::string_view text) {
  // The parser's own alphabet is wider: it would take -1, inf, nan.
  const bool numeral = !text.empty() && text.front() >= '0' && text.front() <= '9';
  const char* const end = text.data() + text.size();
  double number = 0;
  if (numeral) {
    const auto [stop, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
    const double times = factor({stop, static_cast<size_t>(end - stop)});
    // 10^18 is beyond any rate or count, and still an exact uint64_t.
    if (error == std::errc{} && times > 0 && number * times <= 1e18) return number * times;
  }
  throw OperatorError(quoted(text) +
                      " is no quantity: write a number, with k, M or G for thousands, millions or "
                      "billions if you like (10000, 10k, 1.5M)");
}

}  // namespace steppe
