// SPDX-License-Identifier: Apache-2.0
// Which networks belong to a country or an AS, and which AS an address is in, from libloc's
// database.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/plan/prefix_set.h"

namespace steppe {

// The database holds networks inside networks: an address belongs to the smallest that holds it.
// All four look-ups below obey that, so they agree with each other. Not thread-safe.
class Country {
 public:
  // Opens libloc's database: `path`, or the places where Debian's packages and libloc's updater put
  // it. Throws OperatorError (plan/operator_error.h) with advice when there is none.
  explicit Country(const std::string& path = {});
  ~Country();
  Country(const Country&) = delete;
  Country& operator=(const Country&) = delete;

  // IPv4 networks of an ISO 3166 alpha-2 code, any case. Frozen. Throws OperatorError "no such
  // country ...".
  PrefixSet networks_of_country(std::string_view code) const;
  // The same, by the AS that announces them (0: nobody is known to), in one walk over the database:
  // that takes a third of a second, whatever is asked. Not frozen: few of them are wanted.
  std::map<uint32_t, PrefixSet> networks_of_country_by_as(std::string_view code) const;
  // IPv4 networks that an AS announces. Frozen. Throws OperatorError when it has none.
  PrefixSet networks_of_as(uint32_t as_number) const;

  // 0 where nothing is known.
  uint32_t as_number(uint32_t address) const;
  // "" where nothing is known.
  std::string as_name(uint32_t as_number) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steppe
