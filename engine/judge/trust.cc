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
// Signatures are most of the cost (RSA-2048 15 us, P-256 50), and all but the leaf's are the same
// for thousands of leaves. So it is remembered which issuers' signatures hold. OpenSSL builds and
// checks each path as ever; only its last step, where signatures and times are looked at, is asked
// whether all of that is known to be good, and done as ever if it is not. So nothing but a good
// path gets any faster, and all that is said against one is OpenSSL's own.
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
#include <unordered_map>

#include "engine/judge/certificate.h"
#include "engine/judge/evidence.h"
#include "engine/judge/kept.h"
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

struct DigestHashCompare {
  // A SHA-256 digest is its own hash.
  static size_t hash(const Digest& digest) {
    size_t value;
    std::memcpy(&value, digest.data(), sizeof value);
    return value;
  }
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

// Names are hashed in their canonical form, to 32 bits: equal names meet, and
// X509_check_issued() tells the others apart.
using NameHash = unsigned long;

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

IssuerPtr root_of(CertificatePtr x509) {
  KnownCertificate certificate;
  if (X509_digest(x509.get(), EVP_sha256(), certificate.digest.data(), nullptr) != 1)
    throw std::bad_alloc();
  return std::make_shared<const Issuer>(
      std::make_shared<const KnownCertificate>(std::move(certificate)), std::move(x509));
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
  // Fetched once: EVP_sha256() is looked up by its name each time.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  Digest digest;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, algorithm, nullptr) != 1)
    throw std::bad_alloc();
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
  std::vector<IssuerPtr> roots;
  std::unordered_map<NameHash, std::vector<const Issuer*>> roots_by_name;
  int64_t at_time = 0;

  void take_roots(std::vector<CertificatePtr> read, int64_t time) {
    at_time = time;
    for (CertificatePtr& root : read) {
      roots.push_back(root_of(std::move(root)));
      roots_by_name[roots.back()->subject_hash].push_back(roots.back().get());
    }
  }

  // Intermediates by subject; a vector is read under its accessor, so one bucket is locked.
  tbb::concurrent_hash_map<NameHash, std::vector<IssuerPtr>> learned_by_name;
  tbb::concurrent_hash_map<Digest, bool, DigestHashCompare> learned;
  std::atomic<size_t> learned_count = 0;
  std::atomic<uint64_t> generation = 0;  // counts intermediates learned

  Kept<Issuer> issuers{limits::cached_issuers};

  // That the one's key verifies the other's signature.
  struct Link {
    Digest issuer, subject;
  };
  mutable Kept<Link> links{limits::cached_issuers};

  std::vector<IssuerPtr> learned_with(NameHash subject) const {
    decltype(learned_by_name)::const_accessor accessor;
    if (learned_by_name.find(accessor, subject)) return accessor->second;
    return {};
  }

  bool holds(const Issuer& issuer, const Issuer& subject) const;
  IssuerPtr issuer(Bytes der);
  void learn(std::span<const IssuerPtr> behind);
};

// Whether the issuer's key verifies the subject's signature. Remembered if it does: what does not
// is nobody's habit.
bool TrustStore::State::holds(const Issuer& issuer, const Issuer& subject) const {
  const Link link{issuer.certificate->digest, subject.certificate->digest};
  const uint64_t hash =
      DigestHashCompare::hash(link.issuer) * 31 + DigestHashCompare::hash(link.subject);
  const auto known = links.find(hash);
  if (known && known->issuer == link.issuer && known->subject == link.subject) return true;
  if (!verifies(subject.x509.get(), issuer.x509.get())) return false;
  links.keep(hash, std::make_shared<const Link>(link));
  return true;
}

IssuerPtr TrustStore::State::issuer(Bytes der) {
  const uint64_t hash = hash_of(der);
  auto known = issuers.find(hash);
  if (known && std::ranges::equal(known->certificate->der, der)) return known;
  known = std::make_shared<const Issuer>(as_known(der), parse_certificate(der));
  if (der.size() <= limits::cached_chain_bytes) issuers.keep(hash, known);
  return known;
}

namespace {

// A certificate whose trust is asked for.
struct Tip {
  X509* x509;
  // Who is known to have signed it; null: not known.
  const Issuer* signer = nullptr;
  // If it is one of those that stand behind leaves.
  const Issuer* issuer = nullptr;
};

// The search of one certificate's paths; see the head of this file.
template <typename State>
class PathSearch {
 public:
  PathSearch(const State& state, const Tip& tip, std::span<const IssuerPtr> own)
      : state_(state), tip_(tip), own_(own) {}

  Trust run() {
    path_.reserve(issuers_max + 1);
    issuers_.reserve(issuers_max);
    path_.push_back(tip_.x509);
    extend();
    if (trust_.reason == TrustReason::unknown_issuer && X509_self_signed(tip_.x509, 1) == 1)
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
    X509* const last = path_.back();
    const NameHash issuer = issuer_hash();
    if (const auto named = state_.roots_by_name.find(issuer); named != state_.roots_by_name.end())
      attempt(last, named->second);
    if (path_.size() > issuers_max) return;
    for (const auto& certificate : own_) step(certificate.get());
    if (over()) return;
    for (const auto& certificate : state_.learned_with(issuer)) {
      learned_.push_back(certificate);
      step(certificate.get());
    }
  }

