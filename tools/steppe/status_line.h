// SPDX-License-Identifier: Apache-2.0
// The status of a running scan as text: ZMap's line and ZMap's CSV. Pure functions of two moments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/campaign.h"

namespace steppe {

// 999 -> "999 ", 12345 -> "12.3 K", 1234567 -> "1.23 M": three digits, the unit's prefix behind the
// space.
std::string format_rate(double per_second);
// 5 -> "0:05", 3725 -> "1:02:05", 90061 -> "1d01:01:01".
std::string format_duration(double seconds);
// 38 -> "38s", 150 -> "2m30s", 7260 -> "2h01m", 180000 -> "2d02h".
std::string format_left(double seconds);

// "probe  0:05 12% (38s left); send: 61440 12.3 Kp/s (12.1 Kp/s avg); recv: ...", no line break.
// previous: the moment shown before it, a default one at first.
std::string status_line(const CampaignStatus& now, const CampaignStatus& previous);

// What ZMap writes to --status-updates-file, its columns in its order and number formats.
std::string_view status_csv_header();
// unix_time_s is printed as local time, as ZMap does. workers: active-send-threads.
std::string status_csv_row(const CampaignStatus& now, const CampaignStatus& previous,
                           int64_t unix_time_s, uint32_t workers);

}  // namespace steppe
