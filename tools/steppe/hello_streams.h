// SPDX-License-Identifier: Apache-2.0
// The hellos in captured TCP connections: segments in, ClientHellos with their answers out.
//
// Of a connection only what may be a hello is kept, until it is one or cannot be one any more. It
// begins where the stream begins; or with any later segment, so that a capture may begin in the
// middle, and that hellos behind STARTTLS, CONNECT or a HelloRetryRequest are found. What is sent
// again is no second hello.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/wire/hello_fields.h"
#include "tools/steppe/segment.h"

namespace steppe {

struct SeenHello {
  Endpoint client, server;
  int64_t time_ms = 0;         // of the segment that made it whole
  HelloFields fields;          // point into these bytes
  std::vector<uint8_t> bytes;  // the message, records taken off
  std::optional<ServerHelloFields> answer;
};

class HelloStreams {
 public:
  // As long as the longest record: no client's hello comes near.
  static constexpr size_t stream_bytes = 16 * 1024;
  // Beyond these the connection that has been silent for longest is forgotten.
  static constexpr size_t most_connections = 65536;
  static constexpr size_t most_bytes = 64 * 1024 * 1024;
  // For so long, by the capture's clock, hellos wait for an answer, and those after them with them:
  // they come out in the order in which they were seen.
  static constexpr int64_t answer_wait_ms = 10000;
  static constexpr size_t most_waiting = 65536;

  using Callback = std::function<void(const SeenHello&)>;
  explicit HelloStreams(Callback callback) : callback_(std::move(callback)) {}

  void add(const Segment& segment, int64_t time_ms);
  // The capture is over: what waits goes out.
  void finish();
  // ClientHellos that began and were not whole when their connection was forgotten or the capture
  // over.
  uint64_t cut_off() const { return cut_off_; }

 private:
  // One direction of a connection.
  struct Stream {
    std::optional<uint32_t> syn;    // its sequence number
    std::optional<uint32_t> done;   // the sequence number behind all that is dealt with
    std::optional<uint32_t> first;  // of bytes[0]; nothing may be a hello if there is none
    std::vector<uint8_t> bytes;
    std::vector<bool> present;  // which of the bytes have come
    size_t ready = 0;           // of them, without a gap
  };
  struct Waiting {
    SeenHello hello;
    bool settled = false;
  };
  using Key = std::pair<Endpoint, Endpoint>;  // the lower one first
  struct Connection {
    Key key;
    Stream streams[2];  // from the lower end, from the higher
    std::shared_ptr<Waiting> waiting;
    size_t client = 0;  // whose stream the waiting hello is of
  };

  Connection& connection_of(const Key& key);
  void begin(Connection& connection, size_t side, const Segment& segment);
  bool place(Stream& stream, const Segment& segment);
  void read(Connection& connection, size_t side, const Segment& segment, int64_t time_ms);
  void settle(Connection& connection);
  void clear(Stream& stream);
  void forget(Connection& connection);
  void release(int64_t now_ms);

  Callback callback_;
  std::list<Connection> connections_;  // the one that was silent for longest first
  std::map<Key, std::list<Connection>::iterator> by_key_;
  std::deque<std::shared_ptr<Waiting>> waiting_;
  size_t held_bytes_ = 0;
  uint64_t cut_off_ = 0;
};

}  // namespace steppe
