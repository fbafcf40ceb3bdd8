// SPDX-License-Identifier: Apache-2.0
// Keys and randomness of the simulated country's cryptography: every key and every signature is a
// function of the seed. For tools/sim only; nothing here is fit to keep a secret.
#pragma once

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tools/sim/scenario.h"

namespace steppe::sim {

using Key = std::shared_ptr<EVP_PKEY>;

// Throws std::runtime_error with OpenSSL's own words unless `succeeded`: a failure here is a
// mistake in this program, or there is no memory left.
void require_openssl(bool succeeded);

// A number that is a function of the text, and another one for any other text.
uint64_t hash_of(std::string_view text);
// `count` bytes that are a function of `tag`.
std::vector<uint8_t> seeded_bytes(uint64_t tag, size_t count);

// A private OpenSSL library context that takes its randomness from a tag: OpenSSL's TEST-RAND.
// Nothing outside of it is touched. Used by one thread at a time.
class SeededContext {
 public:
  SeededContext();
  OSSL_LIB_CTX* get() const { return context_.get(); }
  // The randomness of the next operation (a signature, a key); REQUIRED before each, as what is
  // left over from the last one would depend on the order of operations.
  void feed(uint64_t tag) const;

 private:
  std::unique_ptr<OSSL_LIB_CTX, void (*)(OSSL_LIB_CTX*)> context_;
};

// Where RSA keys come from. A prime of 1024 bits takes 10 ms, so keys are products of two primes of
// a pool: n primes are n(n-1)/2 keys, and low numbers need few primes. Keys that share a prime can
// be factored by anyone who looks, which is nobody's business here.
class Keys {
 public:
  explicit Keys(uint64_t seed) : seed_(seed) {}

  const SeededContext& context() const { return context_; }
  uint64_t seed() const { return seed_; }

  // A P-256 key for each tag.
  Key ec(uint64_t tag) const;
  // RSA key `number` of a pool, exponent 3 or 65537; `is_public`: without its private half, which
  // is all that a certificate takes. Different numbers of a pool are different keys, and so are the
  // same numbers of different pools.
  Key rsa(uint64_t pool, uint64_t number, uint32_t bits = 2048, uint32_t exponent = 65537,
          bool is_public = false);

 private:
  using Number = std::unique_ptr<BIGNUM, void (*)(BIGNUM*)>;
  const BIGNUM* prime(uint64_t pool, uint64_t index, uint32_t bits);

  uint64_t seed_;
  SeededContext context_;
  std::unordered_map<uint64_t, Number> primes_;  // by tag
};

}  // namespace steppe::sim
