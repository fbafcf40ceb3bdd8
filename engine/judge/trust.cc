// SPDX-License-Identifier: Apache-2.0
// Browsers trust a chain when there is some path of certificates to a root, not when the one that
// the server sent is a path: servers leave intermediates out, send them in any order, or send a
// cross-certificate that leads to a root that is gone. OpenSSL takes the first issuer that fits
// each time and never goes back, so a chain that every browser accepts may fail here for the order
// of its certificates alone, and its host would be lost for the scan.
//
// So paths are looked for here, depth first, by subject name and key identifier, over the chain's
// own certificates and then the learned ones; each path that reaches the name of a root is handed
// to OpenSSL, alone with the roots of that name, and OpenSSL says whether it holds. The search ends
// because its depth, the paths it tries and the steps it takes are bounded; what the bounds cut
// off comes out as `unknown_issuer`. A usual chain is one path, and costs one X509_verify_cert().
// This also keeps the threads apart: nothing is asked of an X509_STORE, which takes a lock for each
// look-up, and no more certificates are handed over than the path has.
//
// Signatures and keys are judged at OpenSSL's security level 1: no SHA-1 signatures, no RSA below
// 1024 bits, which is what browsers refuse. Level 2 would refuse 1024 bits too, and with them a
// few private roots that operators give by --root-cas. Revocation is not looked at: it would mean
// asking third parties about each host, and browsers soft-fail it.
#include "engine/judge/trust.h"

#include <oneapi/tbb/concurrent_hash_map.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <unordered_map>

#include "engine/judge/certificate.h"
#include "engine/limits.h"
#include "engine/plan/operator_error.h"

namespace steppe {
namespace {

const std::string system_root_file = "/etc/ssl/certs/ca-certificates.crt";

// A path of more than six issuers is nobody's: public hierarchies have one to three.
constexpr size_t issuers_max = 6;
// A search that has not found a path after these is an attempt to keep us busy.
constexpr int path_attempts_max = 8;
constexpr int search_steps_max = 256;
// Validity runs out while a campaign of weeks is under way.
constexpr int64_t cached_seconds = 3600;

struct DigestHash {
  // A SHA-256 digest is its own hash.
  size_t operator()(const Digest& digest) const {
    size_t value;
    std::memcpy(&value, digest.data(), sizeof value);
    return value;
  }
};
struct DigestHashCompare {
  static size_t hash(const Digest& digest) { return DigestHash{}(digest); }
  static bool equal(const Digest& a, const Digest& b) { return a == b; }
};

struct StackFree {
  // The certificates stay their owners'.
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using Stack = std::unique_ptr<STACK_OF(X509), StackFree>;

Stack stack_of(std::span<X509* const> certificates) {
  Stack stack{sk_X509_new_null()};
  for (X509* certificate : certificates)
    if (!stack || sk_X509_push(stack.get(), certificate) == 0) throw std::bad_alloc();
  return stack;
}

CertificatePtr share(X509* certificate) {
  X509_up_ref(certificate);
  return CertificatePtr{certificate};
}

// Names are hashed in their canonical form, to 32 bits: equal names meet, and
// X509_check_issued() tells the others apart.
using NameHash = unsigned long;

// X509_V_OK, or OpenSSL's objection to this path. relaxed: whether there is a path at all.
int verify_path(std::span<X509* const> path, std::span<X509* const> roots, int64_t at_time,
                bool relaxed) {
  const Stack untrusted = stack_of(path.subspan(1)), trusted = stack_of(roots);
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context{
      X509_STORE_CTX_new(), X509_STORE_CTX_free};
  if (!context || X509_STORE_CTX_init(context.get(), nullptr, path[0], untrusted.get()) != 1)
    throw std::bad_alloc();
  X509_STORE_CTX_set0_trusted_stack(context.get(), trusted.get());
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_depth(param, static_cast<int>(issuers_max) + 1);
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_TRUSTED_FIRST);
  if (relaxed) {
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
    X509_VERIFY_PARAM_set_auth_level(param, 0);
  } else {
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_auth_level(param, 1);
    if (at_time != 0) X509_VERIFY_PARAM_set_time(param, static_cast<time_t>(at_time));
  }
  const int verified = X509_verify_cert(context.get());
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (verified == 1) return X509_V_OK;
  return error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
}

// Only for paths that hold when times, purpose and strength are left aside.
TrustReason reason_of(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return TrustReason::expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TrustReason::not_yet_valid;
    default:
      return TrustReason::other;
  }
}

std::vector<CertificatePtr> read_roots(BIO* bio, const std::string& file) {
  const auto fail = [&file](const std::string& what) -> OperatorError {
    return OperatorError("cannot read root certificates from " + file + ": " + what +
                         ": give a PEM file with --root-cas");
  };
  const std::unique_ptr<BIO, decltype(&BIO_free)> owned{bio, BIO_free};
  if (bio == nullptr) {
    const int error = errno;
    ERR_clear_error();
    throw fail(std::strerror(error));
  }
  std::vector<CertificatePtr> roots;
  while (X509* root = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) roots.emplace_back(root);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (roots.empty()) throw fail("no certificate in it");
  if (!at_end) throw fail("certificate " + std::to_string(roots.size() + 1) + " in it is damaged");
  return roots;
}

}  // namespace

