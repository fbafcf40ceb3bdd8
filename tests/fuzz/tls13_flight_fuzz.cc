// SPDX-License-Identifier: Apache-2.0
// Tls13Reader, from behind the encryption and from before it.
//
// An input is: one byte that chooses, one byte n, n bytes of expected leaf, and by the choice
//   handshake messages and how they lie in records: what a server with the right keys could send.
//     The harness seals them; the answer must be that of the slow reader of what was sealed.
//   any bytes behind a ServerHello that answers our hello. Nobody without the keys makes a
//     certificate out of them.
//   any bytes from the first.
//
// Messages are: a count, and for each its kind, two bytes of length, and so much content. Records
// are: for each one byte of length (or of another kind), one of padding; the last record has what
// is left.
#include <cstdio>
#include <cstdlib>

#include "engine/judge/tls13.h"
#include "engine/limits.h"
#include "engine/wire/tls_stream.h"
#include "modules/hellos/hellos.h"
#include "tests/unit/judge/sealing_server.h"

namespace {

using namespace steppe;
using testing::Bytes;
using testing::OpenAnswer;
using testing::OpenRecord;
using testing::SealingServer;

constexpr const char* server_name = "www.example.com";
constexpr uint64_t random_seed = 42;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "tls13_flight: %s\n", what);
  std::abort();
}

// Takes an input apart; what is not there is zero.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}
  size_t left() const { return rest_.size(); }
  uint8_t byte() {
    const Bytes one = bytes(1);
    return one.empty() ? uint8_t{0} : one[0];
  }
  size_t number16() {
    const size_t high = byte();
    return high << 8 | byte();
  }
  Bytes bytes(size_t count) {
    const auto front = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(front.size());
    return {front.begin(), front.end()};
  }

 private:
  std::span<const uint8_t> rest_;
};

// Certificates of up to 255 bytes, each with its length before it.
Bytes certificate_of(const Bytes& content) {
  std::vector<Bytes> chain;
  Input input(content.data(), content.size());
  while (input.left() > 1) chain.push_back(input.bytes(input.byte()));
  return testing::certificate13(chain);
}

Bytes messages_of(Input& input) {
  Bytes messages;
  for (size_t count = input.byte() % 8; count > 0; --count) {
    const uint8_t kind = input.byte();
    const Bytes content = input.bytes(input.number16() % 4096);
    if (kind == 200)  // as it is, without a header
      messages = testing::join({messages, content});
    else if (kind == 201)
      messages = testing::join({messages, certificate_of(content)});
    else if (kind >= 202 && kind < 205)
      messages = testing::join(
          {messages, testing::compressed_certificate(certificate_of(content),
                                                     static_cast<uint16_t>(kind - 201))});
    else if (kind >= 205 && kind < 208)  // a content of its own, a length that may not be right
      messages = testing::join({messages, testing::compressed_certificate(
                                              static_cast<uint16_t>(kind - 204),
                                              content.empty() ? 0 : content[0] * 97u, content)});
    else
      messages = testing::join({messages, testing::message(kind, content)});
  }
  return messages;
}

std::vector<OpenRecord> records_of(const Bytes& messages, Input& input) {
  std::vector<OpenRecord> records;
  for (size_t at = 0; at < messages.size();) {
    const size_t how = input.byte();
    const size_t padding = input.byte() % 64;
    const bool is_last = input.left() == 0;
    if (how >= 250 && !is_last) {
      records.push_back({input.byte(), input.bytes(how - 250), padding});
      continue;
    }
    const size_t length =
        std::min({messages.size() - at, is_last ? size_t{16384} : how, size_t{16384}});
    const auto begin = messages.begin() + static_cast<ptrdiff_t>(at);
    records.push_back(
        {testing::handshake_record, Bytes(begin, begin + static_cast<ptrdiff_t>(length)), padding});
    at += length;
  }
  return records;
}

OpenAnswer answer_of(const Flight& flight) {
  OpenAnswer answer{.same = flight.same,
                    .complete = flight.complete,
                    .broken = flight.broken,
                    .alert = flight.alert};
  for (const auto& certificate : flight.chain) {
    expect(certificate.data() >= flight.messages.data() &&
               certificate.data() + certificate.size() <=
                   flight.messages.data() + flight.messages.size(),
           "a certificate that is not among the messages");
    if (flight.complete) answer.chain.emplace_back(certificate.begin(), certificate.end());
  }
  expect(flight.hello.key_exchange.empty(), "a share whose bytes are gone");
  return answer;
}

// One conversation for each suite, begun once.
struct Conversation {
  explicit Conversation(uint16_t suite) : server(keys, suite) {
    Bytes out(limits::client_hello_bytes);
    out.resize(hello.write(out, server_name, random_seed));
    server_hello = server.hello(out);
  }
  static inline const KeyShares keys{{1, 2, 3}};
  static inline const ClientHello hello{*find_hello("tls13"), keys.shares()};
  SealingServer server;
  Bytes server_hello;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Conversation conversations[] = {Conversation(0x1301), Conversation(0x1302),
                                         Conversation(0x1303)};
  static Tls13Reader reader(Conversation::keys);
  Input input(data, size);
  const uint8_t choice = input.byte();
  Conversation& with = conversations[choice % 3];
  const Bytes leaf = input.bytes(input.byte());
  const auto read = [&](const Bytes& stream) {
    return answer_of(reader.read(stream, {&Conversation::hello, random_seed}, server_name, leaf));
  };

  const unsigned mode = choice / 3 % 8;
  if (mode < 6) {
    const Bytes messages = messages_of(input);
    const std::vector<OpenRecord> records = records_of(messages, input);
    with.server.rewind();
    Bytes stream = with.server_hello;
    for (const OpenRecord& record : records)
      stream = testing::join({stream, with.server.seal(record)});
    const OpenAnswer should = testing::reference_answer(records, leaf);
    expect(read(stream) == should, "another answer than the slow reader's");
    TlsStream worker;
    const TlsProgress progress = worker.feed(stream, leaf);
    expect(progress == TlsProgress::more || progress == TlsProgress::encrypted,
           "a sealed flight that the worker refuses");
    expect(worker.encrypted() == !records.empty(), "not known for encrypted");
    return 0;
  }
  const Bytes raw = input.bytes(input.left());
  const OpenAnswer answer = read(mode == 6 ? testing::join({with.server_hello, raw}) : raw);
  expect(!answer.same && !answer.complete, "a certificate from who has no keys");
  return 0;
}
