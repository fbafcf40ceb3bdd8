#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A server, and a client, that compress certificates (RFC 8879), made of Debian's BoringSSL.

    boringssl.py serve PORT CERTIFICATES KEY GROUP ALGORITHM
    boringssl.py ask ADDRESS ALGORITHM   JSON: was the chain compressed, and the chain's SHA-256s

No program of Debian 12 compresses certificates: its OpenSSL and NSS are too old to, its GnuTLS is
built without. The library that most servers which do so in earnest run has no server of its own
there, so this is one: an accept, a handshake, a close. GROUP "-" stands for the library's own.
"""

import ctypes
import hashlib
import json
import pathlib
import socket
import sys
import threading
import zlib

TLS1_3, FILETYPE_PEM = 0x0304, 1
PATIENCE_S = 10
# RFC 8879 section 7.3
ZLIB, BROTLI, ZSTD = 1, 2, 3
ALGORITHMS = {"zlib": ZLIB, "brotli": BROTLI, "zstd": ZSTD}

c_size, c_bytes, c_pointer = ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p
Compress = ctypes.CFUNCTYPE(ctypes.c_int, c_pointer, c_pointer, c_pointer, c_size)
Decompress = ctypes.CFUNCTYPE(ctypes.c_int, c_pointer, ctypes.POINTER(c_pointer), c_size, c_pointer,
                              c_size)


class Libraries:
    def __init__(self):
        # /usr/lib/ARCHITECTURE/android, which no linker looks into.
        directory = next(pathlib.Path("/usr/lib").glob("*/android/libssl.so.0")).parent
        self.crypto = ctypes.CDLL(str(directory / "libcrypto.so.0"))
        self.ssl = ctypes.CDLL(str(directory / "libssl.so.0"))
        for function in (self.ssl.TLS_method, self.ssl.SSL_CTX_new, self.ssl.SSL_new,
                         self.ssl.SSL_get0_peer_certificates, self.crypto.CRYPTO_BUFFER_new,
                         self.crypto.CRYPTO_BUFFER_data, self.crypto.sk_value):
            function.restype = c_pointer
        for function in (self.crypto.CRYPTO_BUFFER_len, self.crypto.sk_num):
            function.restype = c_size
        self.brotli_encoder = ctypes.CDLL("libbrotlienc.so.1")
        self.brotli_decoder = ctypes.CDLL("libbrotlidec.so.1")
        self.zstd = ctypes.CDLL("libzstd.so.1")
        self.zstd.ZSTD_compress.restype = self.zstd.ZSTD_decompress.restype = c_size

    def compress(self, algorithm, data):
        if algorithm == ZLIB:
            return zlib.compress(data)
        room = len(data) + 1024
        out = ctypes.create_string_buffer(room)
        size = c_size(room)
        if algorithm == BROTLI:
            # Quality 5, the largest window, for any data.
            good = self.brotli_encoder.BrotliEncoderCompress(
                5, 22, 0, c_size(len(data)), data, ctypes.byref(size), out)
            return out.raw[:size.value] if good else None
        written = self.zstd.ZSTD_compress(out, size, data, c_size(len(data)), 3)
        return out.raw[:written] if written <= room else None

    def decompress(self, algorithm, data, room):
        if algorithm == ZLIB:
            return zlib.decompress(data)
        out, size = ctypes.create_string_buffer(room), c_size(room)
        if algorithm == BROTLI:
            good = self.brotli_decoder.BrotliDecoderDecompress(
                c_size(len(data)), data, ctypes.byref(size), out)
            return out.raw[:size.value] if good == 1 else None
        written = self.zstd.ZSTD_decompress(out, size, data, c_size(len(data)))
        return out.raw[:written] if written <= room else None


class Context:
    """An SSL_CTX for TLS 1.3 alone that knows one way to compress."""

    def __init__(self, algorithm):
        self.libraries = Libraries()
        self.ssl, self.crypto = self.libraries.ssl, self.libraries.crypto
        self.context = c_pointer(self.ssl.SSL_CTX_new(c_pointer(self.ssl.TLS_method())))
        self.must(self.ssl.SSL_CTX_set_min_proto_version(self.context, TLS1_3))
        self.must(self.ssl.SSL_CTX_set_max_proto_version(self.context, TLS1_3))
        self.algorithm, self.compressed = ALGORITHMS[algorithm], False
        # The library keeps no reference that Python knows of.
        self.callbacks = Compress(self.on_compress), Decompress(self.on_decompress)
        self.must(self.ssl.SSL_CTX_add_cert_compression_alg(self.context, self.algorithm,
                                                            *self.callbacks))

    @staticmethod
    def must(good):
        if good != 1:
            raise RuntimeError("BoringSSL refuses")

    def on_compress(self, _, out, data, size):
        packed = self.libraries.compress(self.algorithm, ctypes.string_at(data, size))
        return int(packed is not None and self.crypto.CBB_add_bytes(
            c_pointer(out), packed, c_size(len(packed))))

    def on_decompress(self, _, out, plain_size, data, size):
        plain = self.libraries.decompress(self.algorithm, ctypes.string_at(data, size), plain_size)
        if plain is None or len(plain) != plain_size:
            return 0
        self.compressed = True
        out[0] = self.crypto.CRYPTO_BUFFER_new(plain, c_size(plain_size), None)
        return 1

    def handshake(self, sock, step):
        """An SSL after SSL_accept or SSL_connect, and whether that went well."""
        connection = c_pointer(self.ssl.SSL_new(self.context))
        sock.settimeout(None)  # the library's functions here wait, and need a socket that does
        self.must(self.ssl.SSL_set_fd(connection, sock.fileno()))
        return connection, step(connection) == 1


def serve(port, certificates, key, group, algorithm):
    server = Context(algorithm)
    server.must(server.ssl.SSL_CTX_use_certificate_chain_file(server.context,
                                                              certificates.encode()))
    server.must(server.ssl.SSL_CTX_use_PrivateKey_file(server.context, key.encode(), FILETYPE_PEM))
    if group != "-":
        server.must(server.ssl.SSL_CTX_set1_curves_list(server.context, group.encode()))

    def answer(sock):
        with sock:
            connection, _ = server.handshake(sock, server.ssl.SSL_accept)
            server.ssl.SSL_free(connection)

    with socket.create_server(("0.0.0.0", int(port)), backlog=128) as listener:
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def ask(address, algorithm):
    client = Context(algorithm)
    with socket.create_connection((address, 443), PATIENCE_S) as sock:
        connection, good = client.handshake(sock, client.ssl.SSL_connect)
        chain = []
        if good:
            stack = c_pointer(client.ssl.SSL_get0_peer_certificates(connection))
            for index in range(client.crypto.sk_num(stack)):
                item = c_pointer(client.crypto.sk_value(stack, c_size(index)))
                der = ctypes.string_at(client.crypto.CRYPTO_BUFFER_data(item),
                                       client.crypto.CRYPTO_BUFFER_len(item))
                chain.append(hashlib.sha256(der).hexdigest())
    print(json.dumps({"compressed": client.compressed, "chain": chain}))


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
