// SPDX-License-Identifier: Apache-2.0
// A file of captured packets, pcap or pcapng, as libpcap reads it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct pcap;

namespace steppe {

struct CapturedFrame {
  int64_t time_ms = 0;             // Unix
  std::span<const uint8_t> bytes;  // from the link layer on, as far as it was captured; until the
                                   // next call
};

// "-" is stdin. Throws OperatorError: no such file, not a capture, a kind of link that read_segment
// does not know.
class Capture {
 public:
  explicit Capture(const std::string& path);

  int link_type() const { return link_type_; }  // libpcap's DLT_...
  // False: the end. Throws OperatorError where the file breaks off or is damaged.
  bool next(CapturedFrame& frame);

 private:
  struct Close {
    void operator()(pcap* handle) const;
  };
  std::string path_;
  std::unique_ptr<pcap, Close> handle_;
  int link_type_ = 0;
};

// Whether bytes begin as a pcap or pcapng file does.
bool looks_like_capture(std::span<const uint8_t> bytes);

}  // namespace steppe