  // Of the path's last. A hash of a name is a microsecond; who has signed the tip has that name,
  // most of the time.
  NameHash issuer_hash() const {
    if (!issuers_.empty()) return issuers_.back()->issuer_hash;
    return tip_.signer != nullptr && tip_.signer->has_name(X509_get_issuer_name(tip_.x509))
               ? tip_.signer->subject_hash
               : X509_issuer_name_hash(tip_.x509);
  }

  void step(const Issuer* candidate) {
    X509* const x509 = candidate->x509.get();
    if (x509 == nullptr || over() || X509_check_issued(x509, path_.back()) != X509_V_OK) return;
    if (X509_get_extension_flags(x509) & EXFLAG_SS) return;  // a root, or it leads nowhere
    for (const X509* earlier : path_)
      if (X509_cmp(earlier, x509) == 0) return;
    path_.push_back(x509);
    issuers_.push_back(candidate);
    extend();
    issuers_.pop_back();
    path_.pop_back();
  }

  void attempt(X509* last, std::span<const Issuer* const> named) {
    roots_.clear();
    for (const Issuer* root : named)
      if (X509_check_issued(root->x509.get(), last) == X509_V_OK) roots_.push_back(root);
    if (roots_.empty() || over()) return;
    ++attempts_;
    const int error = verify_path(false);
    if (error == X509_V_OK) {
      trust_ = {.trusted = true, .anchored = true, .reason = TrustReason::trusted};
    } else if (verify_path(true) == X509_V_OK && !trust_.anchored) {
      trust_ = {.trusted = false, .anchored = true, .reason = reason_of(error)};
    }
  }

  // X509_V_OK, or OpenSSL's objection to this path. relaxed: whether there is a path at all.
  int verify_path(bool relaxed) {
    std::vector<X509*> roots;
    for (const Issuer* root : roots_) roots.push_back(root->x509.get());
    const Stack untrusted = stack_of(std::span(path_).subspan(1)), trusted = stack_of(roots);
    const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context{
        X509_STORE_CTX_new(), X509_STORE_CTX_free};
    if (!context || X509_STORE_CTX_init(context.get(), nullptr, path_[0], untrusted.get()) != 1)
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
      X509_VERIFY_PARAM_set_time(param, static_cast<time_t>(now_s_));
    }
    relaxed_ = relaxed;
    openssl_verify_ = X509_STORE_CTX_get_verify(context.get());
    X509_STORE_CTX_set_app_data(context.get(), this);
    X509_STORE_CTX_set_verify(context.get(), [](X509_STORE_CTX* built) {
      auto& search = *static_cast<PathSearch*>(X509_STORE_CTX_get_app_data(built));
      return search.is_known_good(built) ? 1 : search.openssl_verify_(built);
    });
    const int verified = X509_verify_cert(context.get());
    const int error = X509_STORE_CTX_get_error(context.get());
    ERR_clear_error();
    if (verified == 1) return X509_V_OK;
    return error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
  }

  // Whether all signatures of the path that OpenSSL has built hold, and all times are good: what
  // its last step looks at (X509_STORE_set_verify(3)). False also for whatever is not usual.
  bool is_known_good(X509_STORE_CTX* built) const {
    STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(built);
    const int length = sk_X509_num(chain);
    if (length < 2) return false;
    for (int i = 0; i < length; ++i) {
      X509* const subject = sk_X509_value(chain, i);
      if (!relaxed_ && !is_in_time(subject)) return false;
      // The last one is a root, whose own signature says nothing; it must be its own issuer,
      // though.
      X509* const issuer = i + 1 < length ? sk_X509_value(chain, i + 1) : subject;
      if (X509_check_issued(issuer, subject) != X509_V_OK) return false;
      if (issuer != subject && !holds(issuer, subject)) return false;
    }
    return true;
  }

  bool is_in_time(const X509* certificate) const {
    const Issuer* const issuer = find(certificate);
    return issuer != nullptr ? issuer->is_in_time(now_s_) : steppe::is_in_time(certificate, now_s_);
  }

  bool holds(X509* issuer, X509* subject) const {
    const Issuer* const by = find(issuer);
    if (by == nullptr) return false;
    if (by == tip_.signer && subject == tip_.x509) return true;
    const Issuer* const of = subject == tip_.x509 ? tip_.issuer : find(subject);
    return of != nullptr ? state_.holds(*by, *of) : verifies(subject, issuer);
  }

  const Issuer* find(const X509* certificate) const {
    for (const auto* list : {&issuers_, &roots_})
      for (const Issuer* one : *list)
        if (one->x509.get() == certificate) return one;
    return nullptr;
  }

