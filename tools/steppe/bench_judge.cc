// SPDX-License-Identifier: Apache-2.0
// steppe bench judge: flights of the simulated country's hosts through the whole of judge() on one
// core: each host's for the first time, with either kind of signature, and again and again. The
// floor of the former is the one signature that must be verified, of the latter a look at every
// byte.
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "engine/judge/flight.h"
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
// More hosts, whose own leaves the flights are compared with.
constexpr uint32_t baselines = 256;
constexpr size_t repeated = 256;
constexpr uint16_t segment_bytes = 1448;
constexpr std::string_view server_name = "www.example.com";

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

double copy_all(std::span<const sim::Flight> flights) {
  std::vector<uint8_t> room(limits::flight_bytes);
  const uint64_t begun_ticks = rte_rdtsc();
  for (const sim::Flight& bytes : flights) {
    std::ranges::copy(bytes->bytes(), room.begin());
    rte_compiler_barrier();
  }
  return since_ns(begun_ticks) / static_cast<double>(flights.size());
}

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// One signature: OpenSSL's part of a chain that was never seen.
double verify_signature_ns(EVP_PKEY* key) {
  constexpr int rounds = 2000;
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new(key, nullptr), EVP_PKEY_CTX_free);
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

// Hosts whose leaves are all signed by one kind of key.
class Country {
 public:
  Country(uint32_t hosts, std::string_view issuer_key)
      : country_(sim::parse_scenario(bench_scenario(hosts + baselines, issuer_key), "bench"), {}) {
    sim::FlightCache cache(country_.layout(), country_.authority(), size_t{1} << 30);
    for (const sim::Host& host : country_.layout().hosts())
      (flights_.size() < hosts ? flights_ : own_).push_back(cache.genuine(host, {}, server_name));
  }
  std::span<const sim::Flight> flights() const { return flights_; }
  // Each a host's own one.
  std::span<const sim::Flight> own_flights() const { return own_; }
  TrustStore trust() {
    return {TrustStore::Pem{country_.authority().root_pem()}, country_.date() / 1000};
  }

 private:
  SimulatedCountry country_;
  std::vector<sim::Flight> flights_, own_;
};

// Judges without a memory of any run before; they know the hosts' own chains.
class Bench {
 public:
  Bench(Country& country, rte_mempool* pool) : pool_(pool), trust_(country.trust()) {
    for (const sim::Flight& own : country.own_flights())
      baselines_.push_back(chains_.read(read_flight(own->bytes()).chain));
  }

  // Judges each flight once; nanoseconds in judge() for each of them.
  double judge_all(std::span<const sim::Flight> flights) {
    double spent_ns = 0;
    for (size_t i = 0; i < flights.size(); ++i) {
      const sim::Flight& bytes = flights[i];
      const KnownChain& baseline = *baselines_[i % baselines_.size()];
      const Observation observation{.host = 0,
                                    .variant = 0,
                                    .ending = Ending::certificate,
                                    .detail = 0,
                                    .received_ttl = 57,
                                    .sealed = false,
                                    .flight_bytes = static_cast<uint32_t>(bytes->size()),
                                    .time_ms = 0,
                                    .flight = in_segments(pool_, bytes->bytes())};
      const uint64_t begun_ticks = rte_rdtsc();
      const Judgement judgement = judge(observation,
                                        {.server_name = server_name,
                                         .expected_leaf = baseline.leaf(),
                                         .hello = {},
                                         .baseline = &baseline},
                                        judges_);
      spent_ns += since_ns(begun_ticks);
      if (judgement.verdict != Verdict::genuine)
        throw std::runtime_error("a leaf that browsers trust was judged as " +
                                 std::string(to_string(judgement.verdict)));
    }
    return spent_ns / static_cast<double>(flights.size());
  }

 private:
  rte_mempool* const pool_;
  TrustStore trust_;
  KnownChains chains_{trust_};
  const KeyShares keys_{{1}};
  Judges judges_{chains_, verdict_rules(), keys_};
  std::vector<KnownChainPtr> baselines_;
};

}  // namespace

std::vector<BenchRow> bench_judge(const BenchOptions& options, BenchMachine& machine) {
  const uint32_t hosts = options.hosts == 0 ? default_hosts : options.hosts;
  EalConfig eal;
  eal.huge_pages = options.ports.huge_pages;
  machine = read_bench_machine(start_eal(eal).huge_pages);
  rte_mempool* const pool = rte_pktmbuf_pool_create("steppe-bench-judge", 1023, 0, 0,
                                                    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr) throw std::runtime_error("no memory for frames");

  Country rsa(hosts, "rsa-2048"), ecdsa(hosts, "ecdsa-p256");
  const Key rsa_key(EVP_RSA_gen(2048), EVP_PKEY_free),
      ecdsa_key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  std::vector<double> rsa_ns, rsa_verified_ns, ecdsa_ns, ecdsa_verified_ns, repeated_ns, copied_ns;
  for (uint32_t run = 0; run < options.runs; ++run) {
    Bench rsa_bench(rsa, pool);
    rsa_ns.push_back(rsa_bench.judge_all(rsa.flights()));
    rsa_verified_ns.push_back(verify_signature_ns(rsa_key.get()));
    ecdsa_ns.push_back(Bench(ecdsa, pool).judge_all(ecdsa.flights()));
    ecdsa_verified_ns.push_back(verify_signature_ns(ecdsa_key.get()));
    const std::span known = rsa.flights().first(std::min<size_t>(repeated, hosts));
    rsa_bench.judge_all(known);
    repeated_ns.push_back(rsa_bench.judge_all(known));
    copy_all(known);
    copied_ns.push_back(copy_all(known));
  }
  const std::string floor = "one signature verified by OpenSSL";
  return {row_of("chains never seen, RSA-2048", rsa_ns, median(rsa_verified_ns), floor),
          row_of("chains never seen, P-256", ecdsa_ns, median(ecdsa_verified_ns), floor),
          row_of("chains seen before", repeated_ns, median(copied_ns), "the flight copied once")};
}

}  // namespace steppe
