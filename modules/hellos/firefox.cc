// SPDX-License-Identifier: Apache-2.0
// Mozilla Firefox 130.0 (3 September 2024) on Linux, 64 bit; its hello is that of 120 to 131. What
// is newer shares a post-quantum key that OpenSSL 3.0 cannot make.
//
// Taken from records of real browsers' hellos:
// - JA3 b5001237acdf006056b409cc433726b0 and JA4 t13d1715h2_5b57614c22b0_5c2c66f702b0, both as
//   Fastly saw Firefox 130.0 on Ubuntu: https://github.com/jeremy-cxf/fastly-fingerprint (README)
// - fields, which those two do not tell: curl-impersonate,
//   tests/signatures/firefox_120.0.1_linux.yaml, with the same JA3
//   (https://github.com/lwthiker/curl-impersonate); uTLS, HelloFirefox_120 of u_parrots.go
//   (https://github.com/refraction-networking/utls)
// - encrypted_client_hello: draft-ietf-tls-esni 6.2, and tls13_MaybeGreaseEch of NSS's
//   lib/ssl/tls13ech.c (https://github.com/nss-dev/nss)
#include <array>

#include "modules/hellos/hellos.h"

namespace steppe {
namespace {

constexpr uint16_t cipher_suites[] = {
    0x1301,  // TLS_AES_128_GCM_SHA256
    0x1303,  // TLS_CHACHA20_POLY1305_SHA256
    0x1302,  // TLS_AES_256_GCM_SHA384
    0xc02b,  // ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    0xc02f,  // ECDHE_RSA_WITH_AES_128_GCM_SHA256
    0xcca9,  // ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    0xcca8,  // ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    0xc02c,  // ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    0xc030,  // ECDHE_RSA_WITH_AES_256_GCM_SHA384
    0xc00a,  // ECDHE_ECDSA_WITH_AES_256_CBC_SHA
    0xc009,  // ECDHE_ECDSA_WITH_AES_128_CBC_SHA
    0xc013,  // ECDHE_RSA_WITH_AES_128_CBC_SHA
    0xc014,  // ECDHE_RSA_WITH_AES_256_CBC_SHA
    0x009c,  // RSA_WITH_AES_128_GCM_SHA256
    0x009d,  // RSA_WITH_AES_256_GCM_SHA384
    0x002f,  // RSA_WITH_AES_128_CBC_SHA
    0x0035,  // RSA_WITH_AES_256_CBC_SHA
};

constexpr uint8_t renegotiation_info[] = {0};
// x25519, secp256r1, secp384r1, secp521r1, ffdhe2048, ffdhe3072
constexpr uint8_t supported_groups[] = {0, 12, 0, 29, 0, 23, 0, 24, 0, 25, 1, 0, 1, 1};
constexpr uint8_t key_share[] = {0, 29, 0, 23};
constexpr uint8_t ec_point_formats[] = {1, 0};  // uncompressed
constexpr uint8_t protocols[] = {0, 12, 2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr uint8_t status_request[] = {1, 0, 0, 0, 0};  // OCSP
// RFC 9345: ecdsa_secp256r1_sha256, ecdsa_secp384r1_sha384, ecdsa_secp521r1_sha512, ecdsa_sha1
constexpr uint8_t delegated_credential[] = {0, 8, 4, 3, 5, 3, 6, 3, 2, 3};
constexpr uint8_t supported_versions[] = {4, 3, 4, 3, 3};  // TLS 1.3, TLS 1.2
constexpr uint8_t signature_algorithms[] = {
    0, 22,  //
    4, 3,   // ecdsa_secp256r1_sha256
    5, 3,   // ecdsa_secp384r1_sha384
    6, 3,   // ecdsa_secp521r1_sha512
    8, 4,   // rsa_pss_rsae_sha256
    8, 5,   // rsa_pss_rsae_sha384
    8, 6,   // rsa_pss_rsae_sha512
    4, 1,   // rsa_pkcs1_sha256
    5, 1,   // rsa_pkcs1_sha384
    6, 1,   // rsa_pkcs1_sha512
    2, 3,   // ecdsa_sha1
    2, 1,   // rsa_pkcs1_sha1
};
static_assert(sizeof signature_algorithms == 2 + 22);
constexpr uint8_t psk_key_exchange_modes[] = {1, 1};   // psk_dhe_ke
constexpr uint8_t record_size_limit[] = {0x40, 0x01};  // 16385

// What a client sends that has no key of the server: a hello that nobody can decrypt. The payload's
// length is that of an encrypted hello with any name of up to 100 bytes.
constexpr size_t enc_bytes = 32, payload_bytes = 239;
constexpr size_t enc_offset = 8, payload_offset = enc_offset + enc_bytes + 2;
constexpr auto encrypted_client_hello = [] {
  std::array<uint8_t, payload_offset + payload_bytes> data{
      0,                   // outer
      0, 1,         0, 1,  // HKDF-SHA256; AES-128-GCM, or 3: ChaCha20-Poly1305
      0,                   // config_id
      0, enc_bytes,
  };
  data[payload_offset - 1] = payload_bytes;
  return data;
}();
constexpr Drawn encrypted_client_hello_drawn[] = {
    {4, 1, 2},
    {5, 1},
    {enc_offset, enc_bytes},
    {payload_offset, payload_bytes},
};

constexpr HelloExtension extensions[] = {
    {extension::server_name, {}},
    {23, {}},  // extended_master_secret
    {0xff01, renegotiation_info},
    {extension::supported_groups, supported_groups},
    {11, ec_point_formats},
    {35, {}},  // session_ticket
    {16, protocols},
    {5, status_request},
    {34, delegated_credential},
    {extension::key_share, key_share},
    {extension::supported_versions, supported_versions},
    {13, signature_algorithms},
    {45, psk_key_exchange_modes},
    {28, record_size_limit},
    {0xfe0d, encrypted_client_hello, encrypted_client_hello_drawn},
};

}  // namespace

extern const HelloDescription firefox_hello = {
    .name = "firefox",
    .meaning = "as Mozilla Firefox 130 says it: TLS 1.3 and 1.2, two key shares, GREASE for ECH",
    .record_version = 0x0301,
    .client_version = 0x0303,
    .session_id_bytes = 32,
    .cipher_suites = cipher_suites,
    .extensions = extensions,
};

}  // namespace steppe
