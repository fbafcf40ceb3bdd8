// SPDX-License-Identifier: Apache-2.0
// The stages of a campaign, in order. Each reads what the one before it left in the round, asks its
// questions in passes, and leaves its answers in the round and in the store; so each can be
// stopped, killed, and gone on with.
#include "engine/campaign.h"

#include <openssl/rand.h>

#include <filesystem>
#include <stdexcept>

#include "engine/memory_plan.h"
#include "engine/plan/operator_error.h"
#include "engine/stages.h"

namespace steppe {
namespace {

// What must be the same for a round to be gone on with.
std::string plan_digest(const CampaignConfig& config) {
  std::string text = std::to_string(config.target_port) + "/" + std::to_string(config.shards) +
                     "/" + std::to_string(config.shard) + "/" + std::to_string(config.max_targets) +
                     "/" + std::to_string(config.hellos.size());
  for (const HelloDescription& hello : config.hellos) text += "/" + std::string(hello.name);
  for (const AddressRange& range : config.targets.targets.ranges())
    text += "/" + std::to_string(range.first) + "-" + std::to_string(range.last);
  for (uint32_t column = config.names.controls; column < config.names.columns(); ++column)
    text += "/" + config.names.names[column];
  return hex(sha256({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
}

// What the keys of TLS 1.3 are made of: random, and in a run that is to be repeatable of its seed.
std::array<uint8_t, 32> scan_secret(const CampaignConfig& config) {
  std::array<uint8_t, 32> secret;
  if (config.clock->stepped()) {
    const std::string text = "keys/" + std::to_string(config.seed);
    return sha256({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
  if (RAND_bytes(secret.data(), static_cast<int>(secret.size())) != 1)
    throw std::runtime_error("no random bytes for the keys of a scan");
  return secret;
}

// The round to work on: the unfinished one with --resume, else a new one. Writes nothing.
RoundRecord choose_round(const Store* store, const CampaignConfig& config) {
  const auto latest = store == nullptr ? std::nullopt : store->latest_round();
  const bool unfinished = latest && latest->stage != Stage::done;
  if (config.trace.alone) {
    if (!latest) throw OperatorError(config.database + " has no round to trace: scan first");
    if (stage_order(latest->stage) < stage_order(Stage::trace))
      throw OperatorError("round " + std::to_string(latest->round) + " in " + config.database +
                          " is unfinished: end it with steppe scan --resume first");
    return *latest;
  }
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
  round.started_ms = config.clock->unix_ms();
  round.vantage = config.vantage;
  for (const HelloDescription& hello : config.hellos) round.hellos.emplace_back(hello.name);
  round.seed = config.seed;
  round.names = config.names.names;
  round.controls = config.names.controls;
  round.plan_digest = plan_digest(config);
  round.port = config.target_port;
  return round;
}

}  // namespace

Campaign::Campaign(const CampaignConfig& config, const std::atomic<int>& stop,
                   const std::function<void(const CampaignStatus&)>& on_status)
    : config_(config),
      operator_stop_(stop),
      on_status_(on_status),
      begun_s_(config.clock->elapsed_s()),
      trust_(config.root_pem.empty()
                 ? TrustStore(config.root_cas, config.clock->fixed_unix_s())
                 : TrustStore(TrustStore::Pem{config.root_pem}, config.clock->fixed_unix_s())),
      keys_(scan_secret(config)),
      names_(config.names) {
  for (const HelloDescription& hello : config.hellos) hellos_.emplace_back(hello, keys_.shares());
  // Look before touching: an operator's mistake must leave no trace.
  if (std::filesystem::exists(config.database + "/CURRENT")) {
    const Store store(config.database, Store::Mode::read);
    chosen_ = choose_round(&store, config);
  } else {
    chosen_ = choose_round(nullptr, config);
  }
  names_.names = chosen_.names;
  names_.controls = chosen_.controls;
  ports_ = std::make_unique<Ports>(
      config.ports, Route{config.target_port, config.probe_ttl, config.targets.targets},
      *config.clock, config.log);
  store_ = std::make_unique<Store>(config.database, Store::Mode::write);
  round_ = std::make_unique<Round>(*store_, chosen_, config.interceptor_rule, *config.clock);
  const MemoryPlan memory =
      plan_memory(static_cast<uint32_t>(ports_->queues().size()), config.targets.targets.size(),
                  names_.columns(), config.rate_packets_per_second);
  runner_ = std::make_unique<PassRunner>(
      *ports_, config.targets.blocked, trust_, config.verdict_rules, keys_, *config.clock, stop_,
      PassRunner::Config{config.rate_packets_per_second, config.bandwidth_bits_per_second,
                         memory.flows});
  cost_before_ = cost_so_far();
}

CampaignSummary Campaign::run() {
  // Where an interrupted round goes on, and where it ends.
  const int from = stage_order(round_->record.stage);
  const auto is_due = [&](Stage stage) { return from <= stage_order(stage) && !stopping(); };
  if (from > stage_order(Stage::baseline)) load_probed_hosts(false);

  // SYN every address; each SYN-ACK is answered at once with a hello for a control name.
  if (is_due(Stage::discover)) discover();
  // Hosts whose chain a browser trusts, and whose controls agree: servers, not homes. Nobody else
  // is asked again.
  if (is_due(Stage::baseline)) baseline();
  // Every trusted host with every name.
  if (is_due(Stage::probe)) probe();
  // What was not the host's own leaf, nor a trusted one, again and again, each time between two
  // controls.
  if (is_due(Stage::confirm)) confirm();
  // Beyond this point every pair has its answer.
  if (is_due(Stage::confirm)) conclude();
  // Where on the way those answers are made that are not the hosts' own.
  if ((is_due(Stage::trace) && config_.trace.enabled) || config_.trace.alone) trace();
  if (!stopping() && !config_.trace.alone) report();

  round_->commit(true);
  note_stage_cost();
  CampaignSummary summary;
  summary.status = status();
  summary.round = round_->record;
  summary.finished = config_.trace.alone ? !stopping() : round_->record.stage == Stage::done;
  summary.runtime_over = runtime_over_;
  summary.port_description = ports_->description();
  summary.targets_total = config_.targets.targets.size();
  summary.blocked_total = config_.targets.blocked.size();
  summary.verdicts = round_->verdicts();
  summary.stages = stage_costs_;
  summary.huge_pages = ports_->huge_pages();
  for (size_t outcome = 0; outcome < packet_outcome_words.size(); ++outcome) {
    uint64_t& count = summary.packets[std::string(packet_outcome_words[outcome])];
    for (const auto& worker : runner_->figures()) count += worker->figures().packets[outcome];
  }
  return summary;
}

void Campaign::report() {
  note_stage_cost();
  round_->record.stage = Stage::done;
  round_->record.pass = 0;
  round_->record.ended_ms = config_.clock->unix_ms();
}

void Campaign::begin_stage(Stage stage) {
  note_stage_cost();
  round_->record.stage = stage;
  round_->record.pass = 0;
  round_->record.position = 0;
  round_->commit();
}

CampaignSummary run_campaign(const CampaignConfig& config, const std::atomic<int>& stop,
                             const std::function<void(const CampaignStatus&)>& on_status) {
  return Campaign(config, stop, on_status).run();
}

}  // namespace steppe
