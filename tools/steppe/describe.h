// SPDX-License-Identifier: Apache-2.0
// Evidence in words, and tables, for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/judge/evidence.h"

namespace steppe {

// -21600 -> "-6 h", 5400 -> "+1.5 h", 90 -> "+90 s", 172800 -> "+2 d".
std::string describe_shift(int64_t seconds);

// How the other leaf was made from the host's own: "keeps subject and SAN; key replaced by rsa-2048
// e=3; ...".
std::string describe_evidence(const Evidence& evidence);

// Columns padded to their widest cell, two spaces apart, each row indented by two. The cells of
// columns in which every cell below the first row is a number stand to the right. No rows: "".
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace steppe
