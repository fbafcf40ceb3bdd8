// SPDX-License-Identifier: Apache-2.0
// Whether a browser would trust a chain: OpenSSL against the root store, helped by intermediates
// that other hosts sent, as browsers' preloaded and cached ones help.
#pragma once

#include <openssl/x509.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steppe {

using Digest = std::array<uint8_t, 32>;  // SHA-256
Digest sha256(std::span<const uint8_t> bytes);
std::string hex(std::span<const uint8_t> bytes);

// Why a chain is not trusted. On disk as these words.
enum class TrustReason : uint8_t {
  trusted = 0,
  self_signed = 1,     // the leaf signs itself
  expired = 2,         // verifies but for a notAfter in the past (leaf or an issuer)
  not_yet_valid = 3,   // verifies but for a notBefore in the future
  unknown_issuer = 4,  // no path to a root that is in the store
  malformed = 5,       // not a certificate, or an empty chain
  other = 6,           // OpenSSL has another objection
};
std::string_view to_string(TrustReason reason);

struct Trust {
  bool trusted = false;  // verifies now
  // Signatures lead to a root in the store, whatever else is wrong: validity times, purpose, and
  // the strength of keys and digests are left aside.
  bool anchored = false;
  TrustReason reason = TrustReason::malformed;
};

struct ChainParts;
struct Issuer;

// What a TrustStore remembers of one chain; empty at first. Thread-safe.
struct TrustMemo {
  std::atomic<uint64_t> verified{0}, looked_at{0};
};

// Thread-safe: verify() from many judges, learn() among them. The results are remembered with the
// chain; a remembered `unknown_issuer` is verified again once an intermediate has been learned
// since, and anything after an hour, as validity runs out.
// Host names are not checked: METHOD 1 has why a mismatch says nothing.
class TrustStore {
 public:
  using Bytes = std::span<const uint8_t>;
  using Issuers = std::vector<std::shared_ptr<const Issuer>>;

  // root_file: PEM roots; empty: the system's (/etc/ssl/certs/ca-certificates.crt). Throws
  // OperatorError when it cannot be read or holds no certificate. at_time: Unix seconds at which
  // chains are verified; 0: now.
  explicit TrustStore(const std::string& root_file = {}, int64_t at_time = 0);
  // The same from PEM text.
  struct Pem {
    std::string_view text;
  };
  TrustStore(Pem roots, int64_t at_time);
  ~TrustStore();

  // What stands behind a leaf, parsed; of a certificate that was seen before the same.
  Issuers issuers(std::span<const Bytes> chain);

  // parts: the chain, taken apart; called if the result is not remembered.
  using Parts = std::function<const ChainParts&()>;
  Trust verify(TrustMemo& memo, const Parts& parts);
  // Keeps the CA certificates of a chain (basicConstraints CA, not self-signed) for other chains,
  // if they lead to a root themselves: who sends them gains nothing. Bounded (limits).
  // issuers: of the chain; called if something may have changed since they were looked at.
  void learn(TrustMemo& memo, const std::function<Issuers()>& issuers);

  // The same of chains on their own: DER, leaf first, as received. Nothing is remembered of them.
  Trust verify(std::span<const Bytes> chain);
  void learn(std::span<const Bytes> chain);

  size_t root_count() const;
  size_t learned_count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steppe
