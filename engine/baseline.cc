// SPDX-License-Identifier: Apache-2.0
// Stages 1 and 2: whose chain a browser trusts, and whose controls agree. Only these hosts are
// probed.
#include <algorithm>
#include <set>

#include "engine/stages.h"

namespace steppe {

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
    if (host.refusal != Verdict::none && host.status != HostStatus::needs_tls13 &&
        host.status != HostStatus::refuses_tls)
      refusing.push_back(&host);
  }
  ask_twice(verified);
  if (!stopping()) ask_refusing(refusing);
  if (!stopping()) choose_probed_hosts();
}

// After all of discovery, when every intermediate that any host sent has been learned.
void Campaign::verify_chains() {
  // Homes share their routers' certificates: each chain is looked at once.
  std::map<std::vector<Digest>, std::vector<HostRecord*>> hosts_of;
  for (auto& [address, host] : found_)
    if (!host.baseline.empty()) hosts_of[host.baseline].push_back(&host);
  for (const auto& [digests, hosts] : hosts_of) trust_.learn(spans_of(round_->load_chain(digests)));
  for (const auto& [digests, hosts] : hosts_of) {
    const Trust trust = trust_.verify(spans_of(round_->load_chain(digests)));
    for (HostRecord* host : hosts) {
      if (host->refusal != Verdict::none) continue;
      host->status = trust.trusted ? HostStatus::trusted : HostStatus::untrusted;
      host->reason = trust.trusted ? "" : to_string(trust.reason);
      round_->put_host(*host);
    }
  }
}

// The second control: only a host that shows the same leaf again has a baseline (METHOD 3.1).
void Campaign::ask_twice(std::vector<HostRecord*>& hosts) {
  std::vector<Chain> chains(hosts.size());
  std::vector<Question> questions;
  for (size_t i = 0; i < hosts.size(); ++i) {
    chains[i] = round_->load_chain(hosts[i]->baseline);
    questions.push_back(
        {hosts[i],
         {.baseline_leaf = chains[i].front(), .own_name = {}, .hello = hello_of(*hosts[i])},
         1});
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
  std::map<HostRecord*, KnownChainPtr> chains;
  std::vector<HostRecord*> other_hello;  // probed with another than they refused
  const auto remember = [&](Question& question, const Judgement& judgement) {
    if (judgement.observation.ending != Ending::certificate) return;
    HostRecord& host = *question.host;
    if (hello_of(host) != question.plan.hello) other_hello.push_back(&host);
    host.status = judgement.trust.trusted ? HostStatus::trusted : HostStatus::untrusted;
    host.reason = judgement.trust.trusted ? "" : to_string(judgement.trust.reason);
    host.subject = judgement.chain->facts.subject;
    host.issuer = judgement.chain->facts.issuer;
    host.hello = hellos_[question.plan.hello].name();
    note_server_hello(host, judgement);
    host.control_mode = ControlMode::no_name;
    host.own_name.clear();
    for (const std::string& name : judgement.chain->facts.dns_names)
      if (host.own_name.empty() && is_host_name(name)) host.own_name = name;
    round_->put_chain(*judgement.chain, host.baseline);
    chains[&host] = judgement.chain;
  };
  for (HostRecord* host : hosts)
    questions.push_back(
        {host,
         {.baseline_leaf = {}, .own_control = true, .own_name = {}, .hello = hello_of(*host)},
         0});
  ask(questions, remember);
  // Some look at the name before they look at the version, and refuse that one next.
  std::vector<Question> second;
  for (Question& question : questions)
    if (hellos_.size() > 1 && question.plan.hello == 0 && !chains.contains(question.host) &&
        question.host->refusal == Verdict::alert) {
      second.push_back(question);
      second.back().plan.hello = 1;
    }
  if (!stopping()) ask(second, remember);
  if (!stopping()) learn_refusals(other_hello);

  // The second control: its own name, where the certificate tells one; where that fails, no name
  // again.
  const auto ask_again = [&](bool with_own_name) {
    std::vector<Question> again;
    for (HostRecord* host : hosts)
      if (host->status == HostStatus::trusted && chains[host] != nullptr &&
          (!with_own_name || !host->own_name.empty()))
        again.push_back({host,
                         {.baseline_leaf = chains[host]->leaf(),
                          .own_control = true,
                          .own_name = with_own_name ? host->own_name : std::string(),
                          .hello = hello_of(*host)},
                         1});
    std::vector<HostRecord*> agreed;
    ask(again, [&](Question& question, const Judgement& judgement) {
      if (judgement.verdict != Verdict::same) return;
      question.host->control_mode = with_own_name ? ControlMode::own_name : ControlMode::no_name;
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

// How a host refuses unknown names says something only under the hello that its tests get.
void Campaign::learn_refusals(std::span<HostRecord* const> hosts) {
  std::vector<Question> questions;
  for (HostRecord* host : hosts) {
    host->refusal = Verdict::none;
    host->refusal_detail = 0;
    questions.push_back({host, {.baseline_leaf = {}, .own_name = {}, .hello = hello_of(*host)}, 0});
  }
  std::set<const HostRecord*> answered;
  ask(questions, [&](Question& question, const Judgement& judgement) {
    const Verdict verdict = judgement.verdict;
    const bool refuses =
        verdict == Verdict::alert || verdict == Verdict::closed || verdict == Verdict::reset;
    if (!refuses && judgement.observation.ending != Ending::certificate) return;
    answered.insert(question.host);
    question.host->refusal = refuses ? verdict : Verdict::none;
    question.host->refusal_detail =
        verdict == Verdict::alert ? judgement.observation.detail : uint8_t{0};
  });
  for (HostRecord* host : hosts)
    if (!answered.contains(host) && host->status == HostStatus::trusted) {
      host->status = HostStatus::unstable;
      host->reason = "what it does with unknown names could not be learned";
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
    Pass pass = new_pass(addresses, plans, answers, names_.columns());
    std::vector<std::unique_ptr<WorkList>> lists;
    for (uint32_t worker = 0; worker < runner_->workers(); ++worker)
      lists.push_back(std::make_unique<PairList>(address_list, pairs, names_.columns(), answers,
                                                 round_->record.seed + turn, slice(worker)));
    const bool last = turn + 1 == config_.probes;
    const bool whole = run_pass(
        pass, lists, polite(address_list, pairs), settle_ms(last), pairs.size(),
        [&](const Observation& observation) { return asked(pass, observation); },
        [&](std::vector<Judgement>& judgements) {
          for (const Judgement& judgement : judgements) {
            on_answer(questions[judgement.observation.host], judgement);
            const bool broken =
                judgement.verdict == Verdict::timeout || judgement.verdict == Verdict::reset ||
                judgement.verdict == Verdict::closed || judgement.verdict == Verdict::unreachable;
            if (broken && questions[judgement.observation.host].insists)
              inconclusive.push_back({judgement.observation.host, judgement.observation.variant});
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
    const Chain chain = round_->load_chain(host.baseline);
    if (chain.empty()) return;
    probed.push_back({.record = host,
                      .baseline = runner_->chains().read(spans_of(chain)),
                      .stable = host.status == HostStatus::trusted});
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

}  // namespace steppe
