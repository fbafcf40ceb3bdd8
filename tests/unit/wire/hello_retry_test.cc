// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/hello_retry.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/limits.h"
#include "modules/hellos/hellos.h"
#include "tests/unit/wire/hello_parts.h"
#include "tests/unit/wire/openssl_server.h"

namespace steppe::testing {
namespace {

Bytes extension_of(uint16_t type, const Bytes& data) {
  return join({{static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type),
                static_cast<uint8_t>(data.size() >> 8), static_cast<uint8_t>(data.size())},
               data});
}
const Bytes versions = extension_of(43, {3, 4});
const Bytes p256 = extension_of(51, {0, 23});
const Bytes cookie = extension_of(44, {0, 3, 7, 8, 9});

Bytes retry_request(const Bytes& extensions, const Bytes& session_id = {1, 2, 3}) {
  return message(
      2,
      join({{3, 3},
            Bytes(hello_retry_random.begin(), hello_retry_random.end()),
            {static_cast<uint8_t>(session_id.size())},
            session_id,
            {0x13, 0x01, 0},
            {static_cast<uint8_t>(extensions.size() >> 8), static_cast<uint8_t>(extensions.size())},
            extensions}));
}

TEST(ReadHelloRetry, SaysWhatIsAskedFor) {
  for (const Bytes& session_id : {Bytes{}, Bytes{1}, noise(32, 1), noise(255, 1)}) {
    const auto group = read_hello_retry(retry_request(join({versions, p256}), session_id));
    ASSERT_TRUE(group);
    EXPECT_EQ(group->group, 23);
    EXPECT_TRUE(group->cookie.empty());

    const Bytes with_cookie = retry_request(join({cookie, versions}), session_id);
    const auto only = read_hello_retry(with_cookie);
    ASSERT_TRUE(only);
    EXPECT_EQ(only->group, 0);
    EXPECT_EQ(Bytes(only->cookie.begin(), only->cookie.end()), (Bytes{7, 8, 9}));
    EXPECT_GE(only->cookie.data(), with_cookie.data());
    EXPECT_LE(only->cookie.data() + 3, with_cookie.data() + with_cookie.size());

    const Bytes unknown = extension_of(0x1234, noise(9, 1));
    const Bytes everything = retry_request(join({p256, unknown, versions, cookie}), session_id);
    const auto both = read_hello_retry(everything);
    ASSERT_TRUE(both);
    EXPECT_EQ(both->group, 23);
    EXPECT_EQ(both->cookie.size(), 3u);
  }
}

TEST(ReadHelloRetry, RefusesWhatAsksForNothing) {
  EXPECT_FALSE(read_hello_retry(retry_request({})));
  EXPECT_FALSE(read_hello_retry(retry_request(versions)));
}

TEST(ReadHelloRetry, RefusesWhatBreaksTheGrammar) {
  const Bytes broken[] = {
      extension_of(51, {}),
      extension_of(51, {0}),
      extension_of(51, {0, 0}),
      extension_of(51, {0, 23, 0}),
      extension_of(51, {0, 23, 0, 1, 9}),  // a ServerHello's share
      extension_of(44, {}),
      extension_of(44, {0}),
      extension_of(44, {0, 0}),
      extension_of(44, {0, 2, 7}),
      extension_of(44, {0, 1, 7, 8}),
      {0, 44, 0},
      {0, 44, 0, 9, 0, 1, 7},
      join({p256, p256}),
      join({p256, extension_of(44, {0, 0})}),
      join({cookie, extension_of(51, {0, 0})}),
      join({cookie, cookie}),
  };
  for (const Bytes& extensions : broken) {
    EXPECT_FALSE(read_hello_retry(retry_request(extensions)));
    EXPECT_FALSE(read_hello_retry(retry_request(join({versions, extensions}))));
  }
  Bytes other_message = retry_request(p256);
  other_message[0] = 4;
  EXPECT_FALSE(read_hello_retry(other_message));
  EXPECT_FALSE(read_hello_retry(join({retry_request(p256), {0}})));
}

TEST(ReadHelloRetry, RefusesEveryPrefix) {
  const Bytes whole = retry_request(join({versions, p256, cookie}));
  ASSERT_TRUE(read_hello_retry(whole));
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    // In memory of its own, so that a read beyond its end is found by the sanitizers.
    const Bytes prefix(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(bytes));
    EXPECT_FALSE(read_hello_retry(prefix)) << bytes;
  }
}

// Any byte in any place: an answer, and a cookie inside of the message.
TEST(ReadHelloRetry, IsTotal) {
  const Bytes whole = retry_request(join({versions, p256, cookie}));
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      Bytes changed = whole;
      changed[at] = static_cast<uint8_t>(value);
      const auto retry = read_hello_retry(changed);
      if (!retry) continue;
      ASSERT_TRUE(retry->group != 0 || !retry->cookie.empty());
      if (retry->cookie.empty()) continue;
      ASSERT_GE(retry->cookie.data(), changed.data());
      ASSERT_LE(retry->cookie.data() + retry->cookie.size(), changed.data() + changed.size());
    }
  }
  for (uint32_t seed = 0; seed < 1000; ++seed) read_hello_retry(noise(seed % 200, seed));
}

