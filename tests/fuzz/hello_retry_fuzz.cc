// SPDX-License-Identifier: Apache-2.0
// The way of a HelloRetryRequest: out of its records, read, answered. Each step against a slow
// reader; of the second hello, that it is the first but for what RFC 8446 4.1.2 lets change.
//
// An input is: one byte that chooses the hello, one with the room for the message in units of eight
// bytes, the server's bytes.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "engine/judge/key_shares.h"
#include "engine/limits.h"
#include "modules/hellos/hellos.h"
#include "tests/unit/wire/flight_builder.h"

namespace {

using namespace steppe;
using testing::Bytes;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "hello_retry: %s\n", what);
  std::abort();
}

size_t number_at(const Bytes& bytes, size_t at, size_t count) {
  size_t value = 0;
  for (size_t i = at; i < at + count; ++i) value = value * 256 + bytes[i];
  return value;
}
Bytes piece(const Bytes& bytes, size_t at, size_t count) {
  return {bytes.begin() + static_cast<ptrdiff_t>(at),
          bytes.begin() + static_cast<ptrdiff_t>(at + count)};
}

// The records' bodies first, all of them; then the message in front. Empty: none.
Bytes slow_first_message(const Bytes& flight, size_t room) {
  Bytes messages;
  for (size_t at = 0; at + 5 <= flight.size();) {
    const size_t length = std::min(number_at(flight, at + 3, 2), flight.size() - at - 5);
    if (flight[at] == 22) messages = testing::join({messages, piece(flight, at + 5, length)});
    at += 5 + length;
  }
  if (room < 4 || messages.size() < 4) return {};
  const size_t whole = 4 + number_at(messages, 1, 3);
  return whole > room || whole > messages.size() ? Bytes{} : piece(messages, 0, whole);
}

struct Extension {
  size_t type;
  Bytes data;
  bool operator==(const Extension&) const = default;
};
struct Hello {
  bool good = false;
  Bytes before;  // all that is no extension
  std::vector<Extension> extensions;
};

// A ClientHello or ServerHello; `choices`: the bytes that a list of suites and methods takes.
Hello slow_hello(const Bytes& message, bool is_client) {
  Hello hello;
  size_t at = 4 + 2 + 32;
  const auto skip_list = [&](size_t length_bytes) {
    if (message.size() < at + length_bytes) return false;
    at += length_bytes + number_at(message, at, length_bytes);
    return at <= message.size();
  };
  if (!skip_list(1)) return hello;
  if (is_client && (!skip_list(2) || !skip_list(1))) return hello;
  if (!is_client) at += 3;
  if (message.size() < at + 2) return hello;
  hello.before = piece(message, 4, at - 4);
  if (number_at(message, at, 2) != message.size() - at - 2) return hello;
  for (at += 2; at < message.size();) {
    if (message.size() < at + 4) return hello;
    const size_t length = number_at(message, at + 2, 2);
    if (message.size() < at + 4 + length) return hello;
    hello.extensions.push_back({number_at(message, at, 2), piece(message, at + 4, length)});
    at += 4 + length;
  }
  hello.good = true;
  return hello;
}

struct Asked {
  bool good = false;
  size_t group = 0;
  Bytes cookie;
};
Asked slow_retry(const Bytes& message) {
  Asked asked;
  if (message.size() < 4 || message[0] != 2) return asked;
  const Hello hello = slow_hello(message, false);
  if (!hello.good) return asked;
  for (const auto& [type, data] : hello.extensions) {
    if (type == 51) {
      if (data.size() != 2 || number_at(data, 0, 2) == 0) return asked;
      asked.group = number_at(data, 0, 2);
    }
    if (type == 44) {
      if (data.size() < 3 || number_at(data, 0, 2) != data.size() - 2) return asked;
      asked.cookie = piece(data, 2, data.size() - 2);
    }
  }
  asked.good = asked.group != 0 || !asked.cookie.empty();
  return asked;
}

const KeyShares& keys() {
  static const KeyShares made{{1, 2, 3}};
  return made;
}

