#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Where is a name answered? The testbed's yardstick for it; run inside the scanner's namespace.

    ttl_sweep.py INTERFACE SOURCE GATEWAY [--burst] [--leave-open]

Each line "address name control" on stdin is one trace, all of it from one port: a connection for
the control name, then three for the name, one after the other, each with higher sequence numbers.
The handshake goes at full TTL, the ClientHello with TTL 1, 2, 3, ... until it is answered. Then the
path, without any name: ICMP echo, and SYNs to a closed port.

    --burst       the hello with all TTLs at once: what is behind the first box gets it many times
    --leave-open  without the resets between the three, as if they had got lost

JSON lines out. It shares no code with the scanner that the testbed is for. The kernel does not see
the answers (it would reset what it does not know): a table of nft's keeps them from it meanwhile.
"""

import argparse
import hashlib
import json
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from handshakes import client_hello, parse  # noqa: E402

# Linux gives out none of these to others by itself.
FIRST_PORT, LAST_PORT = 61_000, 65_535
CLOSED_PORT = 80
MAX_TTL = 8
RUNS = 3
FULL_TTL = 64
# Forging takes sslsplit some 20 ms, and a busy machine much longer.
PATIENCE_S = 3.0
SYN_TRIES, SYN_PATIENCE_S = 3, 1.0
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
ETH_P_IP = 0x0800
ECHO_REPLY, ECHO, TIME_EXCEEDED = 0, 8, 11
TABLE = "table ip ttl_sweep"
DEAF_KERNEL = f"""
{TABLE} {{
    chain prerouting {{
        type filter hook prerouting priority raw; policy accept;
        tcp dport {FIRST_PORT}-{LAST_PORT} drop
    }}
}}
"""


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class Wire:
    """IP packets out of and into one interface, past the kernel's TCP."""

    def __init__(self, interface, source, gateway):
        self.source = source
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.sendto(b"", (gateway, 9))  # for the neighbour's address
        time.sleep(0.1)
        with open("/proc/net/arp", encoding="ascii") as table:
            rows = [line.split() for line in table]
        mac = next(row[3] for row in rows if row[0] == gateway)
        self.peer = (interface, ETH_P_IP, 0, 0, bytes.fromhex(mac.replace(":", "")))
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self.socket.bind((interface, ETH_P_IP))

    def send(self, protocol, address, ttl, body):
        header = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, ttl, protocol, 0)
                           + socket.inet_aton(self.source) + socket.inet_aton(address))
        struct.pack_into("!H", header, 10, checksum(bytes(header)))
        self.socket.sendto(bytes(header) + body, self.peer)

    def receive(self, deadline):
        """(protocol, sender, body) of what came for us, or None at the deadline."""
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                packet, origin = self.socket.recvfrom(65536)
            except socket.timeout:
                return None
            if origin[2] == socket.PACKET_OUTGOING or \
                    socket.inet_ntoa(packet[16:20]) != self.source:
                continue
            total, = struct.unpack_from("!H", packet, 2)
            return packet[9], socket.inet_ntoa(packet[12:16]), packet[(packet[0] & 15) * 4:total]
        return None

    def send_tcp(self, ports, address, ttl, sequence, acknowledgement, flags, payload=b""):
        # SYNs carry an MSS of 1460.
        options = b"\x02\x04\x05\xb4" if flags & SYN else b""
        offset = (20 + len(options)) // 4 << 4
        tcp = bytearray(struct.pack("!HHIIBBHHH", *ports, sequence, acknowledgement, offset, flags,
                                    65535, 0, 0) + options + payload)
        pseudo = (socket.inet_aton(self.source) + socket.inet_aton(address)
                  + struct.pack("!HH", 6, len(tcp)))
        struct.pack_into("!H", tcp, 16, checksum(pseudo + bytes(tcp)))
        self.send(socket.IPPROTO_TCP, address, ttl, bytes(tcp))


def time_exceeded(protocol, body, quoted):
    """Whether this is a Time Exceeded about a packet of ours whose first bytes were `quoted`."""
    if protocol != socket.IPPROTO_ICMP or body[0] != TIME_EXCEEDED:
        return False
    quote = body[8:]
    return quote[(quote[0] & 15) * 4:].startswith(quoted)


