"""Captures of one interface as pcapng: nanoseconds, and in which direction each frame went."""
import struct

INBOUND, OUTBOUND = 1, 2  # epb_flags
ETHERNET_LINK = 1
SECTION_BLOCK, INTERFACE_BLOCK, PACKET_BLOCK = 0x0a0d0d0a, 1, 6


def block(kind, body):
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


def option(code, value):
    return struct.pack("<HH", code, len(value)) + padded(value)


def padded(data):
    return data + bytes(-len(data) % 4)


def write(path, interface, frames):
    """`frames`: of (time in ns, direction, bytes), in order of time."""
    with open(path, "wb") as file:
        file.write(block(SECTION_BLOCK, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)))
        file.write(block(INTERFACE_BLOCK, struct.pack("<HHI", ETHERNET_LINK, 0, 0) + option(2, interface.encode()) + option(9, b"\x09") + option(0, b"")))
        for time_ns, direction, data in frames:
            head = struct.pack("<IIIII", 0, time_ns >> 32, time_ns & 0xffffffff, len(data), len(data))
            file.write(block(PACKET_BLOCK, head + padded(data) + option(2, struct.pack("<I", direction)) + option(0, b"")))


def read(path):
    """The bytes of each frame, in order, of what `write` has written."""
    data, offset = path.read_bytes(), 0
    while offset < len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        if kind == PACKET_BLOCK:
            captured, = struct.unpack_from("<I", data, offset + 20)
            yield data[offset + 28:offset + 28 + captured]
        offset += length
