// SPDX-License-Identifier: Apache-2.0
// "profiles" and "middleboxes" of a scenario: who interferes where, when and how.
#include <algorithm>

#include "engine/plan/text_file.h"
#include "tools/sim/scenario_json.h"

namespace steppe::sim {
namespace {

constexpr Word<ForgingProfile::Subject> subjects[] = {
    {"copied", ForgingProfile::Subject::copied},
    {"from-server-name", ForgingProfile::Subject::from_server_name},
};

constexpr Word<ForgingProfile::Serial> serials[] = {
    {"copied", ForgingProfile::Serial::copied},
    {"last-bits-changed", ForgingProfile::Serial::last_bits_changed},
    {"random", ForgingProfile::Serial::random},
};

constexpr Word<ForgingProfile::Extensions> extension_kinds[] = {
    {"only-san", ForgingProfile::Extensions::only_san},
    {"copied", ForgingProfile::Extensions::copied},
    {"none", ForgingProfile::Extensions::none},
};

constexpr Word<Action> actions[] = {
    {"forge", Action::forge},           {"reset", Action::reset},     {"drop", Action::drop},
    {"block-page", Action::block_page}, {"forward", Action::forward},
};

// --- profiles ---

// "C=KZ, CN=Qaznet Trust Network": TYPE=VALUE, separated by commas (RFC 4514 without its escapes).
std::string read_subject(const Node& node) {
  const std::string text = node.text();
  constexpr std::string_view types[] = {"C", "ST", "L", "O", "OU", "CN"};
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const size_t first = text.find_first_not_of(' ', begin);
    const std::string part = first < end ? text.substr(first, end - first) : "";
    const size_t sign = part.find('=');
    if (sign == part.npos || sign + 1 == part.size() ||
        std::find(std::begin(types), std::end(types), part.substr(0, sign)) == std::end(types))
      node.fail(steppe::quoted(text) +
                " is no subject: write it like C=KZ, CN=Some Root, with C, ST, L, O, OU, CN");
    begin = end + 1;
  }
  return text;
}

ForgingProfile::Authority read_authority(const Node& node) {
  node.allow({"subject", "rsa-bits", "not-before", "not-after", "key"});
  ForgingProfile::Authority authority;
  authority.subject = read_subject(node.at("subject"));
  if (const auto bits = node.find("rsa-bits")) {
    authority.rsa_bits = static_cast<uint16_t>(bits->whole(1024, 4096));
    if (authority.rsa_bits % 1024 != 0) bits->fail("must be 1024, 2048, 3072 or 4096");
  }
  authority.not_before = node.at("not-before").date();
  authority.not_after = node.at("not-after").date();
  if (authority.not_after <= authority.not_before)
    node.at("not-after").fail("must be later than \"not-before\"");
  if (const auto key = node.find("key"))
    authority.key = static_cast<uint32_t>(key->whole(0, UINT32_MAX));
  return authority;
}

void read_leaf_key(const Node& node, ForgingProfile& profile) {
  if (const auto key = node.find("key")) profile.key = key->one_of(key_kinds);
  if (const auto exponent = node.find("key-exponent")) {
    profile.key_exponent = static_cast<uint32_t>(exponent->whole(3, 65537));
    if (profile.key_exponent != 3 && profile.key_exponent != 65537)
      exponent->fail("must be 3 or 65537");
  }
  if (const auto per_host = node.find("key-per-host")) profile.key_per_host = per_host->boolean();
}

void read_relations(const Node& node, ForgingProfile& profile) {
  constexpr int64_t century_s = 100LL * 366 * 86400;
  if (const auto subject = node.find("subject")) profile.subject = subject->one_of(subjects);
  if (const auto san = node.find("san-copied")) profile.san_copied = san->boolean();
  read_leaf_key(node, profile);
  if (const auto shift = node.find("not-before-shift-s"))
    profile.not_before_shift_s = shift->whole(-century_s, century_s);
  if (const auto shift = node.find("not-after-shift-s"))
    profile.not_after_shift_s = shift->whole(-century_s, century_s);
  if (const auto serial = node.find("serial")) profile.serial = serial->one_of(serials);
  if (const auto bits = node.find("serial-changed-bits"))
    profile.serial_changed_bits = static_cast<uint32_t>(bits->whole(1, 160));
  if (const auto extensions = node.find("extensions"))
    profile.extensions = extensions->one_of(extension_kinds);
}

const ForgingProfile& profile_named(const Node& node, const std::vector<ForgingProfile>& profiles) {
  return profiles[node.index_in(profiles, "profile")];
}

ForgingProfile read_profile(const std::string& name, const Node& node,
                            const std::vector<ForgingProfile>& before) {
  node.allow({"like", "subject", "san-copied", "key", "key-exponent", "key-per-host",
              "not-before-shift-s", "not-after-shift-s", "serial", "serial-changed-bits",
              "extensions", "root", "intermediate", "sends-root"});
  ForgingProfile profile;
  const auto like = node.find("like");
  if (like) profile = profile_named(*like, before);
  profile.name = name;
  read_relations(node, profile);
  const auto root = node.find("root");
  if (root || !like) profile.root = read_authority(node.at("root"));
  if (const auto intermediate = node.find("intermediate")) {
    profile.intermediate.reset();
    if (!intermediate->is_null()) profile.intermediate = read_authority(*intermediate);
  }
  if (const auto sends = node.find("sends-root")) profile.sends_root = sends->boolean();
  return profile;
}

// --- links ---

// Whether some way goes from one router straight to the other, or ends behind it.
bool is_on_a_way(const Scenario& scenario, uint32_t before, uint32_t after) {
  for (const Route& route : scenario.routes) {
    for (const std::vector<Router>& path : route.paths) {
      for (size_t i = 0; i < path.size(); ++i) {
        const uint32_t next = i + 1 < path.size() ? path[i + 1].address : 0;
        if (path[i].address == before && next == after) return true;
      }
    }
  }
  return false;
}

std::pair<uint32_t, uint32_t> read_link(const Node& node, const Scenario& scenario) {
  const std::vector<Node> ends = node.items();
  if (ends.size() != 2)
    node.fail("must be a list of two, [router before, router after or \"host\"]");
  const uint32_t before = ends[0].address();
  const bool at_host = ends[1].is_text() && ends[1].text() == "host";
  const uint32_t after = at_host ? 0 : ends[1].address();
  if (!is_on_a_way(scenario, before, after))
    node.fail("no route goes from " + format_address(before) + " straight to " +
              (at_host ? "a host" : format_address(after)));
  return {before, after};
}

// --- timetables ---

// Of the profiles of the scenario those that the box uses, in the order of their use.
uint32_t use_profile(const Node& node, const std::vector<ForgingProfile>& profiles,
                     Middlebox& box) {
  if (box.action != Action::forge) node.fail("only a box whose \"action\" is \"forge\" has it");
  const ForgingProfile& wanted = profile_named(node, profiles);
  for (uint32_t i = 0; i < box.profiles.size(); ++i) {
    if (box.profiles[i].name == wanted.name) return i;
  }
  box.profiles.push_back(wanted);
  return static_cast<uint32_t>(box.profiles.size()) - 1;
}

void read_coverage(const Node& node, const Scenario& scenario, MiddleboxState& state) {
  std::vector<bool> shared(scenario.vantages.size());
  if (const auto share = node.find("share-of-hosts"))
    for_vantages(*share, scenario, [&](uint32_t vantage, const Node& value) {
      state.share_of_hosts[vantage] = value.number(0, 1);
      state.count_of_hosts[vantage] = -1;
      shared[vantage] = true;
    });
  if (const auto count = node.find("count-of-hosts"))
    for_vantages(*count, scenario, [&](uint32_t vantage, const Node& value) {
      if (shared[vantage])
        value.fail("\"share-of-hosts\" says it already for " + scenario.vantages[vantage].name +
                   ": take one of the two out");
      state.count_of_hosts[vantage] = value.whole(0, UINT32_MAX);
    });
}

// What an entry leaves out is as it was before.
void read_timetable(const Node& node, const Scenario& scenario,
                    const std::vector<ForgingProfile>& profiles, MiddleboxState state,
                    Middlebox& box) {
  for (const Node& item : node.items(1)) {
    item.allow(
        {"from", "on", "share-of-hosts", "count-of-hosts", "share-of-connections", "profile"});
    state.from = item.at("from").date();
    if (!box.timetable.empty() && state.from <= box.timetable.back().from)
      item.at("from").fail("must be later than the entry before");
    if (const auto on = item.find("on")) state.on = on->boolean();
    read_coverage(item, scenario, state);
    if (const auto share = item.find("share-of-connections"))
      state.share_of_connections = share->number(0, 1);
    if (const auto profile = item.find("profile"))
      state.profile = use_profile(*profile, profiles, box);
    if (box.action == Action::forge && box.profiles.empty())
      item.fail("a box that forges needs a \"profile\", here or beside \"timetable\"");
    box.timetable.push_back(state);
  }
}

// --- boxes ---

void read_manner(const Node& node, Middlebox& box) {
  if (const auto action = node.find("action")) box.action = action->one_of(actions);
  const auto flag = [&](std::string_view key, bool& value) {
    if (const auto found = node.find(key)) value = found->boolean();
  };
  flag("suffix-match", box.suffix_match);
  flag("origin-must-be-trusted", box.origin_must_be_trusted);
  flag("in-path", box.in_path);
  flag("terminates", box.terminates);
  flag("copies-ttl", box.copies_ttl);
  if (const auto residual = node.find("residual-s"))
    box.residual_s = static_cast<uint32_t>(residual->whole(0, 86400));
  if (const auto delay = node.find("delay-ms"))
    box.delay_ms = static_cast<uint32_t>(delay->whole(0, 60000));
  if (const auto tls = node.find("tls")) {
    if (box.action != Action::forge) tls->fail("only a box whose \"action\" is \"forge\" has it");
    read_tls_versions(*tls, box.tls12, box.tls13);
  }
}

// What a box beside the path, which only adds packets of its own, cannot do.
void check_placement(const Node& node, const Middlebox& box) {
  if (box.in_path) return;
  if (box.action == Action::drop)
    node.at("action").fail("a box that is not in the path cannot drop");
  if (box.terminates) node.at("terminates").fail("a box that is not in the path cannot do that");
  if (box.residual_s > 0) node.at("residual-s").fail("a box that is not in the path cannot drop");
}

void read_block_page(const Node& node, Middlebox& box) {
  if (box.action == Action::block_page) {
    box.block_page = node.at("block-page").text();
    if (box.block_page.empty()) node.at("block-page").fail("must not be empty");
  } else if (const auto page = node.find("block-page")) {
    page->fail("only a box whose \"action\" is \"block-page\" has it");
  }
}

Middlebox read_middlebox(const Node& node, const std::vector<ForgingProfile>& profiles,
                         const Scenario& scenario) {
  node.allow({"name", "links", "server-names", "suffix-match", "origin-must-be-trusted", "action",
              "in-path", "terminates", "copies-ttl", "residual-s", "delay-ms", "tls", "block-page",
              "profile", "timetable"});
  Middlebox box;
  box.name = node.at("name").name();
  for (const Node& link : node.at("links").items(1)) box.links.push_back(read_link(link, scenario));
  box.server_names = read_server_names(node.at("server-names"));
  read_manner(node, box);
  check_placement(node, box);
  read_block_page(node, box);

  MiddleboxState state;
  state.share_of_hosts.assign(scenario.vantages.size(), 1);
  state.count_of_hosts.assign(scenario.vantages.size(), -1);
  if (const auto profile = node.find("profile"))
    state.profile = use_profile(*profile, profiles, box);
  if (const auto timetable = node.find("timetable")) {
    read_timetable(*timetable, scenario, profiles, state, box);
  } else {
    if (box.action == Action::forge) node.at("profile");
    box.timetable.push_back(state);
  }
  return box;
}

}  // namespace

std::vector<ForgingProfile> read_profiles(const Node& node) {
  std::vector<ForgingProfile> profiles;
  for (const auto& [name, profile] : node.members())
    profiles.push_back(read_profile(name, profile, profiles));
  return profiles;
}

void read_middleboxes(const Node& node, const std::vector<ForgingProfile>& profiles,
                      Scenario& scenario) {
  for (const Node& item : node.items()) {
    Middlebox box = read_middlebox(item, profiles, scenario);
    for (const Middlebox& other : scenario.middleboxes) {
      if (other.name == box.name)
        item.at("name").fail("another middlebox is called so: choose another name");
    }
    scenario.middleboxes.push_back(std::move(box));
  }
}

}  // namespace steppe::sim
