# SPDX-License-Identifier: Apache-2.0
"""Servers of four TLS libraries that speak TLS 1.3 and nothing else, each in its own way.

Whatever can differ on the way to a certificate is here once or more: implementation, key, AEAD,
another round for the key share, with and without a cookie, how the flight is cut into records, what
comes before the certificate, and how that is packed. All of them run on one machine, each at a
port; an nft map gives each an address of its own, so that all are at port 443.
"""

import dataclasses
import pathlib

import certificates
from scan_bed import succeed
from servers import HEAD

HERE = pathlib.Path(__file__).resolve().parent
FIRST_PORT = 20_001
FIRST_ADDRESS = "198.19.128."  # and the server's number, from 1
TARGETS = [FIRST_ADDRESS + "0/26"]

OPENSSL, S_SERVER, GNUTLS, NSS, BORINGSSL = (
    "nginx", "openssl s_server", "gnutls-serv", "selfserv", "BoringSSL")
# RFC 8446 appendix B.4
SUITES = {"TLS_AES_128_GCM_SHA256": 0x1301, "TLS_AES_256_GCM_SHA384": 0x1302,
          "TLS_CHACHA20_POLY1305_SHA256": 0x1303}
AES_128, AES_256, CHACHA = SUITES
GNUTLS_CIPHERS = {AES_128: "AES-128-GCM", AES_256: "AES-256-GCM", CHACHA: "CHACHA20-POLY1305"}
PADDED_TO, SMALL_FRAGMENT = 512, 512  # bytes of plaintext


@dataclasses.dataclass(frozen=True)
class Server:
    number: int
    implementation: str
    what: str  # what it is here for
    key: str  # rsa, ecdsa or huge, as certificates.py makes them
    suite: str | None = None  # None: as the client likes
    curve_bits: int = 0  # of its only group, a NIST curve; 0: it has the client's first
    request: bool = False  # asks for a client's certificate
    padded: bool = False
    small: bool = False
    compression: str = ""

    @property
    def name(self):
        return f"{self.implementation}, {self.what}"

    @property
    def address(self):
        return FIRST_ADDRESS + str(self.number)

    @property
    def port(self):
        return FIRST_PORT + self.number

    @property
    def stem(self):
        """The file names of certificates and key, less their endings: each has its own."""
        return f"{self.key}-{self.number}"

    @property
    def says_why(self):
        """Whether it refuses TLS 1.2 with protocol_version; GnuTLS finds no cipher suite first."""
        return self.implementation != GNUTLS

    @property
    def curve(self):
        return f"P-{self.curve_bits}" if self.curve_bits else ""


def all_servers():
    result = []

    def add(implementation, what, key, **more):
        result.append(Server(len(result) + 1, implementation, what, key, **more))

    for implementation in (OPENSSL, GNUTLS, NSS):
        for key in ("rsa", "ecdsa"):
            for suite in SUITES:
                add(implementation, f"{key}, {suite}", key, suite=suite)
        for bits, suite in ((256, AES_128), (384, AES_256)):
            # NSS asks for another key share with a cookie, the others without.
            add(implementation, f"only P-{bits}", "ecdsa", suite=suite, curve_bits=bits)
        add(implementation, "client certificate wanted", "ecdsa", suite=AES_256, request=True)
    add(OPENSSL, "padded records", "rsa", suite=AES_128, padded=True)
    add(OPENSSL, "a chain of 90 KB", "huge", suite=CHACHA)
    add(S_SERVER, "small records", "rsa", suite=AES_256, small=True)
    add(S_SERVER, "small records, only P-384", "ecdsa", suite=CHACHA, small=True, curve_bits=384)
    add(BORINGSSL, "zlib", "rsa", compression="zlib")
    add(BORINGSSL, "brotli", "rsa", compression="brotli")
    add(BORINGSSL, "zstd", "ecdsa", compression="zstd")
    add(BORINGSSL, "brotli, a chain of 90 KB", "huge", compression="brotli")
    add(BORINGSSL, "brotli, only P-384", "ecdsa", compression="brotli", curve_bits=384)
    return result