Digest sha256(std::span<const uint8_t> bytes) {
  Digest digest;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
  return digest;
}

Digest digest_of(std::span<const std::span<const uint8_t>> chain) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free};
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
  for (const auto& certificate : chain) {
    const uint64_t bytes = certificate.size();
    EVP_DigestUpdate(context.get(), &bytes, sizeof bytes);
    EVP_DigestUpdate(context.get(), certificate.data(), certificate.size());
  }
  Digest digest;
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  return digest;
}

std::string hex(std::span<const uint8_t> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string_view to_string(TrustReason reason) {
  switch (reason) {
    case TrustReason::trusted:
      return "trusted";
    case TrustReason::self_signed:
      return "self_signed";
    case TrustReason::expired:
      return "expired";
    case TrustReason::not_yet_valid:
      return "not_yet_valid";
    case TrustReason::unknown_issuer:
      return "unknown_issuer";
    case TrustReason::malformed:
      return "malformed";
    case TrustReason::other:
      return "other";
  }
  return "?";
}

struct TrustStore::State {
  // Written by the constructor alone.
  std::vector<CertificatePtr> roots;
  std::unordered_map<NameHash, std::vector<X509*>> roots_by_name;
  int64_t at_time = 0;

  void take_roots(std::vector<CertificatePtr> read, int64_t time) {
    at_time = time;
    roots = std::move(read);
    for (const auto& root : roots)
      roots_by_name[X509_subject_name_hash(root.get())].push_back(root.get());
  }

  // Intermediates by subject; a vector is read under its accessor, so one bucket is locked.
  tbb::concurrent_hash_map<NameHash, std::vector<CertificatePtr>> learned_by_name;
  tbb::concurrent_hash_map<Digest, bool, DigestHashCompare> learned;
  std::atomic<size_t> learned_count = 0;
  std::atomic<uint64_t> generation = 0;  // counts intermediates learned

  struct Cached {
    Trust trust;
    uint64_t generation;
    int64_t verified_at;
  };
  // Sixty-four locks for a handful of threads: two of them seldom meet.
  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<Digest, Cached, DigestHash> entries;
    // Chains that learn() has looked at, and when: at which generation.
    std::unordered_map<Digest, uint64_t, DigestHash> looked_at;
  };
  std::array<Shard, 64> cache;

  Shard& shard_of(const Digest& key) { return cache[key.back() % cache.size()]; }

  std::vector<CertificatePtr> learned_with(NameHash subject) const {
    std::vector<CertificatePtr> found;
    decltype(learned_by_name)::const_accessor accessor;
    if (learned_by_name.find(accessor, subject))
      for (const auto& certificate : accessor->second) found.push_back(share(certificate.get()));
    return found;
  }

  Trust verify(X509* leaf, std::span<const CertificatePtr> own) const;
};

