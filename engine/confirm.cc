// SPDX-License-Identifier: Apache-2.0
// Stage 4: what was not the host's own leaf is asked again, each time between two controls.
#include <algorithm>
#include <cmath>

#include "engine/limits.h"
#include "engine/stages.h"

namespace steppe {

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

// One more try at every pair that is not settled and has fewer than `try_number` of them: control,
// test, control, test, ..., control for each host, hosts side by side.
void Campaign::confirm_once(uint32_t try_number) {
  const auto unsettled = unsettled_columns();
  const auto hosts = static_cast<uint32_t>(unsettled.size());
  std::vector<uint64_t> answers_at(hosts + 1, 0);
  std::vector<uint32_t> step_columns;
  std::vector<uint64_t> questions(hosts);  // by host: where they gather, the rate must know
  std::vector<std::vector<Sequence>> shares(runner_->workers());
  uint32_t variants = 1;
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
      for (uint32_t turn = 0; turn < names_.controls && (control == before || control == after);
           ++turn)
        control = (control + 1) % names_.controls;
      step_columns.push_back(step % 2 == 0 ? control : tests[step / 2]);
      ++questions[host];
    }
    const uint32_t address = round_->addresses()[host];
    shares[next_worker(address)].push_back({host, address, steps, answers_at[host]});
    variants = std::max(variants, steps * asks_per_step);
  }
  answers_at[hosts] = step_columns.size() * asks_per_step;
  if (step_columns.empty()) return;

  AnswerMap answers(answers_at[hosts]);
  Pass pass = new_pass(round_->address_set(), round_->plans(), answers, variants);
  pass.answers_at = answers_at;
  pass.step_columns = step_columns;
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
    return std::span<const uint32_t>(step_columns)
        .subspan(answers_at[host] / asks_per_step,
                 (answers_at[host + 1] - answers_at[host]) / asks_per_step);
  };
  std::map<uint32_t, SequenceNotes> notes;
  const bool whole = run_pass(
      pass, lists, polite(round_->addresses(), questions), 0, UINT64_MAX,
      [&](const Observation& observation) { return asked_with_baseline(pass, observation); },
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
  // What no later answer completed: tests without any answer, and those behind which the controls
  // failed.
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

// Turns noted tests into tries, once the controls on both sides have come back, or never will
// (`over`). steps_over: steps that were asked and are over, for tests that no packet answered.
void Campaign::complete_tries(uint32_t host, SequenceNotes& notes,
                              std::span<const uint32_t> step_columns, uint32_t steps_over,
                              bool over) {
  if (over)
    for (uint32_t step = 1; step < steps_over; step += 2) {
      if (notes.tests.contains(step) || notes.controls.contains(step)) continue;
      const auto after = notes.controls.find(step + 1);
      round_->add_silent_try(
          host, step_columns[step],
          {.controls_before_and_after = after != notes.controls.end(),
           .stateful = after != notes.controls.end() && after->second >= asks_per_step / 2});
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
    // The host's own way with unknown names, whatever the first try was.
    if (!names_.is_control(step_columns[step]) &&
        round_->is_refusal(host, step_columns[step], test->second))
      round_->settle_refusal(host, step_columns[step], test->second);
    else
      round_->add_try(host, step_columns[step], test->second,
                      {.controls_before_and_after = both,
                       .stateful = both && after->second >= asks_per_step / 2});
    // Remembered, so that the end of the pass does not take it for a test without an answer.
    notes.controls.emplace(step, 0);
    test = notes.tests.erase(test);
  }
}

// Draws what conclusions the tries allow. Controls first: a host whose controls turn out to differ
// is not judged.
void Campaign::settle_all(bool final) {
  const std::lock_guard lock(write_mutex_);
  if (final)
    for (uint32_t host = 0; host < round_->hosts().size(); ++host) round_->settle_unanswered(host);
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

// Beyond this point every pair has its answer, and the store has it.
void Campaign::conclude() {
  settle_all(true);
  round_->put_interceptors();
  round_->commit();
}

}  // namespace steppe
