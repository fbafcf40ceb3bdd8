// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/hello_streams.h"

#include <algorithm>

namespace steppe {

namespace {

// TLS record types (RFC 8446 5.1) that a hello, or what may stand before it, begins with.
constexpr uint8_t change_cipher_spec = 20, alert = 21, handshake = 22;
constexpr size_t change_cipher_spec_bytes = 6;

// How far `to` is behind `from` in sequence space, negative if it is before it (RFC 9293 3.4).
int32_t distance(uint32_t from, uint32_t to) {
  return static_cast<int32_t>(to - from);
}

// A second hello comes behind this record (RFC 8446 D.4).
std::span<const uint8_t> pass_change_cipher_spec(std::span<const uint8_t> payload) {
  const bool is_one = payload.size() >= change_cipher_spec_bytes &&
                      payload[0] == change_cipher_spec && payload[1] == 3 && payload[3] == 0 &&
                      payload[4] == 1;
  return is_one ? payload.subspan(change_cipher_spec_bytes) : payload;
}

bool may_begin_hello(std::span<const uint8_t> payload) {
  return !payload.empty() && (payload[0] == handshake || payload[0] == alert);
}

bool is_part_of_hello(std::span<const uint8_t> bytes) {
  HelloFields fields;
  std::vector<uint8_t> messages;
  return !bytes.empty() && read_client_hello(bytes, fields, messages) == HelloReading::incomplete;
}

}  // namespace

void HelloStreams::add(const Segment& segment, int64_t time_ms) {
  release(time_ms);
  const bool from_higher = segment.destination < segment.source;
  const Key key = from_higher ? Key{segment.destination, segment.source}
                              : Key{segment.source, segment.destination};
  if (!by_key_.contains(key) && !segment.syn &&
      !may_begin_hello(pass_change_cipher_spec(segment.payload)))
    return;
  Connection& connection = connection_of(key);
  if (segment.syn) begin(connection, from_higher, segment);
  if (!segment.payload.empty() && place(connection.streams[from_higher], segment))
    read(connection, from_higher, segment, time_ms);
  while (connections_.size() > 1 &&
         (connections_.size() > most_connections || held_bytes_ > most_bytes))
    forget(connections_.front());
}

HelloStreams::Connection& HelloStreams::connection_of(const Key& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    connections_.emplace_back().key = key;
    by_key_[key] = std::prev(connections_.end());
  } else {
    connections_.splice(connections_.end(), connections_, found->second);
  }
  return connections_.back();
}

// A SYN that is no repetition makes the ports a new connection.
void HelloStreams::begin(Connection& connection, size_t side, const Segment& segment) {
  Stream& stream = connection.streams[side];
  if (stream.syn == segment.sequence) return;
  if (!segment.ack) {
    settle(connection);
    for (Stream& old : connection.streams) {
      clear(old);
      old = {};
    }
  }
  clear(stream);
  stream = {};
  stream.syn = segment.sequence;
  stream.first = segment.sequence + 1;
}

// Puts a payload where it belongs; what came first stays. False: there is nothing new to read.
bool HelloStreams::place(Stream& stream, const Segment& segment) {
  auto payload = segment.payload;
  uint32_t sequence = segment.sequence + (segment.syn ? 1 : 0);
  if (!stream.first) {
    if (stream.done && distance(sequence, *stream.done) > 0) {
      const auto old = static_cast<size_t>(distance(sequence, *stream.done));
      if (old >= payload.size()) return false;
      payload = payload.subspan(old);
      sequence += static_cast<uint32_t>(old);
    }
    const auto rest = pass_change_cipher_spec(payload);
    sequence += static_cast<uint32_t>(payload.size() - rest.size());
    payload = rest;
    if (!may_begin_hello(payload)) {
      stream.done = sequence + static_cast<uint32_t>(payload.size());
      return false;
    }
    stream.first = sequence;
  }
  const int32_t offset = distance(*stream.first, sequence);
  const size_t known = offset < 0 ? static_cast<size_t>(-static_cast<int64_t>(offset)) : 0;
  if (known >= payload.size()) return false;
  payload = payload.subspan(known);
  const size_t from = offset < 0 ? 0 : static_cast<size_t>(offset);
  if (from >= stream_bytes) return false;
  payload = payload.first(std::min(payload.size(), stream_bytes - from));
  if (stream.bytes.size() < from + payload.size()) {
    held_bytes_ += from + payload.size() - stream.bytes.size();
    stream.bytes.resize(from + payload.size());
    stream.present.resize(from + payload.size());
  }
  for (size_t i = 0; i < payload.size(); i++) {
    if (stream.present[from + i]) continue;
    stream.bytes[from + i] = payload[i];
    stream.present[from + i] = true;
  }
  const size_t ready_before = stream.ready;
  while (stream.ready < stream.present.size() && stream.present[stream.ready]) stream.ready++;
  return stream.ready > ready_before;
}

void HelloStreams::read(Connection& connection, size_t side, const Segment& segment,
                        int64_t time_ms) {
  Stream& stream = connection.streams[side];
  const auto ready = std::span<const uint8_t>(stream.bytes).first(stream.ready);
  // A bare message without a record around it is none on TCP, whatever read_client_hello thinks.
  if (may_begin_hello(ready)) {
    SeenHello hello = {segment.source, segment.destination, time_ms, {}, {}, {}};
    const HelloReading as_client = read_client_hello(ready, hello.fields, hello.bytes);
    if (as_client == HelloReading::complete) {
      settle(connection);
      connection.waiting = std::make_shared<Waiting>(Waiting{std::move(hello), false});
      connection.client = side;
      waiting_.push_back(connection.waiting);
    } else {
      ServerHelloFields answer;
      const HelloReading as_server = read_server_hello(ready, answer);
      const bool more_may_tell =
          as_client == HelloReading::incomplete || as_server == HelloReading::incomplete;
      if (more_may_tell && stream.ready < stream_bytes) return;
      if (as_client == HelloReading::incomplete) cut_off_++;
      if (as_server == HelloReading::complete && connection.waiting && connection.client != side) {
        connection.waiting->hello.answer = std::move(answer);
        settle(connection);
      }
    }
  }
  stream.done = *stream.first + static_cast<uint32_t>(stream.ready);
  clear(stream);
}

// Nothing more is awaited for the connection's hello.
void HelloStreams::settle(Connection& connection) {
  if (connection.waiting) connection.waiting->settled = true;
  connection.waiting.reset();
}

void HelloStreams::clear(Stream& stream) {
  held_bytes_ -= stream.bytes.size();
  stream.first.reset();
  stream.bytes = {};
  stream.present = {};
  stream.ready = 0;
}

void HelloStreams::forget(Connection& connection) {
  settle(connection);
  for (Stream& stream : connection.streams) {
    if (is_part_of_hello(std::span<const uint8_t>(stream.bytes).first(stream.ready))) cut_off_++;
    clear(stream);
  }
  const auto place = by_key_.find(connection.key);
  const auto listed = place->second;
  by_key_.erase(place);
  connections_.erase(listed);
}

void HelloStreams::release(int64_t now_ms) {
  while (!waiting_.empty() && (waiting_.front()->settled || waiting_.size() > most_waiting ||
                               now_ms - waiting_.front()->hello.time_ms > answer_wait_ms)) {
    callback_(waiting_.front()->hello);
    waiting_.pop_front();
  }
}

void HelloStreams::finish() {
  while (!connections_.empty()) forget(connections_.front());
  release(0);
}

}  // namespace steppe
