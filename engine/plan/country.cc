// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/country.h"

#include <arpa/inet.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <vector>

// libloc's headers do not say this themselves.
extern "C" {
#include <libloc/as-list.h>
#include <libloc/as.h>
#include <libloc/country-list.h>
#include <libloc/country.h>
#include <libloc/database.h>
#include <libloc/libloc.h>
#include <libloc/network.h>
}

#include "engine/plan/operator_error.h"
#include "engine/plan/text_file.h"

namespace steppe {
namespace {

// Ends the reference that a libloc object was returned with.
template <auto unref>
struct Unref {
  template <typename Object>
  void operator()(Object* object) const {
    unref(object);
  }
};
using Context = std::unique_ptr<loc_ctx, Unref<loc_unref>>;
using Database = std::unique_ptr<loc_database, Unref<loc_database_unref>>;
using Enumerator = std::unique_ptr<loc_database_enumerator, Unref<loc_database_enumerator_unref>>;
using Network = std::unique_ptr<loc_network, Unref<loc_network_unref>>;
using As = std::unique_ptr<loc_as, Unref<loc_as_unref>>;
using AsList = std::unique_ptr<loc_as_list, Unref<loc_as_list_unref>>;
using LocCountry = std::unique_ptr<loc_country, Unref<loc_country_unref>>;
using CountryList = std::unique_ptr<loc_country_list, Unref<loc_country_list_unref>>;

// libloc's functions fill in a pointer and return 0, or leave it and return an error: nullptr.
template <typename Owner>
Owner made(auto make) {
  typename Owner::pointer object = nullptr;
  return Owner(make(&object) == 0 ? object : nullptr);
}

void check(bool ok) {
  if (!ok) throw std::bad_alloc();  // the only way that libloc's setters and constructors fail
}

// It writes to standard error on its own; what matters comes back as an error.
void silent(loc_ctx*, int, const char*, int, const char*, const char*, va_list) {}

// IPv4 addresses in libloc are IPv4-mapped IPv6 addresses (RFC 4291 2.5.5.2).
in6_addr mapped(uint32_t address) {
  in6_addr result{};
  result.s6_addr[10] = result.s6_addr[11] = 0xff;
  const uint32_t network_order = htonl(address);
  std::memcpy(&result.s6_addr[12], &network_order, sizeof network_order);
  return result;
}

uint32_t unmapped(const in6_addr* address) {
  uint32_t network_order;
  std::memcpy(&network_order, &address->s6_addr[12], sizeof network_order);
  return ntohl(network_order);
}

// By AS; not frozen.
std::map<uint32_t, PrefixSet> enumerate(loc_database_enumerator* enumerator) {
  std::map<uint32_t, PrefixSet> sets;
  for (;;) {
    const auto network = made<Network>(
        [&](auto** next) { return loc_database_enumerator_next_network(enumerator, next); });
    if (!network) break;
    sets[loc_network_get_asn(network.get())].add(
        {unmapped(loc_network_get_first_address(network.get())),
         unmapped(loc_network_get_last_address(network.get()))});
  }
  return sets;
}

PrefixSet united(const std::map<uint32_t, PrefixSet>& sets) {
  PrefixSet all;
  for (const auto& [as_number, set] : sets) all.add(set);
  all.freeze();
  return all;
}

}  // namespace

struct Country::State {
  Context context;
  Database database;

