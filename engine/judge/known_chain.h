// SPDX-License-Identifier: Apache-2.0
// What is known of chains, kept: thousands of hosts show the same one, and interceptors the same
// forged leaf for many names.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/judge/certificate.h"
#include "engine/judge/evidence.h"
#include "engine/judge/host_names.h"
#include "engine/judge/kept.h"
#include "engine/judge/trust.h"

namespace steppe {

// A chain as received, leaf first, and what it says of itself. Immutable but for what TrustStore
// remembers of it, and thread-safe.
struct KnownChain {
  // No other chain of this process has it; the same bytes, read again, may have another.
  uint64_t id = 0;
  std::vector<KnownCertificatePtr> certificates{};  // empty: so was the server's list
  ChainFacts facts{};
  HostNames names{};  // of the leaf
  mutable TrustMemo trust{};

  // REQUIRES: there is one.
  std::span<const uint8_t> leaf() const { return certificates.front()->der; }
  std::vector<std::span<const uint8_t>> spans() const;
  bool is(std::span<const std::span<const uint8_t>> chain) const;
};
using KnownChainPtr = std::shared_ptr<const KnownChain>;

// Thread-safe. Bounded by limits::cached_*. Chains are found by some bytes of their leaf, and then
// compared as a whole: no two are ever taken for each other. The parts live as long as it does.
class KnownChains {
 public:
  explicit KnownChains(TrustStore& trust);

  KnownChainPtr read(std::span<const std::span<const uint8_t>> chain);

  struct Judged {
    KnownChainPtr chain;
    Trust trust;
    std::shared_ptr<const Evidence> evidence;  // null: no baseline, or a leaf cannot be parsed
  };
  // Learns from the chain, and says what it is worth. baseline: null, or what this has read.
  Judged judge(std::span<const std::span<const uint8_t>> chain, const KnownChain* baseline,
               std::string_view asked_server_name);

 private:
  // Taken apart; kept of baselines, to which others are compared.
  struct KeptParts {
    uint64_t chain;
    ChainParts parts;
  };
  using Parts = std::shared_ptr<const KeptParts>;
  struct KeptEvidence {
    uint64_t baseline, chain;
    Evidence evidence;
  };

  // parts: set if the chain had to be taken apart.
  KnownChainPtr find_or_make(std::span<const std::span<const uint8_t>> chain, Parts& parts);
  Parts take_apart(uint64_t id, std::span<const std::span<const uint8_t>> chain);
  Parts baseline_parts(const KnownChain& baseline);
  std::shared_ptr<const Evidence> compare(const KnownChain& baseline, const KnownChain& other,
                                          Trust trust, bool names_asked,
                                          const std::function<const ChainParts&()>& parts);

  TrustStore& trust_;
  Kept<KnownChain> chains_;
  Kept<KeptParts> parts_;
  Kept<KeptEvidence> evidence_;
};

}  // namespace steppe
