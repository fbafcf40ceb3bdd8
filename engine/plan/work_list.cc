// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/work_list.h"

#include <algorithm>
#include <array>
#include <limits>

namespace steppe {
namespace {

// Targets that are looked up together.
constexpr size_t walked_at_once = 64;

// Targets that are passed over in one call at most: a list may begin with millions that have been
// answered, and the worker has frames to receive.
constexpr size_t passed_over_most = 1 << 12;

}  // namespace

AddressSweep::AddressSweep(const PrefixSet& addresses, const AnswerMap& answers, uint64_t seed,
                           Slice slice, uint64_t from_position, uint64_t max_targets)
    : addresses_(addresses),
      answers_(answers),
      permutation_(addresses.size(), seed),
      walk_(permutation_.walk(0, 1)),
      share_(slice.hosts) {
  // From the last multiple of the stride at or below the position: a few targets twice, none left
  // out.
  const uint64_t turn = from_position / slice.stride();
  const uint64_t begin = turn * slice.stride() + slice.first();
  walk_ = permutation_.walk(begin, slice.stride());
  positions_ = permutation_.positions();
  left_ = max_targets == 0 ? std::numeric_limits<uint64_t>::max()
                           : max_targets / slice.stride() +
                                 (slice.first() < max_targets % slice.stride() ? 1 : 0);
  // What was handed out before the interruption counts: a walk to there takes some 3 ns a target.
  for (auto past = permutation_.walk(slice.first(), slice.stride());
       max_targets != 0 && left_ > 0 && past.position() < begin && past.next();)
    if (past.position() - slice.stride() < begin) --left_;
}

uint32_t AddressSweep::take(std::span<Target> out, int64_t) {
  uint32_t taken = 0;
  for (size_t looked = 0; taken < out.size() && looked < passed_over_most && !done_;) {
    // Ranks first, answers then: the misses of many look-ups at once cost little more than one.
    std::array<uint64_t, walked_at_once> ranks;
    const size_t wanted = std::min({ranks.size(), out.size() - taken, left_});
    size_t walked = 0;
    for (std::optional<uint64_t> rank; walked < wanted && (rank = walk_.next()); ++walked) {
      ranks[walked] = *rank;
      answers_.prefetch(*rank);
    }
    left_ -= walked;
    looked += walked;
    done_ = walked < wanted || left_ == 0;
    for (const uint64_t rank : std::span(ranks).first(walked)) {
      if (answers_.get(rank) != Answer::none) continue;
      const uint32_t address = addresses_.address(rank);
      if (share_.holds(address)) out[taken++] = {address, 0};
    }
  }
  return taken;
}

namespace {

// splitmix64's finalizer (Steele, Lea, Flood, OOPSLA 2014): spreads hosts' offsets over the names.
uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

std::vector<uint32_t> permuted(uint64_t n, uint64_t seed) {
  std::vector<uint32_t> order;
  if (n == 0) return order;
  order.reserve(n);
  auto walk = Permutation(n, seed).walk(0, 1);
  while (const auto element = walk.next()) order.push_back(static_cast<uint32_t>(*element));
  return order;
}

// Control i of c stands before test sweep i * tests / (c - 1): the first before all, the last
// behind all.
std::vector<uint32_t> sweep_order(uint32_t controls, uint32_t tests) {
  std::vector<uint32_t> sweeps;
  uint32_t control = 0;
  for (uint32_t test = 0; test <= tests; ++test) {
    while (control < controls &&
           (controls == 1 ? 0 : uint64_t{control} * tests / (controls - 1)) <= test)
      sweeps.push_back(control++);
    if (test < tests) sweeps.push_back(controls + test);
  }
  return sweeps;
}

}  // namespace

PairSweep::PairSweep(std::span<const uint32_t> hosts, uint32_t columns, uint32_t controls,
                     const AnswerMap& answers, uint64_t seed, Slice slice, uint64_t from_position)
    : hosts_(hosts),
      answers_(answers),
      columns_(columns),
      controls_(controls),
      share_(slice.hosts),
      seed_(seed),
      stride_(slice.stride()),
      order_(permuted(hosts.size(), seed)),
      sweeps_(sweep_order(controls, columns - controls)) {
  position_ = from_position / stride_ * stride_ + slice.first();
  if (order_.empty()) return;
  place_ = position_ % order_.size();
  sweep_ = position_ / order_.size();
}

// A division for each target would cost as much as all the rest.
void PairSweep::advance() {
  position_ += stride_;
  for (place_ += stride_; place_ >= order_.size(); place_ -= order_.size()) ++sweep_;
}

uint32_t PairSweep::take(std::span<Target> out, int64_t) {
  struct Pair {
    uint32_t host, column;
  };
  uint32_t taken = 0;
  const uint32_t tests = columns_ - controls_;
  const auto index = [this](Pair pair) { return uint64_t{pair.host} * columns_ + pair.column; };
  for (size_t looked = 0; taken < out.size() && looked < passed_over_most && !exhausted();) {
    // As in AddressSweep::take().
    std::array<Pair, walked_at_once> pairs;
    const size_t wanted = std::min(pairs.size(), out.size() - taken);
    size_t walked = 0;
    for (; walked < wanted && !exhausted(); ++walked, advance()) {
      const uint32_t host = order_[place_];
      const uint32_t sweep = sweeps_[sweep_];
      // 32 bits of the offset: with 64 the sum could overflow, and the order break there.
      const auto test = static_cast<uint32_t>(
          sweep < controls_ ? 0 : (sweep - controls_ + (mix(seed_ + host) >> 32)) % tests);
      pairs[walked] = {host, sweep < controls_ ? sweep : controls_ + test};
      answers_.prefetch(index(pairs[walked]));
    }
    looked += walked;
    for (const Pair pair : std::span(pairs).first(walked))
      if (answers_.get(index(pair)) == Answer::none && share_.holds(hosts_[pair.host]))
        out[taken++] = {hosts_[pair.host], pair.column};
  }
  return taken;
}

PairList::PairList(std::span<const uint32_t> hosts, std::span<const PairTarget> pairs,
                   uint32_t variants, const AnswerMap& answers, uint64_t seed, Slice slice)
    : hosts_(hosts),
      pairs_(pairs),
      variants_(variants),
      answers_(answers),
      share_(slice.hosts),
      permutation_(std::max<uint64_t>(pairs.size(), 1), seed),
      walk_(permutation_.walk(slice.first(), slice.stride())),
      positions_(permutation_.positions()),
      done_(pairs.empty()) {}

uint32_t PairList::take(std::span<Target> out, int64_t) {
  uint32_t taken = 0;
  while (taken < out.size() && !done_) {
    const auto element = walk_.next();
    if (!element) {
      done_ = true;
      break;
    }
    const PairTarget& pair = pairs_[*element];
    if (answers_.get(uint64_t{pair.host} * variants_ + pair.variant) != Answer::none) continue;
    if (share_.holds(hosts_[pair.host])) out[taken++] = {hosts_[pair.host], pair.variant};
  }
  return taken;
}

SequenceList::SequenceList(std::vector<Sequence> sequences, const AnswerMap& answers,
                           SequenceLimits limits)
    : sequences_(std::move(sequences)),
      answers_(answers),
      limits_(limits),
      progress_(sequences_.size()),
      open_(sequences_.size()) {
  for (uint32_t i = 0; i < sequences_.size(); ++i) {
    going_.push_back(i);
    steps_ += sequences_[i].steps;
  }
}

// A step is over. Tests go on whatever came; a control that failed is asked again, then twice more
// after a pause (what a test left behind may wear off, also one of the pass before); then the host
// is dropped.
void SequenceList::step_over(size_t i, bool same, int64_t now_ms) {
  Progress& progress = progress_[i];
  const bool control = progress.step % 2 == 0;
  progress.probes = 0;
  progress.next_ms = now_ms + limits_.spacing_ms;
  if (control && !same) {
    ++progress.ask;
    if (progress.ask == asks_per_step / 2) progress.next_ms = now_ms + limits_.pause_ms;
    if (progress.ask < asks_per_step) return;
    progress.state = SequenceState::dropped;
    --open_;
    return;
  }
  ++progress.step;
  ++steps_done_;
  progress.ask = 0;
  if (progress.step < sequences_[i].steps) return;
  progress.state = SequenceState::finished;
  --open_;
}

bool SequenceList::due(size_t i, int64_t now_ms) {
  Progress& progress = progress_[i];
  if (progress.probes > 0) {
    const uint32_t variant = progress.step * asks_per_step + progress.ask;
    switch (answers_.get(sequences_[i].answers_at + variant)) {
      case Answer::open:
        return false;
      case Answer::same:
        step_over(i, true, now_ms);
        break;
      case Answer::other:
        step_over(i, false, now_ms);
        break;
      case Answer::none:
        if (now_ms >= progress.next_ms && progress.probes >= limits_.probes)
          step_over(i, false, now_ms);
        break;
    }
  }
  return progress.state == SequenceState::going && now_ms >= progress.next_ms;
}

uint32_t SequenceList::take(std::span<Target> out, int64_t now_ms) {
  uint32_t taken = 0;
  // At most one look at each sequence per call.
  for (size_t looked = 0, size = going_.size(); looked < size && taken < out.size(); ++looked) {
    if (cursor_ >= going_.size()) cursor_ = 0;
    const uint32_t i = going_[cursor_];
    const bool ask = due(i, now_ms);
    Progress& progress = progress_[i];
    if (progress.state != SequenceState::going) {
      going_[cursor_] = going_.back();
      going_.pop_back();
      continue;
    }
    ++cursor_;
    if (!ask) continue;
    ++progress.probes;
    progress.next_ms = now_ms + (progress.probes < limits_.probes ? limits_.probe_interval_ms
                                                                  : limits_.answer_wait_ms);
    out[taken++] = {sequences_[i].address, progress.step * asks_per_step + progress.ask};
  }
  return taken;
}

uint32_t RepeatedList::take(std::span<Target> out, int64_t now_ms) {
  if (exhausted()) return 0;
  if (!begun_) due_ms_ = now_ms + rest_ms_;
  begun_ = true;
  if (cursor_ == 0) {
    if (now_ms < due_ms_) return 0;
    due_ms_ = now_ms + interval_ms_;
  }
  uint32_t taken = 0;
  for (; cursor_ < items_.size() && taken < out.size(); ++cursor_)
    if (answers_.get(items_[cursor_].answer) == Answer::none) out[taken++] = items_[cursor_].target;
  position_ = std::max<uint64_t>(position_, cursor_);
  taken_ += taken;
  if (cursor_ == items_.size()) {
    // Nobody is left to be asked again.
    turns_ = taken_ == 0 ? 0 : turns_ - 1;
    cursor_ = 0;
    taken_ = 0;
  }
  return taken;
}

double polite_rate(double limit, uint64_t busiest, uint64_t total) {
  if (limit <= 0 || busiest == 0) return std::numeric_limits<double>::infinity();
  return limit * static_cast<double>(total) / static_cast<double>(busiest);
}

}  // namespace steppe