  const State& state_;
  const Tip tip_;
  const std::span<const IssuerPtr> own_;
  std::vector<X509*> path_;
  std::vector<const Issuer*> issuers_;  // of the path: all but the tip
  std::vector<const Issuer*> roots_;    // that may be behind it
  std::vector<IssuerPtr> learned_;      // keeps them
  Trust trust_{.trusted = false, .anchored = false, .reason = TrustReason::unknown_issuer};
  int attempts_ = 0, steps_ = 0;
  const int64_t now_s_ = state_.at_time != 0 ? state_.at_time : std::time(nullptr);
  bool relaxed_ = false;
  X509_STORE_CTX_verify_fn openssl_verify_ = nullptr;
};

// What is remembered of a chain's trust, in one word: 1 bit that there is something, 2 and 3 of
// trust, 20 of its generation (which the learned certificates bound), 38 of Unix seconds.
static_assert(limits::learned_intermediates < 1 << 20);
struct Remembered {
  Trust trust;
  uint64_t generation;
  int64_t verified_at;

  uint64_t packed() const {
    return uint64_t{1} | uint64_t{trust.trusted} << 1 | uint64_t{trust.anchored} << 2 |
           static_cast<uint64_t>(trust.reason) << 3 | generation << 6 |
           static_cast<uint64_t>(verified_at) << 26;
  }
  static Remembered from(uint64_t word) {
    return {.trust = {.trusted = (word >> 1 & 1) != 0,
                      .anchored = (word >> 2 & 1) != 0,
                      .reason = static_cast<TrustReason>(word >> 3 & 7)},
            .generation = word >> 6 & 0xfffff,
            .verified_at = static_cast<int64_t>(word >> 26)};
  }
};

}  // namespace

void TrustStore::State::learn(std::span<const IssuerPtr> behind) {
  for (const auto& issuer : behind) {
    if (!issuer->may_help) continue;
    const Digest& digest = issuer->certificate->digest;
    {
      // Waits for a thread that is about to learn it: what comes next may need it.
      decltype(learned)::const_accessor known;
      if (learned.find(known, digest)) continue;
    }
    if (learned_count.load() >= limits::learned_intermediates) return;
    const Tip tip{.x509 = issuer->x509.get(), .issuer = issuer.get()};
    if (!PathSearch<State>(*this, tip, behind).run().anchored) continue;
    decltype(learned)::accessor learning;
    if (!learned.insert(learning, {digest, true})) continue;  // another was faster
    learned_count.fetch_add(1);
    {
      decltype(learned_by_name)::accessor accessor;
      learned_by_name.insert(accessor, issuer->subject_hash);
      accessor->second.push_back(issuer);
    }
    generation.fetch_add(1, std::memory_order_release);
  }
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

TrustStore::Issuers TrustStore::issuers(std::span<const Bytes> chain) {
  Issuers issuers;
  for (size_t i = 1; i < std::min(chain.size(), limits::chain_certificates); ++i)
    issuers.push_back(state_->issuer(chain[i]));
  return issuers;
}

Trust TrustStore::verify(TrustMemo& memo, const Parts& parts) {
  const bool passes = state_->at_time == 0;
  const int64_t now = passes ? std::time(nullptr) : 0;
  // Read before the search: what is learned meanwhile makes the result old.
  const uint64_t generation = state_->generation.load(std::memory_order_acquire);
  if (const uint64_t word = memo.verified.load(std::memory_order_relaxed); word != 0) {
    const Remembered known = Remembered::from(word);
    const bool may_lead_somewhere_now =
        known.trust.reason == TrustReason::unknown_issuer && known.generation != generation;
    const bool old = passes && now - known.verified_at >= cached_seconds;
    if (!may_lead_somewhere_now && !old) return known.trust;
  }
  const ChainParts& chain = parts();
  Trust trust;
  if (X509* const leaf = chain.leaf.x509.get())
    trust = PathSearch<State>(*state_, {.x509 = leaf, .signer = chain.issuer.get()}, chain.issuers)
                .run();
  const Remembered found{.trust = trust, .generation = generation, .verified_at = now};
  memo.verified.store(found.packed(), std::memory_order_relaxed);
  return trust;
}

void TrustStore::learn(TrustMemo& memo, const std::function<Issuers()>& issuers) {
  // The same chain again teaches nothing, unless something else has been learned since.
  const uint64_t generation = state_->generation.load(std::memory_order_acquire);
  if (memo.looked_at.load(std::memory_order_acquire) == generation + 1) return;
  state_->learn(issuers());
  // Only now, or another thread would go on without what this one is about to learn.
  memo.looked_at.store(generation + 1, std::memory_order_release);
}

Trust TrustStore::verify(std::span<const Bytes> chain) {
  const CertificatePtr leaf = chain.empty() ? nullptr : parse_leaf(chain[0]);
  if (!leaf) return {};
  return PathSearch<State>(*state_, {.x509 = leaf.get()}, issuers(chain)).run();
}

void TrustStore::learn(std::span<const Bytes> chain) {
  state_->learn(issuers(chain));
}

size_t TrustStore::root_count() const {
  return state_->roots.size();
}
size_t TrustStore::learned_count() const {
  return state_->learned_count.load();
}

}  // namespace steppe
