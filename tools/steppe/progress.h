// SPDX-License-Identifier: Apache-2.0
// All that is said while a campaign runs: log, status line, status CSV.
#pragma once

#include <cstdio>

#include "tools/steppe/campaign_options.h"

namespace steppe {

// The files are made by begin(), which show() calls first: the engine has checked its part by then,
// so that an operator's mistake leaves nothing behind. options must outlive it.
class Progress {
 public:
  explicit Progress(const CampaignOptions& options);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void begin();
  void show(const CampaignStatus& now);
  // The status line stays as it is.
  void end();

 private:
  void set_format();
  void announce_end();
  void clear_line();

  const CampaignOptions& options_;
  const bool terminal_;
  bool begun_ = false, shown_ = false, announced_ = false, line_open_ = false;
  CampaignStatus previous_;
  std::FILE* status_file_ = nullptr;
};

}  // namespace steppe
