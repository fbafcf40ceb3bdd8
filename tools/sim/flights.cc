// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/flights.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <optional>

#include "tools/sim/bounded_cache.h"
#include "tools/sim/issuing.h"
#include "tools/sim/keys.h"

namespace steppe::sim {
namespace {

constexpr uint8_t alert_record = 21, handshake_record = 22;  // RFC 5246 6.2.1
constexpr size_t record_header_bytes = 5, handshake_header_bytes = 4;
constexpr size_t record_bytes = 1 << 14;
// 13 KB each.
constexpr size_t read_chains_kept = 4096;
// The longest ClientHello that its length fields can express (RFC 8446 4.1.2): version, random,
// session_id, cipher_suites, compression_methods, extensions.
constexpr size_t longest_hello_bytes = 2 + 32 + 1 + 32 + 2 + 65534 + 1 + 255 + 2 + 65535;

enum Message : uint8_t {
  client_hello = 1,
  server_hello = 2,
  certificate = 11,
  server_key_exchange = 12,
  server_hello_done = 14,
};

// --- reading ---

// Takes fields off the front. Once a field is longer than what is left, all is over: `failed`.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : left_(bytes) {}

  std::span<const uint8_t> bytes(size_t count) {
    if (count > left_.size()) {
      failed_ = true;
      left_ = {};
      return {};
    }
    const auto taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  uint32_t number(size_t count) {
    uint32_t value = 0;
    for (const uint8_t byte : bytes(count)) value = value << 8 | byte;
    return value;
  }
  // A vector with its length in front, in `length_bytes` bytes.
  std::span<const uint8_t> vector(size_t length_bytes) { return bytes(number(length_bytes)); }

  bool failed() const { return failed_; }
  bool empty() const { return left_.empty(); }

 private:
  std::span<const uint8_t> left_;
  bool failed_ = false;
};

// server_name (RFC 6066 3). Names of other types than host_name end the list: nobody knows how long
// they are.
bool read_server_name(std::span<const uint8_t> extension, HeardHello& hello) {
  Reader reader(extension);
  Reader list(reader.vector(2));
  if (reader.failed() || !reader.empty() || list.empty()) return false;
  while (!list.empty()) {
    if (list.number(1) != 0) return true;
    const auto name = list.vector(2);
    if (list.failed() || name.empty() || !hello.server_name.empty()) return false;
    hello.server_name = {reinterpret_cast<const char*>(name.data()), name.size()};
  }
  return true;
}

// supported_versions (RFC 8446 4.2.1): where it is sent, client_version says nothing.
bool read_versions(std::span<const uint8_t> extension, HeardHello& hello) {
  Reader reader(extension);
  Reader list(reader.vector(1));
  if (reader.failed() || !reader.empty() || list.empty()) return false;
  hello.offers_tls12 = hello.offers_tls13 = false;
  while (!list.empty()) {
    const uint32_t version = list.number(2);
    if (list.failed()) return false;
    hello.offers_tls12 |= version == TLS1_2_VERSION;
    hello.offers_tls13 |= version == TLS1_3_VERSION;
  }
  return true;
}

bool read_extensions(std::span<const uint8_t> bytes, HeardHello& hello) {
  bool had_name = false, had_versions = false;
  for (Reader reader(bytes); !reader.empty();) {
    const uint32_t type = reader.number(2);
    const auto extension = reader.vector(2);
    if (reader.failed()) return false;
    // Neither may come twice (RFC 8446 4.2).
    if (type == TLSEXT_TYPE_server_name &&
        (std::exchange(had_name, true) || !read_server_name(extension, hello)))
      return false;
    if (type == TLSEXT_TYPE_supported_versions &&
        (std::exchange(had_versions, true) || !read_versions(extension, hello)))
      return false;
  }
  return true;
}

// The body of the message (RFC 8446 4.1.2). false: it is none.
bool read_hello(std::span<const uint8_t> body, HeardHello& hello) {
  hello.server_name = {};
  hello.offers_tls13 = false;
  Reader reader(body);
  hello.version = static_cast<uint16_t>(reader.number(2));
  hello.random = reader.bytes(32);
  hello.session_id = reader.vector(1);
  hello.cipher_suites = reader.vector(2);
  const auto compression_methods = reader.vector(1);
  if (reader.failed() || hello.version >> 8 != 3 || hello.session_id.size() > 32 ||
      hello.cipher_suites.empty() || hello.cipher_suites.size() % 2 != 0 ||
      compression_methods.empty())
    return false;
  hello.offers_tls12 = hello.version >= TLS1_2_VERSION;
  if (reader.empty()) return true;
  const auto extensions = reader.vector(2);
  return !reader.failed() && reader.empty() && read_extensions(extensions, hello);
}

// What a handshake message's bytes so far say: where it ends, once its header is there.
std::optional<size_t> message_bytes(std::span<const uint8_t> message) {
  if (message.size() < handshake_header_bytes) return std::nullopt;
  return handshake_header_bytes + (size_t{message[1]} << 16 | size_t{message[2]} << 8 | message[3]);
}

bool cannot_be_hello(std::span<const uint8_t> message) {
  if (!message.empty() && message[0] != client_hello) return true;
  const auto bytes = message_bytes(message);
  return bytes && *bytes > handshake_header_bytes + longest_hello_bytes;
}

// --- writing ---

class Writer {
 public:
  Writer& number(uint64_t value, size_t count) {
    while (count-- > 0) bytes_.push_back(static_cast<uint8_t>(value >> 8 * count));
    return *this;
  }
  Writer& bytes(std::span<const uint8_t> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& vector(size_t length_bytes, std::span<const uint8_t> content) {
    return number(content.size(), length_bytes).bytes(content);
  }
  const Bytes& done() const { return bytes_; }

 private:
  Bytes bytes_;
};

// One message in a record, or in several if it is longer than one can be.
void add_message(Bytes& flight, Message type, std::span<const uint8_t> body) {
  Writer message, records;
  message.number(type, 1).vector(3, body);
  for (std::span<const uint8_t> left = message.done(); !left.empty();) {
    const auto fragment = left.first(std::min(left.size(), record_bytes));
    records.number(handshake_record, 1).number(TLS1_2_VERSION, 2).vector(2, fragment);
    left = left.subspan(fragment.size());
  }
  flight.insert(flight.end(), records.done().begin(), records.done().end());
}

using KeyContext = std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)>;

// One a thread. It remembers nothing between operations, but is too dear to make for each.
const SeededContext& seeded() {
  static thread_local const SeededContext context;
  return context;
}

uint64_t tag_of(const std::array<uint8_t, 32>& server_random) {
  uint64_t tag = 0;
  for (size_t i = 0; i < server_random.size(); ++i)
    tag = chance(tag, what::server_random, server_random[i]);
  return tag;
}

// The public point of a P-256 key that nobody has to remember.
Bytes key_share(uint64_t tag) {
  seeded().feed(tag);
  const Key key{EVP_PKEY_Q_keygen(seeded().get(), nullptr, "EC", "P-256"), EVP_PKEY_free};
  Bytes point(65);
  size_t size = 0;
  require_openssl(key && EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                                         point.data(), point.size(), &size));
  point.resize(size);
  return point;
}

Bytes signature(EVP_PKEY* key, std::span<const uint8_t> message, uint64_t tag) {
  seeded().feed(tag);
  const KeyContext context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  require_openssl(context && EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", seeded().get(),
                                                   nullptr, key, nullptr) > 0);
  size_t size = 0;
  require_openssl(EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) >
                  0);
  Bytes bytes(size);
  require_openssl(
      EVP_DigestSign(context.get(), bytes.data(), &size, message.data(), message.size()) > 0);
  bytes.resize(size);
  return bytes;
}

