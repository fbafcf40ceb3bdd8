// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/blocklist.h"

#include <algorithm>
#include <string_view>

#include "engine/plan/operator_error.h"
#include "engine/plan/text_file.h"

namespace steppe {
namespace {

// https://www.iana.org/assignments/iana-ipv4-special-registry, and the two class blocks behind it.
// Single addresses that the registry has inside these blocks are not repeated. The AS112 and AMT
// blocks are reachable by design, but they are infrastructure that no country's hosts live in.
constexpr std::string_view special_purpose_blocks[] = {
    "0.0.0.0/8",        // "this network", RFC 791 3.2
    "10.0.0.0/8",       // private use, RFC 1918
    "100.64.0.0/10",    // shared address space of carrier NAT, RFC 6598
    "127.0.0.0/8",      // loopback, RFC 1122 3.2.1.3
    "169.254.0.0/16",   // link local, RFC 3927
    "172.16.0.0/12",    // private use, RFC 1918
    "192.0.0.0/24",     // IETF protocol assignments, RFC 6890 2.1
    "192.0.2.0/24",     // documentation, RFC 5737
    "192.31.196.0/24",  // AS112-v4, RFC 7535
    "192.52.193.0/24",  // AMT, RFC 7450
    "192.88.99.0/24",   // 6to4 relay anycast, deprecated, RFC 7526
    "192.168.0.0/16",   // private use, RFC 1918
    "192.175.48.0/24",  // direct delegation AS112 service, RFC 7534
    "198.18.0.0/15",    // benchmarking, RFC 2544
    "198.51.100.0/24",  // documentation, RFC 5737
    "203.0.113.0/24",   // documentation, RFC 5737
    "224.0.0.0/4",      // multicast, RFC 5771
    "240.0.0.0/4",      // reserved, RFC 1112 4; with limited broadcast, RFC 919 7
};

// Kept apart, not merged: "inside a block" means inside one of them.
const std::vector<AddressRange>& special_purpose_ranges() {
  static const std::vector<AddressRange> ranges = [] {
    std::vector<AddressRange> made;
    for (const std::string_view block : special_purpose_blocks) {
      made.push_back(parse_prefix(block).value());
    }
    return made;
  }();
  return ranges;
}

bool inside_special_purpose_block(AddressRange entry) {
  const auto& blocks = special_purpose_ranges();
  return std::any_of(blocks.begin(), blocks.end(), [entry](AddressRange block) {
    return block.first <= entry.first && entry.last <= block.last;
  });
}

// What is wrong with a text that parse_prefix() refused, and what to write.
std::string no_prefix(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  const std::string length(slash == text.npos ? "" : text.substr(slash));
  if (address && parse_prefix("0.0.0.0" + length)) {
    // The length is sound, so only bits behind it are in the way: clear the lowest until none is.
    uint32_t network = *address;
    while (!parse_prefix(format_address(network) + length)) network &= network - 1;
    return quoted(text) + " has bits set behind its length: write " + format_address(network) +
           length;
  }
  return quoted(text) + " is neither an IPv4 address nor a prefix: write 192.0.2.1 or 192.0.2.0/24";
}

AddressRange entry_of(const TextFile& file) {
  const auto range = parse_prefix(file.text());
  if (!range) throw OperatorError(file.where() + ": " + no_prefix(file.text()));
  return *range;
}

// What was asked for, and which of it opens special-purpose blocks. Entries must be looked at one
// by one: 9.0.0.0/8 and 10.0.0.0/8 merge into a range that lies in no block.
struct Selection {
  PrefixSet targets;
  PrefixSet outright;

  void add(AddressRange entry) {
    targets.add(entry);
    if (inside_special_purpose_block(entry)) outright.add(entry);
  }
};

void read_address_list(const std::string& path, Selection& selection) {
  for (TextFile file(path); file.next();) {
    const auto address = parse_address(file.text());
    if (!address) {
      throw OperatorError(file.where() + ": " + quoted(file.text()) +
                          " is no IPv4 address: this list takes single addresses, one a line "
                          "(prefixes go into an allowlist, -w)");
    }
    selection.add({*address, *address});
  }
}

}  // namespace

const PrefixSet& special_purpose_addresses() {
  static const PrefixSet set = [] {
    PrefixSet made;
    for (const AddressRange block : special_purpose_ranges()) made.add(block);
    made.freeze();
    return made;
  }();
  return set;
}

PrefixSet read_prefix_file(const std::string& path) {
  PrefixSet set;
  for (TextFile file(path); file.next();) set.add(entry_of(file));
  set.freeze();
  return set;
}

TargetSet resolve_targets(const TargetRules& rules) {
  Selection asked;
  asked.targets.add(rules.selected);
  asked.targets.add(rules.simulated);
  asked.outright.add(rules.simulated);
  for (const std::string& text : rules.named) {
    const auto range = parse_prefix(text);
    if (!range) throw OperatorError(no_prefix(text));
    asked.add(*range);
  }
  if (!rules.address_list_file.empty()) read_address_list(rules.address_list_file, asked);
  const bool asked_directly = !asked.targets.ranges().empty();

  Selection allowed;
  for (const std::string& path : rules.allowlist_files) {
    for (TextFile file(path); file.next();) allowed.add(entry_of(file));
  }
  if (!asked_directly && rules.allowlist_files.empty()) {
    throw OperatorError(
        "nothing to scan: give a country (--country KZ), an AS (--asn), prefixes or addresses, or "
        "a "
        "file of them (-w, -I)");
  }

  TargetSet result;
  result.blocked = special_purpose_addresses();
  result.blocked.remove(asked.outright);
  result.blocked.remove(allowed.outright);
  for (const std::string& path : rules.blocklist_files) {
    result.blocked.add(read_prefix_file(path));
  }
  result.blocked.freeze();

  if (!asked_directly) {
    result.targets = std::move(allowed.targets);
  } else if (rules.allowlist_files.empty()) {
    result.targets = std::move(asked.targets);
  } else {
    result.targets = asked.targets.intersection(allowed.targets);
  }
  result.targets.freeze();
  if (result.targets.empty()) {
    throw OperatorError(asked_directly && !rules.allowlist_files.empty()
                            ? "no address is left to scan: the allowlist holds none of those that "
                              "were asked for; widen one of them"
                            : "no address is left to scan: the files that were given hold none");
  }
  const uint64_t before = result.targets.size();
  result.targets.remove(result.blocked);
  result.targets.freeze();
  if (result.targets.empty()) {
    throw OperatorError("no address is left to scan: all " + std::to_string(before) +
                        " are on a blocklist or special-purpose; shorten the blocklist, or name "
                        "the special-purpose "
                        "block itself (such as 198.18.0.0/15)");
  }
  return result;
}

}  // namespace steppe
