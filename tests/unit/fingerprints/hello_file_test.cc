// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/hello_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/plan/operator_error.h"
#include "modules/fingerprints/fingerprints.h"
#include "modules/fingerprints/hello_values.h"
#include "tests/unit/fingerprints/packets.h"
#include "tests/unit/fingerprints/samples.h"
#include "tests/unit/outputs/samples.h"
#include "tools/steppe/key_shares.h"

namespace steppe::testing {
namespace {

CapturedHello captured(const SampleHello& hello) {
  CapturedHello result;
  result.stream = client_message(hello);
  EXPECT_EQ(read_client_hello(result.stream, result.fields, result.messages),
            HelloReading::complete);
  return result;
}

// What steppe would send for it.
Bytes sent(const HelloFile& file, std::string_view name = "a.example") {
  Bytes bytes(limits::client_hello_bytes);
  const ClientHello hello(file.description(), stand_in_key_shares());
  bytes.resize(hello.write(bytes, name, 5));
  return bytes;
}

const SampleExtension name_extension = server_name_extension("captured.example");

// The groups of the key shares, in order.
Numbers shared_groups(const HelloFields& hello) {
  Numbers groups;
  const auto data = extension_data(hello, extension::key_share);
  for (size_t at = 2; data && at < data->size();
       at += size_t{4} + static_cast<size_t>((*data)[at + 2] << 8 | (*data)[at + 3]))
    groups.push_back(static_cast<uint16_t>((*data)[at] << 8 | (*data)[at + 1]));
  return groups;
}

// Real clients: nothing of what they send changes but the connection's own, what steppe has no
// keys for, and the name where there was none. JA3 by tshark 4.0 (see the folder's README.md).
TEST(HelloFile, RealClients) {
  struct Client {
    const char *file, *ja3_digest;
    bool had_name;
  };
  for (const Client& client : {Client{"curl", "0149f47eabf9a20d0893e2a44e5a6323", true},
                               {"openssl", "a3afc2c46ba4a7d7fbe1cfb7a3031c2f", true},
                               {"gnutls", "f35ce21b44ac0b87d3266294bb1b0e20", true},
                               {"gnutls_tls10", "6740baf1748a6d61ee7946e690706073", false},
                               {"python", "93c7d42c0df602fb91589311534831f5", true}}) {
    const CapturedHello hello =
        read_hello_file(std::string(GOLDEN "/captured_hellos/") + client.file + ".hex");
    EXPECT_EQ(ja3(hello.fields).digest, client.ja3_digest) << client.file;
    const HelloFile file(hello, client.file);
    const Parsed ours(sent(file, "captured.example"));
    EXPECT_EQ(ours.fields.record_version, hello.fields.record_version);
    EXPECT_EQ(ours.fields.client_version, hello.fields.client_version);
    EXPECT_EQ(ours.fields.session_id.size(), hello.fields.session_id.size());
    // GnuTLS offers TLS_AES_128_CCM_SHA256.
    const bool has_ccm = client.file == std::string_view("gnutls");
    Numbers suites = hello.fields.cipher_suites;
    EXPECT_EQ(std::erase(suites, 0x1304), has_ccm ? 1u : 0u) << client.file;
    EXPECT_EQ(ours.fields.cipher_suites, suites);
    Numbers types = extension_types(hello.fields);
    if (!client.had_name) types.insert(types.begin(), 0);
    EXPECT_EQ(extension_types(ours.fields), types) << client.file;
    if (client.had_name && !has_ccm) {
      EXPECT_EQ(ja4(ours.fields).text, ja4(hello.fields).text) << client.file;
      EXPECT_EQ(ja3(ours.fields).text, ja3(hello.fields).text) << client.file;
      EXPECT_TRUE(file.notes().empty());
    } else {
      ASSERT_EQ(file.notes().size(), 1u);
      EXPECT_EQ(file.notes().front(),
                has_ccm ? "left out cipher suites of TLS 1.3 that it cannot read: 4868"
                        : "put server_name (0) first, as it had none");
    }
    for (const HelloFields::Extension& kept : ours.fields.extensions) {
      if (kept.type == 0 || kept.type == 10 || kept.type == 51 || kept.type == 21) continue;
      EXPECT_TRUE(std::ranges::equal(kept.data, *extension_data(hello.fields, kept.type)))
          << client.file << " " << kept.type;
    }
  }
}

SampleHello chrome(uint16_t grease_value) {
  return {.suites = {grease_value, 0x1301, 0xc02f},
          .extensions = {{grease_value},
                         name_extension,
                         groups_extension({grease_value, 4588, 29, 23, 256}),
                         versions_extension({grease_value, 0x0304, 0x0303}),
                         key_share_extension({grease_value, 4588, 29}),
                         {0xfe0d, noise(180, 1)},
                         {35, noise(40, 2)},
                         {42},
                         {44, {0, 1, 7}},
                         {static_cast<uint16_t>(grease_value ^ 0x1010), {0}},
                         {21, Bytes(33)},
                         {41, noise(50, 3)}},
          .session_id = noise(32, grease_value)};
}

TEST(HelloFile, ABrowser) {
  const CapturedHello hello = captured(chrome(0x5a5a));
  const HelloFile file(hello, "x");
  const HelloDescription& description = file.description();
  EXPECT_EQ(description.record_version, 0x0301);  // a bare message has none
  EXPECT_EQ(description.session_id_bytes, 32);
  EXPECT_EQ(description.cipher_suites[0], grease);
  Numbers types;
  for (const HelloExtension& kept : description.extensions) types.push_back(kept.type);
  EXPECT_EQ(types, (Numbers{grease, 0, 10, 43, 51, 0xfe0d, 35, grease, 21}));
  EXPECT_TRUE(std::ranges::equal(description.extensions[5].data, noise(180, 1)));
  const std::vector<std::string> notes(file.notes().begin(), file.notes().end());
  EXPECT_EQ(notes, (std::vector<std::string>{
                       "left out of supported_groups (10) what steppe has no keys for: "
                       "4588 (X25519MLKEM768)",
                       "left out of key_share (51) what steppe has no keys for: "
                       "4588 (X25519MLKEM768)",
                       "emptied session_ticket (35): steppe resumes no session",
                       "left out early_data (42): steppe resumes no session",
                       "left out cookie (44): it belongs to another connection",
                       "left out pre_shared_key (41): steppe resumes no session",
                   }));
  const Parsed ours(sent(file));
  EXPECT_TRUE(is_grease(ours.fields.cipher_suites[0]));
  EXPECT_EQ(without_grease(extension_numbers(ours.fields, 10, 2, 2)), (Numbers{29, 23, 256}));
  EXPECT_EQ(without_grease(extension_numbers(ours.fields, 43, 1, 2)), (Numbers{0x0304, 0x0303}));
  const Numbers shares = shared_groups(ours.fields);
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_TRUE(is_grease(shares[0]));
  EXPECT_EQ(shares[1], 29);
  EXPECT_EQ(server_name(ours.fields), "a.example");
  EXPECT_EQ(ours.stream.size(), 5u + 512u);  // padding is worked out anew
  EXPECT_TRUE(extension_data(ours.fields, 35)->empty());
}

// Name, random, session id, keys and the choice of GREASE are each connection's own.
TEST(HelloFile, TheNameIsOfTheContent) {
  const auto name_of = [](const SampleHello& hello) {
    return std::string(HelloFile(captured(hello), "x").description().name);
  };
  const std::string name = name_of(chrome(0x5a5a));
  EXPECT_EQ(name.size(), 5u + 12u);
  EXPECT_TRUE(name.starts_with("file:"));
  EXPECT_EQ(name.find_first_not_of("0123456789abcdef", 5), std::string::npos);
  EXPECT_EQ(name_of(chrome(0xbaba)), name);
  const auto changed = [&](auto change) {
    SampleHello hello = chrome(0x5a5a);
    change(hello);
    return name_of(hello);
  };
  EXPECT_EQ(changed([](auto& h) { h.extensions[1] = server_name_extension("b"); }), name);
  EXPECT_EQ(changed([](auto& h) {
              h.extensions[4] = key_share_extension({0x5a5a, 29}, 40);
            }),
            name);
  EXPECT_NE(changed([](auto& h) { std::swap(h.suites[1], h.suites[2]); }), name);
  EXPECT_NE(changed([](auto& h) { h.version = 0x0302; }), name);
  EXPECT_NE(changed([](auto& h) { h.session_id = {}; }), name);
  EXPECT_NE(changed([](auto& h) { std::swap(h.extensions[2], h.extensions[3]); }), name);
  EXPECT_NE(changed([](auto& h) { h.extensions[5].data[0] ^= 1; }), name);
}

SampleHello with_groups(const Numbers& groups, const Numbers& shares) {
  return {.extensions = {name_extension, groups_extension(groups), versions_extension({0x0304}),
                         key_share_extension(shares)}};
}

// Somebody must get a key share: x25519, or the first group that is left, or x25519 after all.
TEST(HelloFile, AKeyShareIsAlwaysLeft) {
  const auto groups_and_shares = [](const Numbers& groups, const Numbers& shares) {
    const HelloFile file(captured(with_groups(groups, shares)), "x");
    EXPECT_TRUE(file.notes().back().starts_with("gave group "));
    const Parsed ours(sent(file));
    return std::pair(extension_numbers(ours.fields, 10, 2, 2), shared_groups(ours.fields));
  };
  using Both = std::pair<Numbers, Numbers>;
  EXPECT_EQ(groups_and_shares({4588, 23, 29}, {4588}), (Both{{23, 29}, {29}}));
  EXPECT_EQ(groups_and_shares({4588, 25, 23}, {4588}), (Both{{25, 23}, {25}}));
  EXPECT_EQ(groups_and_shares({4588}, {4588}), (Both{{29}, {29}}));
  EXPECT_EQ(groups_and_shares({29}, {}), (Both{{29}, {29}}));
  EXPECT_EQ(groups_and_shares({256, 24}, {256}), (Both{{256, 24}, {24}}));
  EXPECT_EQ(groups_and_shares({256}, {256}), (Both{{256, 29}, {29}}));
}

// TLS 1.2 shows its certificate before any key of ours counts, so what is offered stays.
TEST(HelloFile, GroupsOfTls12Stay) {
  const HelloFile file(captured({.extensions = {name_extension, groups_extension({4588, 30, 24}),
                                                key_share_extension({4588})}}),
                       "x");
  const Parsed ours(sent(file));
  EXPECT_EQ(extension_numbers(ours.fields, 10, 2, 2), (Numbers{4588, 30, 24}));
  ASSERT_EQ(file.notes().size(), 1u);
  EXPECT_EQ(file.notes().front(),
            "left out key_share (51): it is for TLS 1.3, which was not offered");
}

TEST(HelloFile, NoMoreGreaseThanThereIs) {
  const HelloFile file(
      captured({.extensions = {name_extension, {0x0a0a}, {0x1a1a}, {0x2a2a}, {23}}}), "x");
  EXPECT_EQ(file.description().extensions.size(), 4u);
  EXPECT_EQ(file.notes().size(), 1u);
}

std::string refusal(const SampleHello& hello) {
  try {
    const HelloFile file(captured(hello), "a.hex");
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

TEST(HelloFile, WhatCannotBeSent) {
  EXPECT_EQ(refusal({.compression_methods = {1, 0}}),
            "--hello-file a.hex: it offers compression, which steppe does not have: take a hello "
            "without it");
  EXPECT_NE(refusal({.compression_methods = {1}}), "");
  const auto tls13 = versions_extension({0x0304, 0x0303});
  EXPECT_EQ(refusal({.extensions = {name_extension, groups_extension({29}), tls13}}),
            "--hello-file a.hex: it offers TLS 1.3 without a key_share (51), which servers refuse: "
            "take another");
  EXPECT_EQ(refusal({.suites = {0x1304, 0xc02f},
                     .extensions = {name_extension, groups_extension({29}), tls13,
                                    key_share_extension({29})}}),
            "--hello-file a.hex: it offers TLS 1.3 with none of its three usual cipher suites, "
            "which are all that steppe can read: take another");
  EXPECT_NE(refusal({.extensions = {{23}, {23}}}).find("extension 23 too often"),
            std::string::npos);
  EXPECT_NE(refusal({.extensions = {{0x1234, Bytes(1200)}}}).find("over 1220 bytes"),
            std::string::npos);
}

class Files : public ::testing::Test {
 protected:
  std::string write(const std::string& name, std::string_view content) {
    const std::string path = directory_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string error_of(const std::string& path) {
    try {
      read_hello_file(path);
    } catch (const OperatorError& error) {
      std::string what = error.what();
      EXPECT_EQ(what.find('\n'), std::string::npos);
      return what.substr(what.find(path) + path.size());
    }
    return "";
  }

  TemporaryDirectory directory_;
  const Bytes message_ =
      client_message({.suites = {0xabcd, 0x00ef}, .extensions = {name_extension}});
};

std::string hex_of(const Bytes& bytes, const std::string& between, bool upper = false) {
  std::string digits;
  for (const uint8_t byte : bytes) {
    char pair[3];
    std::snprintf(pair, sizeof pair, upper ? "%02X" : "%02x", byte);
    digits.append(digits.empty() ? "" : between).append(pair);
  }
  return digits;
}

TEST_F(Files, EveryForm) {
  const Bytes records = client_records(message_, 20);
  const std::string forms[] = {
      {message_.begin(), message_.end()},
      {records.begin(), records.end()},
      hex_of(message_, ""),
      hex_of(records, " ", true) + "\n",
      hex_of(records, ":"),
      "0x" + hex_of(message_, " 0x"),
      "0X" + hex_of(message_, "\r\n\t"),
      "  " + hex_of(join({records, {23, 3, 3}}), "\n"),
  };
  for (const std::string& form : forms) {
    const CapturedHello hello = read_hello_file(write("hello", form));
    EXPECT_EQ(hello.fields.cipher_suites, (Numbers{0xabcd, 0x00ef})) << form;
    EXPECT_EQ(server_name(hello.fields), "captured.example");
  }
}

TEST_F(Files, TheFirstOfACapture) {
  const Bytes other = client_message({.suites = {1}});
  write_capture(directory_ / "a.pcap",
                {{ethernet(0x0800, ipv4(tcp({.source_port = 1}, text("GET /"))))},
                 {ethernet(0x0800, ipv4(tcp({.source_port = 2}, client_records(message_))))},
                 {ethernet(0x0800, ipv4(tcp({.source_port = 3}, client_records(other))))}});
  const CapturedHello hello = read_hello_file(directory_ / "a.pcap");
  EXPECT_EQ(hello.fields.cipher_suites, (Numbers{0xabcd, 0x00ef}));
  EXPECT_EQ(hello.fields.record_version, 0x0301);
  write_capture(directory_ / "b.pcap", {});
  EXPECT_EQ(error_of(directory_ / "b.pcap"), ": there is no ClientHello in this capture");
}

TEST_F(Files, WhatIsNone) {
  const std::string none =
      ": is no ClientHello: give a TLS record or a handshake message, raw or as hex digits, or a "
      "capture";
  const std::string not_whole = ": the ClientHello is not whole: capture it to its end";
  EXPECT_EQ(error_of(write("empty", "")), ": is empty: give it a ClientHello");
  EXPECT_EQ(error_of(write("blank", " \n")), ": is empty: give it a ClientHello");
  EXPECT_EQ(error_of(write("words", "hello")), none);
  EXPECT_EQ(error_of(write("server", "16 03 03 00 50 02")), none);
  EXPECT_EQ(error_of(write("half", hex_of(message_, "").substr(0, 99))), none);  // half a byte
  EXPECT_EQ(error_of(write("part", hex_of(message_, "").substr(0, 98))), not_whole);
  EXPECT_TRUE(error_of("/nowhere").starts_with(": cannot be read (No such file or directory)"));
}

}  // namespace
}  // namespace steppe::testing
