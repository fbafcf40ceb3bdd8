// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/hello_retry.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/limits.h"
#include "tests/unit/wire/flight_builder.h"

namespace steppe::testing {
namespace {

const Bytes versions = extension(43, {3, 4});

Bytes cookie_extension(const Bytes& cookie) {
  return extension(44, join({number16(cookie.size()), cookie}));
}
Bytes group_extension(uint16_t group) {
  return extension(51, number16(group));
}
bool asks_for(const Bytes& message, uint16_t group, const Bytes& cookie) {
  const auto retry = read_hello_retry(message);
  return retry && retry->group == group && std::ranges::equal(retry->cookie, cookie);
}
bool refused(const Bytes& extensions) {
  return !read_hello_retry(hello_retry(extensions)).has_value();
}

TEST(HelloRetry, SaysWhatItAsksFor) {
  const Bytes cookie = noise(200, 1);
  EXPECT_TRUE(asks_for(hello_retry_to(23), 23, {}));
  EXPECT_TRUE(asks_for(hello_retry(join({versions, cookie_extension(cookie)})), 0, cookie));
  EXPECT_TRUE(asks_for(
      hello_retry(join({cookie_extension({7}), versions, group_extension(0x6399)})), 0x6399, {7}));
  // What nobody knows says nothing.
  EXPECT_TRUE(
      asks_for(hello_retry(join({extension(0xfe0d, noise(8, 1)), group_extension(24)})), 24, {}));
}

TEST(HelloRetry, AsksForSomething) {
  EXPECT_TRUE(refused(versions));
  EXPECT_TRUE(refused({}));
}

TEST(HelloRetry, RefusesBrokenExtensions) {
  EXPECT_TRUE(refused(extension(51, {23})));
  EXPECT_TRUE(refused(extension(51, {0, 23, 0})));
  EXPECT_TRUE(refused(extension(51, {0, 0})));
  EXPECT_TRUE(refused(extension(44, {})));
  EXPECT_TRUE(refused(extension(44, {0, 0})));
  EXPECT_TRUE(refused(extension(44, {0, 2, 7})));
  EXPECT_TRUE(refused(extension(44, {0, 1, 7, 7})));
  EXPECT_TRUE(refused(join({group_extension(23), {0}})));
  EXPECT_TRUE(refused(join({group_extension(23), {0, 43, 0, 2, 3}})));
  // One that is right does not make up for one that is not.
  EXPECT_TRUE(refused(join({group_extension(23), extension(44, {})})));
}

TEST(HelloRetry, IsThereInWhole) {
  const Bytes good = hello_retry(join({group_extension(23), cookie_extension(noise(50, 2))}));
  ASSERT_TRUE(read_hello_retry(good));
  for (size_t end = 0; end < good.size(); ++end)
    EXPECT_FALSE(read_hello_retry(std::span(good).first(end))) << end;
  EXPECT_FALSE(read_hello_retry(join({good, {0}})));
  Bytes other_type = good;
  other_type[0] = 1;
  EXPECT_FALSE(read_hello_retry(other_type));
  // With a session id, which servers echo.
  const Bytes body = join({{3, 3},
                           hello_retry_random_bytes,
                           {32},
                           noise(32, 3),
                           {0x13, 1, 0},
                           number16(6),
                           group_extension(29)});
  EXPECT_TRUE(asks_for(message(2, body), 29, {}));
}

// room: for the message.
Bytes first_of(const Bytes& flight, size_t room = limits::hello_retry_bytes) {
  Bytes out(room);
  const auto found = first_message(flight, out);
  return found ? Bytes(found->begin(), found->end()) : Bytes{};
}

TEST(FirstMessage, IsTheSameInAnyRecords) {
  const Bytes retry = hello_retry_to(23);
  for (size_t record_bytes = 1; record_bytes <= retry.size() + 1; ++record_bytes) {
    EXPECT_EQ(first_of(records(retry, record_bytes)), retry);
    // Whatever is behind it.
    EXPECT_EQ(first_of(records(join({retry, noise(2000, 1)}), record_bytes)), retry);
    EXPECT_EQ(first_of(join({records(retry, record_bytes), change_cipher_spec(), noise(9, 2)})),
              retry);
  }
}

TEST(FirstMessage, IsThereInWholeOrNotAtAll) {
  const Bytes flight = records(hello_retry_to(23), 20);
  for (size_t end = 0; end < flight.size(); ++end)
    EXPECT_EQ(first_of(Bytes(flight.begin(), flight.begin() + static_cast<ptrdiff_t>(end))),
              Bytes{})
        << end;
}

TEST(FirstMessage, FitsTheRoomOrIsNotThere) {
  const Bytes retry = hello_retry_to(23);
  for (const size_t record_bytes : {1, 7, 1000}) {
    const Bytes flight = records(join({retry, noise(100, 1)}), record_bytes);
    for (size_t room = 0; room < retry.size(); ++room) EXPECT_EQ(first_of(flight, room), Bytes{});
    EXPECT_EQ(first_of(flight, retry.size()), retry);
  }
}

// As the worker's reader passes over warnings, what it saw was not found again.
TEST(FirstMessage, StandsBehindWarnings) {
  const Bytes retry = hello_retry_to(23);
  EXPECT_EQ(first_of(join({alert(1, 112), records(retry, 30), alert(1, 90)})), retry);
  const Bytes half(retry.begin(), retry.begin() + 10), rest(retry.begin() + 10, retry.end());
  EXPECT_EQ(first_of(join({records(half), alert(1, 112), records(rest)})), retry);
}

}  // namespace
}  // namespace steppe::testing
