// SPDX-License-Identifier: Apache-2.0
// A scenario that is made for the tests, small enough to be seen through.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "tools/sim/scenario.h"

namespace steppe::sim::test {

inline constexpr Date day_ms = 86'400'000;
inline constexpr Date now = 1'563'613'200'000;  // 2019-07-20T09:00:00Z

inline uint32_t address(const char* text) {
  return parse_address(text).value();
}

inline Network network(std::string name, std::initializer_list<const char*> prefixes) {
  Network made{std::move(name), 64500, {}};
  for (const char* prefix : prefixes) made.addresses.add(parse_prefix(prefix).value());
  made.addresses.freeze();
  return made;
}

inline std::vector<Router> path(std::initializer_list<const char*> routers) {
  std::vector<Router> made;
  for (const char* router : routers) made.push_back({address(router), false, false});
  return made;
}

inline HostGroup group(std::string name, std::vector<std::pair<uint32_t, uint32_t>> counts,
                       CertificateKind kind = CertificateKind::trusted) {
  HostGroup made;
  made.name = std::move(name);
  made.counts = std::move(counts);
  made.certificate.kind = kind;
  return made;
}

// The profile of the 2019 box (METHOD 2).
inline ForgingProfile qaznet() {
  ForgingProfile profile;
  profile.name = "qaznet";
  profile.key_exponent = 3;
  profile.not_before_shift_s = profile.not_after_shift_s = -6 * 3600;
  profile.serial = ForgingProfile::Serial::last_bits_changed;
  profile.serial_changed_bits = 33;
  profile.root = {"C=KZ, CN=Qaznet Trust Network", 4096, now - 1500 * day_ms, now + 9000 * day_ms,
                  0};
  profile.intermediate = ForgingProfile::Authority{"C=KZ, CN=Security Certificate", 2048,
                                                   now - 30 * day_ms, now + 1000 * day_ms, 0};
  return profile;
}

// Group 0: 300 trusted hosts, seen from vantage 0 by a straight way that the box crosses, or by
// parallel ones of which it crosses one. Group 1: 100 hosts that sign for themselves, likewise.
// Group 2: 50 trusted hosts next to the scanner.
inline Scenario sample_scenario() {
  Scenario scenario;
  scenario.name = "sample";
  scenario.vantages = {{"inside", address("198.18.3.1")}, {"abroad", address("198.18.15.1")}};
  scenario.networks = {network("country", {"198.18.0.0/20"}), network("as", {"198.18.0.0/22"})};
  scenario.routes = {
      {"straight", {path({"198.18.8.1", "198.18.8.2", "198.18.8.3", "198.18.8.4"})}},
      {"parallel",
       {path({"198.18.8.1", "198.18.8.5", "198.18.8.6"}),
        path({"198.18.8.1", "198.18.8.7", "198.18.8.2", "198.18.8.3"})}},
      {"clean", {path({"198.18.8.9", "198.18.8.3", "198.18.8.2"})}},
  };
  scenario.groups = {group("trusted", {{0, 200}, {1, 100}}),
                     group("own", {{1, 100}}, CertificateKind::self_signed),
                     group("near", {{0, 50}})};
  for (const size_t far : {0, 1}) {
    scenario.groups[far].routes = {{{0, 1.0}, {1, 3.0}}, {{2, 1.0}}};
    scenario.groups[far].latency_ms_least = 20;
    scenario.groups[far].latency_ms_most = 60;
  }
  Middlebox box;
  box.name = "qaznet";
  box.links = {{address("198.18.8.2"), address("198.18.8.3")}};
  box.server_names = {"google.com", "facebook.com", "mail.example.kz"};
  box.profiles = {qaznet()};
  MiddleboxState state;
  state.from = now;
  state.share_of_hosts = {1, 1};
  box.timetable = {state};
  scenario.middleboxes = {box};
  return scenario;
}

}  // namespace steppe::sim::test
