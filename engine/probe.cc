// SPDX-License-Identifier: Apache-2.0
// Stage 3: every trusted host with every name.
#include <numeric>

#include "engine/stages.h"

namespace steppe {
namespace {

// So many pairs are listed to be asked again, at eight bytes each; more are found by going over all
// pairs in sweeps, as in the first pass.
constexpr uint64_t listed_pairs = 1 << 22;

bool is_open(PairState state) {
  return state.verdict == Verdict::none;
}

}  // namespace

void Campaign::probe() {
  if (round_->record.stage != Stage::probe) begin_stage(Stage::probe);
  const uint32_t columns = round_->columns();
  const auto hosts = static_cast<uint32_t>(round_->hosts().size());
  AnswerMap answers(uint64_t{hosts} * columns);
  for (uint32_t host = 0; host < hosts; ++host)
    for (uint32_t column = 0; column < columns; ++column)
      if (!is_open(round_->matrix().get(host, column))) {
        answers.claim(uint64_t{host} * columns + column);
        answers.finish(uint64_t{host} * columns + column, false);
      }

  for (uint32_t turn = round_->record.pass; turn < config_.probes && !stopping(); ++turn) {
    round_->record.pass = turn;
    // The first pass is the dense one, in sweeps; those after it ask what has not answered.
    const std::vector<uint64_t> open = open_pairs();  // by host
    const uint64_t targets = std::accumulate(open.begin(), open.end(), uint64_t{0});
    if (targets == 0) break;
    resumable_ = turn == 0;
    const bool in_sweeps = turn == 0 || targets > listed_pairs;
    const std::vector<PairTarget> listed =
        in_sweeps ? std::vector<PairTarget>{} : list_open_pairs();
    Pass pass = new_pass(round_->address_set(), round_->plans(), answers, columns);
    std::vector<std::unique_ptr<WorkList>> lists;
    for (uint32_t worker = 0; worker < runner_->workers(); ++worker)
      if (in_sweeps)
        lists.push_back(std::make_unique<PairSweep>(round_->addresses(), columns, names_.controls,
                                                    answers, round_->record.seed, slice(worker),
                                                    round_->record.position));
      else
        lists.push_back(std::make_unique<PairList>(round_->addresses(), listed, columns, answers,
                                                   round_->record.seed + turn, slice(worker)));
    const bool last = turn + 1 == config_.probes;
    const bool whole = run_pass(
        pass, lists, polite(round_->addresses(), open), settle_ms(last), targets,
        [&](const Observation& observation) { return asked_with_baseline(pass, observation); },
        [&](std::vector<Judgement>& judgements) {
          for (const Judgement& judgement : judgements) on_probed(judgement);
        },
        [&](std::span<const Observation> observations) { round_->answered_same(observations); });
    if (!whole) return;
    round_->record.position = 0;
  }
  if (stopping()) return;
  // What answered no SYN at all has had its first try. But where most of a host is silent, controls
  // among it, this says nothing of single names: the host is gone, or a box blocks all of it for a
  // while because of one of them. The next stage asks again, one name after the other, and leaves
  // at the first controls who is gone; thousands of names are not worth a record each before that.
  for (uint32_t host = 0; host < hosts; ++host) {
    std::vector<uint32_t> silent;
    for (uint32_t column = 0; column < columns; ++column)
      if (is_open(round_->matrix().get(host, column))) silent.push_back(column);
    if (silent.size() * 2 > columns && names_.is_control(silent.front())) continue;
    for (const uint32_t column : silent) round_->add_silent_try(host, column, {});
    round_->commit_if_due();
  }
}

std::vector<uint64_t> Campaign::open_pairs() const {
  std::vector<uint64_t> open(round_->hosts().size());
  for (uint32_t host = 0; host < open.size(); ++host)
    for (uint32_t column = 0; column < round_->columns(); ++column)
      open[host] += is_open(round_->matrix().get(host, column));
  return open;
}

std::vector<PairTarget> Campaign::list_open_pairs() const {
  std::vector<PairTarget> open;
  for (uint32_t host = 0; host < round_->hosts().size(); ++host)
    for (uint32_t column = 0; column < round_->columns(); ++column)
      if (is_open(round_->matrix().get(host, column))) open.push_back({host, column});
  return open;
}

void Campaign::on_probed(const Judgement& judgement) {
  const uint32_t host = judgement.observation.host;
  const uint32_t column = judgement.observation.variant;
  if (judgement.verdict == Verdict::same) {
    round_->answered_same(host, column, judgement.observation.time_ms);
  } else if (!names_.is_control(column) && round_->is_refusal(host, column, judgement)) {
    round_->settle_refusal(host, column, judgement);
  } else {
    round_->add_try(host, column, judgement, {});
    // A leaf that a browser trusts needs no second look.
    if (judgement.verdict == Verdict::genuine) round_->settle_pair(host, column, false);
  }
}

}  // namespace steppe
