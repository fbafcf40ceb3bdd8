// SPDX-License-Identifier: Apache-2.0
// What becomes of every received frame: one list makes the enum, the counter and the word in
// reports. The outcomes of a worker sum to the frames it received.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace steppe {

// clang-format off
#define STEPPE_PACKET_OUTCOMES(X)                                                \
  X(syn_ack_opened, "SYN-ACK to a probe of this pass: a connection begins")      \
  X(syn_ack_repeated, "SYN-ACK again, to a probe that was answered already")     \
  X(syn_ack_unknown, "SYN-ACK to no probe of this pass")                         \
  X(syn_ack_postponed, "SYN-ACK while the flow table was full: will come again") \
  X(refused, "RST to a probe of this pass")                                      \
  X(unreachable, "ICMP destination unreachable about a probe of this pass")      \
  X(data, "in-order data of a connection")                                       \
  X(data_ahead, "data behind a gap, held or dropped")                            \
  X(data_repeated, "data that was there already")                                \
  X(acknowledgement, "a bare acknowledgement of a connection")                   \
  X(fin, "FIN of a connection")                                                  \
  X(reset, "RST of a connection")                                                \
  X(challenged, "RST, SYN or ACK that cannot be right: challenge ACK"     )     \
  X(stray, "TCP to our ports, of no connection")                                 \
  X(stray_reset, "RST that is of no probe, and in no connection's window")              \
  X(hop, "ICMP error from a hop of a traced path")                               \
  X(icmp_soft, "ICMP error that changes nothing")                                \
  X(icmp_foreign, "ICMP error that quotes no packet of ours")                    \
  X(echo_reply, "ICMP echo reply to a path probe")                               \
  X(arp, "ARP")                                                                  \
  X(other, "not for us")                                                         \
  X(malformed, "broken headers")                                                 \
  X(bad_checksum, "wrong checksum")
// clang-format on

enum class PacketOutcome : uint8_t {
#define STEPPE_ENUMERATOR(name, meaning) name,
  STEPPE_PACKET_OUTCOMES(STEPPE_ENUMERATOR)
#undef STEPPE_ENUMERATOR
};

inline constexpr std::array packet_outcome_words = std::to_array<std::string_view>({
#define STEPPE_WORD(name, meaning) #name,
    STEPPE_PACKET_OUTCOMES(STEPPE_WORD)
#undef STEPPE_WORD
});

using PacketCounts = std::array<uint64_t, packet_outcome_words.size()>;

}  // namespace steppe
