// SPDX-License-Identifier: Apache-2.0
// Independent path probes: what goes out, and what is made of that which comes back.
#include <functional>
#include <set>
#include <string>

#include "tests/unit/flow/country.h"

namespace steppe::testing {
namespace {

constexpr uint32_t router = 0xcb007101;
constexpr uint16_t path_port = 80;

class PathProbing : public Country {
 protected:
  PathProbing() { begin_paths(); }

  // As it leaves.
  Bytes probe(uint32_t host, uint32_t variant) {
    const uint32_t address = addresses.address(host);
    rte_mbuf* frame = rte_pktmbuf_alloc(pool);
    write_path_probe(frame, transmitter.endpoint, next_hop.of(address), *pass, address, variant);
    const auto* data = rte_pktmbuf_mtod(frame, const uint8_t*);
    Bytes bytes(data, data + frame->data_len);
    EXPECT_EQ(frame->pkt_len, frame->data_len);
    rte_pktmbuf_free(frame);
    return bytes;
  }
  TcpFields syn_probe(uint32_t host, uint32_t variant) {
    const auto fields = parse_tcp_frame(probe(host, variant));
    EXPECT_TRUE(fields) << "wrong lengths or checksums";
    return fields.value_or(TcpFields{});
  }
  EchoFields echo_probe(uint32_t host, uint32_t variant) {
    const auto fields = parse_echo_frame(probe(host, variant));
    EXPECT_TRUE(fields) << "wrong lengths or checksums";
    return fields.value_or(EchoFields{});
  }
  // What a router says of it, with nothing but what RFC 792 asks for.
  static Bytes error(const Bytes& probe, uint32_t from = router, uint8_t type = exceeded) {
    Bytes quote(probe.begin() + 14, probe.begin() + 14 + 28);
    quote[8] = 1;
    return icmp_error_frame(from, our_address, type, 0, quote);
  }
  static Bytes echo_reply(EchoFields request) {
    std::swap(request.ip.source, request.ip.destination);
    request.type = echo_answer;
    request.ip.ttl = 50;
    return echo_frame(request);
  }
  static Bytes syn_reply(const TcpFields& probe, uint8_t flags) {
    TcpFields reply = probe;
    std::swap(reply.ip.source, reply.ip.destination);
    std::swap(reply.source_port, reply.destination_port);
    reply.flags = flags;
    reply.sequence = 77000;
    reply.acknowledgement = probe.sequence + 1;
    return tcp_frame(reply);
  }

