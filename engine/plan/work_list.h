// SPDX-License-Identifier: Apache-2.0
// What a pass asks, and in which order. A list hands out targets in bursts; each worker has lists
// of its own, which together hold every target once. The target order is a function of an index,
// never of the past, but for SequenceList, where a question waits for the answer to the one before
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/plan/answer_map.h"
#include "engine/plan/host_share.h"
#include "engine/plan/permutation.h"
#include "engine/plan/prefix_set.h"
#include "engine/plan/target.h"

namespace steppe {

// One worker's part of a pass. Not thread-safe, but for position().
class WorkList {
 public:
  virtual ~WorkList() = default;
  // Fills `out` from the front and returns how many; 0: nothing to ask at this moment.
  virtual uint32_t take(std::span<Target> out, int64_t now_ms) = 0;
  // Nothing will ever come again.
  virtual bool exhausted() const = 0;
  // All positions below this one have been handed out, on the scale 0..positions().
  virtual uint64_t position() const = 0;
  virtual uint64_t positions() const = 0;
};

// Which part of a list: this worker of so many, in this shard of so many, and of that the hosts
// that these workers visit. Other devices' workers walk over the same positions, for theirs.
struct Slice {
  uint32_t worker = 0, workers = 1;
  uint32_t shard = 0, shards = 1;
  HostShare hosts{};
  uint64_t first() const { return shard + uint64_t{shards} * worker; }
  uint64_t stride() const { return uint64_t{shards} * workers; }
};

// Discovery: every address of a set once, permuted. Addresses with an answer in `answers` (by rank)
// are skipped.
class AddressSweep final : public WorkList {
 public:
  // from_position: where an interrupted pass goes on. max_targets: of all workers and shards; 0:
  // all.
  AddressSweep(const PrefixSet& addresses, const AnswerMap& answers, uint64_t seed, Slice slice,
               uint64_t from_position, uint64_t max_targets);
  uint32_t take(std::span<Target> out, int64_t now_ms) override;
  bool exhausted() const override { return done_; }
  uint64_t position() const override { return walk_.position(); }
  uint64_t positions() const override { return positions_; }

 private:
  const PrefixSet& addresses_;
  const AnswerMap& answers_;
  Permutation permutation_;
  Permutation::Walk walk_;
  HostShare share_;
  uint64_t positions_, left_;
  bool done_ = false;
};

// The dense pass: every host with every name. Sweep s visits all hosts, always in the same permuted
// order, so a host's turn comes once every hosts/rate seconds; host h meets test name (s +
// offset(h)) mod names, so no name comes in bursts. Control columns are sweeps of their own: spread
// evenly, the first before all test sweeps and the last behind them.
class PairSweep final : public WorkList {
 public:
  // hosts: addresses, by host index. columns, controls: of the pair matrix, controls first. Pairs
  // with an answer in `answers` (at host * columns + column) are skipped.
  PairSweep(std::span<const uint32_t> hosts, uint32_t columns, uint32_t controls,
            const AnswerMap& answers, uint64_t seed, Slice slice, uint64_t from_position);
  uint32_t take(std::span<Target> out, int64_t now_ms) override;
  bool exhausted() const override { return position_ >= positions(); }
  uint64_t position() const override { return position_; }
  uint64_t positions() const override { return uint64_t{order_.size()} * sweeps_.size(); }

 private:
  void advance();

  std::span<const uint32_t> hosts_;
  const AnswerMap& answers_;
  uint32_t columns_, controls_;
  HostShare share_;
  uint64_t seed_, position_, stride_;
  uint64_t place_ = 0, sweep_ = 0;  // of the position: in the order, and which sweep
  std::vector<uint32_t> order_;     // host indices, permuted
  std::vector<uint32_t> sweeps_;    // by sweep: a control's column, or controls + test sweep number
};

// A sparse pass: a list of (host, variant), permuted.
struct PairTarget {
  uint32_t host;  // index
  uint32_t variant;
};
class PairList final : public WorkList {
 public:
  // Keeps references to hosts, pairs and answers. answers: at host * variants + variant.
  PairList(std::span<const uint32_t> hosts, std::span<const PairTarget> pairs, uint32_t variants,
           const AnswerMap& answers, uint64_t seed, Slice slice);
  uint32_t take(std::span<Target> out, int64_t now_ms) override;
  bool exhausted() const override { return done_; }
  uint64_t position() const override { return walk_.position(); }
  uint64_t positions() const override { return positions_; }

