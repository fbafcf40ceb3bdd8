// SPDX-License-Identifier: Apache-2.0
// The readers of hellos against themselves, and what is made of what they read: an answer comes at
// one byte and stays, the fields are the same however much follows, and every extension's data lies
// within what was read. An input is the stream.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "engine/wire/hello_fields.h"
#include "modules/fingerprints/hello_values.h"

namespace {

using namespace steppe;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "hello_fields: %s\n", what);
  std::abort();
}

struct Read {
  explicit Read(std::span<const uint8_t> stream) {
    reading = read_client_hello(stream, fields, messages);
    as_server = read_server_hello(stream, server);
  }
  HelloReading reading, as_server;
  HelloFields fields;
  ServerHelloFields server;
  std::vector<uint8_t> messages;
};

bool lies_within(std::span<const uint8_t> part, std::span<const uint8_t> whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> stream(data, size);
  const Read whole(stream);
  if (whole.reading == HelloReading::complete) {
    for (const HelloFields::Extension& extension : whole.fields.extensions) {
      expect(extension.data.empty() || lies_within(extension.data, stream) ||
                 lies_within(extension.data, whole.messages),
             "data from elsewhere");
      for (const size_t length_bytes : {1, 2})
        for (const size_t value_bytes : {1, 2})
          listed_numbers(extension.data, length_bytes, value_bytes);
    }
    server_name(whole.fields);
    application_protocols(whole.fields);
  }
  // By halves: the answer of a prefix is the answer of the whole, or still open.
  for (size_t length = size; length > 0; length = length > 64 ? length / 2 : length - 1) {
    // A copy, so that the sanitizer sees a read behind its end.
    const std::vector<uint8_t> copy(data, data + length);
    const Read part(copy);
    expect(part.reading == HelloReading::incomplete || part.reading == whole.reading,
           "a client's answer changed");
    expect(part.as_server == HelloReading::incomplete || part.as_server == whole.as_server,
           "a server's answer changed");
    if (part.reading != HelloReading::complete) continue;
    expect(part.fields.cipher_suites == whole.fields.cipher_suites &&
               extension_types(part.fields) == extension_types(whole.fields),
           "the fields changed");
  }
  return 0;
}
