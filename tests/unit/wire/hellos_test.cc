// SPDX-License-Identifier: Apache-2.0
// What every hello of --hello must keep to, and what those that imitate somebody are held to.
#include "modules/hellos/hellos.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <set>
#include <string>

#include "engine/limits.h"
#include "engine/wire/hello_retry.h"
#include "tests/unit/wire/hello_parts.h"
#include "tests/unit/wire/openssl_server.h"

namespace steppe::testing {
namespace {

// The MSS that every host must take (RFC 9293 3.7.1). A SYN-ACK's options never ask for timestamps
// that we did not offer, so all of it is payload.
constexpr size_t minimum_mss = 536;

// Of the golden records.
const std::string golden_name = "example.org";
constexpr uint64_t golden_random = 20240903;

TEST(Hellos, AreFoundByTheirNames) {
  ASSERT_FALSE(hellos().empty());
  EXPECT_EQ(hellos().front(), find_hello("tls12"));
  for (const HelloDescription* hello : hellos()) {
    EXPECT_EQ(find_hello(hello->name), hello);  // so no name stands twice
    EXPECT_FALSE(hello->meaning.empty());
  }
  EXPECT_EQ(find_hello(""), nullptr);
  EXPECT_EQ(find_hello("certificat"), nullptr);
}

TEST(Hellos, FitTheirLimitWithTheLongestName) {
  for (const HelloDescription* hello : hellos()) {
    const std::string longest(limits::server_name_bytes, 'n');
    const Bytes bytes = written(ClientHello(*hello, fixed_shares()), longest);
    EXPECT_LE(bytes.size(), limits::client_hello_bytes) << hello->name;
    EXPECT_GT(take_apart(bytes).data(extension::server_name).size(), longest.size());
  }
}

// Ours; a browser's is as long as the browser makes it.
TEST(Hellos, FitOneSegmentOfTheSmallestMssWithTheLongestName) {
  for (const char* const name : {"tls12", "tls13"}) {
    const ClientHello hello(*find_hello(name), fixed_shares());
    EXPECT_LE(written(hello, std::string(limits::server_name_bytes, 'n')).size(), minimum_mss);
  }
}

// Some servers hang on hellos of 256 to 511 bytes (RFC 7685 1); few names of the most
// visited sites are longer than this.
TEST(Hellos, StayBelow256BytesWithAUsualName) {
  const ClientHello hello(*find_hello("tls12"));
  EXPECT_LT(written(hello, std::string(64, 'n')).size(), 256u);
}

std::string hexadecimal(const Bytes& bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST(Hellos, AreByteForByteTheGoldenOnes) {
  for (const HelloDescription* hello : hellos()) {
    const std::string path =
        std::string(STEPPE_GOLDEN_FOLDER) + "/hellos/" + std::string(hello->name) + ".hex";
    std::string golden;
    ASSERT_TRUE(std::ifstream(path) >> golden) << path;
    EXPECT_EQ(hexadecimal(written(ClientHello(*hello, fixed_shares()), golden_name, golden_random)),
              golden)
        << hello->name;
  }
}

TEST(Hellos, AreTakenByARealServerWithTheirShareOfTls13) {
  const Identity identity = ecdsa_identity("P-256");
  OpensslServer server(identity);
  size_t of_tls13 = 0;
  for (const HelloDescription* description : hellos()) {
    SCOPED_TRACE(description->name);
    const ClientHello hello(*description, fresh_shares());
    for (const size_t name_bytes : {0, 1, 64, 253}) {
      const std::string name(name_bytes, 'n');
      OpensslConnection connection(server.context());
      const Bytes flight = connection.answer(written(hello, name, name_bytes));
      ASSERT_FALSE(flight.empty());
      EXPECT_EQ(flight[0], handshake_record);
      const char* const heard = SSL_get_servername(connection.ssl(), TLSEXT_NAMETYPE_host_name);
      EXPECT_EQ(heard == nullptr ? "" : heard, name);
      if (!hello.offers_tls13()) {
        EXPECT_EQ(SSL_version(connection.ssl()), TLS1_2_VERSION);
        continue;
      }
      ++of_tls13;
      EXPECT_EQ(SSL_version(connection.ssl()), TLS1_3_VERSION);
      EXPECT_EQ(SSL_get_negotiated_group(connection.ssl()), NID_X25519);
      // At once: no HelloRetryRequest.
      EXPECT_FALSE(
          std::equal(hello_retry_random.begin(), hello_retry_random.end(), flight.begin() + 5 + 6));
    }
  }
  EXPECT_EQ(of_tls13, 4 * 4u);
}

// Every share that a hello sends, not only the one that OpenSSL likes best.
TEST(Hellos, HaveSharesThatARealServerTakes) {
  const Identity identity = ecdsa_identity("P-256");
  OpensslServer server(identity);
  ASSERT_EQ(SSL_CTX_set1_groups_list(server.context(), "P-256"), 1);
  OpensslConnection connection(server.context());
  connection.answer(written(ClientHello(*find_hello("firefox"), fresh_shares()), "example.org"));
  EXPECT_EQ(SSL_get_negotiated_group(connection.ssl()), NID_X9_62_prime256v1);
}

TEST(Hellos, FirefoxDrawsItsEncryptedHello) {
  const ClientHello hello(*find_hello("firefox"), fixed_shares());
  std::set<uint8_t> aeads, configs;
  std::set<Bytes> payloads;
  for (uint64_t random = 0; random < 64; ++random) {
    const Bytes data = take_apart(written(hello, "example.org", random)).data(0xfe0d);
    ASSERT_EQ(data.size(), 1u + 2 + 2 + 1 + 2 + 32 + 2 + 239);
    EXPECT_EQ(Bytes(data.begin(), data.begin() + 4), (Bytes{0, 0, 1, 0}));
    EXPECT_EQ(Bytes(data.begin() + 6, data.begin() + 8), (Bytes{0, 32}));
    EXPECT_EQ(Bytes(data.begin() + 40, data.begin() + 42), (Bytes{0, 239}));
    aeads.insert(data[4]);
    configs.insert(data[5]);
    payloads.insert(Bytes(data.begin() + 42, data.end()));
  }
  EXPECT_EQ(aeads, (std::set<uint8_t>{1, 3}));
  EXPECT_GT(configs.size(), 40u);
  EXPECT_EQ(payloads.size(), 64u);
}

// The installed openssl, started on a socket of ours on the loopback; killed with its parent.
class SClient {
 public:
  SClient() {
    listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listening_, generic, bytes) != 0 || listen(listening_, 1) != 0 ||
        getsockname(listening_, generic, &bytes) != 0)
      throw std::runtime_error("no socket on the loopback");
    start("127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  }
  ~SClient() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    for (const int each : {listening_, connected_})
      if (each >= 0) close(each);
  }

  // The first record; empty if it does not come within five seconds.
  Bytes hello() {
    if (!ready(listening_)) return {};
    connected_ = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    Bytes all;
    while (all.size() < 5 || all.size() < 5u + (all[3] << 8 | all[4])) {
      uint8_t some[4096];
      if (!ready(connected_)) return {};
      const ssize_t got = read(connected_, some, sizeof some);
      if (got <= 0) return {};
      all.insert(all.end(), some, some + got);
    }
    return all;
  }

 private:
  bool ready(int socket) const {
    pollfd waiting = {.fd = socket, .events = POLLIN, .revents = 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline_ - std::chrono::steady_clock::now());
    return poll(&waiting, 1, std::max<int>(0, static_cast<int>(left.count()))) == 1;
  }
  void start(const std::string& address) {
    const pid_t parent = getpid();
    process_ = fork();
    if (process_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    const int nothing = open("/dev/null", O_RDWR);
    for (const int each : {0, 1, 2}) dup2(nothing, each);
    // Without the environment, which might have an OPENSSL_CONF.
    char* const none[] = {nullptr};
    execle("/usr/bin/openssl", "openssl", "s_client", "-connect", address.c_str(), "-servername",
           golden_name.c_str(), nullptr, none);
    _exit(1);
  }

  const std::chrono::steady_clock::time_point deadline_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(5);
  int listening_ = -1, connected_ = -1;
  pid_t process_ = -1;
};

TEST(Hellos, OpensslIsWhatTheInstalledOneSays) {
  SClient real;
  const Bytes record = real.hello();
  ASSERT_FALSE(record.empty());
  const HelloParts said = take_apart(record);
  const HelloParts ours =
      take_apart(written(ClientHello(*find_hello("openssl"), fresh_shares()), golden_name));
  EXPECT_EQ(ours.record_version, said.record_version);
  EXPECT_EQ(ours.client_version, said.client_version);
  EXPECT_EQ(ours.message_bytes, said.message_bytes);
  EXPECT_EQ(ours.session_id.size(), said.session_id.size());
  EXPECT_EQ(ours.suites, said.suites);
  EXPECT_EQ(ours.compression, said.compression);
  ASSERT_EQ(ours.types(), said.types());
  for (const uint16_t type : said.types()) {
    if (type == extension::key_share) continue;
    EXPECT_EQ(ours.data(type), said.data(type)) << type;
  }
  ASSERT_EQ(ours.shares().size(), said.shares().size());
  for (size_t i = 0; i < said.shares().size(); ++i) {
    EXPECT_EQ(ours.shares()[i].group, said.shares()[i].group);
    EXPECT_EQ(ours.shares()[i].key_exchange.size(), said.shares()[i].key_exchange.size());
  }
}

}  // namespace
}  // namespace steppe::testing
