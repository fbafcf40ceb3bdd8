#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy that ends every connection to the watched hosts, and lets sslsplit have some of them.

nft redirects the SYNs of all connections to here, when nobody can know yet what name will be asked
for. So the connection is accepted in the host's name, and the first record read: when it asks for a
blocked name, sslsplit goes on, else the host itself. Every byte of either passes through here: a
client never gets a packet from a watched host, whatever its name and its TTL.

    terminating.py
"""

import asyncio
import socket
import struct

import interceptors
import plan
from takeover import PATIENCE_S, READ_BYTES, close_with_reset, splice

SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
BACKLOG = 4096
RECORD_HEADER = 5
FORGED = [interceptors.name_entry(name) for name in plan.FORGED_NAMES]


def original_destination(sock):
    port, address = struct.unpack_from("!2xH4s", sock.getsockopt(
        socket.SOL_IP, SO_ORIGINAL_DST, 16))
    return socket.inet_ntoa(address), port


async def first_record(loop, client):
    """The ClientHello; less if the client ends before, and whatever came with it."""
    data = b""
    while len(data) < RECORD_HEADER or \
            len(data) < RECORD_HEADER + int.from_bytes(data[3:RECORD_HEADER], "big"):
        more = await loop.sock_recv(client, READ_BYTES)
        if not more:
            break
        data += more
    return data


async def serve(client):
    loop = asyncio.get_running_loop()
    behind = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    behind.setblocking(False)

    async def talk():
        hello = await first_record(loop, client)
        if any(entry in hello for entry in FORGED):
            # nft turns this mark towards sslsplit.
            behind.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, interceptors.FORGE_MARK)
        await loop.sock_connect(behind, original_destination(client))
        await loop.sock_sendall(behind, hello)
        await splice(client, behind)

    try:
        await asyncio.wait_for(talk(), PATIENCE_S)
    except (OSError, asyncio.TimeoutError):
        pass
    finally:
        close_with_reset(client)
        close_with_reset(behind)


async def main():
    loop = asyncio.get_running_loop()
    running = set()
    with socket.create_server(("0.0.0.0", interceptors.TERMINATING_PORT),
                              backlog=BACKLOG) as listener:
        listener.setblocking(False)
        while True:
            client, _ = await loop.sock_accept(listener)
            task = asyncio.create_task(serve(client))
            running.add(task)
            task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(main())