// The plain one, one of the compatibility mode, and one like a browser's.
const ClientHello& hello_number(size_t number) {
  static const auto make = [](uint8_t session_id_bytes, bool browser) {
    static std::vector<HelloExtension> extensions;
    static const uint8_t groups[] = {0, 10, 0x0a, 0x0a, 0, 29, 0, 23, 0, 24, 0, 25},
                         shares[] = {0x0a, 0x0a, 0, 29}, versions[] = {4, 0x0a, 0x0a, 3, 4};
    HelloDescription description = *find_hello("tls13");
    description.session_id_bytes = session_id_bytes;
    extensions = {{grease, {}},
                  {extension::server_name, {}},
                  {extension::supported_groups, groups},
                  {extension::key_share, shares},
                  {extension::supported_versions, versions},
                  {grease, {}},
                  {extension::padding, {}}};
    if (browser) description.extensions = extensions;
    return ClientHello(description, keys().shares());
  };
  static const ClientHello hellos[] = {make(0, false), make(32, false), make(32, true),
                                       make(0, true)};
  return hellos[number % std::size(hellos)];
}

constexpr const char* server_name = "www.example.com";
constexpr uint64_t random_seed = 42;

// The key_share that answers, where there was the one that did not; the cookie behind it; and other
// padding.
void expect_second_hello(const Hello& first, const Hello& second, const Asked& asked) {
  expect(first.good && second.good, "hellos that cannot be read");
  expect(first.before == second.before, "other random, session id, suites or methods");
  std::vector<Extension> should;
  for (const Extension& extension : first.extensions) {
    if (extension.type == extension::padding) continue;
    should.push_back(extension);
    if (extension.type != extension::key_share) continue;
    if (asked.group != 0) {
      const auto share = std::ranges::find(keys().shares(), asked.group, &KeyShare::group);
      const Bytes entry =
          testing::join({testing::number16(asked.group),
                         testing::number16(share->key_exchange.size()), share->key_exchange});
      should.back().data = testing::join({testing::number16(entry.size()), entry});
    }
    if (!asked.cookie.empty())
      should.push_back({extension::cookie,
                        testing::join({testing::number16(asked.cookie.size()), asked.cookie})});
  }
  std::vector<Extension> got = second.extensions;
  std::erase_if(got, [](const Extension& e) { return e.type == extension::padding; });
  expect(got == should, "other extensions than the first hello's and what was asked for");
}

void answer(const ClientHello& hello, const HelloRetry& retry, const Asked& asked) {
  Bytes first(limits::client_hello_bytes), second(limits::client_hello_bytes);
  first.resize(hello.write(first, server_name, random_seed));
  second.resize(hello.write_retry(second, server_name, random_seed, retry));
  const bool can = asked.group == 0 || (asked.group >= 23 && asked.group <= 25);
  if (!can) expect(second.empty(), "an answer to who asks for what we have not");
  if (can && asked.cookie.size() <= 256) expect(!second.empty(), "no answer");
  if (second.empty()) return;
  if (second[0] == testing::change_cipher_spec_record) {
    expect(first[5 + 4 + 2 + 32] != 0, "change_cipher_spec without a session id");
    second = piece(second, 6, second.size() - 6);
  }
  expect(second[0] == 22 && number_at(second, 3, 2) == second.size() - 5, "no record");
  expect(number_at(second, 6, 3) == second.size() - 9, "no message");
  expect_second_hello(slow_hello(piece(first, 5, first.size() - 5), true),
                      slow_hello(piece(second, 5, second.size() - 5), true), asked);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const ClientHello& hello = hello_number(data[0]);
  Bytes room(data[1] * 8u);
  const Bytes flight(data + 2, data + size);
  const auto found = first_message(flight, room);
  const Bytes message = slow_first_message(flight, room.size());
  expect(found ? std::ranges::equal(*found, message) : message.empty(), "another first message");
  // What is no first message is read as well.
  const Bytes& whole = found ? message : flight;
  const auto retry = read_hello_retry(whole);
  const Asked asked = slow_retry(whole);
  expect(retry.has_value() == asked.good, "read otherwise than slowly");
  if (!retry) return 0;
  expect(retry->group == asked.group && std::ranges::equal(retry->cookie, asked.cookie),
         "asks for something else");
  answer(hello, *retry, asked);
  return 0;
}