// ServerKeyExchange (RFC 8422 5.4).
Bytes key_exchange(EVP_PKEY* key, const std::array<uint8_t, 32>& server_random) {
  const uint64_t tag = tag_of(server_random);
  const bool is_rsa = EVP_PKEY_is_a(key, "RSA");
  Writer parameters, signed_bytes, message;
  parameters.number(3, 1).number(23, 2).vector(1, key_share(tag));  // named_curve, secp256r1
  const std::array<uint8_t, 32> client_random{};
  signed_bytes.bytes(client_random).bytes(server_random).bytes(parameters.done());
  message.bytes(parameters.done());
  message.number(is_rsa ? 0x0401 : 0x0403, 2);  // rsa_pkcs1_sha256, ecdsa_secp256r1_sha256
  message.vector(2, signature(key, signed_bytes.done(), tag));
  return message.done();
}

// --- TLS 1.3 ---

// A chain as OpenSSL wants it. Reading one takes as long as all else that a flight in TLS 1.3 does,
// RSA signatures aside, so that of the hosts that are asked again and again it is kept.
struct ReadChain {
  Chain chain;  // so that no other certificate gets these addresses
  Certificate leaf;
  std::shared_ptr<STACK_OF(X509)> others;
};

ReadChain read(const Chain& chain) {
  ReadChain read{chain, nullptr, {sk_X509_new_null(), [](STACK_OF(X509) * stack) {
                                    sk_X509_pop_free(stack, X509_free);
                                  }}};
  for (const auto& der : chain.certificates) {
    Certificate certificate = read_certificate(seeded(), *der);
    require_openssl(certificate != nullptr);
    if (!read.leaf)
      read.leaf = std::move(certificate);
    else
      require_openssl(X509_add_cert(read.others.get(), certificate.get(), X509_ADD_FLAG_UP_REF));
  }
  return read;
}

