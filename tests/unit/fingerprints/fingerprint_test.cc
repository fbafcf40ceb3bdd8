// SPDX-License-Identifier: Apache-2.0
// steppe fingerprint, from its arguments to its rows.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/plan/operator_error.h"
#include "modules/hellos/hellos.h"
#include "modules/outputs/fields.h"
#include "tests/unit/fingerprints/packets.h"
#include "tests/unit/outputs/samples.h"
#include "tools/steppe/subcommands.h"

namespace steppe::testing {
namespace {

struct Printed {
  std::string out, notes, error;
};

Printed run(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv = {"fingerprint"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  Printed result;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  try {
    EXPECT_EQ(run_fingerprint(static_cast<int>(argv.size()), argv.data()), 0);
  } catch (const OperatorError& error) {
    result.error = error.what();
    EXPECT_EQ(result.error.find('\n'), std::string::npos);
  }
  result.out = ::testing::internal::GetCapturedStdout();
  result.notes = ::testing::internal::GetCapturedStderr();
  return result;
}

class Captures : public ::testing::Test {
 protected:
  // Trickbot's hello, whose JA3 is published, and its server's answer, over IPv4; then a hello
  // without an answer over IPv6, behind a tag.
  std::vector<Frame> frames() const {
    const Bytes hello = client_records(client_message(
        {.version = 769,
         .suites = {47, 53, 5, 10, 49171, 49172, 49161, 49162, 50, 56, 19, 4},
         .extensions = {{65281, {0}}, groups_extension({23, 24}), point_formats_extension({0})}}));
    const Bytes answer = client_records(server_message(769, 49172, {{65281, {0}}, {11, {1, 0}}}));
    const Bytes other = client_records(client_message(
        {.extensions = {server_name_extension("b.example"), alpn_extension({"h2", "http/1.1"})}}));
    const TcpFields back = {.source_port = 443, .destination_port = 40000};
    return {
        {ethernet(0x0800, ipv4(tcp({}, hello)))},
        {ethernet(0x0800, ipv4(tcp(back, answer), true)), 1563890759150},
        {ethernet(0x8100, join({{0, 5, 0x86, 0xdd}, ipv6(tcp({.destination_port = 8443}, other))})),
         1563890760000}};
  }
  std::string path(const std::string& name) const { return directory_ / name; }

  TemporaryDirectory directory_;
};

TEST_F(Captures, ARowForEachHello) {
  write_capture(path("a.pcap"), frames());
  const Printed result = run({path("a.pcap")});
  EXPECT_EQ(
      result.out,
      "{\"source_ip\":\"198.51.100.7\",\"source_port\":40000,\"destination_ip\":\"192.0.2.1\","
      "\"destination_port\":443,\"timestamp\":\"2019-07-23T14:05:59.120Z\",\"sni\":null,"
      "\"alpn\":[],\"ja3\":\"769,47-53-5-10-49171-49172-49161-49162-50-56-19-4,65281-10-11,"
      "23-24,0\",\"ja3_digest\":\"6734f37431670b3ab4292b8f60f29984\","
      "\"ja4\":\"t10i120300_d94e65cdb899_f8ec56bc740a\","
      "\"ja4_r\":\"t10i120300_0004,0005,000a,0013,002f,0032,0035,0038,c009,c00a,c013,c014_"
      "000a,000b,ff01\",\"ja3s\":\"769,49172,65281-11\","
      "\"ja3s_digest\":\"623de93db17d313345d7ea481e7443cf\"}\n"
      "{\"source_ip\":\"2001:db8::7\",\"source_port\":40000,\"destination_ip\":\"2001:db8::1\","
      "\"destination_port\":8443,\"timestamp\":\"2019-07-23T14:06:00.000Z\","
      "\"sni\":\"b.example\",\"alpn\":[\"h2\",\"http/1.1\"],\"ja3\":\"771,4865,0-16,,\","
      "\"ja3_digest\":\"33b746a27502e1c870d11cfc1893be87\","
      "\"ja4\":\"t12d0102h2_0f2cb44170f4_000000000000\",\"ja4_r\":\"t12d0102h2_1301_\","
      "\"ja3s\":null,\"ja3s_digest\":null}\n");
  EXPECT_EQ(result.notes, "");
}

TEST_F(Captures, ColumnsFiltersAndSeveralFiles) {
  write_capture(path("a.pcap"), frames());
  EXPECT_EQ(run({path("a.pcap"), path("a.pcap"), "--format", "csv", "-f", "sni,alpn,ja3s",
                 "--output-filter", "sni = null || alpn = h2"})
                .out,
            "sni,alpn,ja3s\n,,\"769,49172,65281-11\"\nb.example,h2 http/1.1,\n"
            ",,\"769,49172,65281-11\"\nb.example,h2 http/1.1,\n");
  EXPECT_EQ(run({path("a.pcap"), "--format", "csv"}).out.substr(0, 115),
            "source_ip,source_port,destination_ip,destination_port,timestamp,sni,alpn,ja3,"
            "ja3_digest,ja4,ja4_r,ja3s,ja3s_digest\n");
  EXPECT_EQ(run({path("a.pcap"), "-f", "sni", "--output-filter", "alpn = http/1.1"}).out,
            "{\"sni\":\"b.example\"}\n");
  EXPECT_EQ(run({path("a.pcap"), "-f", "ja5"}).error.substr(0, 20), "no field \"ja5\": the ");
}

// What comes before the end of a file that breaks off is worth having.
TEST_F(Captures, WhatIsThereIsPrintedBeforeTheError) {
  write_capture(path("a.pcap"), frames());
  std::filesystem::resize_file(path("a.pcap"), std::filesystem::file_size(path("a.pcap")) - 3);
  const Printed result = run({path("a.pcap"), "-f", "ja3s_digest"});
  EXPECT_EQ(result.out, "{\"ja3s_digest\":\"623de93db17d313345d7ea481e7443cf\"}\n");
  EXPECT_NE(result.error.find("a.pcap: the capture breaks off (truncated dump file"),
            std::string::npos)
      << result.error;
  EXPECT_EQ(run({path("a.pcap"), "-o", path("rows")}).out, "");
  EXPECT_EQ(read_text(path("rows")).substr(0, 27), "{\"source_ip\":\"198.51.100.7\"");
}

TEST_F(Captures, NoHellosIsNoError) {
  write_capture(path("a.pcap"), {{ethernet(0x0800, ipv4(tcp({}, text("GET /"))))}});
  const Printed result = run({path("a.pcap")});
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.notes,
            "steppe fingerprint: " + path("a.pcap") + ": there is no ClientHello in it\n");
}

TEST_F(Captures, FramesThatWereCutOffAreMentioned) {
  std::vector<Frame> short_frames = frames();
  for (Frame& frame : short_frames) frame.captured_bytes = 96;
  write_capture(path("a.pcap"), short_frames);
  EXPECT_NE(run({path("a.pcap")}).notes.find("2 ClientHellos are not whole"), std::string::npos);
}

TEST_F(Captures, WhatIsNoCapture) {
  std::ofstream(path("text")) << "no capture at all";
  EXPECT_EQ(run({path("text")}).error,
            path("text") +
                ": unknown file format: name a capture (pcap or pcapng), as tcpdump -w writes it");
  EXPECT_EQ(run({path("nowhere")}).error,
            path("nowhere") +
                ": No such file or directory: name a capture (pcap or pcapng), as "
                "tcpdump -w writes it");
  write_capture(path("radio.pcap"), {}, DLT_IEEE802_11_RADIO);
  EXPECT_EQ(run({path("radio.pcap")}).error,
            path("radio.pcap") +
                ": was captured from links of the kind IEEE802_11_RADIO, which steppe does not "
                "read: capture Ethernet, Linux cooked, raw IP or loopback");
}

TEST(Fingerprint, OfEveryHelloThatSteppeSends) {
  std::istringstream lines(run({"--hello", "all"}).out);
  size_t count = 0;
  for (std::string line; std::getline(lines, line); count++) {
    const Row row = Row::parse(line);
    ASSERT_LT(count, hellos().size());
    EXPECT_EQ(row["hello"], hellos()[count]->name);
    EXPECT_EQ(row["sni"], "example.com");
    EXPECT_EQ(row["ja3_digest"].get<std::string>().size(), 32u);
  }
  EXPECT_EQ(count, hellos().size());
}

TEST(Fingerprint, OfOneHelloWithAName) {
  EXPECT_EQ(run({"--hello", "tls13", "--sni", "facebook.com", "-f", "hello,sni"}).out,
            "{\"hello\":\"tls13\",\"sni\":\"facebook.com\"}\n");
  const std::string text = run({"--hello", "tls13", "-f", "ja4", "--format", "csv"}).out;
  EXPECT_TRUE(text.starts_with("ja4\nt13d2407")) << text;
}

TEST(Fingerprint, OfAHelloInAFile) {
  const std::string path = GOLDEN "/captured_hellos/python.hex";
  const Printed result = run({"--hello-file", path, "-f", "sni,ja3_digest,ja4"});
  // FoxIO's list (ja4plus-mapping.csv) has Python with t13d1810...: without the padding.
  EXPECT_EQ(result.out,
            "{\"sni\":\"python.example\",\"ja3_digest\":\"93c7d42c0df602fb91589311534831f5\","
            "\"ja4\":\"t13d181100_85036bcba153_d41ae481755e\"}\n");
  EXPECT_EQ(result.notes, "");
  const Printed changed = run({"--hello-file", GOLDEN "/captured_hellos/gnutls.hex"});
  EXPECT_NE(changed.notes.find("to send it, steppe left out cipher suites of TLS 1.3"),
            std::string::npos);
  EXPECT_NE(changed.notes.find("sent it has ja4 t13d281300_"), std::string::npos);
}

TEST(Fingerprint, OfAHelloThatCannotBeSent) {
  const TemporaryDirectory directory;
  const Bytes message = client_message({.compression_methods = {1, 0}});
  std::ofstream(directory / "a") << std::string(message.begin(), message.end());
  const Printed result = run({"--hello-file", directory / "a", "-f", "hello,ja3"});
  EXPECT_EQ(result.out, "{\"hello\":\"file\",\"ja3\":\"771,4865,,,\"}\n");
  EXPECT_NE(result.notes.find("offers compression"), std::string::npos);
}

TEST(Fingerprint, Mistakes) {
  EXPECT_EQ(run({}).error,
            "nothing to take a fingerprint of: name a capture, --hello or --hello-file");
  EXPECT_EQ(run({"a.pcap", "--hello", "tls12"}).error,
            "captures, --hello and --hello-file exclude each other: give one of them");
  EXPECT_EQ(run({"--hello", "tls21"}).error,
            "--hello tls21: there is no such ClientHello, e.g. --hello tls12");
  EXPECT_EQ(run({"a.pcap", "--sni", "b"}).error,
            "--sni goes with --hello only: captured hellos have a name, or none");
  EXPECT_EQ(run({"--hello", "tls12", "--sni", "-"}).error,
            "--sni -: must be a host name, e.g. --sni facebook.com");
}

}  // namespace
}  // namespace steppe::testing
