// SPDX-License-Identifier: Apache-2.0
// Where nothing is ever sent: the IANA special-purpose registries, and the operator's files.
#pragma once

#include <string>
#include <vector>

#include "engine/plan/prefix_set.h"

namespace steppe {

// IPv4 blocks of the IANA special-purpose address registry (RFC 6890 and its updates), multicast
// (RFC 5771) and reserved space (RFC 1112). Frozen.
const PrefixSet& special_purpose_addresses();

// Reads a file of addresses and prefixes in ZMap's form: one a line, '#' starts a comment, empty
// lines do not count. Frozen. Throws OperatorError "FILE:LINE: ..." at the first broken line, or
// when it cannot be read.
PrefixSet read_prefix_file(const std::string& path);

// What a scan may visit, and what it may not.
struct TargetRules {
  std::vector<std::string> named;  // CIDRs and addresses from the command line
  PrefixSet selected;              // countries, ASes
  PrefixSet simulated;             // a simulated country's: all of it is meant
  std::vector<std::string> allowlist_files;
  std::vector<std::string> blocklist_files;
  std::string address_list_file;  // -I: single addresses
};

struct TargetSet {
  PrefixSet targets;  // what is visited; frozen
  PrefixSet blocked;  // what no frame may go to; frozen
};

// Targets are (named + selected + address list), and only what the allowlists hold if any are given
// (allowlists alone name the targets), less the blocklists and the special-purpose blocks. A
// special-purpose block is visited only where a `named` entry, an allowlist entry or an address
// list entry lies inside that one block, or equals it: a user who writes 198.18.0.0/16 means it;
// one who writes 0.0.0.0/0 does not. Operator blocklists always win. `blocked` is what the port
// checks on every frame that leaves: the special-purpose blocks, less what was so named outright,
// and the blocklists. Throws OperatorError on bad text, or when nothing is left.
TargetSet resolve_targets(const TargetRules& rules);

}  // namespace steppe
