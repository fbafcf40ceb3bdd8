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

std::string_view to_string(TraceOutcome outcome) {
  switch (outcome) {
    case TraceOutcome::located:
      return "located";
    case TraceOutcome::not_injected:
      return "not_injected";
    case TraceOutcome::unreachable:
      return "unreachable";
    case TraceOutcome::no_answer:
      return "no_answer";
    case TraceOutcome::no_control:
      return "no_control";
    case TraceOutcome::no_majority:
      return "no_majority";
  }
  return "unknown";
}

std::string_view to_string(TraceMode mode) {
  switch (mode) {
    case TraceMode::one_connection:
      return "one-connection";
    case TraceMode::per_connection:
      return "per-connection";
    case TraceMode::per_port:
      return "per-port";
  }
  return "unknown";
}

std::string_view to_string(Placement placement) {
  switch (placement) {
    case Placement::unknown:
      break;
    case Placement::in_path:
      return "in_path";
    case Placement::on_path:
      return "on_path";
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
