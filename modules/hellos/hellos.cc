// SPDX-License-Identifier: Apache-2.0
#include "modules/hellos/hellos.h"

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

}  // namespace steppe