namespace {

// The search of one leaf's paths; see the head of this file.
template <typename State>
class PathSearch {
 public:
  PathSearch(const State& state, std::span<const CertificatePtr> own) : state_(state), own_(own) {}

  Trust run(X509* leaf) {
    path_.push_back(leaf);
    extend();
    if (trust_.reason == TrustReason::unknown_issuer && X509_self_signed(leaf, 1) == 1)
      trust_.reason = TrustReason::self_signed;
    ERR_clear_error();
    return trust_;
  }

 private:
  bool over() const {
    return trust_.trusted || attempts_ >= path_attempts_max || steps_ >= search_steps_max;
  }

  void extend() {
    ++steps_;
    X509* const tip = path_.back();
    const NameHash issuer = X509_issuer_name_hash(tip);
    if (const auto named = state_.roots_by_name.find(issuer); named != state_.roots_by_name.end())
      attempt(tip, named->second);
    if (path_.size() > issuers_max) return;
    for (const auto& certificate : own_) step(certificate.get());
    if (over()) return;
    for (const auto& certificate : state_.learned_with(issuer)) step(certificate.get());
  }

  void step(X509* candidate) {
    if (over() || X509_check_issued(candidate, path_.back()) != X509_V_OK) return;
    if (X509_get_extension_flags(candidate) & EXFLAG_SS) return;  // a root, or it leads nowhere
    for (const X509* earlier : path_)
      if (X509_cmp(earlier, candidate) == 0) return;
    path_.push_back(candidate);
    extend();
    path_.pop_back();
  }

  void attempt(X509* tip, std::span<X509* const> named) {
    std::vector<X509*> roots;
    for (X509* root : named)
      if (X509_check_issued(root, tip) == X509_V_OK) roots.push_back(root);
    if (roots.empty() || over()) return;
    ++attempts_;
    const int error = verify_path(path_, roots, state_.at_time, false);
    if (error == X509_V_OK) {
      trust_ = {.trusted = true, .anchored = true, .reason = TrustReason::trusted};
    } else if (verify_path(path_, roots, state_.at_time, true) == X509_V_OK && !trust_.anchored) {
      trust_ = {.trusted = false, .anchored = true, .reason = reason_of(error)};
    }
  }

  const State& state_;
  std::span<const CertificatePtr> own_;
  std::vector<X509*> path_;
  Trust trust_{.trusted = false, .anchored = false, .reason = TrustReason::unknown_issuer};
  int attempts_ = 0, steps_ = 0;
};

// What stands behind the leaf, as far as it can be read.
std::vector<CertificatePtr> read_issuers(std::span<const std::span<const uint8_t>> chain) {
  std::vector<CertificatePtr> issuers;
  for (size_t i = 1; i < std::min(chain.size(), limits::chain_certificates); ++i)
    if (auto certificate = parse_certificate(chain[i])) issuers.push_back(std::move(certificate));
  return issuers;
}

}  // namespace

Trust TrustStore::State::verify(X509* leaf, std::span<const CertificatePtr> own) const {
  return PathSearch<State>(*this, own).run(leaf);
}

TrustStore::TrustStore(const std::string& root_file, int64_t at_time)
    : state_(std::make_unique<State>()) {
  const std::string& file = root_file.empty() ? system_root_file : root_file;
  state_->take_roots(read_roots(BIO_new_file(file.c_str(), "r"), file), at_time);
}

TrustStore::TrustStore(Pem roots, int64_t at_time) : state_(std::make_unique<State>()) {
  state_->take_roots(
      read_roots(BIO_new_mem_buf(roots.text.data(), static_cast<int>(roots.text.size())), "memory"),
      at_time);
}

