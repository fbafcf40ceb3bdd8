// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/frame.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>

#include "tests/unit/wire/frame_builder.h"

namespace steppe {
namespace {

using namespace testing;

constexpr Endpoint endpoint{
    .mac = {{2, 0, 0, 0, 0, 1}}, .address = 0xc0000201, .target_port = 443, .ttl = 61};
constexpr rte_ether_addr gateway = {{2, 0, 0, 0, 0, 2}};
constexpr uint32_t host = 0xc6336407;

// An mbuf whose data ends where its memory ends, so that a read behind it is found by
// AddressSanitizer. The functions under test look at nothing but this and the data.
class Frame {
 public:
  explicit Frame(std::span<const uint8_t> bytes) : data_(new uint8_t[bytes.size()]) {
    std::copy(bytes.begin(), bytes.end(), data_.get());
    mbuf_.buf_addr = data_.get();
    mbuf_.data_len = static_cast<uint16_t>(bytes.size());
    mbuf_.pkt_len = mbuf_.data_len;
  }
  rte_mbuf* get() { return &mbuf_; }
  std::span<const uint8_t> bytes() const { return {data_.get(), mbuf_.data_len}; }

 private:
  std::unique_ptr<uint8_t[]> data_;
  rte_mbuf mbuf_{};
};

ReceivedFrame read(const Bytes& bytes, uint64_t offload_flags = 0) {
  Frame frame(bytes);
  frame.get()->ol_flags = offload_flags;
  return read_frame(frame.get(), endpoint);
}

TcpFields answer() {
  return {.ip = {.source = host, .destination = endpoint.address, .options = {}},
          .source_port = 443,
          .destination_port = 40000,
          .sequence = 0xfffffffe,
          .acknowledgement = 0x80000001,
          .flags = ack | psh,
          .window = 501,
          .options = {},
          .payload = noise(101, 3)};
}

constexpr uint32_t router = 0xcb007101;

// What a router quotes of a SYN of ours, as it got there.
IpFields quoted_ip(Bytes options = {}) {
  return {.source = endpoint.address,
          .destination = host,
          .ttl = 1,
          .type_of_service = 0xb8,
          .identification = 0xa1b2,
          .options = std::move(options)};
}

Bytes icmp_frame(uint8_t type, uint8_t code, size_t quoted_tcp_bytes, Bytes quoted_options = {}) {
  const IpFields ip = quoted_ip(std::move(quoted_options));
  const Bytes segment = tcp_segment({.ip = ip,
                                     .source_port = 40000,
                                     .destination_port = 443,
                                     .sequence = 0xdeadbeef,
                                     .flags = syn,
                                     .options = Bytes(12),
                                     .payload = {}});
  return icmp_error_frame(router, endpoint.address, type, code,
                          quote_of(ip, segment, quoted_tcp_bytes));
}

// The same about an echo request, or about another ICMP message of ours.
Bytes icmp_frame_about_echo(uint8_t type, size_t quoted_echo_bytes, Bytes quoted_options = {},
                            uint8_t quoted_type = echo_request) {
  IpFields ip = quoted_ip(std::move(quoted_options));
  ip.protocol = 1;
  const Bytes echo = echo_message({.ip = {},
                                   .type = quoted_type,
                                   .identifier = 0x9abc,
                                   .sequence = 0xfff1,
                                   .data = {1, 2, 3, 4}});
  return icmp_error_frame(router, endpoint.address, type, 0, quote_of(ip, echo, quoted_echo_bytes));
}

EchoFields echo_reply(size_t data_bytes = 4) {
  return {.ip = {.source = host, .destination = endpoint.address, .options = {}},
          .identifier = 0x9abc,
          .sequence = 0xfff1,
          .data = noise(data_bytes, 4)};
}

void expect_quoted_tcp(const ReceivedFrame& received, uint8_t type) {
  ASSERT_EQ(received.kind, FrameKind::icmp_error);
  const IcmpError& icmp = received.icmp;
  EXPECT_EQ(icmp.responder, router);
  EXPECT_EQ(icmp.type, type);
  EXPECT_EQ(icmp.host, host);
  EXPECT_FALSE(icmp.about_echo);
  EXPECT_EQ(icmp.local_port, 40000);
  EXPECT_EQ(icmp.host_port, 443);
  EXPECT_EQ(icmp.sequence, 0xdeadbeef);
  EXPECT_EQ(icmp.quoted_ttl, 1);
  EXPECT_EQ(icmp.quoted_type_of_service, 0xb8);
  EXPECT_EQ(icmp.quoted_identification, 0xa1b2);
}

void expect_quoted_echo(const ReceivedFrame& received, uint8_t type) {
  ASSERT_EQ(received.kind, FrameKind::icmp_error);
  const IcmpError& icmp = received.icmp;
  EXPECT_EQ(icmp.responder, router);
  EXPECT_EQ(icmp.type, type);
  EXPECT_EQ(icmp.host, host);
  EXPECT_TRUE(icmp.about_echo);
  EXPECT_EQ(icmp.local_port, 0x9abc);
  EXPECT_EQ(icmp.sequence, 0xfff1u);
  // 0x0800 + 0x9abc + 0xfff1 + 0x0102 + 0x0304, folded and complemented (RFC 1071).
  EXPECT_EQ(icmp.host_port, static_cast<uint16_t>(~(0xa6b3 + 1)));
  EXPECT_EQ(icmp.quoted_ttl, 1);
  EXPECT_EQ(icmp.quoted_type_of_service, 0xb8);
  EXPECT_EQ(icmp.quoted_identification, 0xa1b2);
}

// --- Written -------------------------------------------------------------------------------------

TEST(SynTemplate, EveryFieldIsAsSpecified) {
  const SynTemplate syn_template(endpoint);
  Frame frame(Bytes(200, 0xee));
  syn_template.write(frame.get(), gateway, host, 40001, 0x12345678);
  ASSERT_EQ(frame.bytes().size(), 66u);
  EXPECT_EQ(frame.get()->pkt_len, 66u);
  EXPECT_EQ(std::memcmp(frame.bytes().data(), &gateway, 6), 0);
  EXPECT_EQ(std::memcmp(frame.bytes().data() + 6, &endpoint.mac, 6), 0);
  const auto fields = parse_tcp_frame(frame.bytes());
  ASSERT_TRUE(fields) << "wrong lengths or checksums";
  EXPECT_EQ(fields->ip.source, endpoint.address);
  EXPECT_EQ(fields->ip.destination, host);
  EXPECT_EQ(fields->ip.ttl, 61);
  EXPECT_EQ(fields->ip.fragment, 0);
  EXPECT_EQ(fields->source_port, 40001);
  EXPECT_EQ(fields->destination_port, 443);
  EXPECT_EQ(fields->sequence, 0x12345678u);
  EXPECT_EQ(fields->acknowledgement, 0u);
  EXPECT_EQ(fields->flags, syn);
  EXPECT_EQ(fields->window, 64240);
  // MSS 1460, no-operation, window scale 2, two no-operations, SACK permitted: as Windows has them.
  EXPECT_EQ(fields->options, (Bytes{2, 4, 5, 180, 1, 3, 3, 2, 1, 1, 4, 2}));
}

// Sums that carry once, twice and not at all: the folding must hold for all of them.
TEST(SynTemplate, ChecksumsHoldForAnyNumbers) {
  std::mt19937 random(1);
  const auto any = [&]() -> uint32_t {
    constexpr uint32_t corners[] = {0, 1, 0xffff, 0x10000, 0xffff0000, 0xffffffff, 0xfffeffff};
    return random() % 4 == 0 ? corners[random() % std::size(corners)]
                             : static_cast<uint32_t>(random());
  };
  for (int i = 0; i < 20000; ++i) {
    const Endpoint from{.mac = endpoint.mac,
                        .address = any(),
                        .target_port = static_cast<uint16_t>(any()),
                        .ttl = static_cast<uint8_t>(any())};
    const SynTemplate syn_template(from);
    Frame frame(Bytes(66));
    const uint32_t to = any(), sequence = any();
    const auto port = static_cast<uint16_t>(any());
    syn_template.write(frame.get(), gateway, to, port, sequence);
    const auto fields = parse_tcp_frame(frame.bytes());
    ASSERT_TRUE(fields) << std::hex << from.address << ' ' << to << ' ' << port << ' ' << sequence;
    ASSERT_EQ(fields->ip.destination, to);
    ASSERT_EQ(fields->sequence, sequence);
  }
}

TEST(WriteSegment, EveryFieldIsAsSpecified) {
  for (const size_t bytes : {0, 1, 2, 300, 535, 536}) {
    Frame frame(Bytes(54 + bytes, 0xee));
    const Bytes payload = noise(bytes, 9);
    write_segment(frame.get(), endpoint, gateway, host, 40001, 0xfffffff0, 0x01020304, ack | psh,
                  payload);
    ASSERT_EQ(frame.bytes().size(), 54 + bytes);
    EXPECT_EQ(frame.get()->pkt_len, 54 + bytes);
    EXPECT_EQ(std::memcmp(frame.bytes().data(), &gateway, 6), 0);
    EXPECT_EQ(std::memcmp(frame.bytes().data() + 6, &endpoint.mac, 6), 0);
    const auto fields = parse_tcp_frame(frame.bytes());
    ASSERT_TRUE(fields) << "wrong lengths or checksums";
    EXPECT_EQ(fields->ip.source, endpoint.address);
    EXPECT_EQ(fields->ip.destination, host);
    EXPECT_EQ(fields->ip.ttl, 61);
    EXPECT_EQ(fields->ip.fragment, 0);
    EXPECT_EQ(fields->source_port, 40001);
    EXPECT_EQ(fields->destination_port, 443);
    EXPECT_EQ(fields->sequence, 0xfffffff0u);
    EXPECT_EQ(fields->acknowledgement, 0x01020304u);
    EXPECT_EQ(fields->flags, ack | psh);
    // A host that does not scale windows must not be held to a KiB per round trip.
    EXPECT_EQ(fields->window, 65535);
    EXPECT_TRUE(fields->options.empty());
    EXPECT_EQ(fields->payload, payload);
  }
}

// The template's TTL and no identification, unless the sender says otherwise.
TEST(WriteSegment, ReachIsTtlAndIdentification) {
  const auto written = [](Reach reach) {
    Frame frame(Bytes(54 + 30, 0xee));
    write_segment(frame.get(), endpoint, gateway, host, 40001, 5, 6, ack | psh, noise(30, 2),
                  reach);
    return Bytes(frame.bytes().begin(), frame.bytes().end());
  };
  const Bytes usual = written({});
  EXPECT_EQ(get16(usual, 18), 0);
  EXPECT_EQ(usual[22], endpoint.ttl);
  for (const uint8_t ttl : {1, 2, 61, 255}) {
    for (const uint32_t identification : {0u, 1u, 0x0102u, 0xff00u, 0xffffu}) {
      Bytes frame = written({.ttl = ttl, .identification = static_cast<uint16_t>(identification)});
      const auto fields = parse_tcp_frame(frame);
      ASSERT_TRUE(fields) << "wrong checksums";
      EXPECT_EQ(fields->ip.ttl, ttl);
      EXPECT_EQ(fields->ip.identification, identification);
      for (const size_t at : {18, 19, 22, 24, 25}) frame[at] = usual[at];
      EXPECT_EQ(frame, usual) << "all else is the same";
    }
  }
  const auto unlimited = parse_tcp_frame(written({.ttl = 0, .identification = 7}));
  ASSERT_TRUE(unlimited);
  EXPECT_EQ(unlimited->ip.ttl, endpoint.ttl);
  EXPECT_EQ(unlimited->ip.identification, 7);
}

TEST(WriteEchoRequest, EveryFieldIsAsSpecified) {
  std::mt19937 random(4);
  const auto any = [&]() -> uint32_t {
    constexpr uint32_t corners[] = {0, 0xffff, 0xffff0000, 0xffffffff, 0xf7fff7ff};
    return random() % 3 == 0 ? corners[random() % std::size(corners)]
                             : static_cast<uint32_t>(random());
  };
  for (int i = 0; i < 20000; ++i) {
    Frame frame(Bytes(60, 0xee));
    const uint32_t to = any(), cookie = any();
    const auto identifier = static_cast<uint16_t>(any()), sequence = static_cast<uint16_t>(any());
    const auto ttl = static_cast<uint8_t>(any());
    const auto identification = static_cast<uint16_t>(any());
    write_echo_request(frame.get(), endpoint, gateway, to, identifier, sequence, cookie,
                       {.ttl = ttl, .identification = identification});
    ASSERT_EQ(frame.bytes().size(), 46u);
    ASSERT_EQ(frame.get()->pkt_len, 46u);
    ASSERT_EQ(std::memcmp(frame.bytes().data(), &gateway, 6), 0);
    ASSERT_EQ(std::memcmp(frame.bytes().data() + 6, &endpoint.mac, 6), 0);
    const auto echo = parse_echo_frame(frame.bytes());
    ASSERT_TRUE(echo) << "wrong lengths or checksums: " << std::hex << identifier << ' ' << sequence
                      << ' ' << cookie;
    ASSERT_EQ(echo->type, echo_request);
    ASSERT_EQ(echo->code, 0);
    ASSERT_EQ(echo->identifier, identifier);
    ASSERT_EQ(echo->sequence, sequence);
    ASSERT_EQ(echo->data.size(), 4u);
    ASSERT_EQ(get32(echo->data, 0), cookie);
    ASSERT_EQ(echo->ip.source, endpoint.address);
    ASSERT_EQ(echo->ip.destination, to);
    ASSERT_EQ(echo->ip.ttl, ttl == 0 ? endpoint.ttl : ttl);
    ASSERT_EQ(echo->ip.identification, identification);
    ASSERT_EQ(echo->ip.fragment, 0);
    ASSERT_EQ(echo->ip.type_of_service, 0);
  }
}

// --- Read ----------------------------------------------------------------------------------------

TEST(ReadFrame, TcpSegment) {
  const ReceivedFrame received = read(tcp_frame(answer()));
  ASSERT_EQ(received.kind, FrameKind::tcp);
  const Segment& segment = received.segment;
  EXPECT_EQ(segment.host, host);
  EXPECT_EQ(segment.host_port, 443);
  EXPECT_EQ(segment.local_port, 40000);
  EXPECT_EQ(segment.sequence, 0xfffffffe);
  EXPECT_EQ(segment.acknowledgement, 0x80000001);
  EXPECT_EQ(segment.window, 501);
  EXPECT_EQ(segment.flags, ack | psh);
  EXPECT_EQ(segment.ttl, 57);
  EXPECT_EQ(segment.payload_offset, 54);
  EXPECT_EQ(segment.payload_bytes, 101);
}

TEST(ReadFrame, OptionsAreSkipped) {
  for (const size_t ip_words : {0, 1, 10}) {
    for (const size_t tcp_words : {0, 3, 10}) {
      TcpFields fields = answer();
      fields.ip.options = Bytes(ip_words * 4, 1);
      fields.options = Bytes(tcp_words * 4, 1);
      const ReceivedFrame received = read(tcp_frame(fields));
      ASSERT_EQ(received.kind, FrameKind::tcp);
      EXPECT_EQ(received.segment.payload_offset, 54 + ip_words * 4 + tcp_words * 4);
      EXPECT_EQ(received.segment.payload_bytes, 101);
    }
  }
}

// --- The maximum segment size among a SYN's options (RFC 9293 3.2, 3.7.1) ---

TcpFields syn_ack(const Bytes& options) {
  TcpFields fields = answer();
  fields.flags = syn | ack;
  fields.options = options;
  fields.options.resize((options.size() + 3) / 4 * 4);
  fields.payload.clear();
  return fields;
}

// Without the padding that would make a read behind the options harmless.
uint16_t read_mss(const Bytes& options) {
  Bytes frame = tcp_frame(syn_ack(options));
  frame.resize(14u + get16(frame, 16));
  const ReceivedFrame received = read(frame);
  EXPECT_EQ(received.kind, FrameKind::tcp);
  return received.segment.announced_mss;
}

TEST(ReadFrame, TheMssOfASynIsRead) {
  const Bytes mss = {2, 4, 0x05, 0xb4};
  const Bytes before[] = {{},
                          {1},
                          {1, 1, 1},
                          {3, 3, 7},
                          {4, 2},
                          {8, 10, 1, 2, 3, 4, 5, 6, 7, 8},
                          {1, 1, 8, 10, 1, 2, 2, 4, 5, 6, 7, 8, 3, 3, 7, 4, 2},
                          {254, 6, 2, 4, 9, 9}};  // of an experiment (RFC 4727)
  for (const Bytes& options : before)
    for (const Bytes& behind : {Bytes{}, Bytes{0}, Bytes{1, 1, 4, 2}, Bytes{2, 4, 1, 1}, Bytes{3},
                                Bytes{3, 0}, Bytes{3, 200}})
      EXPECT_EQ(read_mss(join({options, mss, behind})), 1460) << ::testing::PrintToString(options);
  // As far as options can go, and all values.
  EXPECT_EQ(read_mss(join({Bytes(36, 1), mss})), 1460);
  for (const uint32_t value : {0u, 1u, 63u, 536u, 0x7fffu, 0x8000u, 0xff00u, 0x00ffu, 0xffffu})
    EXPECT_EQ(read_mss({2, 4, static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)}),
              value);
}

TEST(ReadFrame, WithoutAnMssItIsZero) {
  const Bytes lists[] = {
      {},
      {0},
      {1, 1, 1, 1},
      {4, 2, 3, 3},
      {0, 2, 4, 5, 180},             // behind the end of the list
      {1, 0, 1, 2, 4, 5, 180},       //
      {3, 3, 7, 2},                  // cut off
      {1, 2, 4, 5},                  //
      {2, 3, 5, 2},                  // of other lengths, and then of none
      {2, 5, 5, 180, 0},             //
      {2, 2, 1, 1},                  //
      {2, 0, 5, 180},                // of lengths that would not go on
      {2, 1, 5, 180},                //
      {3, 0, 2, 4, 5, 180},          //
      {3, 1, 2, 4, 5, 180},          //
      {3, 255, 2, 4, 5, 180},        // of lengths that lead out
      {8, 7, 2, 4, 5, 180},          //
      {8, 6, 2, 4, 5, 180},          // what looks like one is another option's value
      join({Bytes(39, 1), {2}}),     //
      join({Bytes(38, 1), {2, 4}}),  //
      join({Bytes(37, 1), {2, 4, 5}}),
      Bytes(40, 2),
      Bytes(40, 255),
  };
  for (const Bytes& options : lists)
    EXPECT_EQ(read_mss(options), 0) << ::testing::PrintToString(options);
  // Options say it in a SYN only.
  TcpFields fields = syn_ack({2, 4, 5, 180});
  fields.flags = ack;
  EXPECT_EQ(read(tcp_frame(fields)).segment.announced_mss, 0);
  fields.flags = syn;
  EXPECT_EQ(read(tcp_frame(fields)).segment.announced_mss, 1460);
}

// RFC 9293 3.2 once more, with an index and no thought of speed.
uint16_t reference_mss(const Bytes& options) {
  for (size_t at = 0; at < options.size() && options[at] != 0;) {
    if (options[at] == 1) {
      at += 1;
      continue;
    }
    if (at + 1 == options.size()) return 0;
    const size_t length = options[at + 1];
    if (length < 2 || at + length > options.size()) return 0;
    if (options[at] == 2 && length == 4) return get16(options, at + 2);
    at += length;
  }
  return 0;
}

TEST(ReadFrame, AnyOptionsGiveTheMssOrNothing) {
  std::mt19937 random(3);
  constexpr uint8_t likely[] = {0, 1, 1, 2, 2, 3, 4, 4, 5, 8, 10, 40, 255};
  size_t found = 0, nothing = 0;
  for (int i = 0; i < 100000; ++i) {
    Bytes options(random() % 11 * 4);
    for (uint8_t& byte : options)
      byte =
          random() % 8 == 0 ? static_cast<uint8_t>(random()) : likely[random() % std::size(likely)];
    const uint16_t mss = read_mss(options);
    ASSERT_EQ(mss, reference_mss(options)) << ::testing::PrintToString(options);
    ++(mss != 0 ? found : nothing);
  }
  EXPECT_GT(found, 1000u);
  EXPECT_GT(nothing, 1000u);
}

TEST(ReadFrame, EthernetsPaddingIsNoPayload) {
  for (size_t bytes = 0; bytes <= 10; ++bytes) {
    TcpFields fields = answer();
    fields.payload.resize(bytes);
    const ReceivedFrame received = read(tcp_frame(fields));
    ASSERT_EQ(received.kind, FrameKind::tcp);
    EXPECT_EQ(received.segment.payload_bytes, bytes);
  }
}

TEST(ReadFrame, FragmentsAreOther) {
  for (const uint32_t fragment : {0x2000, 0x0001, 0x1fff, 0x3fff}) {
    TcpFields fields = answer();
    fields.ip.fragment = static_cast<uint16_t>(fragment);
    EXPECT_EQ(read(tcp_frame(fields)).kind, FrameKind::other) << fragment;
  }
  TcpFields whole = answer();
  whole.ip.fragment = 0;
  EXPECT_EQ(read(tcp_frame(whole)).kind, FrameKind::tcp);
}

TEST(ReadFrame, WhatIsNotForUs) {
  TcpFields elsewhere = answer();
  elsewhere.ip.destination = endpoint.address + 1;
  EXPECT_EQ(read(tcp_frame(elsewhere)).kind, FrameKind::other);
  TcpFields udp = answer();
  udp.ip.protocol = 17;
  EXPECT_EQ(read(tcp_frame(udp)).kind, FrameKind::other);
  EXPECT_EQ(read(ethernet_frame(Bytes(60), 0x86dd)).kind, FrameKind::other);
  EXPECT_EQ(read(ethernet_frame(Bytes(60), 0x8100)).kind, FrameKind::other);
}

TEST(ReadFrame, Arp) {
  EXPECT_EQ(read(ethernet_frame(Bytes(28), 0x0806)).kind, FrameKind::arp);
  Bytes cut = ethernet_frame(Bytes(28), 0x0806);
  cut.resize(14 + 27);
  EXPECT_EQ(read(cut).kind, FrameKind::malformed);
}

// Any single bit that a checksum covers.
TEST(ReadFrame, EveryFlippedBitIsNoticed) {
  const auto read_flipped = [](const Bytes& right, size_t bit) {
    Bytes wrong = right;
    wrong[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const FrameKind kind = read(wrong).kind;
    EXPECT_NE(kind, FrameKind::tcp) << "bit " << bit;
    EXPECT_NE(kind, FrameKind::icmp_error) << "bit " << bit;
    EXPECT_NE(kind, FrameKind::echo_reply) << "bit " << bit;
    return kind;
  };
  for (const Bytes& right : {icmp_frame(exceeded, 0, 32), icmp_frame_about_echo(exceeded, 12),
                             echo_frame(echo_reply(33))})
    for (size_t bit = 14 * 8; bit < right.size() * 8; ++bit) read_flipped(right, bit);
  const Bytes right = tcp_frame(answer());
  for (size_t bit = 14 * 8; bit < right.size() * 8; ++bit) {
    const FrameKind kind = read_flipped(right, bit);
    if (bit >= 34 * 8) {
      // Behind the IP header it is the data offset that may break more than the sum.
      EXPECT_TRUE(kind == FrameKind::bad_checksum || bit / 8 == 46) << "bit " << bit;
    }
  }
}

TEST(ReadFrame, TheNicsWordOnTheTcpChecksumCounts) {
  Bytes wrong = tcp_frame(answer());
  wrong.back() ^= 1;
  EXPECT_EQ(read(wrong).kind, FrameKind::bad_checksum);
  EXPECT_EQ(read(wrong, RTE_MBUF_F_RX_L4_CKSUM_GOOD).kind, FrameKind::tcp);
  EXPECT_EQ(read(tcp_frame(answer()), RTE_MBUF_F_RX_L4_CKSUM_BAD).kind, FrameKind::bad_checksum);
}

// What a kernel sends over a veth: the checksum field holds the pseudo-header's sum, not
// complemented, for a NIC that is not there.
TEST(ReadFrame, PartialTcpChecksumPasses) {
  for (size_t bytes = 0; bytes < 300; ++bytes) {
    TcpFields fields = answer();
    fields.payload = noise(bytes, 5);
    Bytes frame = tcp_frame(fields);
    put16(frame, 34 + 16,
          static_cast<uint16_t>(~internet_checksum(
              pseudo_header(fields.ip.source, fields.ip.destination, 20 + bytes))));
    ASSERT_EQ(read(frame).kind, FrameKind::tcp) << bytes;
  }
}

TEST(ReadFrame, BadLengthsAreMalformed) {
  const auto with = [](size_t at, uint8_t value) {
    Bytes frame = tcp_frame(answer());
    frame[at] = value;
    put16(frame, 24, 0);
    put16(frame, 24, internet_checksum(std::span(frame).subspan(14, 20)));
    return read(frame).kind;
  };
  EXPECT_EQ(with(14, 0x44), FrameKind::malformed);  // an IP header of 16 bytes
  EXPECT_EQ(with(14, 0x65), FrameKind::malformed);  // version 6
  EXPECT_EQ(with(16, 0xff), FrameKind::malformed);  // longer than the frame
  EXPECT_EQ(with(46, 0x40), FrameKind::malformed);  // a TCP header of 16 bytes
  TcpFields short_segment = answer();
  short_segment.payload.clear();
  Bytes frame = tcp_frame(short_segment);
  frame[46] = 0x60;  // 24 bytes, in a segment of 20
  EXPECT_EQ(read(frame).kind, FrameKind::malformed);
  EXPECT_EQ(read(ethernet_frame(ip_packet(
                     {.source = host, .destination = endpoint.address, .options = {}}, Bytes(19))))
                .kind,
            FrameKind::malformed);
}

// Without the padding that would make a read behind the segment harmless.
TEST(ReadFrame, SegmentsShorterThanAHeaderAreMalformed) {
  for (size_t bytes = 0; bytes < 20; ++bytes) {
    Bytes frame = ethernet_frame(ip_packet(
        {.source = host, .destination = endpoint.address, .options = {}}, Bytes(bytes, 0x50)));
    frame.resize(34 + bytes);
    EXPECT_EQ(read(frame).kind, FrameKind::malformed) << bytes;
  }
}

TEST(ReadFrame, IcmpErrors) {
  for (const uint8_t type : {unreachable, exceeded, parameter_problem}) {
    // RFC 792 quotes 8 bytes, RFC 1812 4.3.2.3 as much as fits. Odd ones are padded for the
    // checksum only.
    for (const size_t quoted : {8, 9, 11, 20, 31, 32}) {
      for (const Bytes& options : {Bytes(), Bytes(8, 1), Bytes(40, 1)}) {
        const ReceivedFrame received = read(icmp_frame(type, 7, quoted, options));
        expect_quoted_tcp(received, type);
        EXPECT_EQ(received.icmp.code, 7);
      }
    }
  }
}

TEST(ReadFrame, IcmpErrorsAboutAnEchoRequest) {
  for (const uint8_t type : {unreachable, exceeded, parameter_problem})
    for (const size_t quoted : {8, 9, 11, 12})
      for (const Bytes& options : {Bytes(), Bytes(8, 1)})
        expect_quoted_echo(read(icmp_frame_about_echo(type, quoted, options)), type);
  // We send no other ICMP.
  for (const uint8_t quoted_type : {echo_answer, unreachable, exceeded, uint8_t{13}})
    EXPECT_EQ(read(icmp_frame_about_echo(exceeded, 8, {}, quoted_type)).kind, FrameKind::other);
  // A TCP segment that begins like an echo request is none.
  Bytes segment = noise(20, 1);
  segment[0] = echo_request;
  const ReceivedFrame received =
      read(icmp_error_frame(router, endpoint.address, exceeded, 0, quote_of(quoted_ip(), segment)));
  ASSERT_EQ(received.kind, FrameKind::icmp_error);
  EXPECT_FALSE(received.icmp.about_echo);
}

// A quoted header that did not arrive as it was sent is read as it is: its own checksum is the
// business of who forwarded it.
TEST(ReadFrame, TheQuotedHeaderIsReadAsItIs) {
  for (const uint8_t ttl : {0, 1, 2, 255}) {
    IpFields ip = quoted_ip();
    ip.ttl = ttl;
    ip.type_of_service = static_cast<uint8_t>(255 - ttl);
    ip.identification = static_cast<uint16_t>(0xff00 | ttl);
    Bytes quote = quote_of(ip, Bytes(8, 1));
    put16(quote, 10, 0);
    const ReceivedFrame received =
        read(icmp_error_frame(router, endpoint.address, exceeded, 0, quote));
    ASSERT_EQ(received.kind, FrameKind::icmp_error);
    EXPECT_EQ(received.icmp.quoted_ttl, ttl);
    EXPECT_EQ(received.icmp.quoted_type_of_service, 255 - ttl);
    EXPECT_EQ(received.icmp.quoted_identification, 0xff00 | ttl);
  }
}

TEST(ReadFrame, IcmpExtensionsAreSkipped) {
  for (const uint8_t type : {unreachable, exceeded}) {
    for (const bool echo : {false, true}) {
      const Bytes plain = echo ? icmp_frame_about_echo(type, 8) : icmp_frame(type, 0, 8);
      const Bytes quote(plain.begin() + 42, plain.begin() + 42 + 28);
      const ReceivedFrame received = read(ethernet_frame(ip_packet(
          {.source = router, .destination = endpoint.address, .protocol = 1, .options = {}},
          extended_icmp_message(type, 0, quote))));
      if (echo)
        expect_quoted_echo(received, type);
      else
        expect_quoted_tcp(received, type);
    }
  }
}

TEST(ReadFrame, EchoReplies) {
  for (const size_t data_bytes : {4, 5, 6, 7, 8, 56, 57, 1000}) {
    for (const Bytes& options : {Bytes(), Bytes(8, 1)}) {
      EchoFields echo = echo_reply(data_bytes);
      echo.ip.options = options;
      const ReceivedFrame received = read(echo_frame(echo));
      ASSERT_EQ(received.kind, FrameKind::echo_reply) << data_bytes;
      EXPECT_EQ(received.echo.host, host);
      EXPECT_EQ(received.echo.identifier, 0x9abc);
      EXPECT_EQ(received.echo.sequence, 0xfff1);
      EXPECT_EQ(received.echo.cookie, get32(echo.data, 0));
      EXPECT_EQ(received.echo.ttl, 57);
      Bytes damaged = echo_frame(echo);
      damaged[34 + options.size() + 8 + data_bytes - 1] ^= 1;
      EXPECT_EQ(read(damaged).kind, FrameKind::bad_checksum);
    }
  }
  // Ours have data. Requests, to us, are the kernel's business.
  for (const size_t data_bytes : {0, 1, 3})
    EXPECT_EQ(read(echo_frame(echo_reply(data_bytes))).kind, FrameKind::other);
  EchoFields request = echo_reply();
  request.type = echo_request;
  EXPECT_EQ(read(echo_frame(request)).kind, FrameKind::other);
}

TEST(ReadFrame, OtherIcmp) {
  // Source quench, redirect, echo request, timestamp.
  for (const uint8_t type : {4, 5, 8, 13})
    EXPECT_EQ(read(icmp_frame(type, 0, 8)).kind, FrameKind::other);
  for (size_t quoted = 0; quoted < 8; ++quoted) {
    EXPECT_EQ(read(icmp_frame(exceeded, 0, quoted)).kind, FrameKind::malformed);
    EXPECT_EQ(read(icmp_frame_about_echo(exceeded, quoted)).kind, FrameKind::malformed);
  }
  EXPECT_EQ(read(icmp_frame(3, 1, 7)).kind, FrameKind::malformed);
  EXPECT_EQ(read(icmp_frame(3, 1, 7, Bytes(8, 1))).kind, FrameKind::malformed);
  Bytes wrong = icmp_frame(3, 1, 8);
  wrong[14 + 20 + 8 + 9] ^= 1;
  EXPECT_EQ(read(wrong).kind, FrameKind::bad_checksum);
  // A quote whose header says that it has 16 bytes.
  Bytes quote_too_short = icmp_frame(3, 1, 20);
  quote_too_short[14 + 20 + 8] = 0x44;
  put16(quote_too_short, 36, 0);
  put16(quote_too_short, 36, internet_checksum(std::span(quote_too_short).subspan(34, 48)));
  EXPECT_EQ(read(quote_too_short).kind, FrameKind::malformed);
  // About a datagram that was not ours, and about one that was no TCP.
  for (const bool ours : {false, true}) {
    const Bytes quote = ip_packet({.source = endpoint.address + (ours ? 0 : 1),
                                   .destination = host,
                                   .protocol = static_cast<uint8_t>(ours ? 17 : 6),
                                   .options = {}},
                                  Bytes(8));
    EXPECT_EQ(read(ethernet_frame(ip_packet({.source = 0xcb007101,
                                             .destination = endpoint.address,
                                             .protocol = 1,
                                             .options = {}},
                                            icmp_message(3, 1, quote))))
                  .kind,
              FrameKind::other);
  }
}

// --- Any bytes -----------------------------------------------------------------------------------

bool within(const ReceivedFrame& received, size_t frame_bytes) {
  return received.kind != FrameKind::tcp ||
         received.segment.payload_offset + received.segment.payload_bytes <= frame_bytes;
}

// Every kind that has more behind its IP header, with options wherever they can be.
std::vector<Bytes> frames_of_all_kinds() {
  TcpFields fields = answer();
  fields.ip.options = Bytes(8, 1);
  fields.options = Bytes(12, 1);
  EchoFields echo = echo_reply(57);
  echo.ip.options = Bytes(4, 1);
  return {tcp_frame(fields), icmp_frame(unreachable, 1, 32, Bytes(4, 1)),
          icmp_frame_about_echo(exceeded, 12, Bytes(8, 1)), echo_frame(echo)};
}

TEST(ReadFrame, EveryTruncationIsMalformed) {
  for (const Bytes& whole : frames_of_all_kinds()) {
    ASSERT_NE(read(whole).kind, FrameKind::malformed);
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(bytes));
      EXPECT_EQ(read(cut).kind, FrameKind::malformed) << bytes;
      EXPECT_EQ(read(cut, RTE_MBUF_F_RX_L4_CKSUM_GOOD).kind, FrameKind::malformed) << bytes;
    }
  }
}

