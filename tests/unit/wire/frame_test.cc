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

Bytes icmp_frame(uint8_t type, uint8_t code, size_t quoted_tcp_bytes, Bytes quoted_options = {}) {
  Bytes segment =
      tcp_segment({.ip = {.source = endpoint.address, .destination = host, .options = {}},
                   .source_port = 40000,
                   .destination_port = 443,
                   .sequence = 0xdeadbeef,
                   .flags = syn,
                   .options = Bytes(12),
                   .payload = {}});
  Bytes quote = ip_packet(
      {.source = endpoint.address, .destination = host, .options = std::move(quoted_options)},
      segment);
  quote.resize(quote.size() - segment.size() + quoted_tcp_bytes);
  return ethernet_frame(ip_packet(
      {.source = 0xcb007101, .destination = endpoint.address, .protocol = 1, .options = {}},
      icmp_message(type, code, quote)));
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
  // MSS 1460, no-operation, window scale 8, two no-operations, SACK permitted: as Windows has them.
  EXPECT_EQ(fields->options, (Bytes{2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2}));
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
  const Bytes right = tcp_frame(answer());
  for (size_t bit = 14 * 8; bit < right.size() * 8; ++bit) {
    Bytes wrong = right;
    wrong[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const FrameKind kind = read(wrong).kind;
    EXPECT_NE(kind, FrameKind::tcp) << "bit " << bit;
    EXPECT_NE(kind, FrameKind::icmp_error) << "bit " << bit;
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
  for (const uint8_t type : {3, 11, 12}) {
    // RFC 792 quotes 8 bytes, RFC 1812 4.3.2.3 as much as fits.
    for (const size_t quoted : {8, 9, 20, 32}) {
      for (const Bytes& options : {Bytes(), Bytes(8, 1)}) {
        const ReceivedFrame received = read(icmp_frame(type, 7, quoted, options));
        ASSERT_EQ(received.kind, FrameKind::icmp_error);
        const IcmpError& icmp = received.icmp;
        EXPECT_EQ(icmp.responder, 0xcb007101);
        EXPECT_EQ(icmp.type, type);
        EXPECT_EQ(icmp.code, 7);
        EXPECT_EQ(icmp.host, host);
        EXPECT_EQ(icmp.local_port, 40000);
        EXPECT_EQ(icmp.host_port, 443);
        EXPECT_EQ(icmp.sequence, 0xdeadbeef);
      }
    }
  }
}

TEST(ReadFrame, OtherIcmp) {
  EXPECT_EQ(read(icmp_frame(0, 0, 8)).kind, FrameKind::other);
  EXPECT_EQ(read(icmp_frame(8, 0, 8)).kind, FrameKind::other);
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

TEST(ReadFrame, EveryTruncationIsMalformed) {
  TcpFields fields = answer();
  fields.ip.options = Bytes(8, 1);
  fields.options = Bytes(12, 1);
  for (const Bytes& whole : {tcp_frame(fields), icmp_frame(3, 1, 32, Bytes(4, 1))}) {
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(bytes));
      EXPECT_EQ(read(cut).kind, FrameKind::malformed) << bytes;
      EXPECT_EQ(read(cut, RTE_MBUF_F_RX_L4_CKSUM_GOOD).kind, FrameKind::malformed) << bytes;
    }
  }
}

// The IP checksum is made right again, and the TCP checksum left to the "NIC", so that the change
// gets as far as it can.
TEST(ReadFrame, ChangedBytesNeverLeadOutOfTheFrame) {
  std::mt19937 random(2);
  TcpFields fields = answer();
  fields.payload.resize(20);
  const Bytes frames[] = {tcp_frame(fields), icmp_frame(3, 1, 8),
                          icmp_frame(11, 0, 32, Bytes(4, 1))};
  std::array<size_t, 6> kinds{};
  for (int i = 0; i < 100000; ++i) {
    Bytes bytes = frames[random() % 3];
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
    const ReceivedFrame received = read(bytes, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
    ASSERT_TRUE(within(received, bytes.size()));
    ++kinds.at(static_cast<size_t>(received.kind));
  }
  for (const FrameKind kind : {FrameKind::tcp, FrameKind::icmp_error, FrameKind::other,
                               FrameKind::malformed, FrameKind::bad_checksum})
    EXPECT_GT(kinds[static_cast<size_t>(kind)], 100u) << static_cast<int>(kind);
}

}  // namespace
}  // namespace steppe
