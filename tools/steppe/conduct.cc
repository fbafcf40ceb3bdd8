// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/conduct.h"

#include <spdlog/spdlog.h>

#include <cstdio>

#include "tools/steppe/metadata.h"
#include "tools/steppe/output_file.h"
#include "tools/steppe/progress.h"
#include "tools/steppe/signals.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

constexpr int exit_finished = 0, exit_broke = 1, exit_stopped = 130;

int exit_code_of(const CampaignSummary& summary) {
  if (summary.finished || summary.runtime_over) return exit_finished;
  return stop_requests.load(std::memory_order_relaxed) > 0 ? exit_stopped : exit_broke;
}

void write_metadata(const CampaignOptions& options, const CampaignSummary& summary,
                    const Store& store) {
  OutputFile file(options.metadata_file);
  if (file.write(metadata_of(options, summary, gather_traces(store, summary.round.round))
                     .dump(2, ' ', false, Row::error_handler_t::replace)) &&
      file.write("\n"))
    file.commit();
}

}  // namespace

int conduct(const CampaignOptions& options,
            std::string (*summarise)(const CampaignSummary& summary, const Store& store,
                                     const std::string& directory)) {
  listen_to_signals();
  Progress progress(options);
  CampaignConfig config = options.campaign;
  config.log = [](std::string_view line) { spdlog::warn(line); };
  const CampaignSummary summary = run_campaign(
      config, stop_requests, [&](const CampaignStatus& status) { progress.show(status); });
  progress.end();

  {
    const Store store(config.database, Store::Mode::read);
    if (!options.metadata_file.empty()) write_metadata(options, summary, store);
    if (!options.quiet) std::fputs(summarise(summary, store, config.database).c_str(), stdout);
  }
  if (!summary.finished) {
    std::vector<std::string> again = options.command;
    if (!config.resume && !config.trace.alone) again.push_back("--resume");
    std::fprintf(stderr, "not finished; %s with: %s\n",
                 config.trace.alone ? "begin again" : "go on", shell_command(again).c_str());
  }
  return exit_code_of(summary);
}

}  // namespace steppe
