#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes a TCP connection over from its server, in mid-flight, and hands it to sslsplit.

A national interceptor lets the handshake pass to the origin and only steps in when a blocked name
goes by; all other connections flow through it untouched, at full length. sslsplit alone cannot do
that: it accepts connections, so every client of the watched hosts would talk to it from the SYN on,
no name could pass without it, and every host would seem to be as near as the box itself.

So the kernel forwards everything, except that nft sends a ClientHello for a blocked name to the tun
device on which this program listens. From that one packet it knows both ends and both sequence
numbers, which is all that TCP_REPAIR (what CRIU restores connections with) needs to make a socket
that goes on where the origin stood. The origin gets a RST in the client's name; the socket's bytes
go to sslsplit and back. Later packets of the client find the socket (nft's `socket transparent`)
and stay here.

A client may use the port again at once, as a scanner by TTL does. Its RST has closed what was here
before, if it came; if it got lost, the kernel would answer the new SYN in the old connection's
name. So nft sends such a SYN here, too: the old connection is forgotten, and the SYN goes on.

The hello takes its last hop before the box like any forwarded packet: with a TTL that ends at this
router it dies here, with one more it is answered from here. When this program ends, tun device and
route go with it and interception stops: nothing else has to be undone.

    takeover.py
"""

import asyncio
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

import interceptors

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
IP_TRANSPARENT = 19

# linux/tcp.h
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_OPTIONS = 19, 20, 21, 22
TCP_TIMESTAMP, TCP_REPAIR_WINDOW = 24, 29
RECEIVE_QUEUE, SEND_QUEUE = 1, 2
OPTION_MSS, OPTION_WINDOW, OPTION_TIMESTAMP = 2, 3, 8

# The SYNs went by unseen. What they agreed on is guessed so that a wrong guess does no harm: a
# scale too large only makes us believe in more room than the 4 KB of a forged flight will ever
# need.
MSS = 1460
WINDOW_SCALE = 7
WINDOW = 64_240

PATIENCE_S = 30
READ_BYTES = 65_536
SYN, RST, ACK = 0x02, 0x04, 0x10
TTL_AT, CHECKSUM_AT = 8, 10  # in the IP header

libc = ctypes.CDLL(None, use_errno=True)


class Segment:
    """The one packet that is all we know of a connection."""

    def __init__(self, packet):
        header_bytes = (packet[0] & 15) * 4
        total_bytes, = struct.unpack_from("!H", packet, 2)
        self.source, self.destination = (socket.inet_ntoa(packet[at:at + 4]) for at in (12, 16))
        tcp = packet[header_bytes:total_bytes]
        (self.source_port, self.destination_port, self.sequence, self.acknowledgement,
         data_offset) = struct.unpack_from("!HHIIB", tcp)
        data_offset = (data_offset >> 4) * 4
        self.flags = tcp[13]
        self.payload = tcp[data_offset:]
        self.timestamp_echo = self._timestamp_echo(tcp[20:data_offset])

    @property
    def connection(self):
        return self.source, self.source_port, self.destination, self.destination_port

    @staticmethod
    def _timestamp_echo(options):
        """The peer's clock as the client last saw it, or None without RFC 7323 timestamps."""
        at = 0
        while at < len(options) and options[at] != 0:
            if options[at] == 1:
                at += 1
                continue
            if at + 1 >= len(options) or options[at + 1] < 2:
                return None
            if options[at] == OPTION_TIMESTAMP and at + 10 <= len(options):
                return struct.unpack_from("!I", options, at + 6)[0]
            at += options[at + 1]
        return None


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def reset_packet(segment):
    """A RST from the client to the origin, exactly at the sequence number that it expects."""
    addresses = socket.inet_aton(segment.source) + socket.inet_aton(segment.destination)
    tcp = bytearray(struct.pack("!HHIIBBHHH", segment.source_port, segment.destination_port,
                                segment.sequence, 0, 5 << 4, RST, 0, 0, 0))
    struct.pack_into("!H", tcp, 16, checksum(addresses + struct.pack("!HH", 6, len(tcp)) + tcp))
    ip = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses)
    struct.pack_into("!H", ip, CHECKSUM_AT, checksum(bytes(ip)))
    return bytes(ip + tcp)


def as_it_came(packet):
    """The packet before its way to us cost it a TTL: on its way from us it pays again."""
    header_bytes = (packet[0] & 15) * 4
    header = bytearray(packet[:header_bytes])
    header[TTL_AT] += 1
    struct.pack_into("!H", header, CHECKSUM_AT, 0)
    struct.pack_into("!H", header, CHECKSUM_AT, checksum(bytes(header)))
    return bytes(header) + packet[header_bytes:]


