// SPDX-License-Identifier: Apache-2.0
// `openssl s_client` of Debian 12's OpenSSL 3.0, as it speaks without options: what curl, wget and
// scripts on servers are like. Taken from what 3.0.22 (25 August 2026) sends on the loopback; a
// test compares with the one that is installed, field by field.
//
// JA3 a3afc2c46ba4a7d7fbe1cfb7a3031c2f, JA4 t13d311000_e8f1e7e78f70_1f22a2ca17c4, both computed
// from those bytes.
#include "modules/hellos/hellos.h"

namespace steppe {
namespace {

constexpr uint16_t cipher_suites[] = {
    0x1302,  // TLS_AES_256_GCM_SHA384
    0x1303,  // TLS_CHACHA20_POLY1305_SHA256
    0x1301,  // TLS_AES_128_GCM_SHA256
    0xc02c,  // ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    0xc030,  // ECDHE_RSA_WITH_AES_256_GCM_SHA384
    0x009f,  // DHE_RSA_WITH_AES_256_GCM_SHA384
    0xcca9,  // ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    0xcca8,  // ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    0xccaa,  // DHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    0xc02b,  // ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    0xc02f,  // ECDHE_RSA_WITH_AES_128_GCM_SHA256
    0x009e,  // DHE_RSA_WITH_AES_128_GCM_SHA256
    0xc024,  // ECDHE_ECDSA_WITH_AES_256_CBC_SHA384
    0xc028,  // ECDHE_RSA_WITH_AES_256_CBC_SHA384
    0x006b,  // DHE_RSA_WITH_AES_256_CBC_SHA256
    0xc023,  // ECDHE_ECDSA_WITH_AES_128_CBC_SHA256
    0xc027,  // ECDHE_RSA_WITH_AES_128_CBC_SHA256
    0x0067,  // DHE_RSA_WITH_AES_128_CBC_SHA256
    0xc00a,  // ECDHE_ECDSA_WITH_AES_256_CBC_SHA
    0xc014,  // ECDHE_RSA_WITH_AES_256_CBC_SHA
    0x0039,  // DHE_RSA_WITH_AES_256_CBC_SHA
    0xc009,  // ECDHE_ECDSA_WITH_AES_128_CBC_SHA
    0xc013,  // ECDHE_RSA_WITH_AES_128_CBC_SHA
    0x0033,  // DHE_RSA_WITH_AES_128_CBC_SHA
    0x009d,  // RSA_WITH_AES_256_GCM_SHA384
    0x009c,  // RSA_WITH_AES_128_GCM_SHA256
    0x003d,  // RSA_WITH_AES_256_CBC_SHA256
    0x003c,  // RSA_WITH_AES_128_CBC_SHA256
    0x0035,  // RSA_WITH_AES_256_CBC_SHA
    0x002f,  // RSA_WITH_AES_128_CBC_SHA
    0x00ff,  // EMPTY_RENEGOTIATION_INFO_SCSV
};

// uncompressed, ansiX962_compressed_prime, ansiX962_compressed_char2
constexpr uint8_t ec_point_formats[] = {3, 0, 1, 2};
// x25519, secp256r1, x448, secp521r1, secp384r1, ffdhe2048 to ffdhe8192
constexpr uint8_t supported_groups[] = {0,  20, 0, 29, 0, 23, 0, 30, 0, 25, 0,
                                        24, 1,  0, 1,  1, 1,  2, 1,  3, 1,  4};
constexpr uint8_t key_share[] = {0, 29};
constexpr uint8_t signature_algorithms[] = {
    0, 40,  //
    4, 3,   // ecdsa_secp256r1_sha256
    5, 3,   // ecdsa_secp384r1_sha384
    6, 3,   // ecdsa_secp521r1_sha512
    8, 7,   // ed25519
    8, 8,   // ed448
    8, 9,   // rsa_pss_pss_sha256
    8, 10,  // rsa_pss_pss_sha384
    8, 11,  // rsa_pss_pss_sha512
    8, 4,   // rsa_pss_rsae_sha256
    8, 5,   // rsa_pss_rsae_sha384
    8, 6,   // rsa_pss_rsae_sha512
    4, 1,   // rsa_pkcs1_sha256
    5, 1,   // rsa_pkcs1_sha384
    6, 1,   // rsa_pkcs1_sha512
    3, 3,   // ecdsa_sha224
    3, 1,   // rsa_pkcs1_sha224
    3, 2,   // dsa_sha224
    4, 2,   // dsa_sha256
    5, 2,   // dsa_sha384
    6, 2,   // dsa_sha512
};
static_assert(sizeof signature_algorithms == 2 + 40);
constexpr uint8_t supported_versions[] = {8, 3, 4, 3, 3, 3, 2, 3, 1};  // TLS 1.3 to TLS 1.0
constexpr uint8_t psk_key_exchange_modes[] = {1, 1};                   // psk_dhe_ke

constexpr HelloExtension extensions[] = {
    {extension::server_name, {}},
    {11, ec_point_formats},
    {extension::supported_groups, supported_groups},
    {35, {}},  // session_ticket
    {22, {}},  // encrypt_then_mac
    {23, {}},  // extended_master_secret
    {13, signature_algorithms},
    {extension::supported_versions, supported_versions},
    {45, psk_key_exchange_modes},
    {extension::key_share, key_share},
};

}  // namespace

extern const HelloDescription openssl_hello = {
    .name = "openssl",
    .meaning = "as `openssl s_client` of OpenSSL 3.0 (Debian 12) says it: TLS 1.3 down to 1.0",
    .record_version = 0x0301,
    .client_version = 0x0303,
    .session_id_bytes = 32,
    .cipher_suites = cipher_suites,
    .extensions = extensions,
};

}  // namespace steppe
