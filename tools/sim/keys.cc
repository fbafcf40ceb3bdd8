// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>

#include "tools/sim/layout.h"

namespace steppe::sim {
namespace {

// More than any operation takes. RSA's blinding takes most: numbers below the modulus, 256 or 512
// bytes each, and another one each time that one was too large, with a chance of 7/16 at worst.
constexpr size_t entropy_bytes = 8192;

// Primes of at least 5: candidates are 5 modulo 6 already.
const std::vector<uint32_t>& small_primes() {
  static const std::vector<uint32_t> primes = [] {
    std::vector<uint32_t> found;
    for (uint32_t candidate = 5; candidate < 4096; candidate += 2) {
      bool is_prime = candidate % 3 != 0;
      for (uint32_t divisor = 5; divisor * divisor <= candidate; divisor += 2) {
        if (candidate % divisor == 0) is_prime = false;
      }
      if (is_prime) found.push_back(candidate);
    }
    return found;
  }();
  return primes;
}

BN_CTX* scratch() {
  static thread_local const std::unique_ptr<BN_CTX, void (*)(BN_CTX*)> context{BN_CTX_new(),
                                                                               BN_CTX_free};
  return context.get();
}

struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
};
using Integer = std::unique_ptr<BIGNUM, FreeNumber>;

Integer integer() {
  Integer number{BN_new()};
  require_openssl(number != nullptr);
  return number;
}

// Fermat's test to base 2. Composites that pass it are so rare among random numbers of this size
// that nobody has met one by chance; BN_check_prime() would add 64 rounds. It is done with (n-1)/2,
// which is -1/2 and passes if 2 does, because OpenSSL has its fastest routine for a base and a
// modulus that are both of 1024 bits.
bool is_prime(const BIGNUM* candidate) {
  const Integer base = integer(), exponent = integer(), result = integer();
  require_openssl(BN_rshift1(base.get(), candidate) && BN_copy(exponent.get(), candidate) &&
                  BN_sub_word(exponent.get(), 1) &&
                  BN_mod_exp_mont_consttime(result.get(), base.get(), exponent.get(), candidate,
                                            scratch(), nullptr));
  return BN_is_one(result.get());
}

// The first prime from a number on that fits both exponents: p - 1 is divisible neither by 3 nor by
// 65537.
void walk_to_prime(BIGNUM* number) {
  const BN_ULONG beyond = BN_mod_word(number, 6);
  require_openssl(BN_add_word(number, (5 + 6 - beyond) % 6));
  std::vector<uint32_t> residues;
  for (const uint32_t prime : small_primes()) {
    residues.push_back(static_cast<uint32_t>(BN_mod_word(number, prime)));
  }
  for (;; require_openssl(BN_add_word(number, 6))) {
    bool divisible = false;
    for (size_t i = 0; i < residues.size(); ++i) {
      divisible |= residues[i] == 0;
      residues[i] = (residues[i] + 6) % small_primes()[i];
    }
    if (!divisible && BN_mod_word(number, 65537) != 1 && is_prime(number)) return;
  }
}

// A pair of different primes for each number: (0,1), (0,2), (1,2), (0,3), ...
std::pair<uint64_t, uint64_t> pair_of(uint64_t number) {
  auto larger = static_cast<uint64_t>((1 + std::sqrt(1 + 8 * static_cast<double>(number))) / 2);
  while (larger * (larger - 1) / 2 > number) --larger;
  while ((larger + 1) * larger / 2 <= number) ++larger;
  return {number - larger * (larger - 1) / 2, larger};
}

class Parameters {
 public:
  Parameters() : builder_(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free) {}
  void add(const char* name, Integer value) {
    require_openssl(OSSL_PARAM_BLD_push_BN(builder_.get(), name, value.get()));
    values_.push_back(std::move(value));
  }
  Key key(OSSL_LIB_CTX* context, bool is_public) {
    const std::unique_ptr<OSSL_PARAM, void (*)(OSSL_PARAM*)> parameters{
        OSSL_PARAM_BLD_to_param(builder_.get()), OSSL_PARAM_free};
    const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> maker{
        EVP_PKEY_CTX_new_from_name(context, "RSA", nullptr), EVP_PKEY_CTX_free};
    EVP_PKEY* key = nullptr;
    require_openssl(parameters && maker && EVP_PKEY_fromdata_init(maker.get()) > 0 &&
                    EVP_PKEY_fromdata(maker.get(), &key,
                                      is_public ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR,
                                      parameters.get()) > 0);
    return {key, EVP_PKEY_free};
  }

