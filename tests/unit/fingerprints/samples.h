// SPDX-License-Identifier: Apache-2.0
// What the tests of fingerprints share.
#pragma once

#include <stdexcept>

#include "engine/wire/hello_fields.h"
#include "tests/unit/wire/hello_builder.h"

namespace steppe::testing {

// A hello that was written and read again; the fields point into it.
struct Parsed {
  explicit Parsed(const SampleHello& hello) : Parsed(client_message(hello)) {}
  explicit Parsed(const Bytes& bytes) : stream(bytes) {
    if (read_client_hello(stream, fields, messages) != HelloReading::complete)
      throw std::logic_error("the sample is no hello");
  }
  Parsed(const Parsed&) = delete;

  HelloFields fields;
  Bytes stream, messages;
};

}  // namespace steppe::testing
