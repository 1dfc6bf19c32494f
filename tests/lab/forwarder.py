"""A device that does to packets what it is told to, and writes down what it did. Runs in the namespace between clients and servers.

usage: forwarder.py FOLDER ACTS     ACTS: JSON, the fields of `Acts` that are not as usual
On standard input: "capture" begins to capture at both sides, "end" ends. Then there are in the folder
  outside.pcapng, inside.pcapng   what came and went at either side; what comes has the kernel's stamp
  truth.jsonl                     a line for each act: time, connection, direction, sequence number, length and flags as it entered, the act,
                                  its cause where it is not chance, the frames `entered` and `left` as [point, number in its file from 1]
  connections.jsonl               a line for each connection: its ends outside and inside, how far the numbers of either sender are moved
"""
import heapq
import itertools
import json
import os
import random
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import pcapng  # noqa: E402
from packet_editing import RST, SYN, Segment  # noqa: E402

POINTS = ("outside", "inside")
MAC = {"client": "02:00:00:00:00:01", "outside": "02:00:00:00:00:02", "inside": "02:00:00:00:00:03", "server": "02:00:00:00:00:04"}
PUBLIC, SERVER, DEVICE_INSIDE = ("203.0.113.80", 80), ("10.20.0.2", 9000), "10.20.0.1"
DIRECTION = {"outside": "client_to_server", "inside": "server_to_client"}  # by where a packet enters
MTU, PAYLOAD_MOST = 3200, 3000  # bytes; the ends send at most 1500, so that two of theirs may leave as one

SOL_PACKET, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 263, 23, 33, 35
BURST = 64        # frames taken from one side before the other has its turn
ALTERED_FROM = 40  # bytes into the payload: what stands before tells the lab's applications how much is to come


@dataclass(frozen=True)
class Acts:
    translate: bool = False     # addresses and ports of both ends, as SNAT and DNAT do
    rewrite_isn: bool = False   # of both senders; acknowledgements follow
    translate_sack: bool = True  # and so do SACK blocks
    ip_id: str = "kept"         # kept, new, zero
    drop: float = 0.0           # from here on: the share of packets to which it happens; at most one of them happens to a packet
    delay: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    split: float = 0.0          # from here on: of the packets with payload
    join: float = 0.0
    alter: float = 0.0
    reset: float = 0.0          # ends the connection


OF_ANY, OF_DATA = ("drop", "delay", "reorder", "duplicate"), ("split", "join", "alter", "reset")
DELAY_MS, REORDER_MS, DUPLICATE_MS, JOIN_MS = (5, 40), (2, 12), (0.05, 3), 4


@dataclass
class Frame:
    """What was captured; its number is known when all have been sorted by time."""
    time_ns: int
    way: int
    data: bytes
    number: int = 0


@dataclass
class Flow:
    """One direction of a connection, as it leaves."""
    free_ns: int = 0          # what is delayed holds up what comes behind it
    entered: int = 0
    last_left: int = 0        # the latest of those that entered, of those that have left
    waiting: object = None    # a packet that the next one may be joined to


@dataclass
class Connection:
    number: int
    outside: tuple            # client, client port, server, server port
    inside: tuple
    shift: dict               # by where a packet enters: what is added to its sequence numbers
    midstream: bool
    ended: bool = False       # by the device
    flows: dict = field(default_factory=lambda: {point: Flow() for point in POINTS})


@dataclass
class Passing:
    """A packet in the device."""
    segment: Segment          # as it entered
    connection: Connection
    point: str                # where it entered
    frame: Frame
    serial: int
    joined: list = field(default_factory=list)  # what it was joined to


def opposite(point):
    return POINTS[point == "outside"]


def open_port(interface):
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    port.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
    port.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    port.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    port.bind((interface, 0x0800))
    return port


