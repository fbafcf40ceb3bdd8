// SPDX-License-Identifier: Apache-2.0
// steppe scan: one campaign, from the command line to the summary.
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <optional>

#include "engine/campaign.h"
#include "engine/plan/operator_error.h"
#include "tools/steppe/metadata.h"
#include "tools/steppe/output_file.h"
#include "tools/steppe/scan_options.h"
#include "tools/steppe/signals.h"
#include "tools/steppe/status_line.h"
#include "tools/steppe/subcommands.h"
#include "tools/steppe/summary.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

constexpr int exit_finished = 0, exit_broke = 1, exit_stopped = 130;

int terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

// All that is said while the scan runs: log, status line, status CSV. Its files are made by
// begin(), which is called when the engine has checked its part as well, so that an operator's
// mistake leaves nothing behind.
class Progress {
 public:
  explicit Progress(const ScanOptions& options)
      : options_(options), terminal_(isatty(STDERR_FILENO) == 1) {
    spdlog::set_default_logger(spdlog::stderr_color_st("steppe"));
    set_format();
  }

  ~Progress() {
    clear_line();
    if (status_file_ != nullptr && status_file_ != stdout) std::fclose(status_file_);
  }

  void begin() {
    if (begun_) return;
    begun_ = true;
    if (!options_.log_file.empty()) {
      spdlog::set_default_logger(std::make_shared<spdlog::logger>(
          "file", std::make_shared<spdlog::sinks::basic_file_sink_st>(options_.log_file)));
      set_format();
      spdlog::flush_on(spdlog::level::info);
    }
    if (!options_.status_updates_file.empty()) {
      status_file_ = options_.status_updates_file == "-"
                         ? stdout
                         : std::fopen(options_.status_updates_file.c_str(), "we");
      if (status_file_ == nullptr)
        throw std::runtime_error("cannot write " + options_.status_updates_file);
      const std::string_view header = status_csv_header();
      std::fwrite(header.data(), 1, header.size(), status_file_);
    }
    const CampaignConfig& config = options_.campaign;
    spdlog::info("{} addresses, {} names and {} controls, seed {}{}", config.targets.targets.size(),
                 config.names.columns() - config.names.controls, config.names.controls, config.seed,
                 options_.seed_given ? "" : " (chosen; -e repeats it)");
    for (uint32_t i = 0; i < config.names.controls; i++)
      spdlog::debug("control name {}", config.names.names[i]);
  }

  void show(const CampaignStatus& now) {
    begin();
    announce_end();
    if (!shown_ || now.stage != previous_.stage || now.pass != previous_.pass) {
      clear_line();
      spdlog::debug("stage {}, pass {}", to_string(now.stage), now.pass);
    }
    if (status_file_ != nullptr) {
      const std::string row =
          status_csv_row(now, previous_, std::time(nullptr), options_.campaign.port.workers);
      std::fwrite(row.data(), 1, row.size(), status_file_);
      std::fflush(status_file_);
    }
    if (!options_.quiet) {
      const std::string line = status_line(now, previous_);
      if (terminal_) {
        // Back to the margin, the line, and what is left of the longer one before it wiped away. A
        // line that wraps could not be redrawn, so it ends at the terminal's edge.
        std::fprintf(stderr, "\r%.*s\033[K", terminal_columns() - 1, line.c_str());
        line_open_ = true;
      } else {
        std::fprintf(stderr, "%s\n", line.c_str());
      }
    }
    previous_ = now;
    shown_ = true;
  }

  void end() {
    begin();
    if (line_open_) std::fputc('\n', stderr);
    line_open_ = false;
  }

 private:
  void set_format() {
    constexpr spdlog::level::level_enum levels[] = {spdlog::level::critical, spdlog::level::err,
                                                    spdlog::level::warn,     spdlog::level::info,
                                                    spdlog::level::debug,    spdlog::level::trace};
    spdlog::set_level(levels[options_.verbosity]);
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z [%l] %v");
  }

  void announce_end() {
    const int requests = stop_requests.load(std::memory_order_relaxed);
    if (requests < 1 || announced_) return;
    announced_ = true;
    clear_line();
    std::fprintf(stderr, "ending: replies are awaited for %g s (Ctrl-C again to stop at once)\n",
                 options_.campaign.cooldown_s);
  }

  void clear_line() {
    if (line_open_) std::fputs("\r\033[K", stderr);
    line_open_ = false;
  }

  const ScanOptions& options_;
  const bool terminal_;
  bool begun_ = false, shown_ = false, announced_ = false, line_open_ = false;
  CampaignStatus previous_;
  std::FILE* status_file_ = nullptr;
};

int exit_code_of(const CampaignSummary& summary) {
  if (summary.finished || summary.runtime_over) return exit_finished;
  return stop_requests.load(std::memory_order_relaxed) > 0 ? exit_stopped : exit_broke;
}

}  // namespace

int run_scan(int argc, const char* const* argv) {
  const ScanOptions options = read_scan_options(argc, argv);
  if (options.help) return exit_finished;
  if (options.dry_run) {
    dry_run(options.campaign, stdout);
    return exit_finished;
  }

  listen_to_signals();
  Progress progress(options);
  CampaignConfig config = options.campaign;
  config.log = [](std::string_view line) { spdlog::warn(line); };
  const CampaignSummary summary = run_campaign(
      config, stop_requests, [&](const CampaignStatus& status) { progress.show(status); });
  progress.end();

  if (!options.metadata_file.empty()) {
    OutputFile file(options.metadata_file);
    if (file.write(
            metadata_of(options, summary).dump(2, ' ', false, Row::error_handler_t::replace)) &&
        file.write("\n"))
      file.commit();
  }
  if (!options.quiet) {
    const Store store(options.campaign.database, Store::Mode::read);
    std::fputs(summary_text(summary, store, options.campaign.database).c_str(), stdout);
  }
  if (!summary.finished) {
    std::vector<std::string> again = options.command;
    if (!options.campaign.resume) again.push_back("--resume");
    std::fprintf(stderr, "not finished; go on with: %s\n", shell_command(again).c_str());
  }
  return exit_code_of(summary);
}

}  // namespace steppe
