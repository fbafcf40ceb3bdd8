// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "modules/fingerprints/fingerprints.h"
#include "tests/unit/fingerprints/samples.h"

namespace steppe::testing {
namespace {

// A hello of which JA3 would be this text. Whatever JA3 does not see is made up.
Fingerprint of(uint16_t version, const Numbers& suites, const Numbers& extensions,
               const Numbers& groups = {}, const Bytes& formats = {}) {
  SampleHello hello = {.version = version, .suites = suites};
  for (const uint16_t type : extensions)
    hello.extensions.push_back(type == 10   ? groups_extension(groups)
                               : type == 11 ? point_formats_extension(formats)
                                            : SampleExtension{type});
  hello.has_extensions = !extensions.empty();
  return ja3(Parsed(hello).fields);
}

// The two examples of https://github.com/salesforce/ja3, README.
TEST(Ja3, TheDefinitionsExamples) {
  const Fingerprint usual = of(769, {47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4},
                               {0, 10, 11}, {23, 24, 25}, {0});
  EXPECT_EQ(usual.text, "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
  EXPECT_EQ(usual.digest, "ada70206e40642a3e4461f35503241d5");

  const Fingerprint without_extensions = of(769, {4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99}, {});
  EXPECT_EQ(without_extensions.text, "769,4-5-10-9-100-98-3-6-19-18-99,,,");
  EXPECT_EQ(without_extensions.digest, "de350869b8c85de67a350c8d186f11e6");
}

// python/README.rst of the same.
TEST(Ja3, ThePythonToolsExample) {
  EXPECT_EQ(of(769, {255,   49162, 49172, 136, 135,   57,    56, 49167, 49157, 132,   53,    49159,
                     49161, 49169, 49171, 69,  68,    51,    50, 49164, 49166, 49154, 49156, 150,
                     65,    4,     5,     47,  49160, 49170, 22, 19,    49165, 49155, 65279, 10},
               {0, 10, 11, 35}, {23, 24, 25}, {0})
                .digest,
            "2aef69b4ba1938c3a400de4188743185");
}

// Trickbot: the digest is in the definition's README, the text in Stamus Networks' The Security
// Analyst's Guide to Suricata.
TEST(Ja3, AMalwaresOne) {
  EXPECT_EQ(of(769, {47, 53, 5, 10, 49171, 49172, 49161, 49162, 50, 56, 19, 4}, {65281, 10, 11},
               {23, 24}, {0})
                .digest,
            "6734f37431670b3ab4292b8f60f29984");
}

// Firefox 105, and Chrome before it shuffled its extensions (103): as https://tls.peet.ws showed
// them, with texts and digests that many lists have.
TEST(Ja3, BrowsersAsPublished) {
  EXPECT_EQ(of(771,
               {4865, 4867, 4866, 49195, 49199, 52393, 52392, 49196, 49200, 49162, 49161, 49171,
                49172, 156, 157, 47, 53},
               {0, 23, 65281, 10, 11, 35, 16, 5, 34, 51, 43, 13, 45, 28, 21},
               {29, 23, 24, 25, 256, 257}, {0})
                .digest,
            "579ccef312d18482fc42e2b822ca2430");
  // With its GREASE, which must not count.
  EXPECT_EQ(of(771,
               {0xcaca, 4865, 4866, 4867, 49195, 49199, 49196, 49200, 52393, 52392, 49171, 49172,
                156, 157, 47, 53},
               {0x2a2a, 0, 23, 65281, 10, 11, 35, 16, 5, 13, 18, 51, 45, 43, 27, 17513, 0xfafa, 21},
               {0x8a8a, 29, 23, 24}, {0})
                .digest,
            "cd08e31494f9531f560d64c695473da9");
}

TEST(Ja3, BrokenListsCountAsFarAsTheyGo) {
  SampleHello hello = {.extensions = {{10, {0, 9, 0, 29, 0}}, {11, {}}}};
  EXPECT_EQ(ja3(Parsed(hello).fields).text, "771,4865,10-11,29,");
}

// Trickbot's server, from the same two sources.
TEST(Ja3s, AsPublished) {
  const uint16_t extensions[] = {65281, 11};
  const Fingerprint answer = ja3s(769, 49172, extensions);
  EXPECT_EQ(answer.text, "769,49172,65281-11");
  EXPECT_EQ(answer.digest, "623de93db17d313345d7ea481e7443cf");
}

TEST(Ja3s, WithoutExtensions) {
  EXPECT_EQ(ja3s(771, 47, {}).text, "771,47,");
}

}  // namespace
}  // namespace steppe::testing