class Connection:
    """One TCP connection, as simple as a testbed without loss allows."""

    def __init__(self, wire, address, port, first_sequence):
        self.wire, self.address, self.ports = wire, address, (port, 443)
        self.first, self.next = first_sequence, first_sequence + 1
        self.received = bytearray()

    def send(self, ttl, flags, sequence, payload=b""):
        acknowledgement = self.expected if flags & ACK else 0
        self.wire.send_tcp(self.ports, self.address, ttl, sequence, acknowledgement, flags, payload)

    def segment(self, deadline):
        """("tcp", flags, sequence, acknowledgement, payload), ("hop", sender), or None"""
        while found := self.wire.receive(deadline):
            protocol, sender, body = found
            if time_exceeded(protocol, body, struct.pack("!HHI", *self.ports, self.first + 1)):
                return "hop", sender
            if protocol == socket.IPPROTO_TCP and sender == self.address:
                source, destination, sequence, acknowledgement, offset, flags = struct.unpack_from(
                    "!HHIIBB", body)
                if (destination, source) == self.ports:
                    return "tcp", flags, sequence, acknowledgement, body[(offset >> 4) * 4:]
        return None

    def open(self):
        """"" or why not. What is left of the connection before on these ports does not count."""
        strays = set()
        for _ in range(SYN_TRIES):
            self.send(FULL_TTL, SYN, self.first)
            deadline = time.monotonic() + SYN_PATIENCE_S
            while found := self.segment(deadline):
                if found[0] == "hop":
                    continue
                _, flags, sequence, acknowledgement, _ = found
                if flags & (SYN | ACK) == SYN | ACK and acknowledgement == self.next:
                    self.expected = sequence + 1 & 0xFFFFFFFF
                    self.send(FULL_TTL, ACK, self.next)
                    return ""
                strays.add(f"{flags:#x}")
        return f"no connection, only segments with flags {sorted(strays)}"

    def answer(self, ttl, ignore_hops):
        """("hop", sender), ("reset", None), ("certificate", leaf) ..., or None for silence"""
        deadline = time.monotonic() + PATIENCE_S
        while found := self.segment(deadline):
            if found[0] == "hop":
                if ignore_hops:
                    continue
                return found
            _, flags, sequence, _, payload = found
            if flags & RST:
                return "reset", None
            if payload and sequence == self.expected:
                self.received += payload
                self.expected = self.expected + len(payload) & 0xFFFFFFFF
            if payload:
                self.send(ttl, ACK, self.next)
            outcome, leaf = parse(bytes(self.received))
            if outcome:
                return outcome, leaf
            if flags & FIN:
                return "closed", None
        return None

    def sweep(self, hello, burst):
        """{ttl, outcome, leaf, hops}; ttl is that of the hello that was answered."""
        hops, found, ttl = [], None, MAX_TTL
        self.next += len(hello)
        if burst:
            for each in range(1, MAX_TTL + 1):
                self.send(each, ACK | PSH, self.first + 1, hello)
            found = self.answer(MAX_TTL, ignore_hops=True)
        else:
            for ttl in range(1, MAX_TTL + 1):
                self.send(ttl, ACK | PSH, self.first + 1, hello)
                found = self.answer(ttl, ignore_hops=False)
                if found and found[0] != "hop":
                    break
                hops.append(found[1] if found else "*")
        outcome, leaf = found if found and found[0] != "hop" else ("timeout", None)
        return {"ttl": ttl, "outcome": outcome, "hops": hops,
                "leaf": hashlib.sha256(leaf).hexdigest() if leaf else None}

    def close(self):
        # For a box that took the hello, then for a host that never saw it.
        self.send(FULL_TTL, RST, self.next)
        self.send(FULL_TTL, RST, self.first + 1)


def trace(wire, port, address, name, control, options):
    rows = []
    for run in range(RUNS + 1):
        connection = Connection(wire, address, port, (run + 1) << 24)
        trouble = connection.open()
        if trouble:
            rows.append({"ttl": 0, "outcome": trouble, "hops": [], "leaf": None})
        else:
            rows.append(connection.sweep(client_hello(name if run else control), options.burst))
        if not options.leave_open or run in (0, RUNS):
            connection.close()
    return rows


def path(wire, address, port, syn):
    """What answers echo requests, or SYNs to a closed port, with TTL 1, 2, ...: hops, then host."""
    result = []
    for ttl in range(1, MAX_TTL + 1):
        if syn:
            quoted = struct.pack("!HHI", port, CLOSED_PORT, ttl << 24)
            wire.send_tcp((port, CLOSED_PORT), address, ttl, ttl << 24, 0, SYN)
        else:
            quoted = struct.pack("!BBHHH", ECHO, 0, 0, port, ttl)
            quoted = quoted[:2] + struct.pack("!H", checksum(quoted)) + quoted[4:]
            wire.send(socket.IPPROTO_ICMP, address, ttl, quoted)
        deadline = time.monotonic() + PATIENCE_S
        hop = "*"
        while found := wire.receive(deadline):
            protocol, sender, body = found
            if time_exceeded(protocol, body, quoted):
                hop = sender
                break
            if sender == address and (
                    syn and protocol == socket.IPPROTO_TCP and body[13] & RST
                    and struct.unpack_from("!HH", body) == (CLOSED_PORT, port)
                    or not syn and protocol == socket.IPPROTO_ICMP and body[0] == ECHO_REPLY
                    and body[4:8] == quoted[4:8]):
                return result + [address]
        result.append(hop)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("interface", "source", "gateway"):
        parser.add_argument(name)
    parser.add_argument("--burst", action="store_true")
    parser.add_argument("--leave-open", action="store_true")
    options = parser.parse_args()
    forget = f"{TABLE}\ndelete {TABLE}\n"
    subprocess.run(["nft", "-f", "-"], input=forget + DEAF_KERNEL, text=True, check=True)
    try:
        wire = Wire(options.interface, options.source, options.gateway)
        for port, line in enumerate(sys.stdin, FIRST_PORT):
            address, name, control = line.split()
            first, *runs = trace(wire, port, address, name, control, options)
            print(json.dumps({"host": address, "sni": name, "control": first, "runs": runs,
                              "echo_path": path(wire, address, port, False),
                              "syn_path": path(wire, address, port, True)}), flush=True)
    finally:
        subprocess.run(["nft", "-f", "-"], input=forget, text=True, check=True)


if __name__ == "__main__":
    main()