 private:
  std::unique_ptr<OSSL_PARAM_BLD, void (*)(OSSL_PARAM_BLD*)> builder_;
  std::vector<Integer> values_;  // the builder keeps only pointers
};

Integer less_one(const BIGNUM* number) {
  Integer result = integer();
  require_openssl(BN_copy(result.get(), number) && BN_sub_word(result.get(), 1));
  return result;
}

// RFC 8017 3.2, the second representation. p > q.
void add_private_half(Parameters& parameters, const BIGNUM* p, const BIGNUM* q, const BIGNUM* e) {
  Integer d = integer(), phi = integer(), d_p = integer(), d_q = integer(), q_inverse = integer();
  const Integer p_less_one = less_one(p), q_less_one = less_one(q);
  require_openssl(BN_mul(phi.get(), p_less_one.get(), q_less_one.get(), scratch()) &&
                  BN_mod_inverse(d.get(), e, phi.get(), scratch()) &&
                  BN_mod(d_p.get(), d.get(), p_less_one.get(), scratch()) &&
                  BN_mod(d_q.get(), d.get(), q_less_one.get(), scratch()) &&
                  BN_mod_inverse(q_inverse.get(), q, p, scratch()));
  parameters.add(OSSL_PKEY_PARAM_RSA_D, std::move(d));
  parameters.add(OSSL_PKEY_PARAM_RSA_FACTOR1, Integer{BN_dup(p)});
  parameters.add(OSSL_PKEY_PARAM_RSA_FACTOR2, Integer{BN_dup(q)});
  parameters.add(OSSL_PKEY_PARAM_RSA_EXPONENT1, std::move(d_p));
  parameters.add(OSSL_PKEY_PARAM_RSA_EXPONENT2, std::move(d_q));
  parameters.add(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, std::move(q_inverse));
}

}  // namespace

void require_openssl(bool succeeded) {
  if (succeeded) return;
  char words[256] = "no reason given";
  if (const unsigned long error = ERR_get_error()) ERR_error_string_n(error, words, sizeof words);
  ERR_clear_error();
  throw std::runtime_error(std::string("OpenSSL: ") + words);
}

uint64_t hash_of(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  uint64_t hash = 0;
  for (size_t i = 0; i < 8; ++i) hash = hash << 8 | digest[i];
  return hash;
}

std::vector<uint8_t> seeded_bytes(uint64_t tag, size_t count) {
  std::vector<uint8_t> bytes(count);
  for (size_t at = 0; at < count; at += 8) {
    const uint64_t word = chance(tag, what::certificate, at);
    for (size_t i = at; i < std::min(at + 8, count); ++i)
      bytes[i] = static_cast<uint8_t>(word >> 8 * (i - at));
  }
  return bytes;
}

SeededContext::SeededContext() : context_(OSSL_LIB_CTX_new(), OSSL_LIB_CTX_free) {
  require_openssl(context_ != nullptr &&
                  RAND_set_DRBG_type(context_.get(), "TEST-RAND", nullptr, nullptr, nullptr));
}

void SeededContext::feed(uint64_t tag) const {
  std::vector<uint8_t> entropy = seeded_bytes(tag, entropy_bytes);
  unsigned strength = 256;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_RAND_PARAM_TEST_ENTROPY, entropy.data(),
                                        entropy.size()),
      OSSL_PARAM_construct_uint(OSSL_RAND_PARAM_STRENGTH, &strength), OSSL_PARAM_construct_end()};
  // Both generators belong to the calling thread, so they are asked for each time.
  for (EVP_RAND_CTX* generator :
       {RAND_get0_private(context_.get()), RAND_get0_public(context_.get())}) {
    require_openssl(generator != nullptr && EVP_RAND_CTX_set_params(generator, parameters));
  }
}

Key Keys::ec(uint64_t tag) const {
  context_.feed(chance(seed_, what::certificate, tag));
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(context_.get(), nullptr, "EC", "P-256");
  require_openssl(key != nullptr);
  return {key, EVP_PKEY_free};
}

Key Keys::rsa(uint64_t pool, uint64_t number, uint32_t bits, uint32_t exponent, bool is_public) {
  const auto [first, second] = pair_of(number);
  const BIGNUM *p = prime(pool, first, bits / 2), *q = prime(pool, second, bits / 2);
  if (BN_cmp(p, q) < 0) std::swap(p, q);
  Integer n = integer(), e = integer();
  require_openssl(BN_mul(n.get(), p, q, scratch()) && BN_set_word(e.get(), exponent));

  Parameters parameters;
  if (!is_public) add_private_half(parameters, p, q, e.get());
  parameters.add(OSSL_PKEY_PARAM_RSA_N, std::move(n));
  parameters.add(OSSL_PKEY_PARAM_RSA_E, std::move(e));
  return parameters.key(context_.get(), is_public);
}

const BIGNUM* Keys::prime(uint64_t pool, uint64_t index, uint32_t bits) {
  const uint64_t tag =
      chance(chance(seed_, what::certificate, pool, bits), what::certificate, index);
  const auto [at, is_new] = primes_.try_emplace(tag, nullptr, BN_free);
  if (is_new) {
    std::vector<uint8_t> start = seeded_bytes(tag, bits / 8);
    // Two bits at the top, so that the product of two primes has its full length.
    start[0] |= 0xc0;
    at->second.reset(BN_bin2bn(start.data(), static_cast<int>(start.size()), nullptr));
    require_openssl(at->second != nullptr);
    walk_to_prime(at->second.get());
  }
  return at->second.get();
}

}  // namespace steppe::sim
