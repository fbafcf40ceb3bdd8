// SPDX-License-Identifier: Apache-2.0
// Where a test says "FoxIO: FILE", the value is from that file's snapshot in the tests of
// https://github.com/FoxIO-LLC/ja4 (python/test/testdata and rust/ja4/src/snapshots), and the
// numbers are those of its JA4_ro, which has them in the order of the wire.
#include <gtest/gtest.h>

#include "modules/fingerprints/fingerprints.h"
#include "tests/unit/fingerprints/samples.h"

namespace steppe::testing {
namespace {

struct Sample {
  Numbers suites, extensions, signatures;
  Numbers versions = {0x0304, 0x0303};
  std::vector<std::string> protocols = {"h2", "http/1.1"};
};

Fingerprint of(const Sample& sample) {
  SampleHello hello = {.suites = sample.suites};
  for (const uint16_t type : sample.extensions)
    hello.extensions.push_back(type == 0    ? server_name_extension("a.example")
                               : type == 13 ? signatures_extension(sample.signatures)
                               : type == 16 ? alpn_extension(sample.protocols)
                               : type == 43 ? versions_extension(sample.versions)
                                            : SampleExtension{type});
  return ja4(Parsed(hello).fields);
}

const Numbers chrome_suites = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9,
                               0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
const Numbers chrome_signatures = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};
const Numbers chrome_extensions = {0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d,
                                   0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015};

// The example of the definition (technical_details/JA4.md), a Chrome.
TEST(Ja4, TheDefinitionsExample) {
  const Fingerprint chrome = of({chrome_suites, chrome_extensions, chrome_signatures});
  EXPECT_EQ(chrome.digest, "t13d1516h2_8daaf6152771_e5627efa2ab1");
  EXPECT_EQ(chrome.text,
            "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_"
            "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_"
            "0403,0804,0401,0503,0805,0501,0806,0601");
}

// GREASE does not count, wherever it stands; nor does the order of suites and extensions.
TEST(Ja4, GreaseAndOrderDoNotCount) {
  Sample chrome = {chrome_suites, chrome_extensions, chrome_signatures};
  std::ranges::reverse(chrome.suites);
  std::ranges::reverse(chrome.extensions);
  chrome.suites.insert(chrome.suites.begin(), 0xaaaa);
  chrome.extensions.insert(chrome.extensions.begin(), 0x3a3a);
  chrome.extensions.push_back(0xfafa);
  chrome.signatures.insert(chrome.signatures.begin(), 0x0a0a);
  chrome.versions.insert(chrome.versions.begin(), 0xfafa);
  chrome.protocols.insert(chrome.protocols.begin(), "\x5a\x5a");
  EXPECT_EQ(of(chrome).digest, "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, TheOrderOfSignatureAlgorithmsCounts) {
  Numbers signatures = chrome_signatures;
  std::ranges::reverse(signatures);
  EXPECT_NE(of({chrome_suites, chrome_extensions, signatures}).digest,
            "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

// technical_details/JA4.md: "ends without an underscore".
TEST(Ja4, WithoutSignatureAlgorithms) {
  EXPECT_EQ(of({chrome_suites, chrome_extensions, {}}).digest,
            "t13d1516h2_8daaf6152771_6d807ffa2a79");
}

// FoxIO: tls12.pcap, a Firefox.
TEST(Ja4, Firefox) {
  EXPECT_EQ(
      of({{0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009,
           0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
          {0x0000, 0x0017, 0xff01, 0x000a, 0x000b, 0x0023, 0x0010, 0x0005, 0x0022, 0x0033, 0x002b,
           0x000d, 0x002d, 0x001c, 0x0015},
          {0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201}})
          .digest,
      "t13d1715h2_5b57614c22b0_3d5424432f57");
}

// FoxIO: badcurveball.pcap, an older Chrome.
TEST(Ja4, OlderChrome) {
  Numbers suites = chrome_suites;
  suites.push_back(0x000a);
  Numbers signatures = chrome_signatures;
  signatures.push_back(0x0201);
  EXPECT_EQ(of({suites,
                {0x0000, 0x0017, 0xff01, 0x000a, 0x000b, 0x0023, 0x0010, 0x0005, 0x000d, 0x0012,
                 0x0033, 0x002d, 0x002b, 0x001b, 0x0015},
                signatures})
                .digest,
            "t13d1615h2_46e7e9700bed_45f260be83e2");
}

// FoxIO: latest.pcapng, Windows' own library: TLS 1.2 by the hello's version, and no ALPN.
TEST(Ja4, WindowsWithoutSupportedVersions) {
  EXPECT_EQ(of({{0xc02c, 0xc02b, 0xc030, 0xc02f, 0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009,
                 0xc014, 0xc013, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, 0x000a},
                {0x0000, 0x0005, 0x000a, 0x000b, 0x000d, 0x0023, 0x0017, 0xff01},
                {0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0201, 0x0403, 0x0503, 0x0203, 0x0202,
                 0x0601, 0x0603}})
                .digest,
            "t12d190800_d83cc789557e_7af1ed941c26");
}

// FoxIO: tls-handshake.pcapng, stream 6.
TEST(Ja4, ChromeWithoutAlpn) {
  EXPECT_EQ(of({chrome_suites,
                {0x0033, 0x002b, 0x001b, 0x0000, 0x0012, 0x002d, 0x000d, 0x000a, 0x0005, 0x0023,
                 0x0017, 0xff01, 0x000b, 0x0015},
                chrome_signatures})
                .digest,
            "t13d151400_8daaf6152771_de4a06bb82e3");
}

// FoxIO: sigalg-grease.pcapng, a Chrome of 2026 with GREASE among its signature algorithms.
TEST(Ja4, GreaseAmongSignatureAlgorithms) {
  EXPECT_EQ(of({chrome_suites,
                {0xfe0d, 0x0010, 0x0017, 0x0033, 0x44cd, 0xff01, 0x000a, 0x000d, 0x0023, 0x002b,
                 0x000b, 0xca34, 0x002d, 0x0000, 0x0005, 0x001b, 0x0012},
                {0x7a7a, 0x0904, 0x0905, 0x0906, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501,
                 0x0806, 0x0601}})
                .digest,
            "t13d1517h2_8daaf6152771_cb7bf5808d99");
}

std::string protocol_letters(const std::string& first) {
  const std::string digest = of({{0x1301}, {16}, {}, {}, {first, "h2"}}).digest;
  return digest.substr(8, 2);
}

// The examples of the definition, and what it says of single characters and of empty values. Of
// tls-non-ascii-alpn.pcapng (0xba 0xad) FoxIO's programs say 99, against their definition.
TEST(Ja4, FirstAndLastCharacterOfTheProtocol) {
  EXPECT_EQ(protocol_letters("h2"), "h2");
  EXPECT_EQ(protocol_letters("http/1.1"), "h1");
  EXPECT_EQ(protocol_letters("x"), "xx");
  EXPECT_EQ(protocol_letters(""), "00");
  EXPECT_EQ(protocol_letters("\xab"), "ab");
  EXPECT_EQ(protocol_letters("\xab\xcd"), "ad");
  EXPECT_EQ(protocol_letters("\x30\xab"), "3b");
  EXPECT_EQ(protocol_letters("\x30\x31\xab\xcd"), "3d");
  EXPECT_EQ(protocol_letters("\x30\xab\xcd\x31"), "01");
  EXPECT_EQ(protocol_letters("\xba\xad"), "bd");
  EXPECT_EQ(protocol_letters("-2"), "22");
}

TEST(Ja4, EmptyListsAreZeroes) {
  EXPECT_EQ(of({{0x0a0a}, {0, 16}, {}}).digest, "t12d0002h2_000000000000_000000000000");
  EXPECT_EQ(of({{0x0a0a}, {}, {}}).text, "t12i000000__");
}

TEST(Ja4, CountsEndAt99) {
  Numbers many;
  for (uint16_t i = 0x4000; i < 0x4000 + 120; i++) many.push_back(i);
  EXPECT_TRUE(of({many, many, {}}).digest.starts_with("t12i999900_"));
}

TEST(Ja4, Versions) {
  const auto version = [](uint16_t version) {
    return ja4(Parsed(SampleHello{.version = version}).fields).digest.substr(1, 2);
  };
  EXPECT_EQ(version(0x0303), "12");
  EXPECT_EQ(version(0x0302), "11");
  EXPECT_EQ(version(0x0301), "10");
  EXPECT_EQ(version(0x0300), "s3");
  EXPECT_EQ(version(0x0002), "s2");
  EXPECT_EQ(version(0x0399), "00");
  // The highest, not the first; and drafts are none of the known ones.
  EXPECT_TRUE(of({{1}, {43}, {}, {0x0301, 0x0304, 0x0303}}).digest.starts_with("t13i"));
  EXPECT_TRUE(of({{1}, {43}, {}, {0x7f1c, 0x0303}}).digest.starts_with("t00i"));
  EXPECT_TRUE(of({{1}, {43}, {}, {0x1a1a}}).digest.starts_with("t12i"));
}

}  // namespace
}  // namespace steppe::testing