class Record:
    """Captures and truth, kept until the end."""

    def __init__(self, folder):
        self.folder, self.on = folder, False
        self.frames = {point: [] for point in POINTS}
        self.lines = []

    def frame(self, point, time_ns, way, data):
        frame = Frame(time_ns, way, data)
        if self.on:
            self.frames[point].append(frame)
        return frame

    def act(self, name, passing, left=(), cause=None):
        entered = [(passing.point, each.frame) for each in passing.joined + [passing]]
        self._line(name, passing.frame, passing.connection, passing.point, passing.segment, entered, [(opposite(passing.point), frame) for frame in left], cause)

    def injected(self, connection, point, frame, segment, cause):
        """A packet of the device's own, as it left."""
        self._line("injected", frame, connection, opposite(point), segment, [], [(point, frame)], cause)

    def _line(self, name, frame, connection, from_point, segment, entered, left, cause):
        line = {"time": frame.time_ns / 1e9, "connection": connection and connection.number, "direction": DIRECTION[from_point],
                "seq": segment.seq, "length": len(segment.payload), "flags": segment.flags, "act": name}
        self.lines.append((line if cause is None else {**line, "cause": cause}, entered, left))

    def write(self, connections):
        for point, frames in self.frames.items():
            frames.sort(key=lambda frame: frame.time_ns)
            for number, frame in enumerate(frames, 1):
                frame.number = number
            pcapng.write(self.folder / (point + ".pcapng"), point, ((f.time_ns, f.way, f.data) for f in frames))
        with open(self.folder / "truth.jsonl", "w", encoding="utf-8") as file:
            for line, *ways in self.lines:
                entered, left = [[[point, frame.number] for point, frame in way if frame.number] for way in ways]
                if entered or left:  # else it was before the captures began
                    file.write(json.dumps({**line, "entered": entered, "left": left}) + "\n")
        with open(self.folder / "connections.jsonl", "w", encoding="utf-8") as file:
            for c in connections:
                ends = {point: {"client": name_of(ends[:2]), "server": name_of(ends[2:])} for point, ends in (("outside", c.outside), ("inside", c.inside))}
                file.write(json.dumps({"connection": c.number, **ends, "shift_from_client": c.shift["outside"], "shift_from_server": c.shift["inside"],
                                       "midstream": c.midstream, "ended_by_device": c.ended}) + "\n")


def name_of(end):
    return "%s:%d" % (socket.inet_ntoa(end[0]), end[1])