TrustStore::~TrustStore() = default;

Trust TrustStore::verify(std::span<const std::span<const uint8_t>> chain) {
  if (chain.empty()) return {};
  const Digest key = digest_of(chain);
  State::Shard& shard = state_->shard_of(key);
  const int64_t now = std::time(nullptr);
  // Read before the search: what is learned meanwhile makes the result old.
  const uint64_t generation = state_->generation.load(std::memory_order_acquire);
  {
    const std::lock_guard lock{shard.mutex};
    if (const auto found = shard.entries.find(key); found != shard.entries.end()) {
      const State::Cached& cached = found->second;
      const bool may_lead_somewhere_now =
          cached.trust.reason == TrustReason::unknown_issuer && cached.generation != generation;
      const bool old = state_->at_time == 0 && now - cached.verified_at >= cached_seconds;
      if (!may_lead_somewhere_now && !old) return cached.trust;
    }
  }
  Trust trust;
  if (const CertificatePtr leaf = parse_certificate(chain[0]))
    trust = state_->verify(leaf.get(), read_issuers(chain));
  const std::lock_guard lock{shard.mutex};
  // Emptied rather than trimmed: forged leaves never come again, those that matter soon do.
  if (shard.entries.size() >= limits::cached_chains / state_->cache.size()) shard.entries.clear();
  shard.entries[key] = {.trust = trust, .generation = generation, .verified_at = now};
  return trust;
}

void TrustStore::learn(std::span<const std::span<const uint8_t>> chain) {
  if (chain.size() < 2) return;
  // The same chain again teaches nothing, unless something else has been learned since.
  const Digest key = digest_of(chain);
  State::Shard& shard = state_->shard_of(key);
  const uint64_t generation = state_->generation.load(std::memory_order_acquire);
  {
    const std::lock_guard lock{shard.mutex};
    const auto found = shard.looked_at.find(key);
    if (found != shard.looked_at.end() && found->second == generation) return;
  }
  const std::vector<CertificatePtr> issuers = read_issuers(chain);
  for (const auto& certificate : issuers) {
    if (X509_check_ca(certificate.get()) != 1) continue;
    if (X509_get_extension_flags(certificate.get()) & EXFLAG_SS) continue;
    uint8_t* der = nullptr;
    const int bytes = i2d_X509(certificate.get(), &der);
    if (bytes <= 0) continue;
    const Digest digest = sha256({der, static_cast<size_t>(bytes)});
    OPENSSL_free(der);
    {
      // Waits for a thread that is about to learn it: what comes next may need it.
      decltype(state_->learned)::const_accessor known;
      if (state_->learned.find(known, digest)) continue;
    }
    if (state_->learned_count.load() >= limits::learned_intermediates) return;
    if (!state_->verify(certificate.get(), issuers).anchored) continue;
    decltype(state_->learned)::accessor learning;
    if (!state_->learned.insert(learning, {digest, true})) continue;  // another thread was faster
    state_->learned_count.fetch_add(1);
    {
      decltype(state_->learned_by_name)::accessor accessor;
      state_->learned_by_name.insert(accessor, X509_subject_name_hash(certificate.get()));
      accessor->second.push_back(share(certificate.get()));
    }
    state_->generation.fetch_add(1, std::memory_order_release);
  }
  ERR_clear_error();
  // Only now, or another thread would go on without what this one is about to learn.
  const std::lock_guard lock{shard.mutex};
  if (shard.looked_at.size() >= limits::cached_chains / state_->cache.size())
    shard.looked_at.clear();
  shard.looked_at[key] = generation;
}

size_t TrustStore::root_count() const {
  return state_->roots.size();
}
size_t TrustStore::learned_count() const {
  return state_->learned_count.load();
}

}  // namespace steppe
