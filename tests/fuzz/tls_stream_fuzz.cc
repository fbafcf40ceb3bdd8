// SPDX-License-Identifier: Apache-2.0
// TlsStream against itself and against the slow reader of the unit tests: the same bytes whole,
// byte by byte and in random pieces must give the same answer, at the same byte; a
// HelloRetryRequest is told at the same byte, too, and what is encrypted and may be over is the
// same.
//
// An input is: one byte n, n bytes of expected leaf, one byte that seeds the pieces, the stream.
#include <cstdio>
#include <cstdlib>
#include <random>

#include "tests/unit/wire/tls_reference.h"

namespace {

using steppe::TlsProgress;
using steppe::testing::feed_in_pieces;
using steppe::testing::in_pieces;
using steppe::testing::reference_answer;
using steppe::testing::TlsAnswer;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "tls_stream: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::span<const uint8_t> input(data, size);
  if (input.empty() || input.size() < input.front() + size_t{2}) return 0;
  const auto leaf = input.subspan(1, input.front());
  input = input.subspan(1 + leaf.size());
  std::minstd_rand random(input.front());
  const auto stream = input.subspan(1);

  const TlsAnswer by_byte = feed_in_pieces(stream, leaf, [] { return 1; });
  expect(by_byte == reference_answer(stream, leaf), "byte by byte differs from the reference");
  for (const size_t longest : {size_t{5}, size_t{100}, stream.size() + 1}) {
    std::vector<size_t> ends;
    const bool whole = longest > stream.size();
    const TlsAnswer got = feed_in_pieces(
        stream, leaf, [&] { return whole ? longest : random() % longest; }, &ends);
    expect(got == in_pieces(by_byte, ends), "pieces differ from byte by byte");
  }

  // The answer hangs on the bytes up to the deciding one, and on no fewer.
  if (by_byte.progress != TlsProgress::more) {
    const auto decided = stream.first(by_byte.bytes);
    const size_t all = decided.size();
    std::vector<size_t> ends;
    expect(feed_in_pieces(
               decided, leaf, [&] { return all; }, &ends) == in_pieces(by_byte, ends),
           "it looked ahead");
    if (all > 1) {
      const TlsAnswer before = feed_in_pieces(decided.first(all - 1), leaf, [&] { return all; });
      expect(before.progress == TlsProgress::more, "it was decided before");
    }
  }
  return 0;
}
