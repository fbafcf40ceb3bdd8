// SPDX-License-Identifier: Apache-2.0
// Evidence and traces in words, and tables, for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/judge/evidence.h"
#include "engine/store/records.h"

namespace steppe {

// -21600 -> "-6 h", 5400 -> "+1.5 h", 90 -> "+90 s", 172800 -> "+2 d".
std::string describe_shift(int64_t seconds);

// How the other leaf was made from the host's own: "keeps subject and SAN; key replaced by rsa-2048
// e=3; ...".
std::string describe_evidence(const Evidence& evidence);

// "located", or why not: "no connection to the host".
std::string_view describe_outcome(TraceOutcome outcome);

// What a trace found, a fact for each label: {"link", "192.0.2.1 (AS50482) -> 192.0.2.9 (AS9198)"}.
// Begins with "trace", its outcome; the others are there where they are known.
std::vector<std::pair<std::string, std::string>> describe_trace(const TraceRecord& trace);

// Columns padded to their widest cell, two spaces apart, each row indented by two. The cells of
// columns in which every cell below the first row is a number stand to the right. No rows: "".
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace steppe
