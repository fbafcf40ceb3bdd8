// SPDX-License-Identifier: Apache-2.0
// --metadata-file: what was asked for and what was done, under ZMap's names where ZMap has one.
#pragma once

#include "modules/outputs/fields.h"
#include "tools/steppe/scan_options.h"

namespace steppe {

Row metadata_of(const ScanOptions& options, const CampaignSummary& summary);

}  // namespace steppe
