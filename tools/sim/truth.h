// SPDX-License-Identifier: Apache-2.0
// What a perfect measurement of a simulated country finds, and how far a database is from it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/judge/verdict.h"
#include "engine/store/store.h"
#include "tools/sim/authority.h"
#include "tools/sim/layout.h"

namespace steppe::sim {

// The right answer for a pair. `other`: a second verdict that is right as well (a load balancer's
// leaf is `same` or `genuine` by chance), none if there is just one.
struct Answer {
  Verdict verdict = Verdict::none;
  Verdict other = Verdict::none;
  Interference interference = Interference::no;
  uint32_t middlebox = UINT32_MAX;  // the one that interferes
  // The box meets only some of the pair's connections: it deals with a share of them, sits on one
  // of several ways, races the host, or its answers may not arrive. What a measurement of a few
  // connections must find is then open; only another verdict would be wrong.
  bool by_chance = false;
  std::string_view reason;  // "the host's own leaf", "forged on the way", ...
};

// Whether a perfect measurement would probe the host: it speaks TLS, its controls agree, and its
// leaf leads to a browser root. `maybe`: that hangs on which of its leaves it shows, or on how
// fast it is asked.
enum class Trusted : uint8_t { no, yes, maybe };
Trusted is_trusted(const Layout& layout, const Host& host);
// REQUIRES is_trusted(host) != no. server_name in lower case.
Answer right_answer(const Layout& layout, const Host& host, std::string_view server_name,
                    Date date);

// JSON lines: {"type":"host",...} for each trusted host, {"type":"pair",...} for each pair with
// interference, with injection TTL and link of its paths, {"type":"interceptor",...} for each
// forging key. README.md has the fields.
void print_truth(const Layout& layout, Authority& authority, Date date,
                 std::span<const std::string> server_names, std::FILE* out);

// A database beside the truth. Pairs that are decided by chance count apart.
struct Score {
  struct WrongPair {
    uint32_t address;
    std::string server_name, found, right, reason;
  };
  uint32_t round = 0;
  uint64_t hosts = 0, hosts_found = 0, hosts_surplus = 0;  // trusted ones, without the maybes
  uint64_t hosts_dropped = 0;                              // found, but not judged to the end
  uint64_t pairs = 0;                                      // of trusted hosts x test names
  uint64_t missing = 0;                                    // without any answer
  uint64_t interfered = 0;                                 // pairs with interference, by the truth
  uint64_t true_positives = 0;                             // yes, and the right verdict
  uint64_t false_positives = 0;  // yes, where there is none, or another verdict
  uint64_t false_negatives = 0;  // no, where there is one
  uint64_t inconclusive = 0;     // where there is a definite answer
  uint64_t by_chance = 0, by_chance_yes = 0, by_chance_no = 0;  // the rest: inconclusive
  uint64_t wrong_verdicts = 0;  // neither verdict fits, whatever the interference
  uint64_t names_right = 0, names_found = 0, names_true = 0;  // names with interference
  uint64_t interceptors_right = 0, interceptors_found = 0, interceptors_true = 0;  // by SPKI
  std::vector<WrongPair> wrong;                                                    // the first ones

  // Traces of this round and vantage beside the truth of their ways (trace_truth.h). Without any,
  // nothing is said about them.
  struct Traces {
    struct Wrong {
      uint32_t address;
      std::string server_name, found, right;
    };
    uint64_t records = 0;
    // Pairs with an interference that is found, is true at the time of the trace, comes on every
    // connection, and answers: whoever drops hellos has no place to be seen at.
    uint64_t to_locate = 0;
    // Of all pairs, those decided by chance as well: those need not be located, but rightly.
    uint64_t located = 0, right = 0, wrong = 0;
    uint64_t not_located = 0, missing = 0;  // of those to locate; missing: no record
    // Of located ones: what they say besides.
    uint64_t wrong_placements = 0, wrong_terminating = 0, wrong_ttl_copied = 0, wrong_paths = 0;
    std::vector<Wrong> wrong_ones;  // the first ones
  } traces;
  double precision() const;  // 1 if nothing was found
  double recall() const;     // 1 if there was nothing to find
  // Nothing missing, nothing wrong: every pair with a definite answer has it, and no trace says
  // what is not so.
  bool perfect() const;
};
// The latest round. Each pair's truth is taken at the time at which it was settled, each trace's at
// its own.
Score score(const Layout& layout, Authority& authority, const Store& store);
std::string score_text(const Score& score);

}  // namespace steppe::sim
