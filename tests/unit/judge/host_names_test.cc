// SPDX-License-Identifier: Apache-2.0
// HostNames against OpenSSL, over patterns and names of a small alphabet, so that they meet.
#include "engine/judge/host_names.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/judge/certificates.h"

namespace steppe {
namespace {

using namespace test;

LeafParts leaf_for(const std::string& common_name, const std::vector<std::string>& patterns) {
  Request request;
  request.subject = {{"CN", common_name}};
  for (const std::string& pattern : patterns)
    request.san += (request.san.empty() ? "DNS:" : ",DNS:") + pattern;
  static const Key key = ec_key();
  request.key = key;
  request.identifiers = false;
  return LeafParts(issue(request).der);
}

TEST(HostNames, AnswersForUsualNames) {
  const LeafParts leaf = leaf_for("Some Box", {"example.kz", "*.Example.KZ", "a_b.example"});
  const HostNames names(leaf);
  for (const char* name : {"example.kz", "www.example.kz", "a_b.example"})
    EXPECT_EQ(names.match(name), true) << name;
  for (const char* name :
       {"kz", "a.b.example.kz", "w_w.example.kz", "xexample.kz", "b.example", "some"})
    EXPECT_EQ(names.match(name), false) << name;
  for (const char* name : {"", ".example.kz", "WWW.example.kz", "*.example.kz"})
    EXPECT_EQ(names.match(name), std::nullopt) << name;
  EXPECT_EQ(HostNames().match("example.kz"), std::nullopt);
}

// What OpenSSL makes of a wildcard elsewhere is OpenSSL's to say.
TEST(HostNames, LeavesUnusualPatternsToOpenssl) {
  for (const char* pattern : {"w*.example.kz", "*", "*.kz", "www.*.kz", "*.-a.kz", "*.a..kz"}) {
    const LeafParts leaf = leaf_for("box", {"example.kz", pattern});
    EXPECT_EQ(HostNames(leaf).match("example.kz"), std::nullopt) << pattern;
  }
}

TEST(HostNames, SaysWhatOpensslSays) {
  std::mt19937 random{3};
  const std::vector<std::string> labels = {"a",   "b", "A",  "xn--a", "a-", "-b",
                                           "a_b", "*", "a*", "",      "1"};
  const auto made = [&](size_t usual) {
    std::string name;
    for (unsigned count = 1 + random() % 4; count > 0; --count) {
      const size_t kinds = random() % 4 == 0 ? labels.size() : usual;
      name += labels[random() % kinds] + (count > 1 ? "." : "");
    }
    return name;
  };
  const auto made_pattern = [&] { return (random() % 3 == 0 ? "*." : "") + made(4); };
  int answered = 0, matched = 0;
  for (int round = 0; round < 1500; ++round) {
    std::vector<std::string> patterns;
    for (unsigned count = random() % 4; count > 0; --count)
      if (std::string pattern = made_pattern(); !pattern.empty()) patterns.push_back(pattern);
    const std::string common_name = made_pattern() + (random() % 8 == 0 ? " CA" : "");
    if (common_name.empty()) continue;
    const LeafParts leaf = leaf_for(common_name, patterns);
    const HostNames names(leaf);
    for (int asked = 0; asked < 40; ++asked) {
      const std::string name = made(2);
      const auto match = names.match(name);
      if (!match) continue;
      ++answered;
      matched += *match;
      ASSERT_EQ(*match, is_for(leaf.x509.get(), name))
          << name << " of " << common_name << ", " << ::testing::PrintToString(patterns);
    }
  }
  EXPECT_GT(answered, 5000);
  EXPECT_GT(matched, 500);
}

}  // namespace
}  // namespace steppe
