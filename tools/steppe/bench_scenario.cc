// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/bench_scenario.h"

#include <spdlog/fmt/fmt.h>

namespace steppe {
namespace {

// Round trips of a continent's.
constexpr uint32_t latency_least_ms = 2, latency_most_ms = 60;

}  // namespace

std::string bench_scenario(uint32_t hosts, std::string_view issuer_key) {
  return fmt::format(R"({{
  "name": "bench",
  "description": "{} trusted hosts, and nobody who interferes",
  "seed": 1, "date": "2024-05-01T12:00:00Z",
  "vantages": [{{"name": "outside", "address": "198.19.255.254"}}],
  "networks": [{{"name": "all", "as": 64500, "prefixes": ["198.18.0.0/16"]}}],
  "routes": {{"near": {{"hops": ["198.19.255.1"]}}}},
  "hosts": [{{"name": "plain", "network": "all", "count": {},
             "certificate": {{"kind": "trusted", "issuer-key": "{}"}}, "latency-ms": [{}, {}], "routes": "near"}}]
}})",
                     hosts, hosts, issuer_key, latency_least_ms, latency_most_ms);
}

}  // namespace steppe
