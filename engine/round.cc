// SPDX-License-Identifier: Apache-2.0
#include "engine/round.h"

#include <algorithm>
#include <chrono>

#include "engine/limits.h"

namespace steppe {
namespace {

// A commit costs a write to the log; once a second, or once this much has gathered, it does not
// show.
constexpr std::chrono::seconds commit_interval{1};
constexpr size_t commit_bytes = 8 << 20;

// What is encrypted has to be read to its end.
uint32_t wanted_bytes(const ProbedHost& host) {
  constexpr uint16_t tls12 = 0x0303;
  if (host.record.tls_version == 0 || host.record.tls_version > tls12) return 0;
  const uint32_t hello_bytes = host.record.server_hello_bytes == 0 ? limits::server_hello_bytes
                                                                   : host.record.server_hello_bytes;
  return static_cast<uint32_t>(limits::before_leaf_bytes + hello_bytes +
                               host.baseline->leaf().size());
}

std::string bytes_of(const Digest& digest) {
  return {digest.begin(), digest.end()};
}

}  // namespace

Round::Round(Store& store, RoundRecord begun, InterceptorRule rule, const Clock& clock)
    : record(std::move(begun)), store_(store), clock_(clock), interceptors_(rule) {}

void Round::put_discovered(uint32_t address, HostStatus status) {
  batch_.put_discovered(record.round, address, status);
}

void Round::put_chain(const KnownChain& chain, std::vector<Digest>& digests) {
  digests.clear();
  for (const auto& certificate : chain.certificates) {
    digests.push_back(certificate->digest);
    if (stored_certificates_.insert(bytes_of(certificate->digest)).second)
      batch_.put_certificate(certificate->digest, certificate->der);
  }
}

Chain Round::load_chain(const std::vector<Digest>& digests) const {
  Chain chain;
  for (const Digest& digest : digests) {
    auto certificate = store_.certificate(digest);
    if (!certificate) return {};
    chain.push_back(std::move(*certificate));
  }
  return chain;
}

void Round::set_hosts(std::vector<ProbedHost> hosts, bool fresh) {
  hosts_ = std::move(hosts);
  std::ranges::sort(hosts_, {}, [](const ProbedHost& host) { return host.record.address; });
  addresses_.clear();
  address_set_ = {};
  plans_.clear();
  for (const ProbedHost& host : hosts_) {
    addresses_.push_back(host.record.address);
    address_set_.add(AddressRange{host.record.address, host.record.address});
    plans_.push_back({.baseline_leaf = host.baseline->leaf(),
                      .own_control = host.record.control_mode != ControlMode::control_names,
                      .own_name = host.record.own_name,
                      .hello = hello_of(host.record),
                      .wanted_bytes = wanted_bytes(host)});
  }
  address_set_.freeze();
  matrix_.emplace(hosts_.size(), columns());
  record.hosts = addresses_;
  record.host_hellos.clear();
  for (const HostPlan& plan : plans_) record.host_hellos.push_back(plan.hello);
  if (fresh) batch_.put_round_hosts(record.round, addresses_, record.host_hellos);
  load_progress();
}

uint8_t Round::hello_of(const HostRecord& host) const {
  const auto found = std::ranges::find(record.hellos, host.hello);
  return found == record.hellos.end() ? uint8_t{0}
                                      : static_cast<uint8_t>(found - record.hellos.begin());
}

// What the store knows of this round's pairs, and which of them had a record in any round.
void Round::load_progress() {
  store_.load_matrix(record.round, *matrix_);
  const std::vector<uint64_t> pairs = matrix_->histogram();
  for (size_t byte = 0; byte < pairs.size(); ++byte) {
    const PairState state = PairState::from(static_cast<uint8_t>(byte));
    if (pairs[byte] == 0 || !state.settled) continue;
    settled_ += pairs[byte];
    verdicts_[static_cast<size_t>(state.verdict)] += pairs[byte];
    if (state.interference == Interference::yes) interfered_ += pairs[byte];
  }
  std::unordered_map<std::string, uint32_t> columns_by_name;
  for (uint32_t column = 0; column < columns(); ++column)
    columns_by_name.emplace(record.names[column], column);
  store_.for_each_record([&](const PairRecord& pair) {
    const auto host = address_set_.rank(pair.key.address);
    const auto column = columns_by_name.find(pair.key.server_name);
    if (!host || column == columns_by_name.end() || pair.key.port != record.port ||
        pair.key.hello != hosts_[*host].record.hello)
      return true;
    const uint64_t at = index(static_cast<uint32_t>(*host), column->second);
    matrix_->mark(*host, column->second);
    for (const TryRecord& made : pair.tries) {
      if (made.round != record.round) continue;
      tries_[at].push_back(made.outcome);
      note_sighting(static_cast<uint32_t>(*host), column->second, made);
    }
    return true;
  });
}

PairKey Round::key(uint32_t host, uint32_t column) const {
  const HostRecord& asked = hosts_[host].record;
  return {asked.address, record.port, record.names[column], asked.hello};
}

void Round::set_state(uint32_t host, uint32_t column, PairState state) {
  const PairState before = matrix_->exchange(host, column, state);
  if (before.settled) {
    --settled_;
    --verdicts_[static_cast<size_t>(before.verdict)];
    interfered_ -= before.interference == Interference::yes;
  }
  if (state.settled) {
    ++settled_;
    ++verdicts_[static_cast<size_t>(state.verdict)];
    interfered_ += state.interference == Interference::yes;
  }
}

void Round::answered_same(uint32_t host, uint32_t column, int64_t time_ms) {
  set_state(host, column,
            {.verdict = Verdict::same, .interference = Interference::no, .settled = true});
  // Most pairs end here. One that was something else in an earlier round has a history to go on
  // with.
  if (!matrix_->is_marked(host, column)) return;
  Judgement judgement;
  judgement.verdict = Verdict::same;
  judgement.observation.time_ms = time_ms;
  add_try(host, column, judgement, {});
  put_settlement(host, column,
                 {.settled = true,
                  .verdict = Verdict::same,
                  .interference = Interference::no,
                  .attempts = static_cast<uint8_t>(tries(host, column)),
                  .agreeing = 1,
                  .stateful = false},
                 std::nullopt);
}

void Round::answered_same(std::span<const Observation> observations) {
  // Their bytes are rows apart: asked for so much ahead, they are there when their turn comes.
  constexpr size_t ahead = 16;
  for (size_t i = 0; i < observations.size(); ++i) {
    if (i + ahead < observations.size())
      matrix_->prefetch(observations[i + ahead].host, observations[i + ahead].variant);
    answered_same(observations[i].host, observations[i].variant, observations[i].time_ms);
  }
}

void Round::add_try(uint32_t host, uint32_t column, const Judgement& judgement,
                    TryContext context) {
  TryRecord made;
  made.round = record.round;
  made.outcome.verdict = judgement.verdict;
  made.outcome.detail = judgement.observation.detail;
  made.outcome.controls_before_and_after = context.controls_before_and_after;
  made.outcome.stateful = context.stateful;
  made.outcome.time_ms = judgement.observation.time_ms;
  if (judgement.evidence) made.evidence = *judgement.evidence;
  if (judgement.verdict == Verdict::same) {
    made.outcome.leaf = hosts_[host].record.baseline.front();
  } else if (judgement.chain && !judgement.chain->certificates.empty()) {
    put_chain(*judgement.chain, made.chain);
    made.outcome.leaf = made.chain.front();
    made.outcome.issuer_spki = judgement.chain->facts.issuer_spki;
    made.issuer = judgement.chain->facts.issuer;
  }
  add(host, column, made);
}

void Round::add_silent_try(uint32_t host, uint32_t column, TryContext context) {
  TryRecord made;
  made.round = record.round;
  made.outcome = {.verdict = Verdict::timeout,
                  .detail = 0,
                  .controls_before_and_after = context.controls_before_and_after,
                  .stateful = context.stateful,
                  .time_ms = clock_.unix_ms(),
                  .leaf = {},
                  .issuer_spki = {}};
  add(host, column, made);
}

void Round::add(uint32_t host, uint32_t column, const TryRecord& made) {
  batch_.add_try(key(host, column), made);
  matrix_->mark(host, column);
  tries_[index(host, column)].push_back(made.outcome);
  note_sighting(host, column, made);
  const PairState state = matrix_->get(host, column);
  if (!state.settled)
    set_state(host, column,
              {.verdict = made.outcome.verdict,
               .interference = Interference::inconclusive,
               .settled = false});
}

// Untrusted leaves, by who signed them: how unknown interceptors are found.
void Round::note_sighting(uint32_t host, uint32_t column, const TryRecord& made) {
  // A public authority's leaf that has expired, or that nobody should have used so, makes nobody an
  // interceptor: its key has signed half the country.
  if (made.evidence && made.evidence->anchored) return;
  if (!made.outcome.issuer_spki ||
      (made.outcome.verdict != Verdict::injected && made.outcome.verdict != Verdict::untrusted))
    return;
  interceptors_.add(*made.outcome.issuer_spki,
                    {.host_address = hosts_[host].record.address,
                     .as_number = hosts_[host].record.as_number,
                     .baseline_leaf = hosts_[host].record.baseline.front(),
                     .control = column < record.controls,
                     .forging = made.outcome.verdict == Verdict::injected,
                     .leaf = made.outcome.leaf,
                     .server_name = record.names[column],
                     .issuer = made.issuer,
                     .time_ms = made.outcome.time_ms});
  if (made.chain.size() > 1)
    issuer_chains_.try_emplace(bytes_of(*made.outcome.issuer_spki), made.chain.begin() + 1,
                               made.chain.end());
}

size_t Round::tries(uint32_t host, uint32_t column) const {
  const auto found = tries_.find(index(host, column));
  return found == tries_.end() ? 0 : found->second.size();
}

void Round::put_settlement(uint32_t host, uint32_t column, const Settlement& settlement,
                           const std::optional<Digest>& interceptor) {
  const ProbedHost& probed = hosts_[host];
  // A pair is settled as of its last try, however late the judges came to it.
  const auto made = tries_.find(index(host, column));
  const int64_t time_ms = made == tries_.end() ? clock_.unix_ms() : made->second.back().time_ms;
  batch_.settle(key(host, column), {.round = record.round,
                                    .time_ms = time_ms,
                                    .settlement = settlement,
                                    .stable = probed.stable,
                                    .interceptor = interceptor,
                                    .vantage = record.vantage,
                                    .as_number = probed.record.as_number,
                                    .baseline = probed.record.baseline.front()});
}

bool Round::settle_pair(uint32_t host, uint32_t column, bool final) {
  const auto found = tries_.find(index(host, column));
  std::vector<Try> made;
  if (found != tries_.end()) made = found->second;
  // A key that also signs under control names is the host's own doing, however alike its leaves
  // are.
  for (Try& one : made)
    if (one.verdict == Verdict::injected && one.issuer_spki &&
        interceptors_.seen_under_control(*one.issuer_spki, hosts_[host].record.address))
      one.verdict = Verdict::untrusted;
  // The host's own way with unknown names is no failure of the way to it: an alert as it gives them
  // says that the name came through, and a reset says nothing.
  bool refused = false;
  for (Try& one : made)
    if (is_own_refusal(host, one.verdict, one.detail)) {
      refused = true;
      one.verdict = one.verdict == Verdict::alert ? Verdict::same : Verdict::none;
    }
  struct Asker {
    const Interceptors& interceptors;
    uint32_t address;
  };
  const auto is_forging = [](const Digest& spki, const void* context) {
    const auto& asker = *static_cast<const Asker*>(context);
    return asker.interceptors.is_forging(spki) &&
           !asker.interceptors.seen_under_control(spki, asker.address);
  };
  const Asker asker{interceptors_, hosts_[host].record.address};
  Settlement settlement = settle(made, final, is_forging, &asker);
  if (!settlement.settled) return false;
  if (refused && (settlement.verdict == Verdict::same || settlement.verdict == Verdict::none))
    settlement.verdict = hosts_[host].record.refusal;
  // A host whose controls do not agree is not judged (METHOD 3.1).
  if (!hosts_[host].stable && settlement.interference == Interference::yes)
    settlement.interference = Interference::inconclusive;
  std::optional<Digest> interceptor;
  if (settlement.verdict == Verdict::injected)
    for (const Try& one : made)
      if (one.issuer_spki && interceptors_.is_forging(*one.issuer_spki))
        interceptor = one.issuer_spki;
  set_state(
      host, column,
      {.verdict = settlement.verdict, .interference = settlement.interference, .settled = true});
  put_settlement(host, column, settlement, interceptor);
  return true;
}

bool Round::is_refusal(uint32_t host, uint32_t column, const Judgement& judgement) const {
  // A forged leaf under this name is not unsaid by a connection that the forger missed.
  if (const auto made = tries_.find(index(host, column)); made != tries_.end())
    for (const Try& one : made->second)
      if (one.verdict == Verdict::injected || one.verdict == Verdict::untrusted) return false;
  return is_own_refusal(host, judgement.verdict, judgement.observation.detail);
}

bool Round::is_own_refusal(uint32_t host, Verdict verdict, uint8_t detail) const {
  const HostRecord& known = hosts_[host].record;
  return known.refusal != Verdict::none && verdict == known.refusal &&
         (known.refusal != Verdict::alert || detail == known.refusal_detail);
}

void Round::settle_refusal(uint32_t host, uint32_t column, const Judgement& judgement) {
  add_try(host, column, judgement, {});
  // A box that blocks by reset does what the host does: there is no telling. An alert with the very
  // description of the host's own is none that a box would make up.
  const Settlement settlement{.settled = true,
                              .verdict = judgement.verdict,
                              .interference = judgement.verdict == Verdict::alert
                                                  ? Interference::no
                                                  : Interference::inconclusive,
                              .attempts = static_cast<uint8_t>(tries(host, column)),
                              .agreeing = static_cast<uint8_t>(tries(host, column)),
                              .stateful = false};
  set_state(
      host, column,
      {.verdict = settlement.verdict, .interference = settlement.interference, .settled = true});
  put_settlement(host, column, settlement, std::nullopt);
}

void Round::settle_unanswered(uint32_t host) {
  for (uint32_t column = 0; column < columns(); ++column)
    if (matrix_->get(host, column).verdict == Verdict::none)
      set_state(host, column,
                {.verdict = Verdict::timeout,
                 .interference = Interference::inconclusive,
                 .settled = true});
}

void Round::drop_host(uint32_t host) {
  ProbedHost& probed = hosts_[host];
  probed.stable = false;
  probed.record.status = HostStatus::dropped;
  probed.record.last_seen_ms = clock_.unix_ms();
  batch_.put_host(probed.record);
}

void Round::put_interceptors() {
  for (const Interceptor& found : interceptors_.forging()) {
    InterceptorRecord entry;
    entry.spki = found.spki;
    entry.issuer = found.issuer;
    entry.label = found.label;
    entry.hosts = found.hosts.size();
    entry.autonomous_systems = found.autonomous_systems.size();
    entry.leaves = found.leaves;
    entry.forging_leaves = found.forging_leaves;
    entry.server_names = {found.server_names.begin(), found.server_names.end()};
    entry.first_seen_ms = found.first_seen_ms;
    entry.last_seen_ms = found.last_seen_ms;
    if (const auto chain = issuer_chains_.find(bytes_of(found.spki)); chain != issuer_chains_.end())
      entry.chain = chain->second;
    for (const auto& [pair, made] : tries_)
      entry.pairs +=
          std::ranges::any_of(made, [&](const Try& one) { return one.issuer_spki == found.spki; });
    batch_.put_interceptor(entry);
  }
}

void Round::commit(bool sync) {
  record.last_checkpoint_ms = clock_.unix_ms();
  batch_.put_round(record);
  if (matrix_) batch_.put_changes(record.round, *matrix_);
  store_.commit(batch_, sync);
  committed_ = std::chrono::steady_clock::now();
}

void Round::commit_if_due() {
  if (batch_.bytes() > commit_bytes ||
      std::chrono::steady_clock::now() - committed_ >= commit_interval)
    commit();
}

}  // namespace steppe
