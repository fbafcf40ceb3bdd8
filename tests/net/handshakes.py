#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TLS handshakes up to the certificate, many at a time; run inside the scanner's namespace.

    handshakes.py sweep RATE   pairs on stdin as "address name" lines ("-": none); JSON lines out
    handshakes.py ttl ADDRESS NAME MAX_TTL   a connection for each TTL, JSON lines out
    handshakes.py echo COUNT ADDRESS   how many of COUNT packets that die at hop 2 are reported

This is the testbed's own yardstick. It shares no code with the scanner that the testbed is for.
"""

import asyncio
import hashlib
import json
import select
import socket
import ssl
import struct
import sys
import time

PATIENCE_S = 10
PROTOCOL_VERSION = "alert 70"  # RFC 8446 section 6.2
# What OpenSSL calls the alerts that the testbed's servers send.
ALERTS = {"TLSV1_UNRECOGNIZED_NAME": "alert 112"}
IN_FLIGHT = 400
IP_RECVERR = 11


def trusting(version):
    """A client's context that takes any certificate, for one version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


TLS1_2, TLS1_3 = (trusting(version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))


def client_hello(name):
    """What OpenSSL would send first for TLS 1.2, which sends certificates in clear."""
    outgoing = ssl.MemoryBIO()
    connection = TLS1_2.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def parse(data):
    """(outcome, leaf or None) of a server's flight so far; outcome None: more is needed."""
    handshake, at = b"", 0
    while at + 5 <= len(data):
        kind, length = data[at], int.from_bytes(data[at + 3:at + 5], "big")
        if kind not in (20, 21, 22, 23) or data[at + 1] != 3:
            return "not_tls", None
        body = data[at + 5:at + 5 + length]
        if kind == 21 and len(body) == 2:
            return f"alert {body[1]}", None
        if kind == 22:
            handshake += body
        at += 5 + length
    if data and data[0] not in (20, 21, 22, 23):
        return "not_tls", None
    at = 0
    while at + 4 <= len(handshake):
        length = int.from_bytes(handshake[at + 1:at + 4], "big")
        if handshake[at] == 11:  # Certificate: list length, then length and bytes of the leaf
            if len(handshake) < at + 10:
                return None, None
            leaf_length = int.from_bytes(handshake[at + 7:at + 10], "big")
            leaf = handshake[at + 10:at + 10 + leaf_length]
            return ("certificate", leaf) if len(leaf) == leaf_length else (None, None)
        at += 4 + length
    return None, None


async def handshake(address, name):
    """(outcome, leaf or None), over TLS 1.3 if the server wants nothing else"""
    answer = await handshake_1_2(address, name)
    return await handshake_1_3(address, name) if answer[0] == PROTOCOL_VERSION else answer


async def handshake_1_3(address, name):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(
            address, 443, ssl=TLS1_3, server_hostname=name or ""), PATIENCE_S)
    except asyncio.TimeoutError:
        return "timeout", None
    except ConnectionResetError:
        return "reset", None
    except ssl.SSLError as error:
        return ALERTS.get(error.reason, f"error {error.reason}"), None
    except OSError as error:
        return f"error {error.errno}", None
    leaf = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return "certificate", leaf


async def handshake_1_2(address, name):
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    data = bytearray()

    async def talk():
        await loop.sock_connect(sock, (address, 443))
        await loop.sock_sendall(sock, client_hello(name))
        while True:
            more = await loop.sock_recv(sock, 65536)
            data.extend(more)
            outcome, leaf = parse(bytes(data))
            if outcome:
                return outcome, leaf
            if not more:
                return "closed", None

    try:
        return await asyncio.wait_for(talk(), PATIENCE_S)
    except asyncio.TimeoutError:
        return "timeout", None
    except ConnectionResetError:
        return "reset", None
    except OSError as error:
        return f"error {error.errno}", None
    finally:
        # RST, as a scanner would.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


async def sweep(rate):
    pairs = [line.split() for line in sys.stdin]
    room = asyncio.Semaphore(IN_FLIGHT)
    leaves = set()

    async def one(address, name):
        try:
            outcome, leaf = await handshake(address, None if name == "-" else name)
        finally:
            room.release()
        row = {"host": address, "sni": name, "outcome": outcome}
        if leaf:
            row["leaf"] = hashlib.sha256(leaf).hexdigest()
            if row["leaf"] not in leaves:
                leaves.add(row["leaf"])
                row["der"] = leaf.hex()
        print(json.dumps(row))

    begun = time.monotonic()
    tasks = set()
    for index, pair in enumerate(pairs):
        await asyncio.sleep(max(0.0, begun + index / rate - time.monotonic()))
        await room.acquire()
        for done in {task for task in tasks if task.done()}:
            tasks.discard(done)
            done.result()  # nobody reads our output any more, say
        task = asyncio.create_task(one(*pair))
        tasks.add(task)
    await asyncio.gather(*tasks)


def time_exceeded(icmp, quoted_port, wait_s):
    """Who sent Time Exceeded about a packet of ours from or to this port, or None."""
    deadline = time.monotonic() + wait_s
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([icmp], [], [], left)[0]:
            return None
        packet, (sender, _) = icmp.recvfrom(2048)
        body = packet[(packet[0] & 15) * 4:]
        quote = body[8:]
        ports = struct.unpack_from("!HH", quote, (quote[0] & 15) * 4)
        if body[0] == 11 and quoted_port in ports:
            return sender
    return None


def ttl(address, name, max_ttl):
    """The handshake at full TTL, then the ClientHello with TTL 1, 2, ..., on a connection each."""
    icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    for limit in range(1, max_ttl + 1):
        sock = socket.create_connection((address, 443), timeout=3)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, limit)
        sock.send(client_hello(name))
        data, outcome, leaf, hop = b"", None, None, None
        try:
            sock.settimeout(0.6)
            while not outcome:
                more = sock.recv(65536)
                data += more
                outcome, leaf = parse(data)
                if not more:
                    outcome = outcome or "closed"
        except ConnectionResetError:
            outcome = "reset"
        except socket.timeout:
            hop = time_exceeded(icmp, sock.getsockname()[1], 0.1)
            outcome = "hop" if hop else "timeout"
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 64)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        print(json.dumps({"ttl": limit, "outcome": outcome, "hop": hop,
                          "leaf": hashlib.sha256(leaf).hexdigest() if leaf else None}))


def echo(count, address):
    """Both ways cross r1, where loss happens; UDP keeps the kernel from repeating anything."""
    icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    icmp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 2)
    udp.bind(("0.0.0.0", 0))
    answered = 0
    for _ in range(count):
        try:
            udp.sendto(b"x", (address, 9))
        except OSError:
            pass  # an ICMP error about an earlier packet
        time.sleep(0.0005)
    while time_exceeded(icmp, udp.getsockname()[1], 0.3):
        answered += 1
    print(json.dumps({"sent": count, "answered": answered}))


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "sweep":
        asyncio.run(sweep(float(arguments[0])))
    elif what == "ttl":
        ttl(arguments[0], arguments[1], int(arguments[2]))
    elif what == "echo":
        echo(int(arguments[0]), arguments[1])
