// SPDX-License-Identifier: Apache-2.0
#include "modules/hellos/hellos.h"

#include <algorithm>

namespace steppe {

extern const HelloDescription tls12_hello;
extern const HelloDescription tls13_hello;
extern const HelloDescription chrome_hello;
extern const HelloDescription firefox_hello;
extern const HelloDescription openssl_hello;

namespace {
constexpr const HelloDescription* all_hellos[] = {
    &tls12_hello, &tls13_hello, &chrome_hello, &firefox_hello, &openssl_hello,
};
}  // namespace

std::span<const HelloDescription* const> hellos() {
  return all_hellos;
}

const HelloDescription* find_hello(std::string_view name) {
  for (const HelloDescription* hello : all_hellos) {
    if (hello->name == name) return hello;
  }
  return nullptr;
}

std::vector<HelloDescription> hellos_to_ask(const HelloDescription& chosen) {
  constexpr uint8_t tls13_version[] = {3, 4};
  for (const HelloExtension& one : chosen.extensions)
    if (one.type == extension::supported_versions &&
        !std::ranges::search(one.data, tls13_version).empty())
      return {chosen};
  return {chosen, tls13_hello};
}

}  // namespace steppe
