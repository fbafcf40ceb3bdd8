// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/segment.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/fingerprints/packets.h"

namespace steppe::testing {
namespace {

const Bytes payload = text("payload");
const Bytes segment = tcp({.sequence = 0x80000001, .options = {1, 1, 1, 1}}, payload);

// The payload if it is the usual segment between the usual hosts, else why not.
std::string seen(int link_type, const Bytes& frame) {
  const auto found = read_segment(link_type, frame);
  if (!found) return "none";
  const std::string from = found->source.address_text(), to = found->destination.address_text();
  if (from + " " + to != "198.51.100.7 192.0.2.1" && from + " " + to != "2001:db8::7 2001:db8::1")
    return from + " " + to;
  if (found->source.port != 40000 || found->destination.port != 443) return "ports";
  if (found->sequence != 0x80000001 || found->syn || !found->ack) return "header";
  return {found->payload.begin(), found->payload.end()};
}

TEST(Segment, EveryKindOfLink) {
  const Bytes v4 = ipv4(segment), v6 = ipv6(segment);
  EXPECT_EQ(seen(DLT_EN10MB, ethernet(0x0800, v4)), "payload");
  EXPECT_EQ(seen(DLT_EN10MB, ethernet(0x86dd, v6)), "payload");
  EXPECT_EQ(seen(DLT_RAW, v4), "payload");
  EXPECT_EQ(seen(DLT_IPV6, v6), "payload");
  EXPECT_EQ(seen(DLT_NULL, join({{2, 0, 0, 0}, v4})), "payload");
  EXPECT_EQ(seen(DLT_LOOP, join({{0, 0, 0, 30}, v6})), "payload");
  EXPECT_EQ(seen(DLT_LINUX_SLL, join({Bytes(14), {8, 0}, v4})), "payload");
  EXPECT_EQ(seen(DLT_LINUX_SLL2, join({{0x86, 0xdd}, Bytes(18), v6})), "payload");
  for (const int known :
       {DLT_EN10MB, DLT_RAW, DLT_IPV4, DLT_IPV6, DLT_NULL, DLT_LOOP, DLT_LINUX_SLL, DLT_LINUX_SLL2})
    EXPECT_TRUE(knows_link_type(known));
  EXPECT_FALSE(knows_link_type(DLT_IEEE802_11));
}

TEST(Segment, Tags) {
  const Bytes tagged = join({{0, 5, 8, 0}, ipv4(segment)});
  EXPECT_EQ(seen(DLT_EN10MB, ethernet(0x8100, tagged)), "payload");
  EXPECT_EQ(seen(DLT_EN10MB, ethernet(0x88a8, join({{0, 7, 0x81, 0}, tagged}))), "payload");
  EXPECT_EQ(seen(DLT_LINUX_SLL, join({Bytes(14), {0x81, 0}, tagged})), "payload");
}

TEST(Segment, WhatIsNotTcpOverIp) {
  EXPECT_EQ(seen(DLT_EN10MB, ethernet(0x0806, ipv4(segment))), "none");
  EXPECT_EQ(seen(DLT_RAW, ipv4(segment, false, 17)), "none");
  EXPECT_EQ(seen(DLT_RAW, ipv6(segment, 17)), "none");
  EXPECT_EQ(seen(DLT_RAW, join({{0x50}, segment})), "none");
}

TEST(Segment, FragmentsAreLeftOut) {
  EXPECT_EQ(seen(DLT_RAW, ipv4(segment, false, 6, 0x2000)), "none");  // more to come
  EXPECT_EQ(seen(DLT_RAW, ipv4(segment, false, 6, 0x0010)), "none");
  EXPECT_EQ(seen(DLT_RAW, ipv6(join({{6, 0, 0, 1, 0, 0, 0, 9}, segment}), 44)), "none");
  EXPECT_EQ(seen(DLT_RAW, ipv6(join({{6, 0, 0, 8, 0, 0, 0, 9}, segment}), 44)), "none");
  // RFC 6946: the only fragment of its datagram.
  EXPECT_EQ(seen(DLT_RAW, ipv6(join({{6, 0, 0, 0, 0, 0, 0, 9}, segment}), 44)), "payload");
}

TEST(Segment, HeadersOfEveryLength) {
  EXPECT_EQ(seen(DLT_RAW, ipv4(segment, false, 6, 0, {1, 1, 1, 0})), "payload");
  const Bytes options = join({{60, 1}, Bytes(14)});        // hop by hop, 16 bytes
  const Bytes destination = join({{51, 0}, Bytes(6)});     // then destination options
  const Bytes authentication = join({{6, 4}, Bytes(22)});  // RFC 4302 2.2: in 4-byte words, less 2
  EXPECT_EQ(seen(DLT_RAW, ipv6(join({options, destination, authentication, segment}), 0)),
            "payload");
}

// Ethernet fills frames up to 60 bytes.
TEST(Segment, WhatFollowsTheDatagramIsNotPayload) {
  EXPECT_EQ(seen(DLT_RAW, join({ipv4(segment), Bytes(9)})), "payload");
  EXPECT_EQ(seen(DLT_RAW, join({ipv6(segment), Bytes(9)})), "payload");
}

// Frames that the NIC was to cut into segments may be captured without a length.
TEST(Segment, NoLengthIsAllThatWasCaptured) {
  Bytes v4 = ipv4(segment), v6 = ipv6(segment);
  v4[2] = v4[3] = v6[4] = v6[5] = 0;
  EXPECT_EQ(seen(DLT_RAW, v4), "payload");
  EXPECT_EQ(seen(DLT_RAW, v6), "payload");
}

TEST(Segment, CutOffFrames) {
  const Bytes frame = ethernet(0x0800, ipv4(segment));
  for (size_t length = 0; length < frame.size(); length++) {
    const auto found = read_segment(
        DLT_EN10MB, Bytes(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(length)));
    const size_t headers = frame.size() - payload.size();
    // The options need not be there for the ports to be known.
    EXPECT_EQ(found.has_value(), length >= headers - 4) << length;
    if (found) {
      EXPECT_EQ(found->payload.size(), length < headers ? 0 : length - headers);
    }
  }
}

TEST(Segment, AnyBytes) {
  std::minstd_rand random(1);
  const std::vector<Bytes> frames = {ethernet(0x0800, ipv4(segment)),
                                     ethernet(0x8100, join({{0, 5, 8, 0}, ipv4(segment)})),
                                     ethernet(0x86dd, ipv6(join({{6, 1}, Bytes(14), segment}), 0))};
  for (int round = 0; round < 20000; round++) {
    Bytes frame = frames[random() % frames.size()];
    for (int i = 0; i < 4; i++) frame[random() % frame.size()] = static_cast<uint8_t>(random());
    frame.resize(random() % (frame.size() + 1));
    frame.shrink_to_fit();  // so that a sanitizer sees a read behind its end
    const auto found = read_segment(DLT_EN10MB, frame);
    if (found && !found->payload.empty()) {
      EXPECT_LE(found->payload.data() + found->payload.size(), frame.data() + frame.size());
    }
  }
}

}  // namespace
}  // namespace steppe::testing
