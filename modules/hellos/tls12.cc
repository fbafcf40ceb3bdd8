// SPDX-License-Identifier: Apache-2.0
// The default hello: whatever makes the most servers show their certificate in clear, and nothing
// that lengthens the answer before it or the flight around it.
//
// What is absent, and why:
// - supported_versions: TLS 1.3 would hide the certificate, and who speaks nothing else is asked
//   again with another hello. A server that knows only TLS 1.0 or 1.1
//   may answer with that (RFC 5246 E.1); its certificate is as clear.
// - ALPN: a server that knows none of the offered protocols may refuse the handshake (RFC 7301 3.2:
//   no_application_protocol), as mail and VPN servers on port 443 and HTTP/2-only ones do; without
//   the extension there is nothing to refuse.
// - padding: with any usual name the hello stays below the 256 to 511 bytes that some servers hang
//   on (RFC 7685 1).
// - status_request: the OCSP response would come behind the chain and only make the flight longer.
// - session_ticket and a session id: we never resume, and a resumed session shows no certificate.
// - renegotiation_info: TLS_EMPTY_RENEGOTIATION_INFO_SCSV says the same (RFC 5746 3.3) to servers
//   that choke on extensions too.
// - Ed25519 and Ed448: browsers' root programs know no such leaves, so no trusted host has one.
#include "modules/hellos/hellos.h"

namespace steppe {
namespace {

// Ephemeral AEAD suites first, as browsers order them: some front ends turn away clients without
// them before they look further. Plain RSA serves the old; DHE, which costs a server the most, and
// 3DES stand where only a server that knows nothing else picks them.
constexpr uint16_t cipher_suites[] = {
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
    0x009e,  // DHE_RSA_WITH_AES_128_GCM_SHA256
    0x009f,  // DHE_RSA_WITH_AES_256_GCM_SHA384
    0x0033,  // DHE_RSA_WITH_AES_128_CBC_SHA
    0x0039,  // DHE_RSA_WITH_AES_256_CBC_SHA
    0x000a,  // RSA_WITH_3DES_EDE_CBC_SHA
    0x00ff,  // EMPTY_RENEGOTIATION_INFO_SCSV
};

// RFC 8422 5.1.1: x25519, secp256r1, secp384r1, secp521r1. The last two are for ECDSA leaves too: a
// TLS 1.2 server may not show a key on a curve that was not offered.
constexpr uint8_t supported_groups[] = {0, 8, 0, 29, 0, 23, 0, 24, 0, 25};

// RFC 8422 5.1.2: uncompressed.
constexpr uint8_t ec_point_formats[] = {1, 0};

// RFC 5246 7.4.1.4.1 and RFC 8446 4.2.3. SHA-1 is for servers whose chains still have it.
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
    {0, {}},   // server_name (RFC 6066 3)
    {23, {}},  // extended_master_secret (RFC 7627 5.2: servers may refuse clients without it)
    {10, supported_groups},
    {11, ec_point_formats},
    {13, signature_algorithms},
};

}  // namespace

extern const HelloDescription tls12_hello = {
    .name = "tls12",
    .meaning = "TLS 1.2 with every usual RSA and ECDSA suite: the certificate comes in clear",
    .record_version = 0x0301,
    .client_version = 0x0303,
    .session_id_bytes = 0,
    .cipher_suites = cipher_suites,
    .extensions = extensions,
};

}  // namespace steppe
