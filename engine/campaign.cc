// SPDX-License-Identifier: Apache-2.0
// The stages of a campaign, in order. Each reads what the one before it left in the round, asks its questions in passes, and
// leaves its answers in the round and in the store; so each can be stopped, killed, and gone on with.
#include "engine/campaign.h"

#include <openssl/rand.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <filesystem>
#include <limits>
#include <mutex>

#include "engine/limits.h"
#include "engine/pass_runner.h"
#include "engine/plan/country.h"
#include "engine/plan/operator_error.h"
#include "engine/round.h"

namespace steppe {
namespace {

constexpr double no_limit = std::numeric_limits<double>::infinity();

// Between two passes over the same targets late answers are awaited only this long: what comes later
// still is asked again.
constexpr uint32_t between_passes_ms = 3000;

std::array<uint8_t, 16> random_key() {
  std::array<uint8_t, 16> key;
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1)
    throw std::runtime_error("no random bytes for the cookie's key");
  return key;
}

// What must be the same for a round to be gone on with.
std::string plan_digest(const CampaignConfig& config) {
  std::string text = std::to_string(config.target_port) + "/" + std::to_string(config.shards) +
                     "/" + std::to_string(config.shard) + "/" + std::to_string(config.max_targets) +
                     "/" + std::string(config.hello->name);
  for (const AddressRange& range : config.targets.targets.ranges())
    text += "/" + std::to_string(range.first) + "-" + std::to_string(range.last);
  for (uint32_t column = config.names.controls; column < config.names.columns(); ++column)
    text += "/" + config.names.names[column];
  return hex(sha256({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
}

// The round to work on: the unfinished one with --resume, else a new one. Writes nothing.
RoundRecord choose_round(const Store* store, const CampaignConfig& config) {
  const auto latest = store == nullptr ? std::nullopt : store->latest_round();
  const bool unfinished = latest && latest->stage != Stage::done;
  if (config.resume) {
    if (!unfinished)
      throw OperatorError(config.database + " has no unfinished round: leave out --resume");
    if (latest->plan_digest != plan_digest(config))
      throw OperatorError("round " + std::to_string(latest->round) + " in " + config.database +
                          " was begun with other targets, names, port or hello: resume it with "
                          "the same ones");
    return *latest;
  }
  if (unfinished)
    throw OperatorError("round " + std::to_string(latest->round) + " in " + config.database +
                        " is unfinished: go on with --resume, or use another --db");
  RoundRecord round;
  round.round = latest ? latest->round + 1 : 1;
  round.started_ms = unix_time_ms();
  round.vantage = config.vantage;
  round.hello = config.hello->name;
  round.seed = config.seed;
  round.names = config.names.names;
  round.controls = config.names.controls;
  round.plan_digest = plan_digest(config);
  round.port = config.target_port;
  return round;
}

class Campaign {
 public:
  Campaign(const CampaignConfig& config, const std::atomic<int>& stop,
           const std::function<void(const CampaignStatus&)>& on_status);
  CampaignSummary run();

 private:
  // A question of the baseline stage to one host.
  struct Question {
    HostRecord* host;
    HostPlan plan;
    uint32_t column;
  };
  // A confirming pass's notes on one host: what came back, until the controls on both sides have.
  struct SequenceNotes {
    std::map<uint32_t, Judgement> tests;  // by step
    std::map<uint32_t, uint32_t> controls;  // step -> ask, of controls that came back `same`
  };

  void discover();
  void baseline();
  void verify_chains();
  void ask_twice(std::vector<HostRecord*>& hosts);
  void ask_refusing(std::vector<HostRecord*>& hosts);
  void choose_probed_hosts();
  void load_probed_hosts(bool fresh);
  void probe();
  void confirm();
  void confirm_once(uint32_t try_number);
  void settle_all(bool final);
  void report();

  void begin_stage(Stage stage);
  void on_discovered(uint32_t address, const Judgement& judgement);
  void ask(std::vector<Question>& questions,
           const std::function<void(Question&, const Judgement&)>& on_answer);
  void on_probed(const Judgement& judgement);
  std::vector<std::vector<uint32_t>> unsettled_columns() const;
  void complete_tries(uint32_t host, SequenceNotes& notes,
                      const std::vector<uint32_t>& step_columns, uint32_t steps_over, bool over);
  bool run_pass(Pass& pass, std::vector<std::unique_ptr<WorkList>>& lists, double rate,
                uint32_t settle_ms, uint64_t targets, const std::function<Asked(const Observation&)>& ask,
                const std::function<void(std::vector<Judgement>&)>& write);
  Slice slice(uint32_t worker) const { return {worker, runner_->workers(), 0, 1}; }
  double polite(std::span<const uint32_t> addresses, std::span<const PairTarget> pairs) const;
  uint32_t settle_ms(bool last_pass) const;
  bool stopping() const { return stop_.load() != 0; }
  void tell_status();
  void note_position(std::chrono::steady_clock::time_point now);
  CampaignStatus status() const;
  uint64_t figure(std::atomic<uint64_t> WorkerFigures::*member) const;

  const CampaignConfig& config_;
  std::atomic<int> stop_{0};  // the operator's, or the runtime's end
  const std::atomic<int>& operator_stop_;
  const std::function<void(const CampaignStatus&)>& on_status_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  bool runtime_over_ = false;

  Country country_;
  TrustStore trust_;
  ClientHello hello_;
  RoundRecord chosen_;
  std::unique_ptr<Port> port_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Round> round_;
  std::unique_ptr<PassRunner> runner_;
  NameTable names_;
  std::map<uint32_t, HostRecord> found_;  // hosts of this round, by address

  // For the status line.
  std::mutex write_mutex_;  // judges' writer and the ticks between
  std::chrono::steady_clock::time_point told_, pass_begun_;
  uint64_t pass_answered_before_ = 0, pass_probes_before_ = 0;
  const std::vector<std::unique_ptr<WorkList>>* lists_ = nullptr;
  bool resumable_ = false;  // the pass goes by positions
  std::deque<std::pair<std::chrono::steady_clock::time_point, uint64_t>> passed_;
};

// --- Before anything is sent -----------------------------------------------------------------------

Campaign::Campaign(const CampaignConfig& config, const std::atomic<int>& stop,
                   const std::function<void(const CampaignStatus&)>& on_status)
    : config_(config),
      operator_stop_(stop),
      on_status_(on_status),
      trust_(config.root_cas),
      hello_(*config.hello),
      names_(config.names) {
  // Look before touching: an operator's mistake must leave no trace.
  if (std::filesystem::exists(config.database + "/CURRENT")) {
    const Store store(config.database, Store::Mode::read);
    chosen_ = choose_round(&store, config);
  } else {
    chosen_ = choose_round(nullptr, config);
  }
  names_.names = chosen_.names;
  names_.controls = chosen_.controls;
  port_ = std::make_unique<Port>(config.port, config.target_port, config.probe_ttl,
                                 config.targets.targets, config.log);
  store_ = std::make_unique<Store>(config.database, Store::Mode::write);
  round_ = std::make_unique<Round>(*store_, chosen_, config.interceptor_rule);
  runner_ = std::make_unique<PassRunner>(
      *port_, hello_, config.targets.blocked, trust_, config.verdict_rules, stop_,
      PassRunner::Config{config.rate_packets_per_second, config.bandwidth_bits_per_second});
}

CampaignSummary Campaign::run() {
  const Stage from = round_->record.stage;
  if (from > Stage::baseline) load_probed_hosts(false);

  // SYN every address; each SYN-ACK is answered at once with a hello for a control name.
  if (from <= Stage::discover && !stopping()) discover();
  // Hosts whose chain a browser trusts, and whose controls agree: servers, not homes. Nobody else is asked again.
  if (from <= Stage::baseline && !stopping()) baseline();
  // Every trusted host with every name.
  if (from <= Stage::probe && !stopping()) probe();
  // What was not the host's own leaf, nor a trusted one, again and again, each time between two controls.
  if (from <= Stage::confirm && !stopping()) confirm();
  // Beyond this point every pair has its answer.
  if (!stopping()) report();

  round_->commit(true);
  CampaignSummary summary;
  summary.status = status();
  summary.round = round_->record;
  summary.finished = round_->record.stage == Stage::done;
  summary.runtime_over = runtime_over_;
  summary.port_description = port_->description();
  summary.targets_total = config_.targets.targets.size();
  summary.blocked_total = config_.targets.blocked.size();
  summary.verdicts = round_->verdicts();
  for (size_t outcome = 0; outcome < packet_outcome_words.size(); ++outcome) {
    uint64_t& count = summary.packets[std::string(packet_outcome_words[outcome])];
    for (const auto& worker : runner_->figures()) count += worker->figures().packets[outcome];
  }
  return summary;
}

void Campaign::begin_stage(Stage stage) {
  round_->record.stage = stage;
  round_->record.pass = 0;
  round_->record.position = 0;
  round_->commit();
}

// --- Discover --------------------------------------------------------------------------------------

void Campaign::discover() {
  const PrefixSet& targets = config_.targets.targets;
  AnswerMap answers(targets.size());
  if (round_->record.pass == 0) begin_stage(Stage::discover);
  // A round that is gone on with: hosts that have answered are not asked again.
  store_->for_each_host([&](const HostRecord& host) {
    if (host.round == round_->record.round) found_[host.address] = host;
    return true;
  });
  for (const auto& [address, status] : store_->discovered(round_->record.round))
    if (const auto rank = targets.rank(address)) {
      answers.claim(*rank);
      answers.finish(*rank, false);
    }

  for (uint32_t turn = round_->record.pass; turn < config_.probes && !stopping(); ++turn) {
    const bool last = turn + 1 == config_.probes;
    round_->record.pass = turn;
    resumable_ = true;
    Pass pass{.cookie = Cookie(random_key(), config_.port.source_port_first,
                               config_.port.source_port_count),
              .addresses = targets,
              .names = names_,
              .hosts = {},
              .answers = answers,
              .variants = 1,
              .answers_at = {},
              .step_columns = {},
              .report_unopened = false};
    std::vector<std::unique_ptr<WorkList>> lists;
    for (uint32_t worker = 0; worker < runner_->workers(); ++worker)
      lists.push_back(std::make_unique<AddressSweep>(
          targets, answers, round_->record.seed,
          Slice{worker, runner_->workers(), config_.shard, config_.shards},
          round_->record.position, config_.max_targets));
    // The busiest /24 has 256 addresses, or all; the busiest AS is not known before hosts are.
    const double rate =
        polite_rate(config_.probes_per_subnet_per_second,
                    std::min<uint64_t>(256, targets.size()), targets.size());
    const bool whole = run_pass(
        pass, lists, rate, settle_ms(last), UINT64_MAX,
        [&](const Observation& observation) {
          (void)observation;
          return Asked{.server_name = names_.names[0]};
        },
        [&](std::vector<Judgement>& judgements) {
          for (const Judgement& judgement : judgements) {
            const uint32_t address = targets.address(judgement.observation.host);
            on_discovered(address, judgement);
          }
        });
    if (!whole) return;
    round_->record.position = 0;
    // A connection that broke off may have been bad luck.
    if (!last)
      for (const auto& [address, host] : found_)
        if (host.status == HostStatus::timeout || host.status == HostStatus::reset ||
            host.status == HostStatus::closed)
          if (const auto rank = targets.rank(address)) answers.forget(*rank);
  }
}

void Campaign::on_discovered(uint32_t address, const Judgement& judgement) {
  HostRecord& host = found_[address];
  host.address = address;
  host.port = config_.target_port;
  host.round = round_->record.round;
  host.as_number = country_.as_number(address);
  host.last_seen_ms = judgement.observation.time_ms;
  if (host.first_seen_ms == 0) host.first_seen_ms = host.last_seen_ms;
  host.tls_version = judgement.tls_version;
  host.cipher_suite = judgement.cipher_suite;
  host.reason.clear();
  constexpr uint8_t protocol_version = 70;  // RFC 5246 7.2.2
  switch (judgement.verdict) {
    case Verdict::alert:
      host.status = judgement.observation.detail == protocol_version ? HostStatus::needs_tls13
                                                                     : HostStatus::rejects_names;
      host.refusal = Verdict::alert;
      host.refusal_detail = judgement.observation.detail;
      break;
    case Verdict::reset:
      host.status = HostStatus::reset;
      host.refusal = Verdict::reset;
      break;
    case Verdict::closed:
      host.status = HostStatus::closed;
      host.refusal = Verdict::closed;
      break;
    case Verdict::not_tls:
      host.status = HostStatus::not_tls;
      break;
    case Verdict::timeout:
    case Verdict::unreachable:
      host.status = HostStatus::timeout;
      break;
    default:  // a certificate; what it is worth is the next stage's question
      host.status = HostStatus::unknown;
      host.refusal = Verdict::none;
      host.subject = judgement.facts.subject;
      host.issuer = judgement.facts.issuer;
      round_->put_chain(judgement.chain, host.baseline);
      break;
  }
  round_->put_host(host);
  // A broken connection is asked again in the next pass, also after a restart.
  if (host.status != HostStatus::timeout && host.status != HostStatus::reset &&
      host.status != HostStatus::closed)
    round_->put_discovered(address, host.status);
}

// --- Baseline and trust ----------------------------------------------------------------------------

void Campaign::baseline() {
  begin_stage(Stage::baseline);
  if (found_.empty())
    store_->for_each_host([&](const HostRecord& host) {
      if (host.round == round_->record.round) found_[host.address] = host;
      return true;
    });
  verify_chains();
  std::vector<HostRecord*> verified, refusing;
  for (auto& [address, host] : found_) {
    if (host.refusal == Verdict::none && host.status == HostStatus::trusted)
      verified.push_back(&host);
    if (host.refusal != Verdict::none && host.status != HostStatus::needs_tls13)
      refusing.push_back(&host);
  }
  ask_twice(verified);
  if (!stopping()) ask_refusing(refusing);
  if (!stopping()) choose_probed_hosts();
}

// After all of discovery, when every intermediate that any host sent has been learned.
void Campaign::verify_chains() {
  for (auto& [address, host] : found_) {
    const Chain chain = round_->load_chain(host.baseline);
    trust_.learn(spans_of(chain));
  }
  for (auto& [address, host] : found_) {
    if (host.baseline.empty() || host.refusal != Verdict::none) continue;
    const Trust trust = trust_.verify(spans_of(round_->load_chain(host.baseline)));
    host.status = trust.trusted ? HostStatus::trusted : HostStatus::untrusted;
    host.reason = trust.trusted ? "" : to_string(trust.reason);
    round_->put_host(host);
  }
}

// The second control: only a host that shows the same leaf again has a baseline (METHOD 3.1).
void Campaign::ask_twice(std::vector<HostRecord*>& hosts) {
  std::vector<Chain> chains(hosts.size());
  std::vector<Question> questions;
  for (size_t i = 0; i < hosts.size(); ++i) {
    chains[i] = round_->load_chain(hosts[i]->baseline);
    questions.push_back({hosts[i], {.baseline_leaf = chains[i].front(), .own_name = {}}, 1});
    hosts[i]->status = HostStatus::unstable;
    hosts[i]->reason = "the second control was not answered";
  }
  ask(questions, [](Question& question, const Judgement& judgement) {
    const bool same = judgement.verdict == Verdict::same;
    question.host->status = same ? HostStatus::trusted : HostStatus::unstable;
    question.host->reason =
        same ? "" : "the second control brought: " + std::string(to_string(judgement.verdict));
  });
  for (HostRecord* host : hosts) round_->put_host(*host);
}

// Hosts that refuse an unknown name: first without one, then with their own (METHOD 3.1).
void Campaign::ask_refusing(std::vector<HostRecord*>& hosts) {
  std::vector<Question> questions;
  std::map<HostRecord*, Chain> chains;
  const auto remember = [&](Question& question, const Judgement& judgement) {
    if (judgement.observation.ending != Ending::certificate) return;
    HostRecord& host = *question.host;
    host.status = judgement.trust.trusted ? HostStatus::trusted : HostStatus::untrusted;
    host.reason = judgement.trust.trusted ? "" : to_string(judgement.trust.reason);
    host.subject = judgement.facts.subject;
    host.issuer = judgement.facts.issuer;
    host.tls_version = judgement.tls_version;
    host.cipher_suite = judgement.cipher_suite;
    host.control_mode = ControlMode::no_name;
    host.own_name.clear();
    for (const std::string& name : judgement.facts.dns_names)
      if (host.own_name.empty() && is_host_name(name)) host.own_name = name;
    round_->put_chain(judgement.chain, host.baseline);
    chains[&host] = judgement.chain;
  };
  for (HostRecord* host : hosts)
    questions.push_back({host, {.baseline_leaf = {}, .own_control = true, .own_name = {}}, 0});
  ask(questions, remember);

  // The second control: its own name, where the certificate tells one; where that fails, no name again.
  const auto ask_again = [&](bool with_own_name) {
    std::vector<Question> again;
    for (HostRecord* host : hosts)
      if (host->status == HostStatus::trusted && !chains[host].empty() &&
          (!with_own_name || !host->own_name.empty()))
        again.push_back({host,
                         {.baseline_leaf = chains[host].front(),
                          .own_control = true,
                          .own_name = with_own_name ? host->own_name : std::string()},
                         1});
    std::vector<HostRecord*> agreed;
    ask(again, [&](Question& question, const Judgement& judgement) {
      if (judgement.verdict != Verdict::same) return;
      question.host->control_mode =
          with_own_name ? ControlMode::own_name : ControlMode::no_name;
      agreed.push_back(question.host);
    });
    return agreed;
  };
  std::vector<HostRecord*> stable = ask_again(true);
  for (HostRecord* host : stable) chains.erase(host);
  if (!stopping())
    for (HostRecord* host : ask_again(false)) stable.push_back(host);
  for (HostRecord* host : hosts) {
    if (host->status == HostStatus::trusted && std::ranges::find(stable, host) == stable.end()) {
      host->status = HostStatus::unstable;
      host->reason = "asked again it did not show the same leaf";
    }
    if (host->control_mode == ControlMode::no_name) host->own_name.clear();
    round_->put_host(*host);
  }
}

// Asks each question, those without a conclusive answer again, up to `probes` times in all.
void Campaign::ask(std::vector<Question>& questions,
                   const std::function<void(Question&, const Judgement&)>& on_answer) {
  if (questions.empty()) return;
  std::ranges::sort(questions, {}, [](const Question& question) { return question.host->address; });
  PrefixSet addresses;
  std::vector<uint32_t> address_list;
  std::vector<HostPlan> plans;
  std::vector<PairTarget> pairs;
  for (const Question& question : questions) {
    addresses.add(AddressRange{question.host->address, question.host->address});
    address_list.push_back(question.host->address);
    plans.push_back(question.plan);
    pairs.push_back({static_cast<uint32_t>(pairs.size()), question.column});
  }
  addresses.freeze();
  AnswerMap answers(questions.size() * names_.columns());
  for (uint32_t turn = 0; turn < config_.probes && !pairs.empty() && !stopping(); ++turn) {
    std::vector<PairTarget> inconclusive;
    Pass pass{.cookie = Cookie(random_key(), config_.port.source_port_first,
                               config_.port.source_port_count),
              .addresses = addresses,
              .names = names_,
              .hosts = plans,
              .answers = answers,
              .variants = names_.columns(),
              .answers_at = {},
              .step_columns = {}};
    std::vector<std::unique_ptr<WorkList>> lists;
    for (uint32_t worker = 0; worker < runner_->workers(); ++worker)
      lists.push_back(std::make_unique<PairList>(address_list, pairs, names_.columns(), answers,
                                                 round_->record.seed + turn, slice(worker)));
    const bool last = turn + 1 == config_.probes;
    const bool whole = run_pass(
        pass, lists, polite(address_list, pairs), settle_ms(last), pairs.size(),
        [&](const Observation& observation) {
          return Asked{.server_name = pass.server_name(observation.host, observation.variant)};
        },
        [&](std::vector<Judgement>& judgements) {
          for (const Judgement& judgement : judgements) {
            on_answer(questions[judgement.observation.host], judgement);
            const bool broken = judgement.verdict == Verdict::timeout ||
                                judgement.verdict == Verdict::reset ||
                                judgement.verdict == Verdict::closed;
            if (broken)
              inconclusive.push_back(
                  {judgement.observation.host, judgement.observation.variant});
          }
        });
    if (!whole) return;
    for (const PairTarget& pair : pairs)
      if (answers.get(uint64_t{pair.host} * names_.columns() + pair.variant) == Answer::none)
        inconclusive.push_back(pair);
    for (const PairTarget& pair : inconclusive)
      answers.forget(uint64_t{pair.host} * names_.columns() + pair.variant);
    pairs = std::move(inconclusive);
  }
}

void Campaign::choose_probed_hosts() {
  load_probed_hosts(true);
  // Both controls of the baseline are pairs like any other, and have their answer.
  for (uint32_t host = 0; host < round_->hosts().size(); ++host)
    for (uint32_t control = 0; control < 2; ++control)
      round_->answered_same(host, control, round_->hosts()[host].record.last_seen_ms);
  round_->end_discovery();
}

void Campaign::load_probed_hosts(bool fresh) {
  std::vector<ProbedHost> probed;
  const auto add = [&](const HostRecord& host) {
    ProbedHost one{.record = host, .chain = round_->load_chain(host.baseline), .facts = {}};
    if (one.chain.empty()) return;
    one.facts = read_chain(spans_of(one.chain));
    one.stable = host.status == HostStatus::trusted;
    probed.push_back(std::move(one));
  };
  if (fresh) {
    for (const auto& [address, host] : found_)
      if (host.status == HostStatus::trusted) add(host);
  } else {
    store_->for_each_host([&](const HostRecord& host) {
      if (host.round == round_->record.round) found_[host.address] = host;
      return true;
    });
    for (const uint32_t address : chosen_.hosts)
      if (const auto host = found_.find(address); host != found_.end()) add(host->second);
  }
  round_->set_hosts(std::move(probed), fresh);
}

// --- Probe -----------------------------------------------------------------------------------------

void Campaign::probe() {
  if (round_->record.stage != Stage::probe) begin_stage(Stage::probe);
  const uint32_t columns = round_->columns();
  const auto hosts = static_cast<uint32_t>(round_->hosts().size());
  AnswerMap answers(uint64_t{hosts} * columns);
  const auto open_pairs = [&] {
    std::vector<PairTarget> open;
    for (uint32_t host = 0; host < hosts; ++host)
      for (uint32_t column = 0; column < columns; ++column)
        if (round_->matrix().get(host, column).verdict == Verdict::none)
          open.push_back({host, column});
    return open;
  };
  for (uint32_t host = 0; host < hosts; ++host)
    for (uint32_t column = 0; column < columns; ++column)
      if (round_->matrix().get(host, column).verdict != Verdict::none) {
        answers.claim(uint64_t{host} * columns + column);
        answers.finish(uint64_t{host} * columns + column, false);
      }

  for (uint32_t turn = round_->record.pass; turn < config_.probes && !stopping(); ++turn) {
    round_->record.pass = turn;
    // The first pass is the dense one, in sweeps; those after it ask what has not answered.
    const std::vector<PairTarget> open = turn == 0 ? std::vector<PairTarget>{} : open_pairs();
    const uint64_t targets = turn == 0 ? round_->matrix().histogram()[0] : open.size();
    if (targets == 0) break;
    resumable_ = turn == 0;
    Pass pass{.cookie = Cookie(random_key(), config_.port.source_port_first,
                               config_.port.source_port_count),
              .addresses = round_->address_set(),
              .names = names_,
              .hosts = round_->plans(),
              .answers = answers,
              .variants = columns,
              .answers_at = {},
              .step_columns = {}};
    std::vector<std::unique_ptr<WorkList>> lists;
    for (uint32_t worker = 0; worker < runner_->workers(); ++worker)
      if (turn == 0)
        lists.push_back(std::make_unique<PairSweep>(round_->addresses(), columns, names_.controls,
                                                    answers, round_->record.seed, slice(worker),
                                                    round_->record.position));
      else
        lists.push_back(std::make_unique<PairList>(round_->addresses(), open, columns, answers,
                                                   round_->record.seed + turn, slice(worker)));
    const bool last = turn + 1 == config_.probes;
    const bool whole = run_pass(
        pass, lists, polite(round_->addresses(), open), settle_ms(last), targets,
        [&](const Observation& observation) {
          const ProbedHost& host = round_->hosts()[observation.host];
          return Asked{.server_name = pass.server_name(observation.host, observation.variant),
                       .baseline = &host.chain,
                       .baseline_facts = &host.facts};
        },
        [&](std::vector<Judgement>& judgements) {
          for (const Judgement& judgement : judgements) on_probed(judgement);
        });
    if (!whole) return;
    round_->record.position = 0;
  }
  if (stopping()) return;
  // What answered no SYN at all has had its first try.
  for (const PairTarget& pair : open_pairs()) round_->add_silent_try(pair.host, pair.variant, {});
}

void Campaign::on_probed(const Judgement& judgement) {
  const uint32_t host = judgement.observation.host;
  const uint32_t column = judgement.observation.variant;
  if (judgement.verdict == Verdict::same) {
    round_->answered_same(host, column, judgement.observation.time_ms);
  } else if (!names_.is_control(column) && round_->is_refusal(host, judgement)) {
    round_->settle_refusal(host, column, judgement);
  } else {
    round_->add_try(host, column, judgement, {});
    // A leaf that a browser trusts needs no second look.
    if (judgement.verdict == Verdict::genuine) round_->settle_pair(host, column, false);
  }
}

// --- Confirm ---------------------------------------------------------------------------------------

void Campaign::confirm() {
  begin_stage(Stage::confirm);
  for (uint32_t try_number = 2; try_number <= limits::tries && !stopping(); ++try_number) {
    round_->record.pass = try_number - 2;
    confirm_once(try_number);
    if (!stopping()) settle_all(try_number == limits::tries);
    round_->commit();
  }
}

// By host: the columns that are not settled.
std::vector<std::vector<uint32_t>> Campaign::unsettled_columns() const {
  std::vector<std::vector<uint32_t>> columns(round_->hosts().size());
  for (uint32_t host = 0; host < columns.size(); ++host)
    for (uint32_t column = 0; column < round_->columns(); ++column)
      if (!round_->matrix().get(host, column).settled) columns[host].push_back(column);
  return columns;
}

// One more try at every pair that is not settled and has fewer than `try_number` of them: control, test, control, test, ...,
// control for each host, hosts side by side.
void Campaign::confirm_once(uint32_t try_number) {
  const auto unsettled = unsettled_columns();
  const auto hosts = static_cast<uint32_t>(unsettled.size());
  std::vector<uint64_t> answers_at(hosts + 1, 0);
  std::vector<uint32_t> step_columns;
  std::vector<std::vector<Sequence>> shares(runner_->workers());
  uint32_t sequences = 0, variants = 1;
  for (uint32_t host = 0; host < hosts; ++host) {
    answers_at[host] = step_columns.size() * asks_per_step;
    std::vector<uint32_t> tests;
    for (const uint32_t column : unsettled[host])
      if (round_->tries(host, column) < try_number && round_->hosts()[host].stable &&
          tests.size() < sequence_steps / 2)
        tests.push_back(column);
    if (tests.empty()) continue;
    const auto steps = static_cast<uint32_t>(tests.size() * 2 + 1);
    for (uint32_t step = 0; step < steps; ++step) {
      // Controls take turns; one that is itself the question is not its own control.
      uint32_t control = (step / 2 + try_number) % names_.controls;
      const uint32_t before = step == 0 ? UINT32_MAX : tests[(step - 1) / 2];
      const uint32_t after = step / 2 < tests.size() ? tests[step / 2] : UINT32_MAX;
      for (uint32_t turn = 0;
           turn < names_.controls && (control == before || control == after); ++turn)
        control = (control + 1) % names_.controls;
      step_columns.push_back(step % 2 == 0 ? control : tests[step / 2]);
    }
    shares[sequences++ % shares.size()].push_back(
        {host, round_->addresses()[host], steps, answers_at[host]});
    variants = std::max(variants, steps * asks_per_step);
  }
  answers_at[hosts] = step_columns.size() * asks_per_step;
  if (sequences == 0) return;

  AnswerMap answers(answers_at[hosts]);
  Pass pass{.cookie = Cookie(random_key(), config_.port.source_port_first,
                             config_.port.source_port_count),
            .addresses = round_->address_set(),
            .names = names_,
            .hosts = round_->plans(),
            .answers = answers,
            .variants = variants,
            .answers_at = answers_at,
            .step_columns = step_columns};
  const double spacing_s =
      config_.pairs_per_host_per_second > 0 ? 1 / config_.pairs_per_host_per_second : 0;
  const SequenceLimits limits{
      .probes = config_.probes,
      .probe_interval_ms = 1000,
      .answer_wait_ms = std::min<int64_t>(between_passes_ms, settle_ms(true)),
      .pause_ms = static_cast<int64_t>(config_.stateful_wait_s * 1000),
      .spacing_ms = static_cast<int64_t>(std::ceil(spacing_s * 1000))};
  std::vector<std::unique_ptr<WorkList>> lists;
  for (auto& share : shares)
    lists.push_back(std::make_unique<SequenceList>(std::move(share), answers, limits));

  const auto columns_of = [&](uint32_t host) {
    return std::vector<uint32_t>(
        step_columns.begin() + static_cast<ptrdiff_t>(answers_at[host] / asks_per_step),
        step_columns.begin() + static_cast<ptrdiff_t>(answers_at[host + 1] / asks_per_step));
  };
  std::map<uint32_t, SequenceNotes> notes;
  const bool whole = run_pass(
      pass, lists, polite(round_->addresses(), {}), 0, UINT64_MAX,
      [&](const Observation& observation) {
        const ProbedHost& host = round_->hosts()[observation.host];
        return Asked{.server_name = pass.server_name(observation.host, observation.variant),
                     .baseline = &host.chain,
                     .baseline_facts = &host.facts};
      },
      [&](std::vector<Judgement>& judgements) {
        for (Judgement& judgement : judgements) {
          const uint32_t host = judgement.observation.host;
          const uint32_t step = judgement.observation.variant / asks_per_step;
          SequenceNotes& noted = notes[host];
          if (step % 2 != 0)
            noted.tests[step] = std::move(judgement);
          else if (judgement.verdict == Verdict::same)
            noted.controls[step] = judgement.observation.variant % asks_per_step;
          complete_tries(host, noted, columns_of(host), 0, false);
        }
      });
  // What no later answer completed: tests without any answer, and those behind which the controls failed.
  for (const auto& list : lists) {
    const auto& share = static_cast<const SequenceList&>(*list);
    for (size_t i = 0; i < share.sequences().size(); ++i) {
      const uint32_t host = share.sequences()[i].host;
      if (whole || share.state(i) != SequenceState::going)
        complete_tries(host, notes[host], columns_of(host), share.steps_over(i), true);
      if (share.state(i) == SequenceState::dropped) round_->drop_host(host);
    }
  }
}

// Turns noted tests into tries, once the controls on both sides have come back, or never will (`over`). steps_over: steps
// that were asked and are over, for tests that no packet answered.
void Campaign::complete_tries(uint32_t host, SequenceNotes& notes,
                              const std::vector<uint32_t>& step_columns, uint32_t steps_over,
                              bool over) {
  if (over)
    for (uint32_t step = 1; step < steps_over; step += 2) {
      if (notes.tests.contains(step) || notes.controls.contains(step)) continue;
      const auto after = notes.controls.find(step + 1);
      round_->add_silent_try(host, step_columns[step],
                             {.controls_before_and_after = after != notes.controls.end(),
                              .stateful = after != notes.controls.end() &&
                                          after->second >= asks_per_step / 2});
    }
  for (auto test = notes.tests.begin(); test != notes.tests.end();) {
    const uint32_t step = test->first;
    const auto after = notes.controls.find(step + 1);
    const bool before = notes.controls.contains(step - 1);
    if (!over && (!before || after == notes.controls.end())) {
      ++test;
      continue;
    }
    const bool both = before && after != notes.controls.end();
    round_->add_try(host, step_columns[step], test->second,
                    {.controls_before_and_after = both,
                     .stateful = both && after->second >= asks_per_step / 2});
    // Remembered, so that the end of the pass does not take it for a test without an answer.
    notes.controls.emplace(step, 0);
    test = notes.tests.erase(test);
  }
}

// Draws what conclusions the tries allow. Controls first: a host whose controls turn out to differ is not judged.
void Campaign::settle_all(bool final) {
  const std::lock_guard lock(write_mutex_);
  const auto unsettled = unsettled_columns();
  for (const bool controls : {true, false})
    for (uint32_t host = 0; host < unsettled.size(); ++host)
      for (const uint32_t column : unsettled[host]) {
        if (names_.is_control(column) != controls) continue;
        const bool settled =
            round_->settle_pair(host, column, final || !round_->hosts()[host].stable);
        const Verdict verdict = round_->matrix().get(host, column).verdict;
        if (controls && settled && verdict != Verdict::same && verdict != Verdict::genuine)
          round_->mark_unstable(host);
      }
  round_->commit_if_due();
}

void Campaign::report() {
  settle_all(true);
  round_->put_interceptors();
  round_->record.stage = Stage::done;
  round_->record.pass = 0;
  round_->record.ended_ms = unix_time_ms();
}

// --- Passes ----------------------------------------------------------------------------------------

uint32_t Campaign::settle_ms(bool last_pass) const {
  const auto cooldown_ms = static_cast<uint32_t>(config_.cooldown_s * 1000);
  return last_pass ? cooldown_ms : std::min(cooldown_ms, between_passes_ms);
}

// The rate at which no host, /24 or AS gets more than the operator allows, on average over the pass: a permuted order spreads each
// group's targets evenly. pairs: what is asked; empty: every host equally often.
double Campaign::polite(std::span<const uint32_t> addresses,
                        std::span<const PairTarget> pairs) const {
  std::map<uint32_t, uint64_t> hosts, subnets, systems;
  const auto count = [&](uint32_t host) {
    const uint32_t address = addresses[host];
    ++hosts[address];
    ++subnets[address >> 8];
    const auto found = found_.find(address);
    if (found != found_.end() && found->second.as_number != 0) ++systems[found->second.as_number];
  };
  if (pairs.empty())
    for (uint32_t host = 0; host < addresses.size(); ++host) count(host);
  else
    for (const PairTarget& pair : pairs) count(pair.host);
  const auto busiest = [](const std::map<uint32_t, uint64_t>& groups) {
    uint64_t most = 0;
    for (const auto& [group, members] : groups) most = std::max(most, members);
    return most;
  };
  const uint64_t total = pairs.empty() ? addresses.size() : pairs.size();
  return std::min({polite_rate(config_.pairs_per_host_per_second, busiest(hosts), total),
                   polite_rate(config_.probes_per_subnet_per_second, busiest(subnets), total),
                   polite_rate(config_.probes_per_as_per_second, busiest(systems), total)});
}

bool Campaign::run_pass(Pass& pass, std::vector<std::unique_ptr<WorkList>>& lists, double rate,
                        uint32_t settle_ms, uint64_t targets,
                        const std::function<Asked(const Observation&)>& ask,
                        const std::function<void(std::vector<Judgement>&)>& write) {
  pass_begun_ = std::chrono::steady_clock::now();
  pass_answered_before_ = figure(&WorkerFigures::answered);
  pass_probes_before_ = figure(&WorkerFigures::probes);
  lists_ = &lists;
  passed_.clear();
  // The judges' writer and the ticks come from different threads.
  const auto locked_write = [&](std::vector<Judgement>& judgements) {
    const std::lock_guard lock(write_mutex_);
    write(judgements);
    round_->commit_if_due();
    tell_status();
  };
  const auto tick = [&] {
    const std::lock_guard lock(write_mutex_);
    round_->commit_if_due();
    tell_status();
  };
  bool whole = false;
  try {
    whole = runner_->run({pass, lists, rate, settle_ms, targets, ask, locked_write, tick});
  } catch (...) {
    lists_ = nullptr;
    round_->commit();
    throw;
  }
  lists_ = nullptr;
  resumable_ = false;
  round_->commit();
  return whole;
}

uint64_t Campaign::figure(std::atomic<uint64_t> WorkerFigures::*member) const {
  uint64_t sum = 0;
  for (const auto& worker : runner_->figures()) sum += worker->figures().*member;
  return sum;
}

void Campaign::tell_status() {
  const auto now = std::chrono::steady_clock::now();
  const double runtime_s = std::chrono::duration<double>(now - begun_).count();
  if (operator_stop_.load() > stop_.load()) stop_.store(operator_stop_.load());
  if (config_.max_runtime_s > 0 && runtime_s >= config_.max_runtime_s && stop_.load() == 0) {
    runtime_over_ = true;
    stop_.store(1);
  }
  if (now - told_ < std::chrono::seconds(1)) return;
  told_ = now;
  note_position(now);
  if (on_status_) on_status_(status());
}

// Where a pass is gone on with after a kill: at what was sent so long ago that an answer would have come. What came since
// is in the store, and is skipped.
void Campaign::note_position(std::chrono::steady_clock::time_point now) {
  if (!resumable_ || lists_ == nullptr) return;
  uint64_t position = UINT64_MAX;
  for (const auto& worker : runner_->figures())
    position = std::min(position, worker->figures().position.load());
  // A worker's figures are the last pass's until it has begun with this one.
  if (now - pass_begun_ > std::chrono::seconds(1)) passed_.emplace_back(now, position);
  const auto answered_until = now - std::chrono::milliseconds(settle_ms(true));
  while (!passed_.empty() && passed_.front().first < answered_until) {
    round_->record.position = passed_.front().second;
    passed_.pop_front();
  }
}

CampaignStatus Campaign::status() const {
  using seconds = std::chrono::duration<double>;
  const auto now = std::chrono::steady_clock::now();
  CampaignStatus status;
  status.stage = round_->record.stage;
  status.pass = round_->record.pass + 1;
  status.elapsed_s = seconds(now - begun_).count();
  if (lists_ != nullptr) {
    double done = 0, all = 0;
    bool exhausted = true;
    for (size_t i = 0; i < lists_->size(); ++i) {
      const double positions = static_cast<double>((*lists_)[i]->positions());
      done += std::min(positions, static_cast<double>(
                                      runner_->figures()[i]->figures().position.load()));
      all += positions;
      exhausted = exhausted && done >= all;
    }
    status.stage_share = all > 0 ? done / all : 1;
    const double spent_s = seconds(now - pass_begun_).count();
    if (status.stage_share > 0)
      status.stage_left_s = spent_s * (1 - status.stage_share) / status.stage_share;
    status.cooling_down = exhausted;
  }
  status.targets = figure(&WorkerFigures::probes) - pass_probes_before_;
  status.answered = figure(&WorkerFigures::answered) - pass_answered_before_;
  status.sent = figure(&WorkerFigures::sent);
  status.received = figure(&WorkerFigures::received);
  status.probes_sent = figure(&WorkerFigures::probes);
  status.dropped = port_->dropped() + figure(&WorkerFigures::transmit_dropped);
  status.in_flight = figure(&WorkerFigures::open);
  status.hosts = found_.size();
  status.trusted = round_->hosts().size();
  status.pairs = uint64_t{round_->hosts().size()} * round_->record.names.size();
  status.settled = round_->settled_pairs();
  status.injected = round_->interfered_pairs();
  return status;
}

}  // namespace

CampaignSummary run_campaign(const CampaignConfig& config, const std::atomic<int>& stop,
                             const std::function<void(const CampaignStatus&)>& on_status) {
  return Campaign(config, stop, on_status).run();
}

void dry_run(const CampaignConfig& config, std::FILE* out) {
  const PrefixSet& targets = config.targets.targets;
  const AnswerMap answers(targets.size());
  // The key of a real scan is random; here it is the seed's, so that the same command prints the same.
  std::array<uint8_t, 16> key{};
  for (size_t i = 0; i < 8; ++i) key[i] = static_cast<uint8_t>(config.seed >> 8 * i);
  const Cookie cookie(key, config.port.source_port_first, config.port.source_port_count);
  AddressSweep sweep(targets, answers, config.seed, {0, 1, config.shard, config.shards}, 0,
                     config.max_targets);
  std::fputs("saddr,sport,daddr,dport,seqnum,server_name\n", out);
  std::array<Target, limits::burst> burst;
  while (const uint32_t taken = sweep.take(burst, 0))
    for (uint32_t i = 0; i < taken; ++i) {
      const auto [address, variant] = burst[i];
      const uint16_t port = cookie.source_port(address, variant);
      std::fprintf(out, "%s,%u,%s,%u,%u,%s\n",
                   config.port.source_address
                       ? format_address(*config.port.source_address).c_str()
                       : "",
                   port, format_address(address).c_str(), config.target_port,
                   cookie.sequence(address, port, variant), config.names.names[variant].c_str());
    }
}

}  // namespace steppe
