// SPDX-License-Identifier: Apache-2.0
// What the data plane's steps cost on one core, without a device: build-test/bench/engine_bench.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "engine/plan/answer_map.h"
#include "engine/plan/cookie.h"
#include "engine/plan/permutation.h"
#include "engine/plan/work_list.h"
#include "engine/wire/client_hello.h"
#include "engine/wire/frame.h"
#include "engine/wire/tls_stream.h"
#include "modules/hellos/hellos.h"

namespace steppe {
namespace {

constexpr std::array<uint8_t, 16> key{1, 2, 3, 4, 5, 6, 7, 8};

// A frame that needs no pool: only its data is touched.
struct LooseFrame {
  alignas(64) std::array<uint8_t, 2048> bytes{};
  rte_mbuf frame{};
  LooseFrame() {
    frame.buf_addr = bytes.data();
    frame.buf_len = bytes.size();
  }
};

// The whole of a probe but its transmission: next target, cookie, frame.
void probe(benchmark::State& state) {
  PrefixSet addresses;
  addresses.add(*parse_prefix("198.18.0.0/15"));
  addresses.freeze();
  const AnswerMap answers(addresses.size());
  const Cookie cookie(key, 32768, 16384);
  const SynTemplate syn(Endpoint{.address = 0xc6120002});
  const rte_ether_addr hop{};
  LooseFrame loose;
  std::array<Target, limits::burst> targets;
  uint64_t seed = 0;
  auto sweep = std::make_unique<AddressSweep>(addresses, answers, seed, Slice{}, 0, 0);
  for (auto _ : state) {
    const uint32_t taken = sweep->take(targets, 0);
    if (taken == 0)
      sweep = std::make_unique<AddressSweep>(addresses, answers, ++seed, Slice{}, 0, 0);
    for (uint32_t i = 0; i < taken; ++i) {
      const uint16_t port = cookie.source_port(targets[i].address, targets[i].variant);
      syn.write(&loose.frame, hop, targets[i].address, port,
                cookie.sequence(targets[i].address, port, targets[i].variant));
      benchmark::DoNotOptimize(loose.bytes);
    }
    state.SetItemsProcessed(state.items_processed() + taken);
  }
}
BENCHMARK(probe);

// The ClientHello of a pair, and the segment that carries it.
void hello_segment(benchmark::State& state) {
  const ClientHello hello(*hellos().front());
  const Endpoint endpoint{.address = 0xc6120002};
  std::array<uint8_t, limits::client_hello_bytes> bytes;
  LooseFrame loose;
  uint64_t random = 0;
  for (auto _ : state) {
    const size_t length = hello.write(bytes, "www.facebook.com", ++random);
    write_segment(&loose.frame, endpoint, {}, 0xc6130001, 40000, 1, 2,
                  RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, std::span(bytes).first(length));
    benchmark::DoNotOptimize(loose.bytes);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(hello_segment);

// A flight of 3 KB whose leaf is the expected one, in segments of 1,460 bytes.
void same_flight(benchmark::State& state) {
  const auto put = [](std::vector<uint8_t>& to, size_t value, int bytes) {
    while (bytes-- > 0) to.push_back(static_cast<uint8_t>(value >> 8 * bytes));
  };
  const std::vector<uint8_t> leaf(1200, 0x30), issuer(1300, 0x31);
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
  for (auto _ : state) {
    TlsStream stream;
    TlsProgress progress = TlsProgress::more;
    for (size_t at = 0; at < flight.size() && progress == TlsProgress::more; at += 1460)
      progress = stream.feed(
          std::span(flight).subspan(at, std::min<size_t>(1460, flight.size() - at)), leaf);
    if (progress != TlsProgress::same) state.SkipWithError("the flight is not the same");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(same_flight);

}  // namespace
}  // namespace steppe

BENCHMARK_MAIN();
