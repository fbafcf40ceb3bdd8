// SPDX-License-Identifier: Apache-2.0
// The ClientHellos that --hello knows, one a file. A new one is a file with a HelloDescription, and
// a line in hellos.cc; tests/unit/wire/client_hello_test.cc says what every hello must keep to.
#pragma once

#include <span>
#include <string_view>

#include "engine/wire/client_hello.h"

namespace steppe {

// All of them, the default first. They live as long as the program.
std::span<const HelloDescription* const> hellos();

// The hello of that name, nullptr if there is none.
const HelloDescription* find_hello(std::string_view name);

// What hosts are asked with where `chosen` was chosen: itself and, if it does not offer TLS 1.3,
// the hello `tls13` for those who refuse it.
std::vector<HelloDescription> hellos_to_ask(const HelloDescription& chosen);

}  // namespace steppe