  Hop hop(uint32_t host, uint32_t variant) const { return paths[host].hops[variant].load(); }
  // Everything that is known of anybody: hops and hosts.
  uint32_t known() const {
    uint32_t count = 0;
    for (uint32_t host = 0; host < hosts; ++host)
      for (uint32_t variant = 0; variant < path_variants; ++variant)
        count += (hop(host, variant).router != 0) + paths[host].reached[variant].load() +
                 (answer(host, variant) != Answer::none);
    return count;
  }
};

TEST_F(PathProbing, VariantsAreMethodsAndTtls) {
  std::set<uint32_t> variants;
  for (const PathMethod method : {PathMethod::echo, PathMethod::tcp})
    for (uint8_t ttl = 1; ttl <= limits::path_hops; ++ttl)
      variants.insert(path_variant(method, ttl));
  EXPECT_EQ(variants.size(), path_variants);
  EXPECT_EQ(*variants.rbegin(), path_variants - 1);
}

TEST_F(PathProbing, EchoRequestsDifferInTtlSequenceNumberAndItsUndoingOnly) {
  for (uint32_t host = 0; host < hosts; ++host) {
    const EchoFields first = echo_probe(host, path_variant(PathMethod::echo, 1));
    for (uint8_t ttl = 1; ttl <= limits::path_hops; ++ttl) {
      const EchoFields echo = echo_probe(host, path_variant(PathMethod::echo, ttl));
      EXPECT_EQ(echo.type, echo_request);
      EXPECT_EQ(echo.code, 0);
      EXPECT_EQ(echo.identifier, pass->echo_identifier);
      EXPECT_EQ(echo.sequence, static_cast<uint16_t>(first.sequence + ttl - 1));
      EXPECT_EQ(echo.checksum, first.checksum) << "another path, to who balances his load by it";
      EXPECT_EQ(echo.ip.ttl, ttl);
      EXPECT_EQ(echo.ip.identification, 0);
      EXPECT_EQ(echo.ip.type_of_service, 0);
      EXPECT_EQ(echo.ip.source, our_address);
      EXPECT_EQ(echo.ip.destination, addresses.address(host));
      ASSERT_EQ(echo.data.size(), 4u);
    }
  }
}

TEST_F(PathProbing, SynsDifferInTtlAndSequenceNumberOnly) {
  for (uint32_t host = 0; host < hosts; ++host) {
    const TcpFields first = syn_probe(host, path_variant(PathMethod::tcp, 1));
    EXPECT_GE(first.source_port, 32768);
    for (uint8_t ttl = 1; ttl <= limits::path_hops; ++ttl) {
      const TcpFields segment = syn_probe(host, path_variant(PathMethod::tcp, ttl));
      EXPECT_EQ(segment.flags, syn);
      EXPECT_EQ(segment.source_port, first.source_port);
      EXPECT_EQ(segment.destination_port, path_port);
      EXPECT_EQ(segment.sequence, first.sequence - (ttl - 1u));
      EXPECT_EQ(segment.acknowledgement, 0u);
      EXPECT_TRUE(segment.payload.empty());
      EXPECT_EQ(segment.ip.ttl, ttl);
      EXPECT_EQ(segment.ip.identification, 0);
      EXPECT_EQ(segment.ip.type_of_service, 0);
      EXPECT_EQ(segment.ip.source, our_address);
      EXPECT_EQ(segment.ip.destination, addresses.address(host));
    }
  }
}

TEST_F(PathProbing, HostsHaveNumbersOfTheirOwn) {
  std::set<uint32_t> echoes, syns;
  for (uint32_t host = 0; host < hosts; ++host) {
    const EchoFields echo = echo_probe(host, 0);
    echoes.insert(uint32_t{echo.checksum} << 16 | echo.sequence);
    syns.insert(syn_probe(host, limits::path_hops).sequence);
  }
  EXPECT_EQ(echoes.size(), hosts);
  EXPECT_EQ(syns.size(), hosts);
}

// Each probe is found again in what a router quotes of it, and no other.
TEST_F(PathProbing, WhatARouterQuotesIsTheProbe) {
  uint32_t expected = 0;
  for (uint32_t host = 0; host < hosts; host += 7) {
    for (uint32_t variant = 0; variant < path_variants; ++variant) {
      const Bytes sent = probe(host, variant);
      EXPECT_EQ(probe(host, variant), sent) << "a probe that is repeated is the same";
      ASSERT_EQ(receive(error(sent, router + variant)), PacketOutcome::hop);
      EXPECT_EQ(hop(host, variant).router, router + variant);
      EXPECT_EQ(hop(host, variant).unreachable, 0);
      EXPECT_EQ(hop(host, variant).rewritten, 0);
      EXPECT_FALSE(paths[host].reached[variant]);
      EXPECT_EQ(answer(host, variant), Answer::same);
      expected += 2;
      ASSERT_EQ(known(), expected) << "and of nothing else";
    }
  }
}

TEST_F(PathProbing, WhatTheHostAnswersIsTheProbe) {
  uint32_t expected = 0;
  for (uint32_t host = 0; host < hosts; host += 7) {
    for (uint32_t variant = 0; variant < path_variants; ++variant) {
      if (variant < limits::path_hops) {
        ASSERT_EQ(receive(echo_reply(echo_probe(host, variant))), PacketOutcome::echo_reply);
      } else {
        const TcpFields probe = syn_probe(host, variant);
        ASSERT_EQ(receive(syn_reply(probe, syn | ack)), PacketOutcome::syn_ack_opened);
        // An open port is closed again, and not the one of the TLS server.
        const auto frames = sent();
        ASSERT_EQ(frames.size(), 1u);
        EXPECT_EQ(frames[0].flags, rst);
        EXPECT_EQ(frames[0].ip.destination, addresses.address(host));
        EXPECT_EQ(frames[0].ip.ttl, 64);
        EXPECT_EQ(frames[0].source_port, probe.source_port);
        EXPECT_EQ(frames[0].destination_port, path_port);
        EXPECT_EQ(frames[0].sequence, probe.sequence + 1);
      }
      EXPECT_TRUE(paths[host].reached[variant]);
      EXPECT_EQ(hop(host, variant).router, 0u);
      EXPECT_EQ(answer(host, variant), Answer::same);
      expected += 2;
      ASSERT_EQ(known(), expected) << "and of nothing else";
    }
  }
  EXPECT_EQ(connections->open(), 0u);
}

TEST_F(PathProbing, EchoSequenceNumbersMayPassThroughZero) {
  // One host in two thousand has such numbers: look for one under other keys.
  for (uint8_t i = 0; i < 255; ++i) {
    pass->cookie = Cookie({i}, 32768, 16384);
    for (uint32_t host = 0; host < hosts; ++host) {
      if (echo_probe(host, 0).sequence <= 65536 - limits::path_hops) continue;
      const EchoFields first = echo_probe(host, 0);
      for (uint32_t variant = 0; variant < limits::path_hops; ++variant) {
        EXPECT_EQ(echo_probe(host, variant).checksum, first.checksum);
        EXPECT_EQ(receive(error(probe(host, variant))), PacketOutcome::hop) << variant;
        EXPECT_EQ(receive(echo_reply(echo_probe(host, variant))), PacketOutcome::echo_reply);
        EXPECT_TRUE(paths[host].reached[variant]);
      }
      return;
    }
  }
  FAIL() << "no host has numbers that pass through zero";
}

TEST_F(PathProbing, ARefusalCountsAndIsNotAnswered) {
  const uint32_t variant = path_variant(PathMethod::tcp, 9);
  EXPECT_EQ(receive(syn_reply(syn_probe(5, variant), rst | ack)), PacketOutcome::refused);
  EXPECT_TRUE(paths[5].reached[variant]);
  EXPECT_EQ(answer(5, variant), Answer::same);
  EXPECT_TRUE(sent().empty());
  EXPECT_TRUE(connections->observations.empty());
}

TEST_F(PathProbing, UnreachableFromTheHostIsTheHostAndFromARouterAHop) {
  for (const uint32_t variant :
       {path_variant(PathMethod::echo, 12), path_variant(PathMethod::tcp, 12)}) {
    const Bytes sent = probe(5, variant);
    EXPECT_EQ(receive(error(sent, addresses.address(5), unreachable)), PacketOutcome::hop);
    EXPECT_TRUE(paths[5].reached[variant]);
    EXPECT_EQ(hop(5, variant).router, 0u);
    EXPECT_EQ(answer(5, variant), Answer::same);
    const Bytes other = probe(6, variant);
    // Another host that was probed is a router here.
    EXPECT_EQ(receive(error(other, addresses.address(5), unreachable)), PacketOutcome::hop);
    EXPECT_FALSE(paths[6].reached[variant]);
    EXPECT_EQ(hop(6, variant).router, addresses.address(5));
    EXPECT_EQ(hop(6, variant).unreachable, 1);
    EXPECT_EQ(answer(6, variant), Answer::same);
  }
}

TEST_F(PathProbing, OtherErrorsChangeNothing) {
  for (const uint32_t variant : {0u, uint32_t{limits::path_hops}})
    EXPECT_EQ(receive(error(probe(5, variant), router, parameter_problem)),
              PacketOutcome::icmp_soft);
  EXPECT_EQ(known(), 0u);
}

TEST_F(PathProbing, WhatComesTwiceIsAnsweredOnce) {
  const uint32_t variant = path_variant(PathMethod::echo, 3);
  const Bytes sent = probe(5, variant);
  EXPECT_EQ(receive(error(sent)), PacketOutcome::hop);
  EXPECT_EQ(receive(error(sent)), PacketOutcome::hop);
  EXPECT_EQ(receive(echo_reply(echo_probe(5, variant))), PacketOutcome::echo_reply);
  EXPECT_EQ(hop(5, variant).router, router);
  EXPECT_EQ(answer(5, variant), Answer::same);
}

// Offsets are in the quote: of the destination, and of the eight bytes behind the IP header.
TEST_F(PathProbing, AnErrorWithAForgedFieldIsForeign) {
  constexpr size_t destination = 16, body = 20;
  const auto forged = [&](uint32_t variant, const std::function<void(Bytes&)>& change) {
    Bytes sent = probe(5, variant);
    Bytes quote(sent.begin() + 14, sent.begin() + 14 + 28);
    change(quote);
    return receive(icmp_error_frame(router, our_address, exceeded, 0, quote));
  };
  const uint32_t outside = first_host + hosts;
  for (const uint32_t variant : {7u, limits::path_hops + 7u}) {
    EXPECT_EQ(forged(variant, [&](Bytes& quote) { put32(quote, destination, outside); }),
              PacketOutcome::icmp_foreign);
    EXPECT_EQ(forged(variant, [&](Bytes& quote) { put32(quote, destination, first_host + 6); }),
              PacketOutcome::icmp_foreign);
  }
  // Source port, destination port and sequence number: the next to the last SYN's, to the first's.
  const uint32_t first_syn = limits::path_hops, last_syn = path_variants - 1;
  EXPECT_EQ(forged(first_syn, [](Bytes& quote) { quote[body + 1] ^= 1; }),
            PacketOutcome::icmp_foreign);
  EXPECT_EQ(forged(first_syn, [](Bytes& quote) { put16(quote, body + 2, 443); }),
            PacketOutcome::icmp_foreign);
  EXPECT_EQ(
      forged(first_syn, [](Bytes& quote) { put32(quote, body + 4, get32(quote, body + 4) + 1); }),
      PacketOutcome::icmp_foreign);
  EXPECT_EQ(
      forged(last_syn, [](Bytes& quote) { put32(quote, body + 4, get32(quote, body + 4) - 1); }),
      PacketOutcome::icmp_foreign);
  // Checksum, identifier and sequence number of an echo. A request is all that we send.
  const uint32_t last_echo = limits::path_hops - 1;
  EXPECT_EQ(forged(0, [](Bytes& quote) { quote[body + 3] ^= 1; }), PacketOutcome::icmp_foreign);
  EXPECT_EQ(forged(0, [](Bytes& quote) { quote[body + 5] ^= 1; }), PacketOutcome::icmp_foreign);
  EXPECT_EQ(forged(0, [](Bytes& quote) { put16(quote, body + 6, get16(quote, body + 6) - 1u); }),
            PacketOutcome::icmp_foreign);
  EXPECT_EQ(
      forged(last_echo, [](Bytes& quote) { put16(quote, body + 6, get16(quote, body + 6) + 1u); }),
      PacketOutcome::icmp_foreign);
  EXPECT_EQ(forged(0, [](Bytes& quote) { quote[body] = echo_answer; }), PacketOutcome::other);
  EXPECT_EQ(known(), 0u);
}

TEST_F(PathProbing, AnEchoReplyWithAForgedFieldIsIgnored) {
  const EchoFields first = echo_probe(5, 0), last = echo_probe(5, limits::path_hops - 1);
  const auto forged = [&](EchoFields request, const std::function<void(EchoFields&)>& change) {
    change(request);
    return receive(echo_reply(request));
  };
  // The undoing of a sequence number, without which the checksum's secret half stays unknown.
  const auto renumber = [](EchoFields& echo, int by) {
    echo.sequence = static_cast<uint16_t>(echo.sequence + by);
    put16(echo.data, 2, static_cast<uint16_t>(~echo.sequence));
  };
  EXPECT_EQ(forged(first, [](auto& echo) { echo.data[0] ^= 1; }), PacketOutcome::other);
  EXPECT_EQ(forged(first, [](auto& echo) { echo.data[3] ^= 1; }), PacketOutcome::other);
  EXPECT_EQ(forged(first, [](auto& echo) { ++echo.sequence; }), PacketOutcome::other);
  EXPECT_EQ(forged(first, [&](auto& echo) { renumber(echo, -1); }), PacketOutcome::other);
  EXPECT_EQ(forged(last, [&](auto& echo) { renumber(echo, 1); }), PacketOutcome::other);
  EXPECT_EQ(forged(first, [](auto& echo) { --echo.identifier; }), PacketOutcome::other);
  EXPECT_EQ(forged(first, [](auto& echo) { echo.ip.destination = first_host + 6; }),
            PacketOutcome::other);
  EXPECT_EQ(forged(first, [](auto& echo) { echo.ip.destination = first_host + hosts; }),
            PacketOutcome::other);
  EXPECT_EQ(forged(first, [](auto& echo) { echo.data.resize(3); }), PacketOutcome::other);
  EXPECT_EQ(known(), 0u);
  // More data than we sent is no lie about any of it.
  EXPECT_EQ(forged(first, [](auto& echo) { echo.data.resize(5); }), PacketOutcome::echo_reply);
}

TEST_F(PathProbing, ASegmentWithAForgedFieldIsAStray) {
  const TcpFields first = syn_probe(5, limits::path_hops), last = syn_probe(5, path_variants - 1);
  const auto forged = [&](TcpFields probe, uint8_t flags,
                          const std::function<void(TcpFields&)>& change) {
    change(probe);
    return receive(syn_reply(probe, flags));
  };
  for (const uint8_t flags : {uint8_t{syn | ack}, uint8_t{rst | ack}}) {
    EXPECT_EQ(forged(first, flags, [](auto& at) { ++at.sequence; }), PacketOutcome::stray);
    EXPECT_EQ(forged(last, flags, [](auto& at) { --at.sequence; }), PacketOutcome::stray);
    EXPECT_EQ(forged(first, flags, [](auto& at) { at.source_port ^= 1; }), PacketOutcome::stray);
    EXPECT_EQ(forged(first, flags, [](auto& at) { at.ip.destination = first_host + 6; }),
              PacketOutcome::stray);
    EXPECT_EQ(forged(first, flags, [](auto& at) { at.ip.destination = first_host + hosts; }),
              PacketOutcome::stray);
  }
  // Without an ACK there is nothing that makes it credible (RFC 9293 3.10.7.3).
  EXPECT_EQ(receive(syn_reply(first, rst)), PacketOutcome::stray);
  EXPECT_EQ(receive(syn_reply(first, syn)), PacketOutcome::stray);
  EXPECT_EQ(known(), 0u);
  EXPECT_TRUE(sent().empty());
}

}  // namespace
}  // namespace steppe::testing
