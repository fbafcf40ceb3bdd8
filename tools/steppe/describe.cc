// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/describe.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>

namespace steppe {

std::string describe_shift(int64_t seconds) {
  // Whole days from two on; a shift of 24 hours is better known as that.
  if (seconds % 86400 == 0 && std::abs(seconds) >= 2 * 86400)
    return fmt::format("{:+} d", seconds / 86400);
  if (std::abs(seconds) >= 3600 && seconds % 360 == 0)
    return fmt::format("{:+g} h", static_cast<double>(seconds) / 3600);
  return fmt::format("{:+} s", seconds);
}

std::string describe_evidence(const Evidence& evidence) {
  std::vector<std::string> facts;
  if (evidence.subject_equal && evidence.san_equal)
    facts.emplace_back("keeps subject and SAN");
  else if (evidence.subject_equal)
    facts.emplace_back("keeps the subject");
  else if (evidence.san_equal)
    facts.emplace_back("keeps the SAN");
  else if (evidence.san_contained)
    facts.emplace_back("keeps the SAN and adds to it");
  if (evidence.names_asked) facts.emplace_back("is for the name that was asked");
  facts.push_back(evidence.key_replaced ? "key replaced by " + evidence.key
                                        : "keeps the key (" + evidence.key + ")");
  if (!evidence.issuer_equal) facts.emplace_back("another issuer");
  if (evidence.not_before_shift_s == 0 && evidence.not_after_shift_s == 0)
    facts.emplace_back("keeps the validity");
  else if (evidence.not_before_shift_s == evidence.not_after_shift_s)
    facts.push_back("validity shifted by " + describe_shift(evidence.not_before_shift_s));
  else
    facts.push_back("notBefore " + describe_shift(evidence.not_before_shift_s) + ", notAfter " +
                    describe_shift(evidence.not_after_shift_s));
  if (evidence.serial_bits > 0 && evidence.serial_equal_prefix_bits >= evidence.serial_bits)
    facts.emplace_back("keeps the serial");
  else if (evidence.serial_equal_prefix_bits >= 16)  // fewer agree by chance
    facts.push_back(fmt::format("first {} of {} bits of the serial kept",
                                evidence.serial_equal_prefix_bits, evidence.serial_bits));
  if (!evidence.extensions_removed.empty())
    facts.push_back(
        fmt::format("extensions removed: {}", fmt::join(evidence.extensions_removed, " ")));
  if (!evidence.extensions_added.empty())
    facts.push_back(fmt::format("extensions added: {}", fmt::join(evidence.extensions_added, " ")));
  facts.emplace_back(evidence.trusted    ? "trusted by browsers"
                     : evidence.anchored ? "not trusted by browsers now, but anchored in a root"
                                         : "not trusted by browsers");
  return fmt::format("{}", fmt::join(facts, "; "));
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  std::vector<bool> numbers;
  for (size_t i = 0; i < rows.size(); i++) {
    for (size_t j = 0; j < rows[i].size(); j++) {
      if (j == widths.size()) {
        widths.push_back(0);
        numbers.push_back(true);
      }
      const std::string& cell = rows[i][j];
      widths[j] = std::max(widths[j], cell.size());
      if (i > 0 && cell.find_first_not_of("0123456789") != std::string::npos) numbers[j] = false;
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = "  ";
    for (size_t j = 0; j < row.size(); j++) {
      if (j > 0) line += "  ";
      const std::string padding(widths[j] - row[j].size(), ' ');
      line += numbers[j] ? padding + row[j] : row[j] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace steppe