class Forwarder:
    def __init__(self, folder, acts):
        self.acts, self.record = acts, Record(folder)
        self.randomness = random.Random(acts.__repr__())
        self.ports = {point: open_port(point) for point in POINTS}
        far = {"outside": "client", "inside": "server"}
        self.ethernet = {p: b"".join(bytes.fromhex(MAC[name].replace(":", "")) for name in (far[p], p)) + b"\x08\x00" for p in POINTS}
        self.connections = {point: {} for point in POINTS}  # by the ends of a packet that enters there
        self.later = []  # (when, order, what to do)
        self.orders = itertools.count()

    # ---- connections ----

    def connection_of(self, segment, point):
        found = self.connections[point].get(segment.ends)
        if found is None and point == "outside" and segment.flags & SYN:
            found = self.open(segment.ends)
        return found

    def open(self, outside):
        inside, dice = outside, self.randomness
        if self.acts.translate:
            inside = (socket.inet_aton(DEVICE_INSIDE), dice.randrange(1024, 65536), socket.inet_aton(SERVER[0]), SERVER[1])
            while inside[2:] + inside[:2] in self.connections["inside"]:
                inside = (inside[0], dice.randrange(1024, 65536), *inside[2:])
        shift = {point: dice.randrange(1, 1 << 32) if self.acts.rewrite_isn else 0 for point in POINTS}
        made = Connection(len(self.connections["outside"]) + 1, outside, inside, shift, midstream=not self.record.on)
        self.connections["outside"][outside] = self.connections["inside"][inside[2:] + inside[:2]] = made
        return made

    def rewritten(self, passing, segment):
        """The same as it is to leave."""
        connection, point, out = passing.connection, passing.point, segment.copy()
        out.ends = connection.inside if point == "outside" else connection.outside[2:] + connection.outside[:2]
        back = -connection.shift[opposite(point)]
        out.shift(connection.shift[point], back, back if self.acts.translate_sack else 0)
        out.ttl -= 1
        if self.acts.ip_id != "kept":
            out.ip_id = self.randomness.randrange(1, 65536) if self.acts.ip_id == "new" else 0
        return out

    # ---- sending ----

    def send(self, point, segment):
        data = segment.frame(self.ethernet[point])
        frame = self.record.frame(point, time.time_ns(), pcapng.OUTBOUND, data)
        self.ports[point].send(data)
        return frame

    def leave(self, passing, segments=None):
        """At once. The frames."""
        flow = passing.connection.flows[passing.point]
        flow.last_left = max(flow.last_left, passing.serial)
        frames = [self.send(opposite(passing.point), self.rewritten(passing, s)) for s in segments or [passing.segment]]
        if not self.acts.translate_sack and passing.connection.shift[opposite(passing.point)] and passing.segment.has_sack:
            self.record.act("sack forgotten", passing, frames)
        return frames

    def after(self, when_ns, action):
        heapq.heappush(self.later, (when_ns, next(self.orders), action))

    def between(self, milliseconds):
        return time.time_ns() + int(self.randomness.uniform(*milliseconds) * 1e6)

    # ---- acts ----

    def act_for(self, segment):
        """By chance; before the captures begin nothing happens."""
        dice = self.randomness.random() if self.record.on else 1.0
        for name in OF_ANY + (OF_DATA if segment.payload else ()):
            dice -= getattr(self.acts, name)
            if dice < 0:
                return name
        return "forward"

    def take(self, point, time_ns, data):
        frame = self.record.frame(point, time_ns, pcapng.INBOUND, data)
        segment = Segment.parse(data)
        if segment is None:
            return
        connection = self.connection_of(segment, point)
        if connection is None:
            return self.record.act("dropped", Passing(segment, None, point, frame, 0), cause="unknown connection")
        flow = connection.flows[point]
        flow.entered += 1
        passing = Passing(segment, connection, point, frame, flow.entered)
        if connection.ended:
            return self.refuse(passing)
        if flow.waiting and self.join(flow, passing):
            return None
        act = self.act_for(segment)
        if flow.free_ns > time_ns and act not in ("drop", "reset"):
            act = "delay"
        return getattr(self, "act_" + act)(passing, flow)

    def act_forward(self, passing, _):
        self.leave(passing)

    def act_drop(self, passing, _):
        self.record.act("dropped", passing)

    def act_delay(self, passing, flow):
        """What comes behind waits as well: the order is kept."""
        if flow.free_ns <= passing.frame.time_ns:
            flow.free_ns = self.between(DELAY_MS)
        self.after(flow.free_ns, lambda: self.record.act("delayed", passing, self.leave(passing)))

    def act_reorder(self, passing, flow):
        def release():
            overtaken = flow.last_left > passing.serial
            self.record.act("reordered" if overtaken else "delayed", passing, self.leave(passing))
        self.after(self.between(REORDER_MS), release)

    def act_duplicate(self, passing, _):
        first = self.leave(passing)
        self.after(self.between(DUPLICATE_MS), lambda: self.record.act("duplicated", passing, first + self.leave(passing)))

    def act_split(self, passing, _):
        size = len(passing.segment.payload)
        if size < 2:
            return self.act_forward(passing, _)
        return self.record.act("split", passing, self.leave(passing, passing.segment.split(self.randomness.randrange(1, size))))

    def act_alter(self, passing, _):
        size = len(passing.segment.payload)
        if size <= ALTERED_FROM:
            return self.act_forward(passing, _)
        return self.record.act("altered", passing, self.leave(passing, [passing.segment.altered(self.randomness.randrange(ALTERED_FROM, size))]))

    def act_join(self, passing, flow):
        """It waits for the next one."""
        flow.waiting = passing

        def give_up():
            if flow.waiting is passing:
                flow.waiting = None
                self.record.act("delayed", passing, self.leave(passing))
        self.after(time.time_ns() + JOIN_MS * 1_000_000, give_up)

    def join(self, flow, passing):
        first, flow.waiting = flow.waiting, None
        if not first.segment.joins(passing.segment, PAYLOAD_MOST):
            self.record.act("delayed", first, self.leave(first))
            return False
        passing.joined = [first]
        self.record.act("joined", passing, self.leave(passing, [first.segment.joined(passing.segment)]))
        return True

    def act_reset(self, passing, _):
        passing.connection.ended = True
        self.refuse(passing)
        self.inject(passing.connection, opposite(passing.point), self.rewritten(passing, passing.segment).replaced_by_reset())

    def refuse(self, passing):
        """Whoever goes on with a connection that the device has ended is told so."""
        self.record.act("dropped", passing, cause="reset")
        if not passing.segment.flags & RST:
            self.inject(passing.connection, passing.point, passing.segment.answered_with_reset())

    def inject(self, connection, point, reset):
        reset.ip_id = self.randomness.randrange(1, 65536)
        self.record.injected(connection, point, self.send(point, reset), reset, "reset")

    # ---- the loop ----

    def receive(self, point):
        for _ in range(BURST):
            try:
                data, ancillary, _, _ = self.ports[point].recvmsg(65536, 64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            time_ns = seconds * 1_000_000_000 + nanoseconds
            self.release(time_ns)  # what was due before is not to be overtaken
            self.take(point, time_ns, data)

    def release(self, until_ns):
        while self.later and self.later[0][0] <= until_ns:
            heapq.heappop(self.later)[2]()

    def run(self):
        poll = select.poll()
        points = {port.fileno(): point for point, port in self.ports.items()}
        for number in (*points, sys.stdin.fileno()):
            poll.register(number, select.POLLIN)
        while True:
            wait_ms = max(0.0, (self.later[0][0] - time.time_ns()) / 1e6) if self.later else None
            for number, _ in poll.poll(wait_ms):
                if number in points:
                    self.receive(points[number])
                elif os.read(number, 64).strip() == b"capture":
                    self.record.on = True
                else:
                    self.release(1 << 63)
                    return self.record.write(self.connections["outside"].values())
            self.release(time.time_ns())


if __name__ == "__main__":
    forwarder = Forwarder(Path(sys.argv[1]), Acts(**json.loads(sys.argv[2])))
    print("forwarding", flush=True)
    forwarder.run()
