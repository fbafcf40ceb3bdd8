#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that no sane program can be configured to be.

    oddities.py mute=PORT slam=PORT hang_up=PORT dribble=PORT:REAL ...

mute accepts and says nothing; slam sends RST after the ClientHello, hang_up FIN; dribble relays the
real server at the port REAL with one byte in each segment.
"""

import asyncio
import socket
import struct
import sys

HOLD_S = 60  # longer than any scanner's patience
BYTE_INTERVAL_S = 0.0003  # slow enough for a segment to leave before the next byte comes
RECORD_HEADER = 5


def reset(writer):
    """Closes so that the kernel sends RST instead of FIN."""
    try:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                   struct.pack("ii", 1, 0))
    except OSError:
        pass  # closed already
    writer.transport.abort()


async def hello(reader):
    """Reads one whole record: closing with unread data would send RST even where FIN is meant."""
    header = await reader.readexactly(RECORD_HEADER)
    return header + await reader.readexactly(int.from_bytes(header[3:5], "big"))


async def until_closed(reader):
    while await reader.read(4096):
        pass


async def mute(reader, _):
    await until_closed(reader)


async def slam(reader, _):
    await hello(reader)


async def hang_up(reader, writer):
    await hello(reader)
    writer.write_eof()
    await until_closed(reader)


def dribble_to(port):
    async def dribble(reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)

        async def forward():
            while data := await reader.read(4096):
                behind_writer.write(data)
            behind_writer.write_eof()

        async def backward():
            while data := await behind_reader.read(4096):
                for index in range(len(data)):
                    writer.write(data[index:index + 1])
                    await asyncio.sleep(BYTE_INTERVAL_S)
            writer.write_eof()

        tasks = [asyncio.create_task(forward()), asyncio.create_task(backward())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            reset(behind_writer)
    return dribble


def bounded(behaviour):
    async def serve(reader, writer):
        try:
            await asyncio.wait_for(behaviour(reader, writer), HOLD_S)
        except (OSError, EOFError, asyncio.TimeoutError):
            pass
        finally:
            # After an orderly end on both sides there is nothing left to reset.
            reset(writer)
    return serve


async def main():
    behaviours = {"mute": mute, "slam": slam, "hang_up": hang_up}
    running = []
    for word in sys.argv[1:]:
        name, _, places = word.partition("=")
        port, _, real = places.partition(":")
        behaviour = dribble_to(int(real)) if real else behaviours[name]
        running.append(await asyncio.start_server(bounded(behaviour), "0.0.0.0", int(port),
                                                  backlog=4096))
    await asyncio.gather(*(server.serve_forever() for server in running))


asyncio.run(main())