std::optional<Bytes> first_of(const Bytes& flight, size_t room = limits::hello_retry_bytes) {
  Bytes out(room);
  const auto message = first_message(flight, out);
  if (!message) return std::nullopt;
  EXPECT_EQ(message->data(), out.data());
  return Bytes(message->begin(), message->end());
}

TEST(FirstMessage, IsPutTogetherFromAnyRecords) {
  const Bytes whole = retry_request(join({versions, p256, cookie}));
  for (size_t bytes = 1; bytes <= whole.size() + 1; ++bytes)
    EXPECT_EQ(first_of(records(whole, bytes)), whole) << bytes;
  const Bytes nothing = record(handshake_record, {});
  EXPECT_EQ(first_of(join({nothing, nothing, records(whole, 7), nothing})), whole);
}

TEST(FirstMessage, LeavesWhatIsBehindIt) {
  const Bytes whole = retry_request(p256), behind = message(11, noise(5000, 1));
  const Bytes one_record = records(join({whole, behind}));
  EXPECT_EQ(first_of(one_record), whole);
  EXPECT_EQ(first_of(records(join({whole, behind}), 50)), whole);
  EXPECT_EQ(first_of(join({records(whole), record(20, {1}), record(23, noise(99, 1))})), whole);
  // Its room may end with it.
  EXPECT_EQ(first_of(one_record, whole.size()), whole);
}

TEST(FirstMessage, IsThereWhenItsLastByteIs) {
  const Bytes whole = retry_request(join({versions, p256, cookie}));
  for (const size_t record_bytes : {3, 40, 1000}) {
    const Bytes flight = records(whole, record_bytes);
    for (size_t bytes = 0; bytes < flight.size(); ++bytes) {
      const Bytes prefix(flight.begin(), flight.begin() + static_cast<ptrdiff_t>(bytes));
      EXPECT_FALSE(first_of(prefix)) << bytes;
    }
    EXPECT_EQ(first_of(flight), whole);
    // A record that goes on needs not have ended.
    Bytes goes_on = records(join({whole, noise(500, 1)}), 400);
    goes_on.resize(5 + whole.size());
    EXPECT_EQ(first_of(goes_on), whole);
    goes_on.pop_back();
    EXPECT_FALSE(first_of(goes_on));
  }
}

TEST(FirstMessage, MustFit) {
  const Bytes whole = retry_request(join({versions, p256, cookie}));
  for (size_t room = 0; room < whole.size(); ++room) {
    EXPECT_FALSE(first_of(records(whole), room)) << room;
    EXPECT_FALSE(first_of(records(whole, 5), room)) << room;
  }
  EXPECT_EQ(first_of(records(whole), whole.size()), whole);
  EXPECT_FALSE(first_of(records(message(2, noise(limits::hello_retry_bytes - 3, 1)))));
  EXPECT_TRUE(first_of(records(message(2, noise(limits::hello_retry_bytes - 4, 1)))));
  // The length field's largest.
  EXPECT_FALSE(first_of(records(join({{2, 0xff, 0xff, 0xff}, noise(2000, 1)}))));
}

// The worker's reader passes over warnings, so there may be some.
TEST(FirstMessage, StandsInHandshakeRecordsAlone) {
  const Bytes whole = retry_request(p256);
  EXPECT_FALSE(first_of({}));
  EXPECT_FALSE(first_of(alert(2, 40)));
  EXPECT_EQ(first_of(join({alert(1, 112), records(whole)})), whole);
  const Bytes half = records(whole, whole.size() - 1);
  const Bytes first(half.begin(), half.end() - 6), last(half.end() - 6, half.end());
  EXPECT_EQ(first_of(join({first, last})), whole);
  EXPECT_EQ(first_of(join({first, alert(1, 112), last})), whole);
  EXPECT_FALSE(first_of(join({first, alert(1, 112)})));
}

TEST(FirstMessage, IsTotal) {
  const Bytes flight = records(retry_request(join({versions, p256, cookie})), 30);
  for (size_t at = 0; at < flight.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      Bytes changed = flight;
      changed[at] = static_cast<uint8_t>(value);
      first_of(changed);
      first_of(changed, 40);
    }
  }
  for (uint32_t seed = 0; seed < 1000; ++seed) {
    Bytes bytes = noise(seed % 300, seed);
    if (!bytes.empty()) bytes[0] = handshake_record;
    first_of(bytes, seed % 50);
  }
}

}  // namespace
}  // namespace steppe::testing
