// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/capture.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <cstring>

#include "engine/plan/operator_error.h"
#include "tools/steppe/segment.h"

namespace steppe {

namespace {

// libpcap begins its messages with the path, but not for stdin.
std::string without_path(std::string what, const std::string& path) {
  return what.starts_with(path + ": ") ? what.substr(path.size() + 2) : what;
}

}  // namespace

void Capture::Close::operator()(pcap* handle) const {
  pcap_close(handle);
}

Capture::Capture(const std::string& path) : path_(path == "-" ? "stdin" : path) {
  char what[PCAP_ERRBUF_SIZE] = "";
  handle_.reset(pcap_open_offline(path.c_str(), what));
  if (!handle_)
    throw OperatorError(path_ + ": " + without_path(what, path) +
                        ": name a capture (pcap or pcapng), as tcpdump -w writes it");
  link_type_ = pcap_datalink(handle_.get());
  if (knows_link_type(link_type_)) return;
  const char* name = pcap_datalink_val_to_name(link_type_);
  throw OperatorError(path_ + ": was captured from links of the kind " +
                      (name == nullptr ? std::to_string(link_type_) : name) +
                      ", which steppe does not read: capture Ethernet, Linux cooked, raw IP or "
                      "loopback");
}

bool Capture::next(CapturedFrame& frame) {
  pcap_pkthdr* header = nullptr;
  const uint8_t* bytes = nullptr;
  const int got = pcap_next_ex(handle_.get(), &header, &bytes);
  if (got == PCAP_ERROR_BREAK) return false;
  if (got != 1)
    throw OperatorError(path_ + ": the capture breaks off (" + pcap_geterr(handle_.get()) +
                        "): what comes before that was read");
  frame.time_ms = int64_t{header->ts.tv_sec} * 1000 + header->ts.tv_usec / 1000;
  frame.bytes = {bytes, header->caplen};
  return true;
}

bool looks_like_capture(std::span<const uint8_t> bytes) {
  // pcap with micro- and nanoseconds in either byte order, and pcapng's first block.
  constexpr uint32_t magic_numbers[] = {0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a};
  uint32_t magic = 0;
  if (bytes.size() < sizeof magic) return false;
  std::memcpy(&magic, bytes.data(), sizeof magic);
  return std::ranges::find(magic_numbers, magic) != std::end(magic_numbers);
}

}  // namespace steppe
