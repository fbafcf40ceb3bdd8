// SPDX-License-Identifier: Apache-2.0
// The campaign from the inside: its stages, and what they share. Only the files that are named
// below include this.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <vector>

#include "engine/campaign.h"
#include "engine/judge/location.h"
#include "engine/pass_runner.h"
#include "engine/plan/country.h"
#include "engine/round.h"

namespace steppe {

// Between two passes over the same targets late answers are awaited only this long: what comes
// later still is asked again.
inline constexpr uint32_t between_passes_ms = 3000;

// One run of a campaign. Its stages are in files of their own: discover.cc, baseline.cc, probe.cc,
// confirm.cc, trace.cc; passes.cc has what they share.
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
    bool insists = true;  // asks again where a connection broke off
  };
  // A confirming pass's notes on one host: what came back, until the controls on both sides have.
  struct SequenceNotes {
    std::map<uint32_t, Judgement> tests;    // by step
    std::map<uint32_t, uint32_t> controls;  // step -> ask, of controls that came back `same`
  };

  // A pair while it is traced, and the source ports on which it is.
  struct TraceFlow {
    uint32_t slot = 0;         // in a pass's sweeps
    uint32_t connections = 0;  // begun so far: the number of the next one
    TraceCourse course;
  };
  struct TracePair {
    uint32_t host, column;
    Verdict verdict;    // as it was settled
    uint32_t lane = 0;  // of its first flow's source port (see Pass::sweeps)
    uint32_t slot = 0;  // of its first flow
    std::vector<TraceFlow> flows = {};
  };
  // Pairs without any connection, to hosts that others had one to.
  class CutOff {
   public:
    void note(const TracePair& pair);
    std::vector<TracePair> pairs() const;

   private:
    std::set<uint32_t> answering_;
    std::vector<TracePair> unreachable_;
  };
  // What all sweeps of a batch of pairs share.
  struct TracePlan {
    Cookie cookie;
    uint32_t flows;       // lanes that each pair may use, in units of
    uint32_t flow_lanes;  // this many
    uint32_t stride;
    std::vector<uint64_t> slots_at;  // by host
  };

  void discover();
  std::vector<uint32_t> second_hello_hosts() const;
  void ask_with_other_hello();
  void baseline();
  void verify_chains();
  void ask_twice(std::vector<HostRecord*>& hosts);
  void ask_refusing(std::vector<HostRecord*>& hosts);
  void learn_refusals(std::span<HostRecord* const> hosts);
  void choose_probed_hosts();
  void load_probed_hosts(bool fresh);
  void probe();
  void confirm();
  void confirm_once(uint32_t try_number);
  void settle_all(bool final);
  void conclude();
  void trace();
  void report();

  void begin_stage(Stage stage);
  // Everything so far; `stage` is the round's.
  StageCost cost_so_far() const;
  void note_stage_cost();
  uint64_t busiest_as_addresses() const;
  void on_discovered(uint32_t address, const Judgement& judgement, const ClientHello& hello);
  void ask(std::vector<Question>& questions,
           const std::function<void(Question&, const Judgement&)>& on_answer);
  // What a host was asked, and what of it is known if it is probed.
  static Asked asked(const Pass& pass, const Observation& observation);
  Asked asked_with_baseline(const Pass& pass, const Observation& observation) const;
  // The place of the hello that a host is asked with, among those of the campaign.
  uint8_t hello_of(const HostRecord& host) const;
  std::vector<uint64_t> open_pairs() const;  // without any answer, by host
  std::vector<PairTarget> list_open_pairs() const;
  void on_probed(const Judgement& judgement);
  std::vector<std::vector<uint32_t>> unsettled_columns() const;
  std::vector<TracePair> pairs_to_trace() const;
  bool trace_batch(std::span<TracePair> pairs, int64_t rest_ms);
  TracePlan plan_trace(std::span<TracePair> pairs);
  bool sweep_once(std::span<TracePair> pairs, const TracePlan& plan, int64_t rest_ms);
  bool look_behind(std::span<TracePair> pairs);
  void put_trace(const TracePair& pair, const TracePlan& plan);
  void complete_tries(uint32_t host, SequenceNotes& notes, std::span<const uint32_t> step_columns,
                      uint32_t steps_over, bool over);
  // A pass with a cookie key of its own.
  Pass new_pass(const PrefixSet& addresses, std::span<const HostPlan> hosts, AnswerMap& answers,
                uint32_t variants);
  std::array<uint8_t, 16> next_key();
  bool run_pass(Pass& pass, std::vector<std::unique_ptr<WorkList>>& lists, double rate,
                uint32_t settle_ms, uint64_t targets,
                const std::function<Asked(const Observation&)>& ask,
                const std::function<void(std::vector<Judgement>&)>& write,
                const std::function<void(std::span<const Observation>)>& write_same = nullptr);
  // The worker's part of a list that all of them walk.
  Slice slice(uint32_t worker) const;
  uint32_t first_worker(uint32_t address) const;
  uint32_t next_worker(uint32_t address);
  // Seconds of this campaign, on its clock.
  double elapsed_s() const { return config_.clock->elapsed_s() - begun_s_; }
  uint32_t announcer(uint32_t address) const {
    const uint32_t told = config_.as_number ? config_.as_number(address) : 0;
    return told != 0 ? told : country_.as_number(address);
  }
  double polite(std::span<const uint32_t> addresses, std::span<const PairTarget> pairs) const;
  double polite(std::span<const uint32_t> addresses, std::span<const uint64_t> questions) const;
  uint32_t settle_ms(bool last_pass) const;
  bool stopping() const { return stop_.load() != 0; }
  void tell_status();
  void note_position();
  static void note_server_hello(HostRecord& host, const Judgement& judgement);
  CampaignStatus status() const;
  uint64_t figure(std::atomic<uint64_t> WorkerFigures::*member) const;

  const CampaignConfig& config_;
  std::atomic<int> stop_{0};  // the operator's, or the runtime's end
  const std::atomic<int>& operator_stop_;
  const std::function<void(const CampaignStatus&)>& on_status_;
  double begun_s_ = 0;
  bool runtime_over_ = false;

  Country country_;
  TrustStore trust_;
  KeyShares keys_;
  std::vector<ClientHello> hellos_;
  RoundRecord chosen_;
  std::unique_ptr<Ports> ports_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Round> round_;
  std::unique_ptr<PassRunner> runner_;
  NameTable names_;
  std::map<uint32_t, HostRecord> found_;  // hosts of this round, by address

  StageCost cost_before_;  // of this stage
  std::vector<StageCost> stage_costs_;
  uint64_t passes_begun_ = 0;
  uint32_t workers_dealt_ = 0;
  uint64_t to_trace_ = 0, traced_ = 0;  // pairs
  std::set<Link> injecting_links_;      // that were located so far

  // For the status line.
  std::mutex write_mutex_;                      // judges' writer and the ticks between
  std::chrono::steady_clock::time_point told_;  // the machine's time: for those who look on
  double pass_begun_s_ = 0;
  uint64_t pass_answered_before_ = 0, pass_probes_before_ = 0;
  const std::vector<std::unique_ptr<WorkList>>* lists_ = nullptr;
  bool resumable_ = false;                          // the pass goes by positions
  std::deque<std::pair<double, uint64_t>> passed_;  // when (seconds), which position
};

}  // namespace steppe
