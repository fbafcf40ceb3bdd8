// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/known_chain.h"

#include <algorithm>
#include <atomic>

#include "engine/limits.h"

namespace steppe {
namespace {

using Bytes = std::span<const uint8_t>;

uint64_t next_id() {
  static std::atomic<uint64_t> given = 0;
  return ++given;
}

// Of numbers that are given in turn (Knuth, TAOCP 6.4: multiplicative hashing).
uint64_t mixed(uint64_t a, uint64_t b) {
  const uint64_t product = (a * 0x9e3779b97f4a7c15 + b) * 0x9e3779b97f4a7c15;
  return product ^ product >> 32;
}

}  // namespace

std::vector<Bytes> KnownChain::spans() const {
  std::vector<Bytes> spans;
  for (const auto& certificate : certificates) spans.emplace_back(certificate->der);
  return spans;
}

bool KnownChain::is(std::span<const Bytes> chain) const {
  return std::ranges::equal(certificates, chain,
                            [](const KnownCertificatePtr& known, const Bytes& certificate) {
                              return std::ranges::equal(known->der, certificate);
                            });
}

KnownChains::KnownChains(TrustStore& trust)
    : trust_(trust),
      chains_(limits::cached_chains),
      parts_(limits::cached_baselines),
      evidence_(limits::cached_evidence) {}

KnownChains::Parts KnownChains::take_apart(uint64_t id, std::span<const Bytes> chain) {
  return std::make_shared<const KeptParts>(KeptParts{
      id, ChainParts(LeafParts(chain.empty() ? Bytes{} : chain[0]), trust_.issuers(chain))});
}

KnownChainPtr KnownChains::find_or_make(std::span<const Bytes> chain, Parts& parts) {
  uint64_t hash = chain.size();
  for (const Bytes& certificate : chain.first(std::min<size_t>(chain.size(), 2)))
    hash ^= hash_of(certificate);
  if (auto known = chains_.find(hash); known && known->is(chain)) return known;

  const auto made = std::make_shared<KnownChain>();
  made->id = next_id();
  if (chain.empty()) return made;
  parts = take_apart(made->id, chain);
  const ChainParts& read = parts->parts;
  size_t bytes = 0;
  for (size_t i = 0; i < chain.size(); ++i) {
    bytes += chain[i].size();
    made->certificates.push_back(
        i > 0 && i <= read.issuers.size() ? read.issuers[i - 1]->certificate : as_known(chain[i]));
  }
  made->facts = facts_of(read, made->certificates[0]->digest);
  if (made->facts.parsed) made->names = HostNames(read.leaf);
  if (bytes <= limits::cached_chain_bytes) chains_.keep(hash, made);
  return made;
}

KnownChainPtr KnownChains::read(std::span<const Bytes> chain) {
  Parts parts;
  auto known = find_or_make(chain, parts);
  if (parts) parts_.keep(mixed(known->id, 0), parts);
  return known;
}

KnownChains::Parts KnownChains::baseline_parts(const KnownChain& baseline) {
  const uint64_t hash = mixed(baseline.id, 0);
  if (auto kept = parts_.find(hash); kept && kept->chain == baseline.id) return kept;
  auto parts = take_apart(baseline.id, baseline.spans());
  parts_.keep(hash, parts);
  return parts;
}

std::shared_ptr<const Evidence> KnownChains::compare(
    const KnownChain& baseline, const KnownChain& other, Trust trust, bool names_asked,
    const std::function<const ChainParts&()>& parts) {
  const uint64_t hash =
      mixed(mixed(baseline.id, other.id),
            uint64_t{trust.trusted} | uint64_t{trust.anchored} << 1 | uint64_t{names_asked} << 2);
  auto kept = evidence_.find(hash);
  const bool fits = kept && kept->baseline == baseline.id && kept->chain == other.id &&
                    kept->evidence.trusted == trust.trusted &&
                    kept->evidence.anchored == trust.anchored &&
                    kept->evidence.names_asked == names_asked;
  if (!fits) {
    const Parts own = baseline_parts(baseline);
    KeptEvidence made{baseline.id, other.id, steppe::compare(own->parts, parts())};
    made.evidence.trusted = trust.trusted;
    made.evidence.anchored = trust.anchored;
    made.evidence.names_asked = names_asked;
    kept = std::make_shared<const KeptEvidence>(std::move(made));
    evidence_.keep(hash, kept);
  }
  return {kept, &kept->evidence};
}

KnownChains::Judged KnownChains::judge(std::span<const Bytes> chain, const KnownChain* baseline,
                                       std::string_view asked_server_name) {
  Parts apart;
  Judged judged;
  judged.chain = find_or_make(chain, apart);
  const KnownChain& known = *judged.chain;
  const auto parts = [&]() -> const ChainParts& {
    if (!apart) apart = take_apart(known.id, chain);
    return apart->parts;
  };
  trust_.learn(known.trust, [&] { return apart ? apart->parts.issuers : trust_.issuers(chain); });
  judged.trust = trust_.verify(known.trust, std::ref(parts));
  if (baseline == nullptr || !baseline->facts.parsed || !known.facts.parsed) return judged;

  const auto is_asked_by = [&](const HostNames& names, const auto& taken_apart) {
    const auto match = names.match(asked_server_name);
    return match ? *match : is_for(taken_apart().leaf.x509.get(), asked_server_name);
  };
  Parts own;
  const bool names_asked =
      is_asked_by(known.names, parts) && !is_asked_by(baseline->names, [&]() -> const ChainParts& {
        own = baseline_parts(*baseline);
        return own->parts;
      });
  judged.evidence = compare(*baseline, known, judged.trust, names_asked, std::ref(parts));
  return judged;
}

}  // namespace steppe
