"""A TCP segment in IPv4 in an Ethernet frame: taken apart, changed field by field, and put together with lengths and checksums that are right."""
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ETHERNET, IPV4_TYPE, TCP = 14, b"\x08\x00", 6
SACK_OPTION = 5


def checksum(data):
    """The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum, which is the remainder modulo 0xffff."""
    return (0xffff - int.from_bytes(data + bytes(len(data) % 2), "big") % 0xffff) % 0xffff


class Field:
    """A number at its place in one of the two headers."""

    def __init__(self, header, form, offset):
        self.header, self.form, self.offset = header, struct.Struct("!" + form), offset

    def __get__(self, segment, _):
        return self.form.unpack_from(getattr(segment, self.header), self.offset)[0]

    def __set__(self, segment, value):
        self.form.pack_into(getattr(segment, self.header), self.offset, value)


class Segment:
    __slots__ = ("ip", "tcp", "payload")
    total_length, ip_id, ttl = Field("ip", "H", 2), Field("ip", "H", 4), Field("ip", "B", 8)
    ip_checksum, source, target = Field("ip", "H", 10), Field("ip", "4s", 12), Field("ip", "4s", 16)
    source_port, target_port = Field("tcp", "H", 0), Field("tcp", "H", 2)
    seq, ack, flags, tcp_checksum = Field("tcp", "I", 4), Field("tcp", "I", 8), Field("tcp", "B", 13), Field("tcp", "H", 16)

    def __init__(self, ip, tcp, payload):
        self.ip, self.tcp, self.payload = bytearray(ip), bytearray(tcp), bytes(payload)

    @classmethod
    def parse(cls, frame):
        """None for whatever is no whole TCP segment in IPv4."""
        ip = ETHERNET
        if len(frame) < ip + 40 or frame[12:14] != IPV4_TYPE or frame[ip] >> 4 != 4 or frame[ip + 9] != TCP:
            return None
        tcp, end = ip + (frame[ip] & 15) * 4, ip + int.from_bytes(frame[ip + 2:ip + 4], "big")
        payload = tcp + (frame[tcp + 12] >> 4) * 4
        is_fragment = int.from_bytes(frame[ip + 6:ip + 8], "big") & 0x3fff
        return None if is_fragment or payload > end or end > len(frame) else cls(frame[ip:tcp], frame[tcp:payload], frame[payload:end])

    def frame(self, ethernet):
        """The frame behind that Ethernet header."""
        self.total_length = len(self.ip) + len(self.tcp) + len(self.payload)
        self.ip_checksum = self.tcp_checksum = 0
        self.ip_checksum = checksum(self.ip)
        pseudo_header = self.source + self.target + struct.pack("!HH", TCP, len(self.tcp) + len(self.payload))
        self.tcp_checksum = checksum(pseudo_header + bytes(self.tcp) + self.payload)
        return bytes(ethernet + self.ip + self.tcp + self.payload)

    def copy(self):
        return Segment(self.ip, self.tcp, self.payload)

    @property
    def ends(self):
        return self.source, self.source_port, self.target, self.target_port

    @ends.setter
    def ends(self, ends):
        self.source, self.source_port, self.target, self.target_port = ends

    @property
    def next_seq(self):
        return (self.seq + len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)) & 0xffffffff

    def shift(self, seq, ack, sack):
        """Moves the three kinds of numbers; the last are the edges of the SACK blocks."""
        self.seq = (self.seq + seq) & 0xffffffff
        if self.flags & ACK:
            self.ack = (self.ack + ack) & 0xffffffff
        for offset in self._sack_edges():
            edge, = struct.unpack_from("!I", self.tcp, offset)
            struct.pack_into("!I", self.tcp, offset, (edge + sack) & 0xffffffff)

    @property
    def has_sack(self):
        return any(True for _ in self._sack_edges())

    def _sack_edges(self):
        offset = 20
        while offset < len(self.tcp) and self.tcp[offset] != 0:
            if self.tcp[offset] == 1:
                offset += 1
                continue
            length = self.tcp[offset + 1]
            if self.tcp[offset] == SACK_OPTION:
                yield from range(offset + 2, offset + length, 4)
            offset += max(length, 2)

    def split(self, at):
        """Two segments of the same bytes; what ends a message or a stream stays with the second."""
        first, second = self.copy(), self.copy()
        first.payload, second.payload = self.payload[:at], self.payload[at:]
        first.flags &= ~(FIN | PSH)
        second.seq = (self.seq + at) & 0xffffffff
        second.ip_id = (self.ip_id + 1) & 0xffff
        return first, second

    def joins(self, other, limit):
        """Whether `other` goes on where this ends, and both are plain data of at most `limit` bytes in all."""
        plain = not (self.flags | other.flags) & (SYN | FIN | RST)
        return plain and self.payload and other.payload and other.seq == self.next_seq and len(self.payload) + len(other.payload) <= limit

    def joined(self, other):
        """One segment of both; its acknowledgement and options are the later one's."""
        both = Segment(self.ip, other.tcp, self.payload + other.payload)
        both.seq = self.seq
        return both

    def altered(self, at):
        """Another byte at that place of the payload."""
        other = self.copy()
        other.payload = self.payload[:at] + bytes([self.payload[at] ^ 0x55]) + self.payload[at + 1:]
        return other

    def answered_with_reset(self):
        """The RST that its sender takes: with the number that it waits for."""
        reset = self._bare(RST)
        reset.ends = self.target, self.target_port, self.source, self.source_port
        reset.seq, reset.ack = self.ack, 0
        return reset

    def replaced_by_reset(self):
        """The RST that its receiver takes."""
        return self._bare(RST | ACK)

    def _bare(self, flags):
        bare = Segment(self.ip, self.tcp[:20], b"")
        bare.tcp[12] = 5 << 4
        bare.flags, bare.ttl = flags, 64
        return bare
