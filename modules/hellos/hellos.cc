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
  const bool offers_tls13 =
      std::ranges::count(chosen.extensions, extension::supported_versions, &HelloExtension::type) !=
      0;
  if (offers_tls13) return {chosen};
  return {chosen, tls13_hello};
}

}  // namespace steppe
