// SPDX-License-Identifier: Apache-2.0
// The TCP connections that the country's servers keep, found by address and port. A flat table of
// slot numbers with linear probing (Knuth, TAOCP 3, 6.4, algorithm L, and R for deletion), half
// full at most: a look-up costs one cache miss there and one in the slot. rte_hash would cost three
// (buckets, keys, data), copy each key again, and could not grow.
#pragma once

#include <rte_ether.h>
#include <rte_prefetch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "tools/sim/authority.h"
#include "tools/sim/layout.h"
#include "tools/sim/text.h"

namespace steppe::sim {

// One side's view of one connection; the port of the server is always 443.
struct FlowKey {
  uint32_t client_address = 0, host_address = 0;
  uint16_t client_port = 0;
  uint16_t speaker = 0;  // who answers: 0 the host itself, else 1 + index of a middlebox
  bool operator==(const FlowKey&) const = default;
};
inline uint64_t hash_of(const FlowKey& key) {
  uint64_t hash = (uint64_t{key.client_address} << 32 | key.host_address) * 0x9e3779b97f4a7c15;
  hash ^= hash >> 32;
  hash = (hash ^ (uint64_t{key.speaker} << 16 | key.client_port)) * 0xd6e8feb86659fd93;
  return hash ^ hash >> 32;
}

// What a server says in answer, and what it does when that is said.
struct Speech {
  enum class End : uint8_t {
    open,
    listens,  // to what the client says next: then the next speech begins with this one
    fin,
    reset,
  };
  TextPointer text;  // may be null: nothing
  End end = End::open;
};

// How a server's packets get to the scanner.
struct WayBack {
  int16_t ttl = 64;       // on arrival there; those below 1 die on the way
  uint32_t delay_us = 0;  // between what is said in answer and its arrival
};

// RFC 9293 3.3.1, with sequence numbers of both sides. tcp_server.cc is its manual.
// Two cache lines: at 600,000 connections a second, 100,000 of them are open.
struct alignas(64) Connection {
  FlowKey key;
  rte_ether_addr client_mac;
  uint16_t client_mss = 0;           // as the client announced it
  uint16_t segment_bytes = 0;        // of what is sent to it, at most
  uint32_t first = 0;                // ISS + 1: sequence number of the first byte of `speech`
  uint32_t unacknowledged = 0;       // SND.UNA
  uint32_t next = 0;                 // SND.NXT; goes back when segments are sent again
  uint32_t furthest = 0;             // the highest SND.NXT ever
  uint32_t receive_next = 0;         // RCV.NXT
  uint32_t client_window = 0;        // SND.WND, scaled
  uint16_t congestion_segments = 0;  // how many may be under way
  uint8_t client_scale = 0;          // Snd.Wind.Shift
  bool scales = false;               // both sides do (RFC 7323 2.2)
  bool opens_window = true;          // false: RCV.WND is 0 for ever
  bool established = false;          // else SYN-RECEIVED
  bool spoken = false;               // there is a `speech`
  bool client_finished = false;      // its FIN has been taken
  uint8_t retransmissions = 0;       // of what is at `unacknowledged`
  uint8_t timer = 0;                 // which list it is in; tcp_server.cc
  WayBack back;
  const Host* host = nullptr;
  Speech speech;
  std::unique_ptr<Bytes> heard;  // the client's bytes so far, while more are wanted
};
static_assert(sizeof(Connection) <= 128);

// What is done for each packet is here, so that a key that was put together field by field need not
// go through memory to be read as a whole.
class ConnectionTable {
 public:
  static constexpr uint32_t none = UINT32_MAX;

  ConnectionTable();

  uint32_t size() const { return size_; }
  Connection& operator[](uint32_t slot) { return blocks_[slot / block_slots][slot % block_slots]; }
  const Connection& operator[](uint32_t slot) const {
    return blocks_[slot / block_slots][slot % block_slots];
  }
  // The slot; none: there is no such connection.
  uint32_t find(const FlowKey& key) const {
    const auto hash = static_cast<uint32_t>(hash_of(key));
    for (uint32_t i = hash & mask_; entries_[i].slot != none; i = (i + 1) & mask_) {
      if (entries_[i].hash == hash && (*this)[entries_[i].slot].key == key) return entries_[i].slot;
    }
    return none;
  }
  // Before find(): first for where it begins to look, then, as soon as that is there, for the
  // connection itself.
  void prefetch_entry(const FlowKey& key) const {
    rte_prefetch0(&entries_[static_cast<uint32_t>(hash_of(key)) & mask_]);
  }
  // Returns its slot, probably: the first with the same hash is nearly always the right one.
  uint32_t prefetch_connection(const FlowKey& key) const {
    const auto hash = static_cast<uint32_t>(hash_of(key));
    for (uint32_t i = hash & mask_; entries_[i].slot != none; i = (i + 1) & mask_) {
      if (entries_[i].hash != hash) continue;
      const auto* const connection = reinterpret_cast<const char*>(&(*this)[entries_[i].slot]);
      rte_prefetch0(connection);
      rte_prefetch0(connection + 64);
      return entries_[i].slot;
    }
    return none;
  }
  // REQUIRES that the key is not there. References to others stay valid.
  uint32_t insert(const FlowKey& key);
  void erase(uint32_t slot);

 private:
  struct Entry {
    uint32_t hash = 0;
    uint32_t slot = none;  // none: empty
  };
  static constexpr uint32_t block_slots = 1024;

  void place(Entry entry);
  void grow();

  std::vector<Entry> entries_;  // a power of two
  uint32_t mask_ = 0, size_ = 0;
  std::vector<std::unique_ptr<Connection[]>> blocks_;
  std::vector<uint32_t> free_slots_;
};

}  // namespace steppe::sim
