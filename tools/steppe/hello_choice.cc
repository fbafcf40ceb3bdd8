// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/hello_choice.h"

#include "modules/hellos/hellos.h"
#include "tools/steppe/suggestion.h"
#include "tools/steppe/values.h"

namespace steppe {

const HelloDescription& chosen_hello(const std::string& name) {
  if (const HelloDescription* hello = find_hello(name)) return *hello;
  std::vector<std::string> known;
  for (const HelloDescription* hello : hellos()) known.emplace_back(hello->name);
  const std::string meant = closest(name, known);
  reject_value("--hello", name, "there is no such ClientHello",
               meant.empty() ? known.front() : meant);
}

}  // namespace steppe
