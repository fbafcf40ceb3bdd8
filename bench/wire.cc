// SPDX-License-Identifier: Apache-2.0
// Frames written, frames read, and the server's flight compared as it streams in: engine/wire.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "bench/loose_frame.h"
#include "engine/limits.h"
#include "engine/wire/client_hello.h"
#include "engine/wire/frame.h"
#include "engine/wire/tls_stream.h"
#include "modules/hellos/hellos.h"

namespace steppe {
namespace {

constexpr uint32_t our_address = 0xc6120002, host_address = 0xc6130001;
constexpr uint16_t our_port = 40000;
constexpr size_t segment_payload_bytes = 1460;  // an Ethernet frame's
const Endpoint us{.address = our_address};

void syn_write(benchmark::State& state) {
  const SynTemplate syn(us);
  const rte_ether_addr hop{};
  LooseFrame loose;
  uint32_t number = 0;
  for (auto _ : state) {
    ++number;
    syn.write(&loose.frame, hop, host_address + number, our_port, number);
    benchmark::DoNotOptimize(loose.bytes);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(syn_write);

// An ACK or a RST (0 bytes of payload), a hello's size, and a full segment.
void segment_write(benchmark::State& state) {
  const std::vector<uint8_t> payload(static_cast<size_t>(state.range(0)), 0x55);
  LooseFrame loose;
  uint32_t number = 0;
  for (auto _ : state) {
    write_segment(&loose.frame, us, {}, host_address, our_port, ++number, 2,
                  RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, payload);
    benchmark::DoNotOptimize(loose.bytes);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(segment_write)->ArgName("bytes")->Arg(0)->Arg(250)->Arg(segment_payload_bytes);

// The first of hellos(): TLS 1.2, TLS 1.3, and a browser's.
void hello_write(benchmark::State& state) {
  const HelloDescription& description = *hellos()[static_cast<size_t>(state.range(0))];
  const KeyShare x25519{29, std::vector<uint8_t>(32, 0x55)};
  const ClientHello hello(description, {&x25519, 1});
  std::array<uint8_t, limits::client_hello_bytes> bytes;
  uint64_t random = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(hello.write(bytes, "www.facebook.com", ++random));
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(std::string(description.name));
}
BENCHMARK(hello_write)->DenseRange(0, 2);

// The ClientHello of a pair, and the segment that carries it.
void hello_segment(benchmark::State& state) {
  const ClientHello hello(*hellos().front());
  std::array<uint8_t, limits::client_hello_bytes> bytes;
  LooseFrame loose;
  uint64_t random = 0;
  for (auto _ : state) {
    const size_t length = hello.write(bytes, "www.facebook.com", ++random);
    write_segment(&loose.frame, us, {}, host_address, our_port, 1, 2,
                  RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, std::span(bytes).first(length));
    benchmark::DoNotOptimize(loose.bytes);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(hello_segment);

// A host's frame to us, read as the worker does. checked: whether the NIC has said that the
// checksums hold.
void read_frames(benchmark::State& state, const rte_mbuf& frame, FrameKind kind) {
  if (read_frame(&frame, us).kind != kind) state.SkipWithError("not read for what it is");
  for (auto _ : state) {
    benchmark::DoNotOptimize(frame.buf_addr);
    benchmark::ClobberMemory();
    benchmark::DoNotOptimize(read_frame(&frame, us));
  }
  state.SetItemsProcessed(state.iterations());
}

constexpr uint64_t checked_by_nic = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;

void read_syn_ack(benchmark::State& state) {
  LooseFrame loose;
  // A SYN of the host's, for its options: reading it takes the same steps.
  SynTemplate(Endpoint{.address = host_address, .target_port = our_port})
      .write(&loose.frame, {}, our_address, 443, 1);
  if (state.range(0) != 0) loose.frame.ol_flags = checked_by_nic;
  read_frames(state, loose.frame, FrameKind::tcp);
}
BENCHMARK(read_syn_ack)->ArgName("checked_by_nic")->Arg(0)->Arg(1);

void read_data(benchmark::State& state) {
  LooseFrame loose;
  const std::vector<uint8_t> payload(segment_payload_bytes, 0x55);
  write_segment(&loose.frame, {.address = host_address, .target_port = our_port}, {}, our_address,
                443, 1, 2, RTE_TCP_ACK_FLAG, payload);
  if (state.range(0) != 0) loose.frame.ol_flags = checked_by_nic;
  read_frames(state, loose.frame, FrameKind::tcp);
}
BENCHMARK(read_data)->ArgName("checked_by_nic")->Arg(0)->Arg(1);

// A flight of TLS 1.2 as far as the end of its certificates: the leaf, and an issuer of 1,300
// bytes.
std::vector<uint8_t> flight_with(const std::vector<uint8_t>& leaf) {
  const auto put = [](std::vector<uint8_t>& to, size_t value, int bytes) {
    while (bytes-- > 0) to.push_back(static_cast<uint8_t>(value >> 8 * bytes));
  };
  const std::vector<uint8_t> issuer(1300, 0x31);
  std::vector<uint8_t> messages;
  put(messages, 2, 1);
  put(messages, 2 + 32 + 1 + 2 + 1, 3);
  put(messages, 0x0303, 2);
  messages.resize(messages.size() + 32);
  put(messages, 0, 1);
  put(messages, 0xc02f, 2);
  put(messages, 0, 1);
  put(messages, 11, 1);
  put(messages, 3 + 3 + leaf.size() + 3 + issuer.size(), 3);
  put(messages, 3 + leaf.size() + 3 + issuer.size(), 3);
  for (const auto* certificate : {&leaf, &issuer}) {
    put(messages, certificate->size(), 3);
    messages.insert(messages.end(), certificate->begin(), certificate->end());
  }
  std::vector<uint8_t> flight;
  put(flight, 22, 1);
  put(flight, 0x0303, 2);
  put(flight, messages.size(), 2);
  flight.insert(flight.end(), messages.begin(), messages.end());
  return flight;
}

// Reads a flight in full segments until it is decided. Items are flights.
void read_flight(benchmark::State& state, const std::vector<uint8_t>& flight,
                 const std::vector<uint8_t>& expected, TlsProgress answer) {
  size_t at = 0;
  for (auto _ : state) {
    TlsStream stream;
    TlsProgress progress = TlsProgress::more;
    for (at = 0; at < flight.size() && progress == TlsProgress::more; at += segment_payload_bytes)
      progress = stream.feed(
          std::span(flight).subspan(at, std::min(segment_payload_bytes, flight.size() - at)),
          expected);
    if (progress != answer) state.SkipWithError("the flight is taken for something else");
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * std::min(at, flight.size())));
}

// The leaf is the expected one: how long that takes for leaves of so many bytes; bytes_per_second
// is the rate of the comparison.
void same_flight(benchmark::State& state) {
  const std::vector<uint8_t> leaf(static_cast<size_t>(state.range(0)), 0x30);
  read_flight(state, flight_with(leaf), leaf, TlsProgress::same);
}
BENCHMARK(same_flight)->ArgName("leaf_bytes")->Arg(1200)->Arg(12'000);

// It is not: the chain is read to its end.
void other_flight(benchmark::State& state) {
  const std::vector<uint8_t> leaf(static_cast<size_t>(state.range(0)), 0x30);
  std::vector<uint8_t> expected = leaf;
  expected.back() ^= 1;
  read_flight(state, flight_with(leaf), expected, TlsProgress::certificate);
}
BENCHMARK(other_flight)->ArgName("leaf_bytes")->Arg(1200)->Arg(12'000);

}  // namespace
}  // namespace steppe
