// SPDX-License-Identifier: Apache-2.0
// Chains as a country shows them, for the judges' benchmarks: hosts with leaves of their own, other
// leaves that browsers trust, and forged ones; each leaf with a serial, a name and a signature of
// its own, all under a few dozen intermediates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/judge/certificates.h"

namespace steppe::bench {

using Bytes = std::vector<uint8_t>;

enum class KeyKind { rsa2048, ecdsa_p256 };

// One answer of a server.
struct Shown {
  std::vector<Bytes> chain;    // leaf first
  Bytes flight;                // of TLS 1.2, in records
  uint32_t baseline;           // of the host that shows it
  std::string server_name;     // that was asked for it
  const test::Issued* signer;  // of the leaf
};

struct ChainCountry {
  // leaves: of each kind.
  ChainCountry(KeyKind kind, uint32_t leaves);

  std::string roots_pem;
  std::vector<std::vector<Bytes>> baselines;  // the hosts' own chains
  std::vector<Shown> genuine, forged;

 private:
  struct Authority;
  test::Request leaf(const test::Issued& issuer, uint32_t number, const std::string& name);
  test::Issued authority(const std::string& name, const test::Issued* issuer);

  KeyKind kind_;
  std::vector<test::Key> leaf_keys_;
  std::vector<test::Issued> policies_, issuers_, forgers_;
  test::Issued root_, forger_root_;
};

}  // namespace steppe::bench
