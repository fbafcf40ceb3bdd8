// SPDX-License-Identifier: Apache-2.0
// The part of a summary that says where the answers are made.
#pragma once

#include <string>

#include "tools/steppe/trace_findings.h"

namespace steppe {

// "" if nothing was traced.
std::string traces_text(const TraceFindings& findings);

}  // namespace steppe
