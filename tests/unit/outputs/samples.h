// SPDX-License-Identifier: Apache-2.0
// Records that the tests share.
#pragma once

#include <string>
#include <vector>

#include "engine/store/store.h"

namespace steppe {

Digest digest_of(uint8_t byte);  // 32 times this byte
Evidence forged_evidence();
PairView injected_pair();
HostRecord trusted_host();
InterceptorRecord interceptor();
// 198.51.100.7 under facebook.com, four hops before the host.
TraceRecord located_trace();
RoundRecord finished_round();
// A self-signed EC certificate with this name and the serial 0a1b2c, DER.
std::vector<uint8_t> make_certificate(const std::string& name);

// A directory of the test's own, removed with everything in it at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::vector<std::string> list() const;  // names in it, sorted

 private:
  std::string path_;
};

// A database with one round, two hosts, and four pairs: 198.51.100.7 is injected under
// facebook.com, and traced.
void write_database(const std::string& directory);
// A second round in it, of 198.51.100.7 alone: under this hello all is the host's own.
void write_round_under(const std::string& hello, const std::string& directory);

std::string read_text(const std::string& path);

}  // namespace steppe
