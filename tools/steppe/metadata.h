// SPDX-License-Identifier: Apache-2.0
// --metadata-file: what was asked for and what was done, under ZMap's names where ZMap has one.
#pragma once

#include "modules/outputs/fields.h"
#include "tools/steppe/campaign_options.h"
#include "tools/steppe/trace_findings.h"

namespace steppe {

// traces: of the campaign's round.
Row metadata_of(const CampaignOptions& options, const CampaignSummary& summary,
                const TraceFindings& traces);

}  // namespace steppe
