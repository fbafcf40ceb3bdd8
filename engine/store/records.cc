// SPDX-License-Identifier: Apache-2.0
#include "engine/store/records.h"

#include <algorithm>

namespace steppe {

std::string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::discover:
      return "discover";
    case Stage::baseline:
      return "baseline";
    case Stage::probe:
      return "probe";
    case Stage::confirm:
      return "confirm";
    case Stage::done:
      return "done";
    case Stage::trace:
      return "trace";
  }
  return "unknown";
}

const TryRecord* deciding_try(const std::vector<TryRecord>& tries,
                              const SettlementRecord& settlement) {
  const Verdict verdict = settlement.settlement.verdict;
  const auto speaks = [&](const TryRecord& record) {
    if (record.round != settlement.round) return false;
    if (record.outcome.verdict == verdict) return true;
    return verdict == Verdict::injected && record.outcome.verdict == Verdict::untrusted &&
           (!settlement.interceptor || record.outcome.issuer_spki == settlement.interceptor);
  };
  const auto found = std::find_if(tries.rbegin(), tries.rend(), speaks);
  return found == tries.rend() ? nullptr : &*found;
}

}  // namespace steppe
