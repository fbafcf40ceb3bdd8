// SPDX-License-Identifier: Apache-2.0
// Stage 5: where on the way the answers are made. Each pass makes one connection on every path that
// is not done yet, all hosts side by side; judge/location.h says which, and what it means.
#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <unordered_map>
#include <utility>

#include "engine/limits.h"
#include "engine/stages.h"

namespace steppe {
namespace {

// A pair that is not injected on one path may be on another, where only some of them cross the box:
// so many are tried.
constexpr uint32_t paths_tried = 4;

// Before all the others so many pairs are traced, where there are several times as many: they tell
// on which links to look first.
constexpr size_t pilots = 64, pilots_worthwhile = 256;

// Some boxes block all between a client and a host for a while after they have answered. Who was
// cut off is asked again after a rest, one pair of a host at a time, at most so often.
constexpr uint32_t rests = 4;

// Late SYN-ACKs are awaited only this long: who was not met is asked again in the next pass.
constexpr uint32_t late_ms = 2000;
constexpr int64_t syn_interval_ms = 1000;

// What a connection sends: two hellos at most, and the sequence numbers of SYN and FIN.
constexpr uint32_t connection_bytes = 2 * limits::client_hello_bytes + 2;

// An independent path's probes are for all hops at once, so each router meets few of them.
constexpr double probes_per_sweep = 8;

SweepAnswer answer_of(const Sweep& sweep, Verdict verdict) {
  SweepAnswer answer{.connected = sweep.connected,
                     .latest_ttl = sweep.ttl.load(),
                     .answered_ttl = sweep.answered_ttl,
                     .received_ttl = sweep.answer_ttl,
                     .verdict = verdict,
                     .hops_differ = sweep.hops_differ.load(),
                     .hellos = sweep.hellos};
  for (size_t i = 0; i < answer.hops.size(); ++i) answer.hops[i] = sweep.hops[i].load();
  return answer;
}

// Of both methods: a port that a box takes over as well is nearer than the host.
PathAnswer answer_of(const PathProbes& probes) {
  PathAnswer answer;
  for (const PathMethod method : {PathMethod::echo, PathMethod::tcp})
    for (uint8_t ttl = 1; ttl <= limits::path_hops; ++ttl) {
      const Hop hop = probes.hops[path_variant(method, ttl)].load();
      if (answer.hops[ttl - 1].router == 0) answer.hops[ttl - 1] = hop;
      if (hop.unreachable != 0) break;  // it says so for every larger TTL, too
    }
  for (const PathMethod method : {PathMethod::echo, PathMethod::tcp})
    for (uint8_t ttl = 1; ttl <= limits::path_hops; ++ttl)
      if (probes.reached[path_variant(method, ttl)].load()) {
        answer.host_ttl = std::max(answer.host_ttl, ttl);
        break;
      }
  return answer;
}

}  // namespace

void Campaign::trace() {
  if (!config_.trace.alone && round_->record.stage != Stage::trace) begin_stage(Stage::trace);
  std::vector<TracePair> pairs = pairs_to_trace();
  to_trace_ = pairs.size();
  // A host's pairs have a source port each; there may be fewer of these.
  const uint32_t flows = std::max(config_.trace.flows, paths_tried) *
                         (config_.trace.mode == TraceMode::per_port ? limits::hops : 1);
  const uint32_t pairs_at_once = std::max(config_.ports.source_port_count / flows, 1u);
  std::ranges::shuffle(pairs, std::mt19937_64(config_.seed));
  std::unordered_map<uint32_t, uint32_t> pairs_of;
  std::map<uint32_t, std::vector<TracePair>> batches;
  for (TracePair& pair : pairs) {
    const bool is_pilot = pairs.size() >= pilots_worthwhile && batches[0].size() < pilots &&
                          !pairs_of.contains(pair.host);
    const uint32_t earlier = pairs_of[pair.host]++;
    batches[is_pilot ? 0 : 1 + earlier / pairs_at_once].push_back(std::move(pair));
  }
  CutOff cut_off;
  for (auto& [number, batch] : batches)
    for (size_t begin = 0; begin < batch.size(); begin += limits::traced_pairs_at_once) {
      const size_t count = std::min(limits::traced_pairs_at_once, batch.size() - begin);
      const std::span<TracePair> part = std::span(batch).subspan(begin, count);
      if (stopping() || !trace_batch(part, 0)) return;
      for (TracePair& pair : part) {
        cut_off.note(pair);
        pair.flows = {};
      }
    }
  std::vector<TracePair> left = cut_off.pairs();
  for (uint32_t rest = 0; rest < rests && !left.empty(); ++rest) {
    std::vector<TracePair> batch, later;
    std::set<uint32_t> hosts;
    for (const TracePair& pair : left)
      (hosts.insert(pair.host).second ? batch : later).push_back(pair);
    traced_ -= batch.size();
    const auto rest_ms = static_cast<int64_t>(config_.stateful_wait_s * 1000);
    if (stopping() || !trace_batch(batch, rest_ms)) return;
    left = std::move(later);
  }
}

void Campaign::CutOff::note(const TracePair& pair) {
  const Location location = pair.flows.front().course.location();
  if (location.host_ttl != 0) answering_.insert(pair.host);
  if (location.outcome == TraceOutcome::unreachable)
    unreachable_.push_back({.host = pair.host, .column = pair.column, .verdict = pair.verdict});
}

std::vector<Campaign::TracePair> Campaign::CutOff::pairs() const {
  std::vector<TracePair> cut_off;
  for (const TracePair& pair : unreachable_)
    if (answering_.contains(pair.host)) cut_off.push_back(pair);
  return cut_off;
}

// The pairs of this round with interference; without those that were traced before the
// stage was interrupted.
std::vector<Campaign::TracePair> Campaign::pairs_to_trace() const {
  const TraceConfig& trace = config_.trace;
  std::unordered_map<std::string, uint32_t> columns;
  for (uint32_t column = names_.controls; column < names_.columns(); ++column)
    columns.emplace(names_.names[column], column);
  const std::set<std::string> chosen(trace.names.begin(), trace.names.end());
  const std::vector<uint32_t>& addresses = round_->addresses();
  std::vector<TracePair> pairs;
  store_->for_each_record([&](const PairRecord& record) {
    const auto& settled = record.settlement;
    if (!settled || settled->round != round_->record.round ||
        settled->settlement.interference != Interference::yes ||
        !is_traceable(settled->settlement.verdict))
      return true;
    const auto host = std::ranges::lower_bound(addresses, record.key.address);
    const auto column = columns.find(record.key.server_name);
    if (host == addresses.end() || *host != record.key.address || column == columns.end() ||
        (!chosen.empty() && !chosen.contains(record.key.server_name)) ||
        record.key.hello !=
            round_->hosts()[static_cast<size_t>(host - addresses.begin())].record.hello ||
        !config_.targets.targets.contains(record.key.address))
      return true;
    if (!trace.alone) {
      const auto before = store_->trace(record.key);
      if (before && before->round == round_->record.round &&
          before->outcome != TraceOutcome::unreachable)
        return true;
    }
    pairs.push_back({.host = static_cast<uint32_t>(host - addresses.begin()),
                     .column = column->second,
                     .verdict = settled->settlement.verdict});
    return true;
  });
  if (trace.max_hosts == 0) return pairs;
  std::vector<uint32_t> hosts;
  for (const TracePair& pair : pairs)
    if (hosts.empty() || hosts.back() != pair.host) hosts.push_back(pair.host);
  std::ranges::shuffle(hosts, std::mt19937_64(config_.seed));
  if (hosts.size() > trace.max_hosts) hosts.resize(trace.max_hosts);
  const std::set<uint32_t> kept(hosts.begin(), hosts.end());
  std::erase_if(pairs, [&](const TracePair& pair) { return !kept.contains(pair.host); });
  return pairs;
}

// rest_ms: before the first connections. False: stopped.
bool Campaign::trace_batch(std::span<TracePair> pairs, int64_t rest_ms) {
  const TracePlan plan = plan_trace(pairs);
  const auto is_over = [](const TracePair& pair) {
    return std::ranges::all_of(pair.flows, [](const auto& flow) { return !flow.course.next(); });
  };
  const auto is_behind = [](const TracePair& pair) {
    return std::ranges::any_of(pair.flows,
                               [](const auto& flow) { return flow.course.wants_path(); });
  };
  std::vector<bool> done(pairs.size());
  while (true) {
    if (!sweep_once(pairs, plan, std::exchange(rest_ms, 0))) return false;
    size_t open = 0;
    for (size_t i = 0; i < pairs.size(); ++i) {
      TracePair& pair = pairs[i];
      if (done[i] || !is_over(pair)) {
        open += !done[i];
        continue;
      }
      // Where the name got through to the host, it may be stopped on another path.
      const Location latest = pair.flows.back().course.location();
      if (latest.outcome == TraceOutcome::not_injected && pair.flows.size() < plan.flows &&
          config_.trace.flows == 1) {
        const TraceFlow& last = pair.flows.back();
        pair.flows.push_back(
            {.slot = last.slot + 1,
             .course = TraceCourse(config_.trace.mode, static_cast<uint8_t>(config_.trace.runs),
                                   pair.verdict)});
        ++open;
        continue;
      }
      if (is_behind(pair)) continue;
      put_trace(pair, plan);
      done[i] = true;
    }
    round_->commit_if_due();
    if (open == 0) break;
  }
  if (!look_behind(pairs)) return false;
  for (size_t i = 0; i < pairs.size(); ++i)
    if (!done[i]) put_trace(pairs[i], plan);
  round_->commit();
  return true;
}

// Every flow has a source port of its own, and each of its connections higher sequence numbers than
// those before it (RFC 9293 3.4.3: old segments cannot be taken for new ones).
Campaign::TracePlan Campaign::plan_trace(std::span<TracePair> pairs) {
  const TraceConfig& trace = config_.trace;
  const uint32_t ports = config_.ports.source_port_count;
  TracePlan plan{
      .cookie = Cookie(next_key(), config_.ports.source_port_first, ports),
      .flows = 1,
      .flow_lanes = trace.mode == TraceMode::per_port ? std::min<uint32_t>(limits::hops, ports) : 1,
      .stride = 1,
      .slots_at = std::vector<uint64_t>(round_->hosts().size() + 1)};
  plan.flows = std::clamp(ports / plan.flow_lanes, 1u, std::max(trace.flows, paths_tried));
  plan.stride = plan.cookie.stride(ports, connection_bytes);
  std::unordered_map<uint32_t, uint32_t> pairs_of;
  for (TracePair& pair : pairs) {
    pair.lane = pairs_of[pair.host]++ * plan.flows * plan.flow_lanes;
    plan.slots_at[pair.host + 1] += plan.flows;
  }
  for (size_t host = 1; host < plan.slots_at.size(); ++host)
    plan.slots_at[host] += plan.slots_at[host - 1];
  for (TracePair& pair : pairs) {
    pair.slot = static_cast<uint32_t>(plan.slots_at[pair.host] + pair.lane / plan.flow_lanes);
    for (uint32_t flow = 0; flow < std::min(trace.flows, plan.flows); ++flow)
      pair.flows.push_back(
          {.slot = pair.slot + flow,
           .course = TraceCourse(trace.mode, static_cast<uint8_t>(trace.runs), pair.verdict)});
  }
  return plan;
}

// One connection on each flow that is not done. False: stopped.
bool Campaign::sweep_once(std::span<TracePair> pairs, const TracePlan& plan, int64_t rest_ms) {
  const uint64_t slots = plan.slots_at.back();
  const auto sweeps = std::make_unique<Sweep[]>(slots);
  for (uint64_t slot = 0; slot < slots; ++slot) sweeps[slot].number = UINT32_MAX;  // not asked
  std::vector<TraceFlow*> asked_flows;
  std::vector<PairTarget> asked_pairs;
  std::vector<RepeatedList::Item> items;
  for (TracePair& pair : pairs)
    for (TraceFlow& flow : pair.flows) {
      flow.course.expect(injecting_links_);
      const auto question = flow.course.next();
      if (!question) continue;
      Sweep& sweep = sweeps[flow.slot];
      // Controls take turns among the pairs, not within one.
      sweep.column = question->control ? pair.slot / plan.flows % names_.controls : pair.column;
      // So many, and they begin again: a few hundred where all ports are ours.
      sweep.number = flow.connections++ % (limits::variants / plan.stride);
      sweep.lane =
          static_cast<uint16_t>(plan.flow_lanes == 1 ? 0 : question->first_ttl % plan.flow_lanes);
      sweep.first_ttl = question->first_ttl;
      sweep.last_ttl = question->last_ttl;
      sweep.sends = question->sends;
      sweep.patient = question->patient;
      const uint32_t lane = pair.lane + (flow.slot - pair.slot) * plan.flow_lanes + sweep.lane;
      items.push_back(
          {{round_->addresses()[pair.host], sweep.number * plan.stride + lane}, flow.slot});
      asked_flows.push_back(&flow);
      asked_pairs.push_back({pair.host, sweep.column});
    }
  if (items.empty()) return true;
  std::ranges::shuffle(items, std::mt19937_64(config_.seed + passes_begun_));

  AnswerMap answers(slots);
  Pass pass = new_pass(round_->address_set(), round_->plans(), answers, limits::variants);
  pass.cookie = plan.cookie;
  pass.answers_at = plan.slots_at;
  pass.sweeps = std::span(sweeps.get(), slots);
  pass.sweep_stride = plan.stride;
  pass.sweep_lanes = plan.flow_lanes;
  std::vector<std::vector<RepeatedList::Item>> shares(runner_->workers());
  for (const RepeatedList::Item& item : items)
    shares[next_worker(item.target.address)].push_back(item);
  std::vector<std::unique_ptr<WorkList>> lists;
  for (auto& share : shares)
    lists.push_back(std::make_unique<RepeatedList>(std::move(share), answers, config_.probes,
                                                   syn_interval_ms, rest_ms));
  const double sweeps_per_second = config_.trace.sweeps_per_second > 0
                                       ? config_.trace.sweeps_per_second
                                       : std::numeric_limits<double>::infinity();
  std::vector<Verdict> verdicts(slots, Verdict::none);
  const bool whole = run_pass(
      pass, lists, std::min(polite(round_->addresses(), asked_pairs), sweeps_per_second),
      std::min(late_ms, settle_ms(true)), items.size(),
      [&](const Observation& observation) { return asked_with_baseline(pass, observation); },
      [&](std::vector<Judgement>& judgements) {
        for (const Judgement& judgement : judgements)
          verdicts[*pass.answer_index(judgement.observation.host, judgement.observation.variant)] =
              judgement.verdict;
      });
  if (!whole) return false;
  for (TraceFlow* flow : asked_flows)
    flow->course.add(answer_of(sweeps[flow->slot], verdicts[flow->slot]));
  return true;
}

// Hosts whose control names are answered from as near as the name: what is behind, if anything is?
// False: stopped.
bool Campaign::look_behind(std::span<TracePair> pairs) {
  PrefixSet addresses;
  std::vector<uint32_t> address_list;
  for (const TracePair& pair : pairs)
    for (const TraceFlow& flow : pair.flows)
      if (flow.course.wants_path()) address_list.push_back(round_->addresses()[pair.host]);
  std::ranges::sort(address_list);
  const auto repeated = std::ranges::unique(address_list);
  address_list.erase(repeated.begin(), repeated.end());
  if (address_list.empty()) return true;
  for (const uint32_t address : address_list) addresses.add(AddressRange{address, address});
  addresses.freeze();

  const auto probes = std::make_unique<PathProbes[]>(address_list.size());
  AnswerMap answers(address_list.size() * path_variants);
  Pass pass = new_pass(addresses, {}, answers, path_variants);
  pass.paths = std::span(probes.get(), address_list.size());
  pass.path_port = config_.trace.path_port;
  pass.echo_identifier = config_.ports.source_port_last();
  const double rate = config_.trace.sweeps_per_second > 0
                          ? config_.trace.sweeps_per_second * probes_per_sweep
                          : std::numeric_limits<double>::infinity();
  for (uint32_t turn = 0; turn < config_.probes; ++turn) {
    std::vector<PairTarget> open;
    for (uint32_t host = 0; host < address_list.size(); ++host) {
      const uint8_t reached = answer_of(probes[host]).host_ttl;
      for (uint32_t variant = 0; variant < path_variants; ++variant)
        if (answers.get(uint64_t{host} * path_variants + variant) == Answer::none &&
            (reached == 0 || variant % limits::path_hops < reached))
          open.push_back({host, variant});
    }
    if (open.empty()) break;
    std::vector<std::unique_ptr<WorkList>> lists;
    for (uint32_t worker = 0; worker < runner_->workers(); ++worker)
      lists.push_back(std::make_unique<PairList>(address_list, open, path_variants, answers,
                                                 round_->record.seed + turn, slice(worker)));
    const bool whole = run_pass(
        pass, lists, std::min(polite(address_list, open), rate), std::min(late_ms, settle_ms(true)),
        UINT64_MAX, [](const Observation&) { return Asked{}; }, [](std::vector<Judgement>&) {});
    if (!whole) return false;
  }
  for (TracePair& pair : pairs)
    for (TraceFlow& flow : pair.flows)
      if (flow.course.wants_path())
        flow.course.add_path(answer_of(probes[*addresses.rank(round_->addresses()[pair.host])]));
  return true;
}

void Campaign::put_trace(const TracePair& pair, const TracePlan& plan) {
  // The pair's answer is the first flow's that has one.
  const auto located = [](const TraceFlow& flow) {
    return flow.course.location().outcome == TraceOutcome::located;
  };
  const auto found = std::ranges::find_if(pair.flows, located);
  const size_t speaker =
      found == pair.flows.end() ? 0 : static_cast<size_t>(found - pair.flows.begin());
  const Location location = pair.flows[speaker].course.location();
  const uint32_t address = round_->addresses()[pair.host];
  TraceRecord record;
  record.key = round_->key(pair.host, pair.column);
  record.round = round_->record.round;
  record.time_ms = config_.clock->unix_ms();
  record.outcome = location.outcome;
  record.mode = config_.trace.mode;
  record.vantage = config_.vantage;
  record.injection_ttl = location.injection_ttl;
  record.host_ttl = location.host_ttl;
  record.hop_before = location.hop_before;
  record.hop_after = location.host_is_after ? address : location.hop_after;
  if (record.hop_before != 0) record.as_before = announcer(record.hop_before);
  if (record.hop_after != 0) record.as_after = announcer(record.hop_after);
  // Runs that came to nothing count: one alone does not agree with itself.
  if (!location.run_ttls.empty())
    record.runs =
        static_cast<uint8_t>(std::max<size_t>(location.run_ttls.size(), config_.trace.runs));
  record.agreeing = location.agreeing;
  record.run_ttls = location.run_ttls;
  record.placement = location.placement;
  record.terminating = location.terminating;
  record.ttl_copied = location.ttl_copied;
  record.path_changed = location.path_changed;
  record.rewritten = location.rewritten;
  record.rewritten_ttl = location.rewritten_ttl;
  const auto add_flow = [&](const TraceFlow& flow) {
    const Location one = flow.course.location();
    const uint32_t lane = pair.lane + (flow.slot - pair.slot) * plan.flow_lanes +
                          (plan.flow_lanes == 1 ? 0 : one.injection_ttl % plan.flow_lanes);
    record.flows.push_back({.source_port = plan.cookie.source_port(address, lane),
                            .injection_ttl = one.injection_ttl,
                            .host_ttl = one.host_ttl,
                            .path = one.path});
    record.connections += one.connections;
    record.hellos += one.hellos;
  };
  add_flow(pair.flows[speaker]);
  for (size_t i = 0; i < pair.flows.size(); ++i)
    if (i != speaker) add_flow(pair.flows[i]);
  round_->put_trace(record);
  ++traced_;
  if (record.hop_before != 0 && location.hop_after != 0)
    injecting_links_.emplace(record.hop_before, location.hop_after);
}

}  // namespace steppe
