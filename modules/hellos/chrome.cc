// SPDX-License-Identifier: Apache-2.0
// Google Chrome 106 (27 September 2022) on Windows 10, 64 bit: the newest version that puts its
// extensions in one order, and therefore has one JA3. Since then Chrome shuffles them (tried out in
// 107, in force since 110), and its newest versions share a post-quantum key that OpenSSL 3.0
// cannot make.
//
// Taken from records of real browsers' hellos; versions 98 to 107 differ in nothing:
// - fields: curl-impersonate, tests/signatures/chrome_104.0.5112.81_win10.yaml and
//   chrome_107.0.5304.107_win10.yaml (https://github.com/lwthiker/curl-impersonate)
// - JA3 cd08e31494f9531f560d64c695473da9: for Chrome 103 to 106 in tests/client_test_utils.go of
//   https://github.com/bogdanfinn/tls-client, for 102.0.5005.63 in
//   https://github.com/fooinha/nginx-ssl-ja3/issues/29
// - JA4 t13d1516h2_8daaf6152771_e5627efa2ab1: the example of FoxIO's own document,
//   https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md
// - padding: RFC 7685, so that with any usual name the hello has 517 bytes
#include "modules/hellos/hellos.h"

namespace steppe {
namespace {

constexpr uint16_t cipher_suites[] = {
    grease,
    0x1301,  // TLS_AES_128_GCM_SHA256
    0x1302,  // TLS_AES_256_GCM_SHA384
    0x1303,  // TLS_CHACHA20_POLY1305_SHA256
    0xc02b,  // ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    0xc02f,  // ECDHE_RSA_WITH_AES_128_GCM_SHA256
    0xc02c,  // ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    0xc030,  // ECDHE_RSA_WITH_AES_256_GCM_SHA384
    0xcca9,  // ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    0xcca8,  // ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    0xc013,  // ECDHE_RSA_WITH_AES_128_CBC_SHA
    0xc014,  // ECDHE_RSA_WITH_AES_256_CBC_SHA
    0x009c,  // RSA_WITH_AES_128_GCM_SHA256
    0x009d,  // RSA_WITH_AES_256_GCM_SHA384
    0x002f,  // RSA_WITH_AES_128_CBC_SHA
    0x0035,  // RSA_WITH_AES_256_CBC_SHA
};

constexpr uint8_t renegotiation_info[] = {0};
// GREASE, x25519, secp256r1, secp384r1
constexpr uint8_t supported_groups[] = {0, 8, grease >> 8, grease & 0xff, 0, 29, 0, 23, 0, 24};
constexpr uint8_t key_share[] = {grease >> 8, grease & 0xff, 0, 29};
constexpr uint8_t ec_point_formats[] = {1, 0};  // uncompressed
constexpr uint8_t protocols[] = {0, 12, 2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr uint8_t status_request[] = {1, 0, 0, 0, 0};  // OCSP
constexpr uint8_t signature_algorithms[] = {
    0, 16,  //
    4, 3,   // ecdsa_secp256r1_sha256
    8, 4,   // rsa_pss_rsae_sha256
    4, 1,   // rsa_pkcs1_sha256
    5, 3,   // ecdsa_secp384r1_sha384
    8, 5,   // rsa_pss_rsae_sha384
    5, 1,   // rsa_pkcs1_sha384
    8, 6,   // rsa_pss_rsae_sha512
    6, 1,   // rsa_pkcs1_sha512
};
static_assert(sizeof signature_algorithms == 2 + 16);
constexpr uint8_t psk_key_exchange_modes[] = {1, 1};  // psk_dhe_ke
// GREASE, TLS 1.3, TLS 1.2
constexpr uint8_t supported_versions[] = {6, grease >> 8, grease & 0xff, 3, 4, 3, 3};
constexpr uint8_t compress_certificate[] = {2, 0, 2};            // brotli (RFC 8879)
constexpr uint8_t application_settings[] = {0, 3, 2, 'h', '2'};  // draft-vvv-tls-alps
constexpr uint8_t second_grease[] = {0};

constexpr HelloExtension extensions[] = {
    {grease, {}},
    {extension::server_name, {}},
    {23, {}},  // extended_master_secret
    {0xff01, renegotiation_info},
    {extension::supported_groups, supported_groups},
    {11, ec_point_formats},
    {35, {}},  // session_ticket
    {16, protocols},
    {5, status_request},
    {13, signature_algorithms},
    {18, {}},  // signed_certificate_timestamp
    {extension::key_share, key_share},
    {45, psk_key_exchange_modes},
    {extension::supported_versions, supported_versions},
    {27, compress_certificate},
    {0x4469, application_settings},
    {grease, second_grease},
    {extension::padding, {}},
};

}  // namespace

extern const HelloDescription chrome_hello = {
    .name = "chrome",
    .meaning = "as Google Chrome 106 on Windows 10 says it: TLS 1.3 and 1.2, GREASE, padded",
    .record_version = 0x0301,
    .client_version = 0x0303,
    .session_id_bytes = 32,
    .cipher_suites = cipher_suites,
    .extensions = extensions,
};

}  // namespace steppe
