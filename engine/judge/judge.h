// SPDX-License-Identifier: Apache-2.0
// One observation, judged: decode, trust, compare, verdict.
#pragma once

#include <oneapi/tbb/enumerable_thread_specific.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/judge/evidence.h"
#include "engine/judge/known_chain.h"
#include "engine/judge/observation.h"
#include "engine/judge/tls13.h"
#include "engine/judge/trust.h"
#include "engine/judge/verdict_rule.h"

namespace steppe {

using Certificate = std::vector<uint8_t>;  // DER
using Chain = std::vector<Certificate>;    // leaf first

// The spans that the functions of trust.h and evidence.h take.
std::vector<std::span<const uint8_t>> spans_of(const Chain& chain);

// What a host was asked, as far as judging needs it. The pointers live as long as the pass.
struct Asked {
  std::string_view server_name;
  std::span<const uint8_t> expected_leaf;  // as the worker had it; empty: none
  AskedHello hello;
  const KnownChain* baseline = nullptr;  // null: none known
};

// An observation, judged.
struct Judgement {
  Observation observation{};  // its flight is gone
  Verdict verdict = Verdict::none;
  Trust trust;
  KnownChainPtr chain;  // as received; null if no Certificate message came, or if it was `same`
  std::shared_ptr<const Evidence> evidence;  // null: none
  ServerHello hello;
};

// One thread's.
struct JudgeMemory {
  Tls13Reader reader;
  std::vector<uint8_t> flight;  // room for one; limits::flight_bytes at most
};

// What judging takes. Thread-safe; the parts live as long as it does.
struct Judges {
  Judges(KnownChains& chains, std::span<const VerdictRule* const> rules, const KeyShares& keys)
      : chains(chains), rules(rules), own([&keys] {
          return JudgeMemory{Tls13Reader(keys), {}};
        }) {}

  KnownChains& chains;
  std::span<const VerdictRule* const> rules;
  oneapi::tbb::enumerable_thread_specific<JudgeMemory> own;
};

// One observation. Takes the flight. If it was sealed, the judgement's observation ends as what
// came out says. Thread-safe.
Judgement judge(const Observation& observation, const Asked& asked, Judges& judges);

}  // namespace steppe