  // Flattened: the parts of networks that smaller networks inside do not claim for somebody else.
  // Without that, 0.4 % of Kazakhstan's addresses and 1.5 % of Russia's would be another country's.
  Enumerator enumerator() const {
    auto opened = made<Enumerator>([&](auto** made) {
      return loc_database_enumerator_new(made, database.get(), LOC_DB_ENUMERATE_NETWORKS,
                                         LOC_DB_ENUMERATOR_FLAGS_FLATTEN);
    });
    check(opened && loc_database_enumerator_set_family(opened.get(), AF_INET) == 0);
    return opened;
  }
};

Country::Country(const std::string& path) : state_(std::make_unique<State>()) {
  // The updater's file, which may be newer, comes before the package's.
  std::vector<std::string> candidates = {"/var/lib/location/database.db",
                                         "/usr/share/libloc-location/location.db"};
  if (!path.empty()) candidates = {path};

  state_->context = made<Context>(loc_new);
  check(state_->context != nullptr);
  loc_set_log_fn(state_->context.get(), silent);

  for (const std::string& candidate : candidates) {
    const std::unique_ptr<FILE, Unref<fclose>> file(std::fopen(candidate.c_str(), "r"));
    if (!file) {
      if (path.empty()) continue;
      throw OperatorError("cannot read " + path + ": " + std::generic_category().message(errno));
    }
    // It duplicates the descriptor, so the file may be closed.
    state_->database = made<Database>(
        [&](auto** opened) { return loc_database_new(state_->context.get(), opened, file.get()); });
    if (!state_->database) {
      throw OperatorError(candidate +
                          " is no libloc database: install the package libloc-database, or fetch "
                          "one with `location update`");
    }
    return;
  }
  throw OperatorError(
      "no database of countries and networks: install the package libloc-database, or fetch one "
      "with `location update`");
}

Country::~Country() = default;

PrefixSet Country::networks_of_country(std::string_view code) const {
  return united(networks_of_country_by_as(code));
}

std::map<uint32_t, PrefixSet> Country::networks_of_country_by_as(std::string_view code) const {
  std::string upper(code);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  std::map<uint32_t, PrefixSet> networks;
  // Texts that are no code at all are refused here as well.
  const auto country = made<LocCountry>([&](auto** found) {
    return loc_database_get_country(state_->database.get(), found, upper.c_str());
  });
  if (country) {
    const auto list = made<CountryList>(
        [&](auto** made) { return loc_country_list_new(state_->context.get(), made); });
    check(list && loc_country_list_append(list.get(), country.get()) == 0);
    const Enumerator enumerator = state_->enumerator();
    check(loc_database_enumerator_set_countries(enumerator.get(), list.get()) == 0);
    networks = enumerate(enumerator.get());
  }
  if (networks.empty()) {
    throw OperatorError("no such country " + quoted(code) +
                        " in libloc's database: use an ISO 3166 code such as KZ");
  }
  return networks;
}

PrefixSet Country::networks_of_as(uint32_t as_number) const {
  PrefixSet networks;
  // 0 is how the database says that it knows no AS; it would match all of those networks.
  if (as_number != 0) {
    const auto as =
        made<As>([&](auto** made) { return loc_as_new(state_->context.get(), made, as_number); });
    const auto list =
        made<AsList>([&](auto** made) { return loc_as_list_new(state_->context.get(), made); });
    check(as && list && loc_as_list_append(list.get(), as.get()) == 0);
    const Enumerator enumerator = state_->enumerator();
    check(loc_database_enumerator_set_asns(enumerator.get(), list.get()) == 0);
    networks = united(enumerate(enumerator.get()));
  }
  if (networks.empty()) {
    throw OperatorError("no IPv4 network of AS" + std::to_string(as_number) +
                        " in libloc's database: check the number, or give its prefixes in a file "
                        "(-w)");
  }
  return networks;
}

uint32_t Country::as_number(uint32_t address) const {
  const in6_addr wanted = mapped(address);
  const auto network = made<Network>(
      [&](auto** found) { return loc_database_lookup(state_->database.get(), &wanted, found); });
  return network ? loc_network_get_asn(network.get()) : 0;
}

std::string Country::as_name(uint32_t as_number) const {
  const auto as = made<As>(
      [&](auto** found) { return loc_database_get_as(state_->database.get(), found, as_number); });
  const char* const name = as ? loc_as_get_name(as.get()) : nullptr;
  return name ? name : "";
}

}  // namespace steppe
