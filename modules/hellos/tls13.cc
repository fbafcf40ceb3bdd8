// SPDX-License-Identifier: Apache-2.0
// What a host that refuses TLS 1.2 is asked with, and everybody who is to be asked with TLS 1.3:
// the bare hello of TLS 1.3 (RFC 8446 9.2), that takes TLS 1.2 from those who know no better.
//
// What is absent, and why:
// - a share of any group but X25519, which nearly all servers have: a second one would double the
//   hello, and the others ask for theirs with a HelloRetryRequest.
// - psk_key_exchange_modes: we never resume, and a ticket would lengthen the flight.
// - a session id: it would only make servers send change_cipher_spec (RFC 8446 D.4).
// - compress_certificate: most chains are sent as they are even to those who offer it.
// For what else is absent see tls12.cc.
#include "modules/hellos/hellos.h"

namespace steppe {
namespace {

constexpr uint16_t cipher_suites[] = {
    0x1301,  // TLS_AES_128_GCM_SHA256
    0x1302,  // TLS_AES_256_GCM_SHA384
    0x1303,  // TLS_CHACHA20_POLY1305_SHA256
    0xc02b,  // ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    0xc02f,  // ECDHE_RSA_WITH_AES_128_GCM_SHA256
    0xc02c,  // ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    0xc030,  // ECDHE_RSA_WITH_AES_256_GCM_SHA384
    0xcca9,  // ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    0xcca8,  // ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    0xc009,  // ECDHE_ECDSA_WITH_AES_128_CBC_SHA
    0xc013,  // ECDHE_RSA_WITH_AES_128_CBC_SHA
    0xc00a,  // ECDHE_ECDSA_WITH_AES_256_CBC_SHA
    0xc014,  // ECDHE_RSA_WITH_AES_256_CBC_SHA
    0xc023,  // ECDHE_ECDSA_WITH_AES_128_CBC_SHA256
    0xc027,  // ECDHE_RSA_WITH_AES_128_CBC_SHA256
    0xc024,  // ECDHE_ECDSA_WITH_AES_256_CBC_SHA384
    0xc028,  // ECDHE_RSA_WITH_AES_256_CBC_SHA384
    0x009c,  // RSA_WITH_AES_128_GCM_SHA256
    0x009d,  // RSA_WITH_AES_256_GCM_SHA384
    0x002f,  // RSA_WITH_AES_128_CBC_SHA
    0x0035,  // RSA_WITH_AES_256_CBC_SHA
    0x003c,  // RSA_WITH_AES_128_CBC_SHA256
    0x003d,  // RSA_WITH_AES_256_CBC_SHA256
    0x00ff,  // EMPTY_RENEGOTIATION_INFO_SCSV
};

// RFC 8446 4.2.7: x25519, secp256r1, secp384r1, secp521r1.
constexpr uint8_t supported_groups[] = {0, 8, 0, 29, 0, 23, 0, 24, 0, 25};
constexpr uint8_t key_share[] = {0, 29};

// RFC 8422 5.1.2: uncompressed.
constexpr uint8_t ec_point_formats[] = {1, 0};

// RFC 8446 4.2.1: TLS 1.3, TLS 1.2.
constexpr uint8_t supported_versions[] = {4, 3, 4, 3, 3};

// RFC 8446 4.2.3.
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

constexpr HelloExtension extensions[] = {
    {extension::server_name, {}},
    {23, {}},  // extended_master_secret (RFC 7627 5.2)
    {extension::supported_groups, supported_groups},
    {11, ec_point_formats},
    {13, signature_algorithms},
    {extension::supported_versions, supported_versions},
    {extension::key_share, key_share},
};

}  // namespace

extern const HelloDescription tls13_hello = {
    .name = "tls13",
    .meaning =
        "TLS 1.3, and TLS 1.2 for hosts that know no better: the certificate comes encrypted",
    .record_version = 0x0301,
    .client_version = 0x0303,
    .session_id_bytes = 0,
    .cipher_suites = cipher_suites,
    .extensions = extensions,
};

}  // namespace steppe