 private:
  std::span<const uint32_t> hosts_;
  std::span<const PairTarget> pairs_;
  uint32_t variants_;
  const AnswerMap& answers_;
  HostShare share_;
  Permutation permutation_;
  Permutation::Walk walk_;
  uint64_t positions_;
  bool done_ = false;
};

// The confirming pass. A host's questions are a sequence: control, test, control, test, ...,
// control; a question waits for the end of the one before it, so that each test has a control right
// before and right after it. Hosts go on side by side.
struct Sequence {
  uint32_t host;  // index in the pass
  uint32_t address;
  uint32_t steps;       // odd; even steps are controls
  uint64_t answers_at;  // index in the answer map of this host's variant 0
};

// A step may be asked up to this often, each time as a variant of its own: step * asks_per_step +
// ask.
inline constexpr uint32_t asks_per_step = 4;
// The highest number of steps that fits the cookie's variants.
inline constexpr uint32_t sequence_steps = (1u << 24) / asks_per_step - 1;

// How a sequence stands; the campaign reads it when the pass is over.
enum class SequenceState : uint8_t {
  going,
  finished,  // all steps have been asked, and the last control answered
  dropped,   // a control kept failing, also after the pause
};

struct SequenceLimits {
  uint32_t probes;            // SYNs for each question that gets no answer
  int64_t probe_interval_ms;  // between them
  int64_t answer_wait_ms;     // after the last of them
  int64_t pause_ms;           // when a control failed twice after a test (residual blocking)
  int64_t spacing_ms;         // between the questions to one host (--server-rate-limit)
};

class SequenceList final : public WorkList {
 public:
  // sequences: this worker's share. answers: at Sequence::answers_at + variant.
  SequenceList(std::vector<Sequence> sequences, const AnswerMap& answers, SequenceLimits limits);
  uint32_t take(std::span<Target> out, int64_t now_ms) override;
  bool exhausted() const override { return open_ == 0; }
  uint64_t position() const override { return steps_done_; }
  uint64_t positions() const override { return steps_; }

  const std::vector<Sequence>& sequences() const { return sequences_; }
  SequenceState state(size_t i) const { return progress_[i].state; }
  // Steps that were asked and are over: below this one.
  uint32_t steps_over(size_t i) const { return progress_[i].step; }

 private:
  struct Progress {
    uint32_t step = 0;
    uint8_t ask = 0;
    uint8_t probes = 0;  // SYNs sent for this question; 0: not asked yet
    SequenceState state = SequenceState::going;
    int64_t next_ms = 0;  // not before: the next SYN, or giving the question up
  };
  // Whether the host's next SYN is due; advances over what has been answered.
  bool due(size_t i, int64_t now_ms);
  void step_over(size_t i, bool same, int64_t now_ms);

  std::vector<Sequence> sequences_;
  const AnswerMap& answers_;
  SequenceLimits limits_;
  std::vector<Progress> progress_;
  std::vector<uint32_t> going_;  // indices of sequences that go on
  size_t cursor_ = 0;
  uint64_t open_, steps_ = 0, steps_done_ = 0;
};

// A trace's pass: after a rest each target once, then again those that have not answered, in turns
// that begin `interval_ms` apart at least.
class RepeatedList final : public WorkList {
 public:
  struct Item {
    Target target;
    uint64_t answer;  // index in the answer map
  };
  // items: this worker's share. turns: SYNs to each at most.
  RepeatedList(std::vector<Item> items, const AnswerMap& answers, uint32_t turns,
               int64_t interval_ms, int64_t rest_ms = 0)
      : items_(std::move(items)),
        answers_(answers),
        turns_(turns),
        interval_ms_(interval_ms),
        rest_ms_(rest_ms) {}
  uint32_t take(std::span<Target> out, int64_t now_ms) override;
  bool exhausted() const override { return turns_ == 0 || items_.empty(); }
  uint64_t position() const override { return position_; }
  uint64_t positions() const override { return items_.size(); }

 private:
  std::vector<Item> items_;
  const AnswerMap& answers_;
  uint32_t turns_;  // left, with the one that goes on
  int64_t interval_ms_, rest_ms_;
  size_t cursor_ = 0;
  uint64_t position_ = 0;  // of the first turn
  uint64_t taken_ = 0;     // in this turn
  bool begun_ = false;
  int64_t due_ms_ = 0;  // when the next turn may begin
};

// Rate (targets per second) at which no more than `limit` targets a second fall on one group on
// average, when the busiest group has `busiest` of `total` targets. 0 limit: infinity.
double polite_rate(double limit, uint64_t busiest, uint64_t total);

}  // namespace steppe
