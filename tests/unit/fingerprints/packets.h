// SPDX-License-Identifier: Apache-2.0
// Packets from the inside out, and capture files of them, written by libpcap.
#pragma once

#include <pcap/pcap.h>

#include <string>

#include "tests/unit/wire/hello_builder.h"

namespace steppe::testing {

struct TcpFields {
  uint16_t source_port = 40000, destination_port = 443;
  uint32_t sequence = 1000;
  uint8_t flags = 0x18;  // PSH, ACK
  Bytes options = {};
};

inline Bytes tcp(const TcpFields& fields, const Bytes& payload) {
  const auto header_words = static_cast<uint8_t>(5 + fields.options.size() / 4);
  return join({number16(fields.source_port),
               number16(fields.destination_port),
               number16(fields.sequence >> 16),
               number16(fields.sequence & 0xffff),
               Bytes(4),
               {static_cast<uint8_t>(header_words << 4), fields.flags},
               Bytes(6),
               fields.options,
               payload});
}

// 198.51.100.7 to 192.0.2.1, or back.
inline Bytes ipv4(const Bytes& payload, bool back = false, uint8_t protocol = 6,
                  uint16_t fragment = 0x4000, const Bytes& options = {}) {
  const Bytes a = {198, 51, 100, 7}, b = {192, 0, 2, 1};
  const size_t header_bytes = 20 + options.size();
  return join({{static_cast<uint8_t>(0x40 | header_bytes / 4), 0},
               number16(header_bytes + payload.size()),
               Bytes(2),
               number16(fragment),
               {64, protocol},
               Bytes(2),
               back ? b : a,
               back ? a : b,
               options,
               payload});
}

// 2001:db8::7 to 2001:db8::1.
inline Bytes ipv6(const Bytes& payload, uint8_t next = 6) {
  const Bytes prefix = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  return join(
      {{0x60, 0, 0, 0}, number16(payload.size()), {next, 64}, prefix, {7}, prefix, {1}, payload});
}

inline Bytes ethernet(uint16_t type, const Bytes& payload) {
  return join({Bytes(12), number16(type), payload});
}

struct Frame {
  Bytes bytes;
  int64_t time_ms = 1563890759120;  // 2019-07-23T14:05:59.120Z
  size_t captured_bytes = 65535;
};

inline void write_capture(const std::string& path, const std::vector<Frame>& frames,
                          int link_type = DLT_EN10MB) {
  pcap_t* handle = pcap_open_dead(link_type, 65535);
  pcap_dumper_t* dumper = pcap_dump_open(handle, path.c_str());
  for (const Frame& frame : frames) {
    pcap_pkthdr header = {};
    header.ts.tv_sec = frame.time_ms / 1000;
    header.ts.tv_usec = frame.time_ms % 1000 * 1000;
    header.len = static_cast<bpf_u_int32>(frame.bytes.size());
    header.caplen = static_cast<bpf_u_int32>(std::min(frame.bytes.size(), frame.captured_bytes));
    pcap_dump(reinterpret_cast<u_char*>(dumper), &header, frame.bytes.data());
  }
  pcap_dump_close(dumper);
  pcap_close(handle);
}

}  // namespace steppe::testing
