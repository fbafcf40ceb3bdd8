# SPDX-License-Identifier: Apache-2.0
"""Changes a value in the write-ahead log of a closed RocksDB database, as another version of the
program would have written it.

    log    := block*                       of 32 KB, the last one may be shorter
    block  := record*, zeros where no header fits
    record := masked CRC-32C of type and payload (u32), length of the payload (u16), type (u8),
              payload; little-endian (db/log_format.h)

The payload is a write batch: ... length of the key (varint), key, length of the value, value ...
"""

import struct

BLOCK_BYTES = 32 * 1024
HEADER = struct.Struct("<IHB")
POLYNOMIAL = 0x82F63B78  # Castagnoli's, reflected (RFC 3720 12.1)
MASK_DELTA = 0xA282EAD8


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(crc):
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def replace_in_log(path, key, value_bytes, value):
    """Gives `key` this value wherever a record holds it whole; returns in how many."""
    data = bytearray(path.read_bytes())
    wanted = bytes([len(key)]) + key + bytes([value_bytes])
    at = count = 0
    while at + HEADER.size <= len(data):
        room = BLOCK_BYTES - at % BLOCK_BYTES
        _, length, kind = HEADER.unpack_from(data, at)
        if room < HEADER.size or kind == 0:
            at += room
            continue
        begin, end = at + HEADER.size, at + HEADER.size + length
        found = data.find(wanted, begin, end)
        if found >= 0:
            data[found + len(wanted):found + len(wanted) + value_bytes] = value
            crc = masked(crc32c(bytes([kind]) + data[begin:end]))
            HEADER.pack_into(data, at, crc, length, kind)
            count += 1
        at = end
    path.write_bytes(data)
    return count
