// SPDX-License-Identifier: Apache-2.0
// From tries to an answer: control, test, control, up to five times, and a three-valued answer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/judge/trust.h"
#include "engine/judge/verdict.h"

namespace steppe {

// One try at one pair.
struct Try {
  Verdict verdict = Verdict::none;
  // Alert description, ICMP code, phase of a timeout (as in Observation: 0 means the SYN had no
  // answer, so the name never left us).
  uint8_t detail = 0;
  // A control on the same host came back `same` before and after.
  bool controls_before_and_after = false;
  bool stateful = false;  // the control after it failed, and worked again after a pause
  int64_t time_ms = 0;
  Digest leaf{};  // zero if no certificate came
  std::optional<Digest> issuer_spki;
};

struct Settlement {
  bool settled = false;             // false: ask again
  Verdict verdict = Verdict::none;  // what the tries agree on, else the last one's
  Interference interference = Interference::inconclusive;
  uint8_t attempts = 0;  // tries in all
  uint8_t agreeing = 0;  // tries that support the verdict
  bool stateful = false;
};

// The rule of METHOD 3; the .cc opens with it in full. tries: in the order they were made, the
// sweep's first; the order of the others decides nothing but ties. `final`: no further try will be
// made (five are done, or the host was dropped), so the answer is settled whatever it is.
// is_interceptor: whether an issuer key is already known to forge (an `untrusted` try under such
// a key counts as `injected`); may be null.
Settlement settle(std::span<const Try> tries, bool final,
                  bool (*is_interceptor)(const Digest& spki, const void* context),
                  const void* context);

// Two tries say the same: equal verdicts; for `injected` and `untrusted` also the same issuer key;
// where neither has one, for `untrusted` the same leaf; for `alert` the same description.
bool agree(const Try& a, const Try& b);

}  // namespace steppe
