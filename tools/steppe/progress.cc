// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/progress.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <stdexcept>

#include "engine/memory_plan.h"
#include "tools/steppe/signals.h"
#include "tools/steppe/status_line.h"

namespace steppe {

namespace {

int terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

}  // namespace

Progress::Progress(const CampaignOptions& options)
    : options_(options), terminal_(isatty(STDERR_FILENO) == 1) {
  spdlog::set_default_logger(spdlog::stderr_color_st("steppe"));
  set_format();
}

Progress::~Progress() {
  clear_line();
  if (status_file_ != nullptr && status_file_ != stdout) std::fclose(status_file_);
}

void Progress::begin() {
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
  spdlog::info(options_.opening);
  const CampaignConfig& campaign = options_.campaign;
  spdlog::info(tell(plan_memory(campaign.ports.workers(), campaign.targets.targets.size(),
                                campaign.names.columns(), campaign.rate_packets_per_second)));
  for (const std::string& line : options_.cautions) spdlog::warn(line);
  const NameTable& names = options_.campaign.names;
  for (uint32_t i = 0; i < names.controls; i++) spdlog::debug("control name {}", names.names[i]);
}

void Progress::show(const CampaignStatus& now) {
  begin();
  announce_end();
  if (!shown_ || now.stage != previous_.stage || now.pass != previous_.pass) {
    clear_line();
    spdlog::debug("stage {}, pass {}", to_string(now.stage), now.pass);
  }
  if (status_file_ != nullptr) {
    const std::string row =
        status_csv_row(now, previous_, std::time(nullptr), options_.campaign.ports.workers());
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

void Progress::end() {
  begin();
  if (line_open_) std::fputc('\n', stderr);
  line_open_ = false;
}

void Progress::set_format() {
  constexpr spdlog::level::level_enum levels[] = {spdlog::level::critical, spdlog::level::err,
                                                  spdlog::level::warn,     spdlog::level::info,
                                                  spdlog::level::debug,    spdlog::level::trace};
  spdlog::set_level(levels[options_.verbosity]);
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z [%l] %v");
}

void Progress::announce_end() {
  const int requests = stop_requests.load(std::memory_order_relaxed);
  if (requests < 1 || announced_) return;
  announced_ = true;
  clear_line();
  // Of a trace nothing is awaited: half a sweep says nothing.
  if (previous_.stage == Stage::trace)
    std::fputs("ending: what was not located is left (Ctrl-C again to stop at once)\n", stderr);
  else
    std::fprintf(stderr, "ending: replies are awaited for %g s (Ctrl-C again to stop at once)\n",
                 options_.campaign.cooldown_s);
}

void Progress::clear_line() {
  if (line_open_) std::fputs("\r\033[K", stderr);
  line_open_ = false;
}

}  // namespace steppe
