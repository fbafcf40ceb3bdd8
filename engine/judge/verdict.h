// SPDX-License-Identifier: Apache-2.0
// What a pair, and a host, can turn out to be. One list each makes the enum, the word in every
// output and the byte on disk. The numbers are on disk: never renumber, only append.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace steppe {

// clang-format off
#define STEPPE_VERDICTS(X)                                                                     \
  X(none, 0, "not asked yet")                                                                  \
  X(same, 1, "the host's own leaf came back")                                                  \
  X(genuine, 2, "another leaf, which a browser trusts")                                        \
  X(injected, 3, "a forged leaf: not trusted, and related to the host's own as forgeries are") \
  X(untrusted, 4, "another leaf, not trusted, with no sign of forging")                        \
  X(reset, 5, "the connection was reset, or refused")                                          \
  X(closed, 6, "the connection was closed without a certificate")                              \
  X(alert, 7, "a TLS alert instead of a certificate")                                          \
  X(timeout, 8, "no answer, or no whole answer, in time")                                      \
  X(not_tls, 9, "an answer that is not TLS")                                                   \
  X(unreachable, 10, "an ICMP error instead of an answer")

#define STEPPE_HOST_STATUSES(X)                                                                \
  X(unknown, 0, "nothing settled yet")                                                         \
  X(trusted, 1, "controls agree, and the chain verifies: probed")                              \
  X(untrusted, 2, "the chain does not verify: never probed")                                   \
  X(unstable, 3, "controls do not agree on a leaf: not judged")                                \
  X(needs_tls13, 4, "refuses TLS 1.2, and did not answer TLS 1.3")                              \
  X(rejects_names, 5, "refuses unknown names and a missing name: no baseline to be had")       \
  X(not_tls, 6, "answers something that is not TLS")                                           \
  X(closed, 7, "closes after the ClientHello")                                                 \
  X(reset, 8, "resets after the ClientHello")                                                  \
  X(timeout, 9, "accepts the connection and says nothing, or stops in the middle")             \
  X(dropped, 10, "its controls kept failing in this round: not judged further")                \
  X(refuses_tls, 11, "refuses every version of TLS that it was offered")
// clang-format on

#define STEPPE_ENUMERATOR(name, number, meaning) name = number,
enum class Verdict : uint8_t { STEPPE_VERDICTS(STEPPE_ENUMERATOR) };
enum class HostStatus : uint8_t { STEPPE_HOST_STATUSES(STEPPE_ENUMERATOR) };
#undef STEPPE_ENUMERATOR

// Whether somebody meddled with the pair. On disk.
enum class Interference : uint8_t { no = 0, yes = 1, inconclusive = 2 };

inline constexpr size_t verdict_count = 11;
inline constexpr size_t host_status_count = 12;

// The word of a value as it stands in every output, and the value of a word.
std::string_view to_string(Verdict verdict);
std::string_view to_string(HostStatus status);
std::string_view to_string(Interference interference);
std::optional<Verdict> verdict_from(std::string_view word);
std::optional<HostStatus> host_status_from(std::string_view word);
std::optional<Interference> interference_from(std::string_view word);

}  // namespace steppe
