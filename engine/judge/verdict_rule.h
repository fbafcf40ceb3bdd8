// SPDX-License-Identifier: Apache-2.0
// Verdict rules: each says of one connection's outcome whether it is what the rule is about.
// modules/verdicts/ has one a file; the program hands the array to the judges, the first rule that
// matches decides.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "engine/judge/evidence.h"
#include "engine/judge/observation.h"
#include "engine/judge/verdict.h"

namespace steppe {

// All that a rule may look at.
struct Facts {
  Ending ending;
  uint8_t detail;                      // see Ending
  const ChainFacts* chain = nullptr;   // of what came back, if a certificate came
  const Evidence* evidence = nullptr;  // against the host's baseline, if both are there
  const ChainFacts* baseline = nullptr;
  Trust trust;  // of what came back
};

struct VerdictRule {
  std::string_view name;
  std::string_view meaning;  // one sentence
  std::string_view source;   // paper, RFC paragraph, METHOD's design
  Verdict verdict;
  bool (*matches)(const Facts& facts);
};

// The first rule that matches; REQUIRES that the rules are total (the last one matches anything).
const VerdictRule& classify(std::span<const VerdictRule* const> rules, const Facts& facts);

}  // namespace steppe
