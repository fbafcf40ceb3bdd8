// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "engine/wire/client_hello.h"

namespace steppe {

// What --hello NAME stands for. Throws OperatorError with the nearest name there is.
const HelloDescription& chosen_hello(const std::string& name);

}  // namespace steppe