// What all servers of a thread share.
class Tls13 {
 public:
  Tls13() : read_(read_chains_kept) {
    seeded().feed(0);  // keys of tickets, which nobody ever gets
    context_.reset(SSL_CTX_new_ex(seeded().get(), nullptr, TLS_server_method()));
    require_openssl(context_ && SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION) > 0);
    // Level 0: a world may show certificates that OpenSSL finds too weak.
    SSL_CTX_set_security_level(context_.get(), 0);
  }
  SSL_CTX* context() const { return context_.get(); }
  const ReadChain& read_chain(const Chain& chain) {
    std::string key;
    for (const auto& der : chain.certificates) {
      const auto place = reinterpret_cast<uintptr_t>(der.get());
      key.append(reinterpret_cast<const char*>(&place), sizeof place);
    }
    if (const ReadChain* const known = read_.find(key)) return *known;
    return read_.put(key, read(chain));
  }

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{nullptr, SSL_CTX_free};
  BoundedCache<ReadChain> read_;
};

Tls13& tls13() {
  static thread_local Tls13 shared;
  return shared;
}

Bytes taken_from(BIO* bio) {
  Bytes bytes(static_cast<size_t>(BIO_pending(bio)));
  if (!bytes.empty()) BIO_read(bio, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

}  // namespace

Heard hear_client_hello(std::span<const uint8_t> bytes, HeardHello& hello, Bytes& scratch) {
  scratch.clear();
  bool is_first = true;
  for (std::span<const uint8_t> left = bytes; !left.empty(); is_first = false) {
    if (left[0] != handshake_record || (left.size() > 1 && left[1] != 3)) return Heard::not_tls;
    if (left.size() < record_header_bytes) return Heard::incomplete;
    const size_t length = size_t{left[3]} << 8 | left[4];
    // Empty records are not allowed for handshakes (RFC 8446 5.1).
    if (length == 0 || length > record_bytes) return Heard::not_tls;
    left = left.subspan(record_header_bytes);
    const auto fragment = left.first(std::min(length, left.size()));
    left = left.subspan(fragment.size());

    std::span<const uint8_t> message = fragment;
    if (!is_first || message_bytes(fragment).value_or(SIZE_MAX) > fragment.size()) {
      scratch.insert(scratch.end(), fragment.begin(), fragment.end());
      message = scratch;
    }
    if (cannot_be_hello(message)) return Heard::not_tls;
    const auto end = message_bytes(message);
    if (end && *end <= message.size()) {
      const auto body = message.subspan(handshake_header_bytes, *end - handshake_header_bytes);
      return read_hello(body, hello) ? Heard::complete : Heard::not_tls;
    }
  }
  return Heard::incomplete;
}

// The flight is for any client, and a server may only answer extensions that the client has sent
// (RFC 5246 7.4.1.4), so there is but the empty renegotiation_info: practically all clients ask for
// it, many in a cipher suite, and some go no further without it (RFC 5746 3.4, 3.6).
Bytes tls12_flight(const Chain& chain, EVP_PKEY* key,
                   const std::array<uint8_t, 32>& server_random) {
  Writer hello, certificates, chain_message;
  hello.number(TLS1_2_VERSION, 2).bytes(server_random).vector(1, {});
  // TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; compression
  // null.
  hello.number(EVP_PKEY_is_a(key, "RSA") ? 0xc02f : 0xc02b, 2).number(0, 1);
  constexpr std::array<uint8_t, 5> renegotiation_info = {0xff, 0x01, 0, 1, 0};
  hello.vector(2, renegotiation_info);
  for (const auto& der : chain.certificates) certificates.vector(3, *der);
  chain_message.vector(3, certificates.done());

  Bytes flight;
  add_message(flight, server_hello, hello.done());
  add_message(flight, certificate, chain_message.done());
  add_message(flight, server_key_exchange, key_exchange(key, server_random));
  add_message(flight, server_hello_done, {});
  return flight;
}

Tls13Answer tls13_flight(const Tls13Server& server, std::span<const uint8_t> heard) {
  const ReadChain& chain = tls13().read_chain(server.chain);
  const std::unique_ptr<SSL, void (*)(SSL*)> ssl{SSL_new(tls13().context()), SSL_free};
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  require_openssl(ssl && in && out);
  SSL_set_bio(ssl.get(), in, out);
  require_openssl(
      SSL_use_cert_and_key(ssl.get(), chain.leaf.get(), server.key, chain.others.get(), 1) > 0 &&
      SSL_set1_groups_list(ssl.get(), std::string(server.key_groups).c_str()) > 0 &&
      BIO_write(in, heard.data(), static_cast<int>(heard.size())) ==
          static_cast<int>(heard.size()));

  seeded().feed(server.tag);
  const int result = SSL_accept(ssl.get());
  const bool waits = SSL_get_error(ssl.get(), result) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  Tls13Answer answer{taken_from(out), Tls13Answer::End::refused};
  // There is no key to agree on before the client's share is one that the server can use.
  EVP_PKEY* share = nullptr;
  if (waits)
    answer.end = SSL_get_peer_tmp_key(ssl.get(), &share) > 0 ? Tls13Answer::End::flight
                                                             : Tls13Answer::End::retry;
  EVP_PKEY_free(share);
  return answer;
}

Bytes fatal_alert(uint8_t description) {
  return {alert_record, 3, 3, 0, 2, 2, description};
}

std::string_view http_error_page() {
  return "HTTP/1.1 400 Bad Request\r\n"
         "Server: httpd\r\n"
         "Content-Type: text/html\r\n"
         "Content-Length: 101\r\n"
         "Connection: close\r\n"
         "\r\n"
         "<html><head><title>400 Bad Request</title></head><body><h1>This port speaks "
         "HTTP</h1></body></html>\r\n";
}

}  // namespace steppe::sim
