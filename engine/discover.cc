// SPDX-License-Identifier: Apache-2.0
// Stage 1: every address, and the certificate of every TLS host among them, in one connection.
#include <algorithm>

#include "engine/stages.h"

namespace steppe {
namespace {

// Whether an answer to the other hello says more of a host that refused one than that refusal did.
bool says_more(const HostRecord& host, const Judgement& judgement, bool second_hello) {
  if (judgement.observation.ending == Ending::certificate) return true;
  // That the first hello is refused is no news of a host that has heard the second.
  if (!second_hello) return false;
  const uint8_t detail = judgement.observation.detail;
  const bool disliked_version =
      host.refusal == Verdict::alert && host.refusal_detail == detail::protocol_version;
  switch (judgement.verdict) {
    case Verdict::alert:
      return disliked_version || host.refusal != Verdict::alert || detail != host.refusal_detail;
    // If the version was what it did not like, whatever it does now is about the name.
    case Verdict::closed:
      return disliked_version;
    case Verdict::reset:
      return disliked_version && detail != detail::syn_refused;
    default:
      return false;
  }
}

}  // namespace

void Campaign::discover() {
  const PrefixSet& targets = config_.targets.targets;
  AnswerMap answers(targets.size());
  round_->commit();
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

  const std::vector<uint32_t> remembered = second_hello_hosts();
  const uint64_t busiest_as = config_.probes_per_as_per_second > 0 ? busiest_as_addresses() : 0;
  for (uint32_t turn = round_->record.pass; turn < config_.probes && !stopping(); ++turn) {
    const bool last = turn + 1 == config_.probes;
    round_->record.pass = turn;
    resumable_ = true;
    Pass pass = new_pass(targets, {}, answers, 1);
    pass.second_hello_hosts = remembered;
    pass.expects_answers = false;
    pass.report_unopened = false;
    std::vector<std::unique_ptr<WorkList>> lists;
    for (uint32_t worker = 0; worker < runner_->workers(); ++worker) {
      Slice part = slice(worker);
      part.shard = config_.shard;
      part.shards = config_.shards;
      lists.push_back(std::make_unique<AddressSweep>(targets, answers, round_->record.seed, part,
                                                     round_->record.position, config_.max_targets));
    }
    const double rate =
        std::min(polite_rate(config_.probes_per_subnet_per_second,
                             std::min<uint64_t>(256, targets.size()), targets.size()),
                 polite_rate(config_.probes_per_as_per_second, busiest_as, targets.size()));
    const bool whole = run_pass(
        pass, lists, rate, settle_ms(last), UINT64_MAX,
        [&](const Observation& observation) { return asked(pass, observation); },
        [&](std::vector<Judgement>& judgements) {
          for (const Judgement& judgement : judgements) {
            const uint32_t host = judgement.observation.host;
            on_discovered(targets.address(host), judgement, pass.hello(host));
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
  if (!stopping()) ask_with_other_hello();
}

// Hosts that showed a certificate to the second hello alone, in an earlier round that began with
// the first as this one does.
std::vector<uint32_t> Campaign::second_hello_hosts() const {
  std::vector<uint32_t> hosts;
  if (hellos_.size() < 2) return hosts;
  std::set<uint32_t> like_this;
  for (const RoundRecord& round : store_->rounds())
    if (round.hellos == round_->record.hellos) like_this.insert(round.round);
  store_->for_each_host([&](const HostRecord& host) {
    const auto rank = config_.targets.targets.rank(host.address);
    if (rank && host.port == config_.target_port && hello_of(host) == 1 && !host.baseline.empty() &&
        like_this.contains(host.round))
      hosts.push_back(static_cast<uint32_t>(*rank));
    return true;
  });
  std::ranges::sort(hosts);
  return hosts;
}

// Who refuses one hello may take the other. Some say with an alert that it is the version, some
// only close or reset; a name that is not known is no reason. Who was remembered to want the second
// one may have changed, and now not even answer it.
void Campaign::ask_with_other_hello() {
  if (hellos_.size() < 2) return;
  // Beyond this point a round that is gone on with need not ask every address again.
  round_->record.pass = config_.probes;
  round_->commit();
  constexpr uint8_t unrecognized_name = 112;  // RFC 6066 3
  std::vector<Question> questions;
  for (auto& [address, host] : found_) {
    const uint8_t heard = hello_of(host);
    const bool refuses =
        host.refusal != Verdict::none &&
        !(host.refusal == Verdict::alert && host.refusal_detail == unrecognized_name);
    const bool turned_away =
        heard == 1 && (host.status == HostStatus::timeout || host.status == HostStatus::not_tls);
    if (!refuses && !turned_away) continue;
    // Homes that close or reset whatever comes are not asked more often than need be.
    questions.push_back(
        {&host,
         {.baseline_leaf = {}, .own_name = {}, .hello = heard == 0 ? uint8_t{1} : uint8_t{0}},
         0,
         host.refusal == Verdict::alert || turned_away});
  }
  ask(questions, [&](Question& question, const Judgement& judgement) {
    if (says_more(*question.host, judgement, question.plan.hello == 1))
      on_discovered(question.host->address, judgement, hellos_[question.plan.hello]);
  });
}

// How many targets the AS has that has most, by /24: no route that the world sees is smaller.
uint64_t Campaign::busiest_as_addresses() const {
  std::map<uint32_t, uint64_t> addresses;
  uint64_t most = 0;
  for (const AddressRange& range : config_.targets.targets.ranges())
    for (uint64_t first = range.first; first <= range.last; first = (first | 0xff) + 1) {
      const uint64_t last = std::min<uint64_t>(range.last, first | 0xff);
      const uint32_t as_number = announcer(static_cast<uint32_t>(first));
      if (as_number == 0) continue;
      most = std::max(most, addresses[as_number] += last - first + 1);
    }
  return most;
}

void Campaign::on_discovered(uint32_t address, const Judgement& judgement,
                             const ClientHello& hello) {
  HostRecord& host = found_[address];
  // Asked again because its connection broke off; that this time it said nothing unsays nothing.
  if (judgement.verdict == Verdict::timeout && host.address != 0) return;
  host.address = address;
  host.port = config_.target_port;
  host.round = round_->record.round;
  host.as_number = announcer(address);
  host.last_seen_ms = judgement.observation.time_ms;
  if (host.first_seen_ms == 0) host.first_seen_ms = host.last_seen_ms;
  host.hello = hello.name();
  note_server_hello(host, judgement);
  host.reason.clear();
  switch (judgement.verdict) {
    case Verdict::alert:
      if (judgement.observation.detail != detail::protocol_version)
        host.status = HostStatus::rejects_names;
      else
        host.status = hello.offers_tls13() ? HostStatus::refuses_tls : HostStatus::needs_tls13;
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
      host.refusal_detail = 0;
      host.subject = judgement.chain->facts.subject;
      host.issuer = judgement.chain->facts.issuer;
      round_->put_chain(*judgement.chain, host.baseline);
      break;
  }
  round_->put_host(host);
  // A broken connection is asked again in the next pass, also after a restart.
  if (host.status != HostStatus::timeout && host.status != HostStatus::reset &&
      host.status != HostStatus::closed)
    round_->put_discovered(address, host.status);
}

}  // namespace steppe
