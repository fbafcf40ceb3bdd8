// SPDX-License-Identifier: Apache-2.0
// Which server names a leaf is for, asked many times.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/judge/evidence.h"

namespace steppe {

// Says what X509_check_host() says (RFC 6125 6.4, CN too), from a sorted list: OpenSSL takes the
// certificate's names apart for each question, at some microseconds. Where a name or a pattern is
// not the usual letters, digits, hyphens and dots it does not answer, and OpenSSL is to be asked.
// Immutable.
class HostNames {
 public:
  HostNames() = default;
  explicit HostNames(const LeafParts& leaf);  // one that parses
  // nullopt: OpenSSL is to be asked.
  std::optional<bool> match(std::string_view server_name) const;

 private:
  void add(std::string_view pattern);

  bool usual_ = false;
  std::vector<std::string> patterns_;  // lower case, sorted
};

}  // namespace steppe
