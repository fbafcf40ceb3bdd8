// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/judge.h"

#include <rte_mbuf.h>

#include "engine/judge/flight.h"

namespace steppe {
namespace {

// The flight's bytes, in one piece: where they are, or in `copy`.
std::span<const uint8_t> bytes_of(const rte_mbuf* flight, std::vector<uint8_t>& copy) {
  if (flight == nullptr) return {};
  if (copy.size() < flight->pkt_len) copy.resize(flight->pkt_len);
  const void* const at = rte_pktmbuf_read(flight, 0, flight->pkt_len, copy.data());
  return {static_cast<const uint8_t*>(at), flight->pkt_len};
}

// How the connection really ended, now that its flight is open.
void unseal(const Flight& flight, Observation& observation) {
  const bool open = flight.same || flight.complete || flight.alert || flight.broken;
  if (open) observation.detail = 0;  // it was that of another ending
  if (flight.same) {
    observation.ending = Ending::same;
  } else if (flight.complete) {
    observation.ending = Ending::certificate;
  } else if (flight.alert) {
    observation.ending = Ending::alert;
    observation.detail = *flight.alert;
  } else if (flight.broken) {
    observation.ending = Ending::not_tls;
  } else if (observation.ending == Ending::encrypted) {
    // What looked like its end was a pause that lasted.
    observation.ending = Ending::timeout;
    observation.detail = detail::flight_broke_off;
  }
}

}  // namespace

std::vector<std::span<const uint8_t>> spans_of(const Chain& chain) {
  return {chain.begin(), chain.end()};
}

Judgement judge(const Observation& observation, const Asked& asked, Judges& judges) {
  Judgement judgement;
  judgement.observation = observation;
  judgement.observation.flight = nullptr;
  JudgeMemory& own = judges.own.local();
  const std::unique_ptr<rte_mbuf, decltype(&rte_pktmbuf_free)> frames{observation.flight,
                                                                      rte_pktmbuf_free};
  const auto bytes = bytes_of(observation.flight, own.flight);
  Flight flight;
  if (observation.sealed) {
    flight = own.reader.read(bytes, asked.hello, asked.server_name, asked.expected_leaf);
    unseal(flight, judgement.observation);
  } else if (observation.ending == Ending::certificate) {
    flight = read_flight(bytes);
  }
  Facts facts{.ending = judgement.observation.ending,
              .detail = judgement.observation.detail,
              .baseline = asked.baseline == nullptr ? nullptr : &asked.baseline->facts,
              .trust = {}};
  if (facts.ending == Ending::certificate) {
    auto judged = judges.chains.judge(flight.chain, asked.baseline, asked.server_name);
    facts.chain = &judged.chain->facts;
    facts.evidence = judged.evidence.get();
    facts.trust = judgement.trust = judged.trust;
    judgement.chain = std::move(judged.chain);
    judgement.evidence = std::move(judged.evidence);
  }
  judgement.hello = std::move(flight.hello);
  judgement.hello.key_exchange = {};
  judgement.verdict = classify(judges.rules, facts).verdict;
  return judgement;
}

}  // namespace steppe
