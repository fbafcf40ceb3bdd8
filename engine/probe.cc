// SPDX-License-Identifier: Apache-2.0
// Stage 3: every trusted host with every name.
#include "engine/stages.h"

namespace steppe {

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
    Pass pass = new_pass(round_->address_set(), round_->plans(), answers, columns);
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
      if (round_->matrix().get(host, column).verdict == Verdict::none) silent.push_back(column);
    if (silent.size() * 2 > columns && names_.is_control(silent.front())) continue;
    for (const uint32_t column : silent) round_->add_silent_try(host, column, {});
    round_->commit_if_due();
  }
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