// Where the sender cut it, and said so in every length and checksum: what is left is read as what
// it was, or not at all.
TEST(ReadFrame, EveryHonestTruncationIsTheSameOrNothing) {
  for (const Bytes& whole : frames_of_all_kinds()) {
    const ReceivedFrame expected = read(whole);
    const size_t header_bytes = (whole[14] & 15u) * 4;
    const Bytes header(whole.begin() + 14,
                       whole.begin() + 14 + static_cast<ptrdiff_t>(header_bytes));
    bool read_before = false;
    for (size_t bytes = 0; bytes <= whole.size() - 14 - header_bytes; ++bytes) {
      const auto begin = whole.begin() + 14 + static_cast<ptrdiff_t>(header_bytes);
      Bytes body(begin, begin + static_cast<ptrdiff_t>(bytes));
      if (expected.kind != FrameKind::tcp && bytes >= 4) {
        put16(body, 2, 0);
        put16(body, 2, internet_checksum(body));
      }
      Bytes packet = join({header, body});
      put16(packet, 2, static_cast<uint32_t>(packet.size()));
      put16(packet, 10, 0);
      put16(packet, 10, internet_checksum(std::span(packet).first(header_bytes)));
      // Without Ethernet's padding, so that a read behind it is found.
      Bytes frame(whole.begin(), whole.begin() + 14);
      frame.insert(frame.end(), packet.begin(), packet.end());
      const ReceivedFrame received = read(frame, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
      ASSERT_TRUE(within(received, frame.size()));
      if (received.kind == FrameKind::malformed || received.kind == FrameKind::other) {
        EXPECT_FALSE(read_before) << "of less it was enough: " << bytes;
        continue;
      }
      read_before = true;
      ASSERT_EQ(received.kind, expected.kind) << bytes;
      if (received.kind == FrameKind::icmp_error) {
        EXPECT_EQ(received.icmp.local_port, expected.icmp.local_port);
        EXPECT_EQ(received.icmp.host_port, expected.icmp.host_port);
        EXPECT_EQ(received.icmp.sequence, expected.icmp.sequence);
        EXPECT_EQ(received.icmp.about_echo, expected.icmp.about_echo);
      } else if (received.kind == FrameKind::echo_reply) {
        EXPECT_EQ(received.echo.cookie, expected.echo.cookie);
        EXPECT_EQ(received.echo.sequence, expected.echo.sequence);
      } else {
        EXPECT_EQ(received.segment.payload_offset, expected.segment.payload_offset);
      }
    }
    EXPECT_TRUE(read_before);
  }
}

// The IP and ICMP checksums are made right again, most times, and the TCP checksum is left to the
// "NIC", so that the change gets as far as it can.
TEST(ReadFrame, ChangedBytesNeverLeadOutOfTheFrame) {
  std::mt19937 random(2);
  TcpFields fields = answer();
  fields.payload.resize(20);
  const Bytes frames[] = {tcp_frame(fields),
                          icmp_frame(unreachable, 1, 8),
                          icmp_frame(exceeded, 0, 32, Bytes(4, 1)),
                          icmp_frame_about_echo(exceeded, 8),
                          icmp_frame_about_echo(unreachable, 12, Bytes(4, 1)),
                          echo_frame(echo_reply(4)),
                          echo_frame(echo_reply(57))};
  std::array<size_t, 7> kinds{};
  size_t about_echo = 0;
  for (int i = 0; i < 200000; ++i) {
    Bytes bytes = frames[random() % std::size(frames)];
    bytes.resize(random() % 4 == 0 ? 14 + random() % bytes.size() : bytes.size());
    for (unsigned changes = random() % 3 + 1; changes > 0; --changes) {
      const size_t at =
          std::min<size_t>(bytes.size() - 1, random() % 4 == 0 ? 14 + random() % 4 : random() % 90);
      bytes[at] = static_cast<uint8_t>(random());
    }
    const size_t header_bytes = bytes.size() > 14 ? (bytes[14] & 15u) * 4 : 0;
    if (header_bytes >= 20 && bytes.size() >= 14 + header_bytes) {
      put16(bytes, 24, 0);
      put16(bytes, 24, internet_checksum(std::span(bytes).subspan(14, header_bytes)));
    }
    const size_t begin = 14 + header_bytes, end = bytes.size() > 18 ? 14u + get16(bytes, 16) : 0;
    if (bytes.size() > 24 && bytes[23] == 1 && begin + 4 <= end && end <= bytes.size() &&
        random() % 8 != 0) {
      put16(bytes, begin + 2, 0);
      put16(bytes, begin + 2, internet_checksum(std::span(bytes).subspan(begin, end - begin)));
    }
    const ReceivedFrame received = read(bytes, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
    ASSERT_TRUE(within(received, bytes.size()));
    ++kinds.at(static_cast<size_t>(received.kind));
    about_echo += received.kind == FrameKind::icmp_error && received.icmp.about_echo;
  }
  for (const FrameKind kind : {FrameKind::tcp, FrameKind::icmp_error, FrameKind::echo_reply,
                               FrameKind::other, FrameKind::malformed, FrameKind::bad_checksum})
    EXPECT_GT(kinds[static_cast<size_t>(kind)], 100u) << static_cast<int>(kind);
  EXPECT_GT(about_echo, 100u);
}

}  // namespace
}  // namespace steppe
