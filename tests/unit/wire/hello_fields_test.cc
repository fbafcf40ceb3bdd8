// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/hello_fields.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/wire/client_hello.h"
#include "modules/hellos/hellos.h"
#include "tests/unit/wire/hello_builder.h"

namespace steppe::testing {
namespace {

using enum HelloReading;

// What was read, without the spans that point into it.
struct Read {
  HelloReading reading = no_hello;
  HelloFields fields = {};
  Bytes messages = {};

  Bytes bytes(std::span<const uint8_t> span) const { return {span.begin(), span.end()}; }
};

Read read(const Bytes& stream) {
  Read result;
  result.reading = read_client_hello(stream, result.fields, result.messages);
  return result;
}

SampleHello usual_hello() {
  return {.suites = {0x1a1a, 0x1301, 0xc02f},
          .extensions = {server_name_extension("a.example"), groups_extension({29, 23}), {23}},
          .session_id = noise(32, 9)};
}

// clang-format off
const Bytes smallest = {1, 0, 0, 41, 3, 1,
                        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                        16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                        0,  0, 2, 0, 47,  1, 0};
// clang-format on

TEST(HelloFields, TakesAHelloApart) {
  const Bytes stream = client_records(client_message(usual_hello()));
  const Read result = read(stream);
  ASSERT_EQ(result.reading, complete);
  EXPECT_EQ(result.fields.record_version, 0x0301);
  EXPECT_EQ(result.fields.client_version, 0x0303);
  EXPECT_EQ(result.bytes(result.fields.random), noise(32, 3));
  EXPECT_EQ(result.bytes(result.fields.session_id), noise(32, 9));
  EXPECT_EQ(result.fields.cipher_suites, (Numbers{0x1a1a, 0x1301, 0xc02f}));
  EXPECT_EQ(result.bytes(result.fields.compression_methods), Bytes{0});
  ASSERT_EQ(result.fields.extensions.size(), 3u);
  EXPECT_EQ(result.fields.extensions[1].type, 10);
  EXPECT_EQ(result.bytes(result.fields.extensions[1].data), (Bytes{0, 4, 0, 29, 0, 23}));
  EXPECT_EQ(result.fields.extensions[2].type, 23);
  EXPECT_TRUE(result.fields.extensions[2].data.empty());
}

TEST(HelloFields, ABareMessageHasNoRecordVersion) {
  const Bytes message = client_message(usual_hello());
  const Read result = read(message);
  ASSERT_EQ(result.reading, complete);
  EXPECT_EQ(result.fields.record_version, 0);
  EXPECT_EQ(result.fields.extensions.size(), 3u);
}

// RFC 5246 7.4.1.2: the extensions may be absent, their length with them.
TEST(HelloFields, HellosWithoutExtensions) {
  ASSERT_EQ(smallest.size(), 45u);
  const Read without = read(smallest);
  ASSERT_EQ(without.reading, complete);
  EXPECT_EQ(without.fields.client_version, 0x0301);
  EXPECT_EQ(without.fields.cipher_suites, Numbers{47});
  EXPECT_TRUE(without.fields.extensions.empty());
  EXPECT_EQ(read(client_message({.extensions = {}})).reading, complete);
}

TEST(HelloFields, WhatFollowsDoesNotMatter) {
  const Bytes message = client_message(usual_hello());
  for (const Bytes& stream :
       {join({client_records(message), {20, 3, 3, 0, 1, 1}}), join({message, {0xff, 0xff}}),
        // Two messages in one record (RFC 8446 5.1).
        client_records(join({message, {16, 0, 0, 1, 0}}))}) {
    const Read result = read(stream);
    EXPECT_EQ(result.reading, complete);
    EXPECT_EQ(result.fields.extensions.size(), 3u);
  }
}

TEST(HelloFields, RecordsMaySplitItAnywhere) {
  const Bytes message = client_message(usual_hello());
  for (size_t record_bytes = 1; record_bytes <= message.size(); record_bytes++) {
    const Read result = read(client_records(message, record_bytes));
    ASSERT_EQ(result.reading, complete) << record_bytes;
    EXPECT_EQ(result.fields.cipher_suites.size(), 3u);
    EXPECT_EQ(result.fields.extensions.size(), 3u);
    EXPECT_EQ(result.bytes(result.fields.random), noise(32, 3));
  }
}

TEST(HelloFields, EveryPrefixIsIncomplete) {
  const Bytes message = client_message(usual_hello());
  for (const Bytes& stream : {message, client_records(message), client_records(message, 7)})
    for (size_t length = 0; length < stream.size(); length++)
      ASSERT_EQ(
          read(Bytes(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(length))).reading,
          incomplete)
          << length;
}

TEST(HelloFields, WhatIsNoHello) {
  // SSLv2's: a length with the top bit set, then the type.
  EXPECT_EQ(read({0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10}).reading, no_hello);
  EXPECT_EQ(read(text("GET / HTTP/1.1\r\n")).reading, no_hello);
  EXPECT_EQ(read({22, 2}).reading, no_hello);           // no such version
  EXPECT_EQ(read({22, 3, 1, 0, 0}).reading, no_hello);  // an empty record
  EXPECT_EQ(read({22, 3, 1, 0x40, 1}).reading, no_hello);
  EXPECT_EQ(read({22, 3, 1, 0x41}).reading, no_hello);      // over 2^14 bytes in any case
  EXPECT_EQ(read({22, 3, 1, 0, 80, 2}).reading, no_hello);  // a server's
  EXPECT_EQ(read({1, 3, 0, 0}).reading, no_hello);          // longer than any hello can be
  EXPECT_EQ(read({22, 3, 1, 0, 9, 1, 3, 0, 0}).reading, no_hello);
  // Another record in the middle of the message.
  const Bytes half = client_records(client_message(usual_hello()), 60);
  EXPECT_EQ(read(join({{half.begin(), half.begin() + 65}, {23}})).reading, no_hello);
}

// The byte that breaks the grammar tells, not the end of the message.
TEST(HelloFields, BrokenLengthsAreKnownAtOnce) {
  const auto broken = [](size_t at, uint8_t value) {
    Bytes message = smallest;
    message[at] = value;
    const Read result =
        read(Bytes(message.begin(), message.begin() + static_cast<ptrdiff_t>(at) + 1));
    const Read before = read(Bytes(message.begin(), message.begin() + static_cast<ptrdiff_t>(at)));
    return result.reading == no_hello && before.reading == incomplete;
  };
  EXPECT_TRUE(broken(38, 33));  // session id
  EXPECT_TRUE(broken(40, 0));   // no suites
  EXPECT_TRUE(broken(40, 3));   // half a suite
  EXPECT_TRUE(broken(40, 6));   // longer than the message
  EXPECT_TRUE(broken(43, 0));   // no compression method
  EXPECT_TRUE(broken(43, 2));
}

TEST(HelloFields, SessionIdsHaveAtMost32Bytes) {
  EXPECT_EQ(read(client_message({.session_id = noise(32, 1)})).reading, complete);
  EXPECT_EQ(read(client_message({.session_id = noise(33, 1)})).reading, no_hello);
}

TEST(HelloFields, ExtensionsFillTheMessage) {
  Bytes message = client_message({.extensions = {{23}}});
  const size_t list_length = message.size() - 5;
  Bytes longer = message, shorter = message, overlong = message;
  longer[list_length]++;
  EXPECT_EQ(read(longer).reading, no_hello);
  shorter[list_length]--;
  EXPECT_EQ(read(shorter).reading, no_hello);
  overlong.back()++;  // of the extension's data
  EXPECT_EQ(read(overlong).reading, no_hello);
  Bytes spare = message;
  spare[3]++;
  spare.push_back(0);
  EXPECT_EQ(read(spare).reading, no_hello);
}

TEST(HelloFields, TheLongestIsRead) {
  SampleHello hello = {.suites = Numbers(32767, 0x1301),
                       .session_id = noise(32, 1),
                       .compression_methods = noise(255, 2)};
  hello.extensions = {{1, Bytes(65531)}};
  const Bytes message = client_message(hello);
  const Read result = read(client_records(message));
  ASSERT_EQ(result.reading, complete);
  EXPECT_EQ(result.fields.cipher_suites.size(), 32767u);
  EXPECT_EQ(result.fields.extensions.front().data.size(), 65531u);
}

TEST(HelloFields, OursAreRead) {
  const std::vector<KeyShare> shares = {
      {29, noise(32, 1)}, {23, noise(65, 2)}, {24, noise(97, 3)}, {25, noise(133, 4)}};
  for (const HelloDescription* description : hellos()) {
    Bytes stream(limits::client_hello_bytes);
    stream.resize(ClientHello(*description, shares).write(stream, "a.example", 7));
    const Read result = read(stream);
    ASSERT_EQ(result.reading, complete) << description->name;
    EXPECT_EQ(result.fields.cipher_suites.size(), description->cipher_suites.size());
  }
}

// Once it is no hello, nothing that follows makes it one; and what is complete stays so.
TEST(HelloFields, AnAnswerStays) {
  std::minstd_rand random(1);
  const Bytes good = client_records(client_message(usual_hello()), 50);
  for (int round = 0; round < 3000; round++) {
    Bytes stream = good;
    for (unsigned i = random() % 3 + 1; i > 0; i--)
      stream[random() % stream.size()] =
          static_cast<uint8_t>(random() % 2 ? random() : random() % 4);
    HelloReading before = incomplete;
    for (size_t length = 0; length <= stream.size(); length++) {
      const HelloReading now =
          read(Bytes(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(length))).reading;
      if (before != incomplete) {
        ASSERT_EQ(now, before);
      }
      before = now;
    }
  }
}

struct ReadAnswer {
  HelloReading reading = no_hello;
  ServerHelloFields fields = {};
};

ReadAnswer read_answer(const Bytes& stream) {
  ReadAnswer result;
  result.reading = read_server_hello(stream, result.fields);
  return result;
}

TEST(ServerHelloFields, TakesAnAnswerApart) {
  const Bytes message = server_message(0x0303, 0xc030, {{0xff01, {0}}, {11}, {16, text("ab")}});
  for (const size_t record_bytes : {size_t{16384}, size_t{9}}) {
    const Bytes stream = client_records(message, record_bytes);
    const ReadAnswer result = read_answer(join({stream, {22, 3, 3, 0}}));
    ASSERT_EQ(result.reading, complete);
    EXPECT_EQ(result.fields.legacy_version, 0x0303);
    EXPECT_EQ(result.fields.cipher_suite, 0xc030);
    EXPECT_EQ(result.fields.extensions, (Numbers{0xff01, 11, 16}));
    for (size_t length = 0; length < stream.size(); length++)
      ASSERT_EQ(read_answer(Bytes(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(length)))
                    .reading,
                incomplete);
  }
  EXPECT_TRUE(
      read_answer(client_records(server_message(0x0301, 47, {}))).fields.extensions.empty());
}

TEST(ServerHelloFields, WarningsMayComeFirst) {
  const Bytes answer = client_records(server_message(0x0303, 0xc030, {}));
  const Bytes warning = {21, 3, 3, 0, 2, 1, 112}, fatal = {21, 3, 3, 0, 2, 2, 40};
  const Bytes stream = join({warning, warning, answer});
  EXPECT_EQ(read_answer(stream).reading, complete);
  for (size_t length = 0; length < stream.size(); length++)
    ASSERT_EQ(
        read_answer(Bytes(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(length))).reading,
        incomplete);
  EXPECT_EQ(read_answer(fatal).reading, no_hello);
  EXPECT_EQ(read_answer({21, 3, 3, 0, 3}).reading, no_hello);
}

TEST(ServerHelloFields, WhatIsNone) {
  EXPECT_EQ(read_answer(text("HTTP/1.1 200 OK")).reading, no_hello);
  EXPECT_EQ(read_answer(client_records(client_message(usual_hello()))).reading, no_hello);
  EXPECT_EQ(read_answer(server_message(0x0303, 47, {})).reading, no_hello);  // no record
  EXPECT_EQ(read_answer({22, 3, 3, 0, 50, 11}).reading, no_hello);           // a certificate
}

}  // namespace
}  // namespace steppe::testing