def continue_connection(segment):
    """A socket in the origin's place, with the ClientHello waiting in it to be read."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        tcp = socket.IPPROTO_TCP
        sock.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(tcp, TCP_REPAIR, 1)
        for queue, sequence in ((SEND_QUEUE, segment.acknowledgement),
                                (RECEIVE_QUEUE, segment.sequence)):
            sock.setsockopt(tcp, TCP_REPAIR_QUEUE, queue)
            sock.setsockopt(tcp, TCP_QUEUE_SEQ, struct.pack("I", sequence))
        sock.bind((segment.destination, segment.destination_port))
        sock.connect((segment.source, segment.source_port))  # in repair, this sends nothing
        options = [(OPTION_MSS, MSS), (OPTION_WINDOW, WINDOW_SCALE << 16 | WINDOW_SCALE)]
        if segment.timestamp_echo is not None:
            options.append((OPTION_TIMESTAMP, 0))
            # Goes on from the origin's clock; the lowest bit would ask for microseconds.
            sock.setsockopt(tcp, TCP_TIMESTAMP,
                            struct.pack("I", (segment.timestamp_echo + 2) & 0xFFFFFFFE))
        sock.setsockopt(tcp, TCP_REPAIR_OPTIONS,
                        b"".join(struct.pack("II", *option) for option in options))
        sock.setsockopt(tcp, TCP_REPAIR_QUEUE, RECEIVE_QUEUE)
        sock.send(segment.payload)
        after = (segment.sequence + len(segment.payload)) & 0xFFFFFFFF
        # snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup
        sock.setsockopt(tcp, TCP_REPAIR_WINDOW,
                        struct.pack("IIIII", after, WINDOW, WINDOW, WINDOW, after))
        sock.setsockopt(tcp, TCP_REPAIR, 0)  # also sends an ACK, so the client need not repeat
        sock.setblocking(False)
        return sock
    except OSError:
        sock.close()
        raise


def close_with_reset(sock):
    # Nothing may linger: a TIME-WAIT here would catch the client's next connection from that port.
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    sock.close()


def forget(sock):
    """Takes a connection out of the kernel without a word; whoever waits for it gets an error."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    unspecified = struct.pack("H14x", socket.AF_UNSPEC)
    libc.connect(sock.fileno(), unspecified, len(unspecified))


async def copy(loop, source, sink):
    while data := await loop.sock_recv(source, READ_BYTES):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


async def splice(one, other):
    """Copies both ways until both have ended, or one fails."""
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(copy(loop, one, other)),
             asyncio.create_task(copy(loop, other, one))]
    try:
        await asyncio.gather(*tasks)
    finally:
        # Nobody may wait for a socket any more when it is closed.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def relay(segment, client):
    forger = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        forger.setblocking(False)
        # nft turns this mark towards sslsplit, which asks netfilter for the address that we wanted.
        forger.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, interceptors.FORGE_MARK)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(
            forger, (segment.destination, segment.destination_port)), PATIENCE_S)
        await asyncio.wait_for(splice(client, forger), PATIENCE_S)
    except (OSError, asyncio.TimeoutError):
        pass
    finally:
        close_with_reset(client)
        close_with_reset(forger)


def open_device():
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", interceptors.HELLO_DEVICE.encode(),
                                            IFF_TUN | IFF_NO_PI))
    for command in (f"link set {interceptors.HELLO_DEVICE} up txqueuelen 10000",
                    f"route add default dev {interceptors.HELLO_DEVICE} "
                    f"table {interceptors.HELLO_TABLE}"):
        subprocess.run(["ip", *command.split()], check=True)
    return tun


async def main():
    loop = asyncio.get_running_loop()
    tun = open_device()
    running = set()
    taken = {}  # {Segment.connection: our end of it}

    async def serve(segment, client):
        try:
            await relay(segment, client)
        finally:
            # Unless the port was used again meanwhile.
            if taken.get(segment.connection) is client:
                del taken[segment.connection]

    def take():
        while True:
            try:
                packet = os.read(tun, READ_BYTES)
            except BlockingIOError:
                return
            segment = Segment(packet)
            if segment.flags & SYN:
                if segment.connection in taken:
                    forget(taken.pop(segment.connection))
                os.write(tun, as_it_came(packet))
                continue
            try:
                client = continue_connection(segment)
            except OSError:
                continue  # a repeated hello of a connection that we just took
            os.write(tun, reset_packet(segment))
            taken[segment.connection] = client
            task = asyncio.create_task(serve(segment, client))
            running.add(task)
            task.add_done_callback(running.discard)

    loop.add_reader(tun, take)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
