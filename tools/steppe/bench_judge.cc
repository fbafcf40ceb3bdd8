// SPDX-License-Identifier: Apache-2.0
// steppe bench judge: flights of the simulated country's hosts through the whole of judge() on one
// core: each host's for the first time, and again and again. The floor of the former is the one
// signature that must be verified, of the latter a look at every byte.
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "engine/judge/judge.h"
#include "engine/limits.h"
#include "engine/port/eal.h"
#include "modules/verdicts/verdicts.h"
#include "tools/sim/flight_cache.h"
#include "tools/steppe/bench_parts.h"
#include "tools/steppe/bench_scenario.h"
#include "tools/steppe/simulated.h"

namespace steppe {
namespace {

constexpr uint32_t default_hosts = 4000;
constexpr size_t repeated = 256;
constexpr uint16_t segment_bytes = 1448;

rte_mbuf* in_segments(rte_mempool* pool, std::span<const uint8_t> bytes) {
  rte_mbuf* flight = nullptr;
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<size_t>(bytes.size(), segment_bytes));
    bytes = bytes.subspan(piece.size());
    rte_mbuf* const frame = rte_pktmbuf_alloc(pool);
    if (frame == nullptr) throw std::runtime_error("no frame for a flight");
    char* const room = rte_pktmbuf_append(frame, static_cast<uint16_t>(piece.size()));
    std::copy(piece.begin(), piece.end(), reinterpret_cast<uint8_t*>(room));
    if (flight == nullptr)
      flight = frame;
    else
      rte_pktmbuf_chain(flight, frame);
  }
  return flight;
}

double since_ns(uint64_t begun_ticks) {
  return static_cast<double>(rte_rdtsc() - begun_ticks) * 1e9 /
         static_cast<double>(rte_get_tsc_hz());
}

// Judges each flight once; nanoseconds in judge() for each of them.
double judge_all(std::span<const sim::Flight> flights, rte_mempool* pool, Judges& judges) {
  double spent_ns = 0;
  for (const sim::Flight& bytes : flights) {
    const Observation observation{.host = 0,
                                  .variant = 0,
                                  .ending = Ending::certificate,
                                  .detail = 0,
                                  .received_ttl = 57,
                                  .sealed = false,
                                  .flight_bytes = static_cast<uint32_t>(bytes->size()),
                                  .time_ms = 0,
                                  .flight = in_segments(pool, bytes->bytes())};
    const uint64_t begun_ticks = rte_rdtsc();
    const Judgement judgement = judge(
        observation, {.server_name = "www.example.com", .expected_leaf = {}, .hello = {}}, judges);
    spent_ns += since_ns(begun_ticks);
    if (judgement.verdict != Verdict::genuine)
      throw std::runtime_error("a leaf that browsers trust was judged as " +
                               std::string(to_string(judgement.verdict)));
  }
  return spent_ns / static_cast<double>(flights.size());
}

double copy_all(std::span<const sim::Flight> flights) {
  std::vector<uint8_t> room(limits::flight_bytes);
  const uint64_t begun_ticks = rte_rdtsc();
  for (const sim::Flight& bytes : flights) {
    std::ranges::copy(bytes->bytes(), room.begin());
    rte_compiler_barrier();
  }
  return since_ns(begun_ticks) / static_cast<double>(flights.size());
}

// One RSA-2048 signature, as every leaf has: OpenSSL's part of a chain that was never seen.
double verify_signature_ns() {
  constexpr int rounds = 2000;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_RSA_gen(2048), EVP_PKEY_free);
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new(key.get(), nullptr), EVP_PKEY_CTX_free);
  const std::array<uint8_t, 32> digest{1};
  std::array<uint8_t, 256> signature;
  size_t bytes = signature.size();
  EVP_PKEY_sign_init(context.get());
  if (EVP_PKEY_sign(context.get(), signature.data(), &bytes, digest.data(), digest.size()) != 1)
    throw std::runtime_error("OpenSSL cannot sign");
  EVP_PKEY_verify_init(context.get());
  const uint64_t begun_ticks = rte_rdtsc();
  for (int i = 0; i < rounds; ++i)
    if (EVP_PKEY_verify(context.get(), signature.data(), bytes, digest.data(), digest.size()) != 1)
      throw std::runtime_error("OpenSSL cannot verify");
  return since_ns(begun_ticks) / rounds;
}

BenchRow row_of(const std::string& what, const std::vector<double>& each_ns, double floor_ns,
                const std::string& floor) {
  BenchRow row{.bench = "judge",
               .what = what,
               .unit = "chain",
               .per_second = 1e9 / median(each_ns),
               .busy_ns = median(each_ns),
               .floor_ns = floor_ns,
               .runs = {},
               .busy_shares = {},
               .facts = {{"floor", floor}}};
  for (const double ns : each_ns) row.runs.push_back(1e9 / ns);
  return row;
}

}  // namespace

std::vector<BenchRow> bench_judge(const BenchOptions& options, BenchMachine& machine) {
  const uint32_t hosts = options.hosts == 0 ? default_hosts : options.hosts;
  EalConfig eal;
  eal.huge_pages = options.ports.huge_pages;
  machine = read_bench_machine(start_eal(eal).huge_pages);
  rte_mempool* const pool = rte_pktmbuf_pool_create("steppe-bench-judge", 1023, 0, 0,
                                                    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr) throw std::runtime_error("no memory for frames");
  SimulatedCountry country(sim::parse_scenario(bench_scenario(hosts), "bench"), {});
  sim::FlightCache cache(country.layout(), country.authority(), size_t{1} << 30);
  std::vector<sim::Flight> flights;
  for (const sim::Host& host : country.layout().hosts())
    flights.push_back(cache.genuine(host, {}, "www.example.com"));

  const KeyShares keys({1});
  std::vector<double> distinct_ns, repeated_ns, copied_ns, verified_ns;
  for (uint32_t run = 0; run < options.runs; ++run) {
    // Judges without a memory of the run before.
    TrustStore trust(TrustStore::Pem{country.authority().root_pem()}, country.date() / 1000);
    KnownChains chains(trust);
    Judges judges(chains, verdict_rules(), keys);
    distinct_ns.push_back(judge_all(flights, pool, judges));
    const std::span known = std::span(flights).first(std::min<size_t>(repeated, flights.size()));
    judge_all(known, pool, judges);
    repeated_ns.push_back(judge_all(known, pool, judges));
    copy_all(known);
    copied_ns.push_back(copy_all(known));
    verified_ns.push_back(verify_signature_ns());
  }
  return {row_of("chains never seen, RSA-2048", distinct_ns, median(verified_ns),
                 "one signature verified by OpenSSL"),
          row_of("chains seen before", repeated_ns, median(copied_ns), "the flight copied once")};
}

}  // namespace steppe
