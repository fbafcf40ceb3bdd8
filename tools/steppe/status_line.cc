// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/status_line.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <ctime>

namespace steppe {

namespace {

// Per second since the moment before. Counters of a pass start again with the next pass: what is
// less than before counts from 0.
double recent_rate(uint64_t now, uint64_t previous, double interval_s) {
  if (interval_s <= 0) return 0;
  return static_cast<double>(now >= previous ? now - previous : now) / interval_s;
}

double average_rate(uint64_t now, double elapsed_s) {
  return elapsed_s > 0 ? static_cast<double>(now) / elapsed_s : 0;
}

// Per target, not per packet: retries do not make it smaller.
double hit_rate_percent(const CampaignStatus& status) {
  if (status.targets == 0) return 0;
  return 100.0 * static_cast<double>(status.answered) / static_cast<double>(status.targets);
}

double percent_complete(const CampaignStatus& status) {
  return 100.0 * std::clamp(status.stage_share, 0.0, 1.0);
}

}  // namespace

std::string format_rate(double per_second) {
  constexpr const char* prefixes[] = {"", "K", "M", "G"};
  size_t prefix = 0;
  // 999.5 would be printed as 1000.
  while (per_second >= 999.5 && prefix + 1 < std::size(prefixes)) {
    per_second /= 1000;
    prefix++;
  }
  const int decimals = prefix == 0 ? 0 : per_second < 9.995 ? 2 : per_second < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", per_second, decimals, prefixes[prefix]);
}

std::string format_duration(double seconds) {
  const auto whole = static_cast<uint64_t>(std::max(0.0, seconds));
  const uint64_t days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60;
  if (days > 0) return fmt::format("{}d{:02}:{:02}:{:02}", days, hours, minutes, whole % 60);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string format_left(double seconds) {
  const auto whole = static_cast<uint64_t>(std::ceil(std::clamp(seconds, 0.0, 1e12)));
  if (whole >= 86400) return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
  if (whole >= 3600) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}s", whole);
}

std::string status_line(const CampaignStatus& now, const CampaignStatus& previous) {
  const double interval_s = now.elapsed_s - previous.elapsed_s;
  const auto recent = [&](uint64_t CampaignStatus::*counter) {
    return format_rate(recent_rate(now.*counter, previous.*counter, interval_s));
  };
  const auto average = [&](uint64_t counter) {
    return format_rate(average_rate(counter, now.elapsed_s));
  };
  std::string stage(to_string(now.stage));
  if (now.pass > 1) stage += fmt::format(" {}", now.pass);
  const std::string left = now.cooling_down ? "cooldown" : format_left(now.stage_left_s) + " left";
  const std::string pairs =
      now.stage == Stage::trace
          ? fmt::format("traced {}/{}", now.traced, now.to_trace)
          : fmt::format("pairs: {}/{} settled, {} injected", now.settled, now.pairs, now.injected);
  return fmt::format(
      "{} {} {:.0f}% ({}); send: {} {}p/s ({}p/s avg); recv: {} {}p/s ({}p/s avg); drops: {}p/s; "
      "hitrate: {:.2f}%; hosts: {} trusted: {}; {}, {} in flight",
      stage, format_duration(now.elapsed_s), std::floor(percent_complete(now)), left, now.sent,
      recent(&CampaignStatus::sent), average(now.sent), now.received,
      recent(&CampaignStatus::received), average(now.received), recent(&CampaignStatus::dropped),
      hit_rate_percent(now), now.hosts, now.trusted, pairs, now.in_flight);
}

std::string_view status_csv_header() {
  return "real-time,time-elapsed,time-remaining,percent-complete,hit-rate,active-send-threads,"
         "sent-total,sent-last-one-sec,sent-avg-per-sec,"
         "recv-success-total,recv-success-last-one-sec,recv-success-avg-per-sec,"
         "recv-total,recv-total-last-one-sec,recv-total-avg-per-sec,"
         "pcap-drop-total,drop-last-one-sec,drop-avg-per-sec,"
         "sendto-fail-total,sendto-fail-last-one-sec,sendto-fail-avg-per-sec\n";
}

std::string status_csv_row(const CampaignStatus& now, const CampaignStatus& previous,
                           int64_t unix_time_s, uint32_t workers) {
  const std::time_t time = unix_time_s;
  std::tm local{};
  localtime_r(&time, &local);
  char real_time[32];
  std::strftime(real_time, sizeof real_time, "%Y-%m-%d %H:%M:%S", &local);
  const double interval_s = now.elapsed_s - previous.elapsed_s;
  const auto counter = [&](uint64_t CampaignStatus::*member) {
    return fmt::format("{},{:.0f},{:.0f}", now.*member,
                       recent_rate(now.*member, previous.*member, interval_s),
                       average_rate(now.*member, now.elapsed_s));
  };
  // What a full transmit queue refused is in `dropped`, and is sent again: there are no sendto
  // failures.
  return fmt::format("{},{:.0f},{:.0f},{:f},{:f},{},{},{},{},{},0,0,0\n", real_time, now.elapsed_s,
                     now.cooling_down ? 0 : now.stage_left_s, percent_complete(now),
                     hit_rate_percent(now), now.cooling_down ? 0 : workers,
                     counter(&CampaignStatus::sent), counter(&CampaignStatus::answered),
                     counter(&CampaignStatus::received), counter(&CampaignStatus::dropped));
}

}  // namespace steppe