def make_certificates(directory, servers):
    """As certificates.create() does; NSS wants its own kind of database besides."""
    made = certificates.Certificates(directory)
    made.authorities()
    certificates.in_parallel(made.leaf, [(server.key, server.number) for server in servers])
    database = directory / "nss"
    database.mkdir()
    succeed(["certutil", "-N", "-d", database, "--empty-password"])
    for server in servers:
        if server.implementation == NSS:
            bundle = directory / f"{server.stem}.p12"
            made.run("pkcs12", "-export", "-in", made.path(server.stem + ".pem"), "-inkey",
                     made.path(server.stem + ".key"), "-name", server.stem, "-passout", "pass:",
                     "-out", bundle)
            succeed(["pk12util", "-i", bundle, "-d", database, "-W", ""])


def nginx_config(directory, files, servers):
    blocks = [HEAD.format(directory=directory)]
    for server in servers:
        lines = [f"listen {server.port} ssl;", "ssl_protocols TLSv1.3;",
                 f"ssl_certificate {files / server.stem}.pem;",
                 f"ssl_certificate_key {files / server.stem}.key;",
                 f"ssl_conf_command Ciphersuites {server.suite};"]
        lines += [f"ssl_ecdh_curve {server.curve};"] if server.curve else []
        lines += [f"ssl_conf_command RecordPadding {PADDED_TO};"] if server.padded else []
        lines += ["ssl_verify_client optional_no_ca;"] if server.request else []
        blocks.append("    server {\n        " + "\n        ".join(lines)
                      + "\n        return 200 tls13;\n    }\n")
    return "".join(blocks) + "}\n"


def gnutls_command(server, files):
    priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+" + GNUTLS_CIPHERS[server.suite]
    if server.curve_bits:
        priority += f":-GROUP-ALL:+GROUP-SECP{server.curve_bits}R1"
    return ["gnutls-serv", "--quiet", "--http", "--port", server.port, "--priority", priority,
            *([] if server.request else ["--disable-client-cert"]),
            "--x509certfile", files / f"{server.stem}.pem",
            "--x509keyfile", files / f"{server.stem}.key"]


def nss_command(server, files):
    return ["selfserv", "-d", files / "nss", "-p", server.port, "-n", server.stem,
            "-V", "tls1.3:tls1.3", "-c", f":{SUITES[server.suite]:04X}",
            *(["-I", f"P{server.curve_bits}"] if server.curve_bits else []),
            *(["-r"] if server.request else [])]


def s_server_command(server, files):
    return ["openssl", "s_server", "-www", "-quiet", "-tls1_3", "-accept", server.port,
            "-cert", files / f"{server.stem}.pem", "-key", files / f"{server.stem}.key",
            "-cert_chain", files / "intermediate.pem", "-ciphersuites", server.suite,
            "-max_send_frag", SMALL_FRAGMENT, "-split_send_frag", SMALL_FRAGMENT,
            *(["-groups", server.curve] if server.curve else [])]


def boringssl_command(server, files):
    return ["/usr/bin/python3", "-B", HERE / "boringssl.py", "serve", server.port,
            files / f"{server.stem}.pem", files / f"{server.stem}.key", server.curve or "-",
            server.compression]


def ask_command(server):
    """Says whether the chain comes compressed to a client that can read that."""
    return ["/usr/bin/python3", "-B", HERE / "boringssl.py", "ask", server.address,
            server.compression]


COMMANDS = {GNUTLS: gnutls_command, NSS: nss_command, S_SERVER: s_server_command,
            BORINGSSL: boringssl_command}


def commands(directory, files, servers):
    """What to run, all in the foreground."""
    config = directory / "nginx.conf"
    config.write_text(nginx_config(directory, files, [server for server in servers
                                                      if server.implementation == OPENSSL]))
    yield ["nginx", "-p", directory, "-c", config]
    for server in servers:
        if server.implementation != OPENSSL:
            yield COMMANDS[server.implementation](server, files)


def nft_rules(servers):
    """Which server answers where."""
    elements = ", ".join(f"{server.address} : {server.port}" for server in servers)
    return f"""
table ip tls13 {{
    map place {{ type ipv4_addr : inet_service; elements = {{ {elements} }} }}
    chain serve {{
        type nat hook prerouting priority dstnat; policy accept;
        tcp dport 443 redirect to :ip daddr map @place
    }}
}}
"""
