"""What Parallax says of the captures of translating.py, held against conntrack, the ends and the device's counters."""
import collections
import json
import re
import struct
import sys
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import truth  # noqa: E402
from forwarding_verdict import LOUD, Pairings, Told  # noqa: E402
from packet_editing import ETHERNET, IPV4_TYPE, TCP  # noqa: E402
from proxies import PROXY, PROXY_INSIDE  # noqa: E402
from records import records_of  # noqa: E402
from translating_traffic import digest  # noqa: E402

POINTS = ("outside", "inside")
ICMP, UDP, DNS_PORT = 1, 17, 53
NAME_OF_PORT = "h%d.lab.example"  # what the client of that port asks for
DEVICE = (PROXY, PROXY_INSIDE)
ANY = "*"  # for the payload where an end does not say which it was
TO_SERVER, TO_CLIENT = "client_to_server", "server_to_client"
TRUE_OF_DROPS = ("datagram_dropped_by_device", "segment_loss", "stalled_connection")
NEAR_IN_TIME = 0.5  # seconds: a resolver has asked on by then
QUERY = re.compile(r"dnsmasq\[\d+\]: \d+ (\S+)/(\d+) (query\[A\]|forwarded|cached) (\S+)")


@dataclass(frozen=True)
class Frame:
    time: float
    protocol: int
    source: tuple
    target: tuple
    ip_id: int
    length: int      # of the IP packet
    payload: bytes   # None: a fragment that does not complete its datagram
    piece: tuple     # of a fragment: where it begins, whether more follow, its bytes

    @classmethod
    def parse(cls, time, data):
        ip = ETHERNET
        if data[12:14] != IPV4_TYPE or data[ip + 9] not in (ICMP, TCP, UDP):
            return None
        length, ip_id, fragment = struct.unpack_from("!HHH", data, ip + 2)
        transport = ip + (data[ip] & 15) * 4
        ports = struct.unpack_from("!HH", data, transport) if data[ip + 9] != ICMP and not fragment & 0x1fff else (0, 0)
        ends = [(".".join(map(str, data[at:at + 4])), port) for at, port in zip((ip + 12, ip + 16), ports)]
        if fragment & 0x3fff:
            return cls(time, data[ip + 9], *ends, ip_id, length, None, ((fragment & 0x1fff) * 8, bool(fragment & 0x2000), data[transport:ip + length]))
        begins = transport + ((data[transport + 12] >> 4) * 4 if data[ip + 9] == TCP else 8 if data[ip + 9] == UDP else 0)
        return cls(time, data[ip + 9], *ends, ip_id, length, data[begins:ip + length], None)


def read_pcap(path):
    """Of tcpdump's, with nanoseconds: by number, from 1."""
    data, offset, frames = path.read_bytes(), 24, {}
    while offset + 16 <= len(data):
        seconds, nanoseconds, captured = struct.unpack_from("<III", data, offset)
        frames[len(frames) + 1] = Frame.parse(seconds + nanoseconds / 1e9, data[offset + 16:offset + 16 + captured])
        offset += 16 + captured
    put_together(frames)
    return frames


def put_together(frames):
    """Gives the fragment that completes a datagram its ports and all of its payload."""
    pieces = collections.defaultdict(dict)  # of a datagram: by where they begin
    for number, frame in frames.items():
        if not frame or not frame.piece or frame.protocol != UDP:
            continue
        key = (frame.source[0], frame.target[0], frame.ip_id)
        pieces[key][frame.piece[0]] = frame
        whole, first = b"", pieces[key].get(0)
        while len(whole) in pieces[key]:
            piece = pieces[key][len(whole)].piece
            whole += piece[2]
            if not piece[1]:
                frames[number] = replace(frame, source=first.source, target=first.target, payload=whole[8:])
                del pieces[key]
                break


def name_of(question):
    """The name that a DNS message asks for."""
    labels, at = [], 12
    while at < len(question) and question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode("ascii", "replace"))
        at += 1 + question[at]
    return ".".join(labels)


def end(address):
    return address["address"], address["port"]


def end_of(text):
    address, _, port = text.rpartition(":")
    return address, int(port)


def queries(path):
    """Lines of dnsmasq's log: (client's end, what was done, name)."""
    for line in path.read_text().splitlines() if path.exists() else []:
        query = QUERY.search(line)
        if query:
            yield (query[1], int(query[2])), query[3], query[4]


@dataclass
class Translation:
    time: float
    protocol: str
    client: tuple   # where it comes from, and what the device made of it
    server: tuple
    far_client: tuple
    far_server: tuple


class Truth:
    def __init__(self, folder):
        self.folder = folder
        self.begun = float((folder / "begun").read_text())
        every = [Translation(time, key[0], *key[1:], *made) for time, key, made in truth.translation_events(folder / "conntrack.log")]
        # What the device asks or is asked itself crosses it not.
        self.translations = [t for t in every if t.client[0] not in DEVICE and t.far_server[0] not in DEVICE and t.server[1] != 0]
        self.near_of = {(t.far_client, t.far_server): t.client for t in self.translations}
        counters = json.loads((folder / "ruleset.json").read_text())["nftables"]
        self.dropped = sum(each["counter"]["packets"] for each in counters if "counter" in each)
        self.asked = {(t.client, t.server) for t in self.translations}
        self.resolved = {client: done for client, done, _ in queries(folder / "resolver.log") if done != "query[A]"}

    def lost_datagrams(self):
        """As (client's end, direction, digest), with multiplicity: those since the captures began, and how many before."""
        if self.dropped == 0:
            return collections.Counter(), 0
        asked = json.loads((self.folder / "asked.json").read_text())
        served = {(end_of(c["peer"]), end_of(c["own"])): c for c in json.loads((self.folder / "served.json").read_text())}
        # Whom a question is from, its name tells: the device gives one port to several clients in turn.
        questions = collections.Counter(name for _, done, name in queries(self.folder / "dns.log") if done == "query[A]")
        far = collections.defaultdict(list)
        for t in self.translations:
            far[t.client, t.server].append(served.get((t.far_client, t.far_server), {"sent": [], "received": []}))
        lost, early = collections.Counter(), 0
        for conversation in asked:
            own, others = end_of(conversation["own"]), far[end_of(conversation["own"]), end_of(conversation["peer"])]
            named = conversation["service"] == "names"
            there = {"sent": [each for other in others for each in other["sent"]], "received": [each for other in others for each in other["received"]]}
            if named:
                served_here = questions[NAME_OF_PORT % own[1]]
                there = {"sent": [(float("inf"), ANY)] * served_here, "received": [ANY] * served_here}
            for direction, sender, receiver in ((TO_SERVER, conversation, there), (TO_CLIENT, there, conversation)):
                left = collections.Counter(ANY if named else each for each in receiver["received"])
                for time, what in sender["sent"]:  # of several that say the same the last is taken for the one that was lost
                    what = ANY if named else what
                    if left[what] > 0:
                        left[what] -= 1
                    elif time < self.begun:
                        early += 1
                    else:
                        lost[own, direction, what] += 1
        return lost, early


class Answer:
    """The records of `parallax analyze`."""

    def __init__(self, bin_folder, folder):
        self.records = records_of(bin_folder, {p: folder / (p + ".pcap") for p in POINTS})
        self.connections = {connection["id"]: connection for connection in self.records["connection"]}
        self.lost = [(packet["point"], packet["frame"], packet["connection_id"]) for packet in self.records["packet"] if "lost_in_device" in packet["labels"]]


class Verdict:
    def __init__(self, bin_folder, folder, shape):
        self.folder, self.shape = folder, shape
        self.truth, self.answer = Truth(folder), Answer(bin_folder, folder)
        self.frames = {point: read_pcap(folder / (point + ".pcap")) for point in POINTS}
        self.openings, self.midstream = Pairings(), Pairings()
        self.methods = collections.Counter()
        self.missed, self.notes = collections.Counter(), []
        self._judge_pairings()
        if shape.resolves:
            self._judge_resolved()
        self.lost = self._judge_datagrams() if shape.protocol == "udp" else self._judge_segments()
        self.lost.invented.extend(self._errors_not_lost())
        true = TRUE_OF_DROPS if self.truth.dropped else ()
        self.false_findings = [f for f in self.answer.records["finding"] if f["severity"] in LOUD and f["kind"] not in true]

    def _legs_beyond(self, point, client, server):
        """The clients' ends on the far side of what Parallax has made of the leg, and by which methods."""
        far, methods = set(), set()
        for connection in self.answer.records["connection"]:
            legs = [(leg["point"], end(leg["client"]), end(leg["server"])) for leg in connection["legs"]]
            if (point, client, server) in legs:
                far |= {leg for leg in legs if leg[0] == "inside" and leg != (point, client, server)}
                methods |= {crossing["pairing"]["method"] for crossing in connection["crossings"] if crossing["pairing"]["method"] != "none"}
        return far, methods

    def _judge_pairings(self):
        true = collections.defaultdict(set)
        midstream = set()
        for t in self.truth.translations:
            true[t.client, t.server].add(("inside", t.far_client, t.far_server))
            if t.time < self.truth.begun:
                midstream.add((t.client, t.server))
        seen = {(frame.source, frame.target) for frame in self.frames[self.shape.near].values() if frame}
        for (client, server), beyond in true.items():
            if (client, server) not in seen:
                continue
            far, methods = self._legs_beyond(self.shape.near, client, server)
            tally = self.midstream if (client, server) in midstream else self.openings
            if not far or not methods and not self.shape.hairpin:
                tally.none += 1
                self.missed[server[1]] += 1
            elif far <= beyond:
                tally.right += 1
            else:
                tally.wrong += 1
                self.notes.append("%s:%d is %s, told as %s" % (*client, sorted(beyond), sorted(far)))
            self.methods.update(methods or ["-"])

    def _judge_resolved(self):
        """Of questions to the device's resolver: whether what it asked on, and for whom, is told; and that nothing is where it knew by itself."""
        asked_on = collections.defaultdict(list)  # by name: the device's own questions
        names = {}
        for point in POINTS:
            for frame in self.frames[point].values():
                if frame and frame.payload and frame.target[1] == DNS_PORT:
                    if point == "outside":
                        names[frame.source] = (name_of(frame.payload), frame.time)
                    else:
                        asked_on[name_of(frame.payload)].append((frame.time, frame.source))
        for client, (name, time) in names.items():
            far = {leg["client"]["address"] + ":%d" % leg["client"]["port"] for connection in self.answer.records["connection"] for leg in connection["legs"]
                   if leg["point"] == "inside" and any(end(each["client"]) == client and each["point"] == "outside" for each in connection["legs"])}
            far = {end_of(each) for each in far}
            self.methods["resolver: %s, %s" % (self.truth.resolved.get(client), "paired" if far else "-")] += 1
            beyond = {source for when, source in asked_on[name] if 0 <= when - time < NEAR_IN_TIME} if self.truth.resolved.get(client) == "forwarded" else set()
            if far <= beyond:
                self.openings.right += bool(far) or not beyond
                self.openings.none += bool(beyond and not far)
                self.missed["asked on"] += bool(beyond and not far)
            else:
                self.openings.wrong += 1
                self.notes.append("%s:%d asked for %s (%s), told as %s, not %s" % (*client, name, self.truth.resolved.get(client), sorted(far), sorted(beyond)))

    def _client_of(self, point, frame):
        """The client's end as the client knows it, and the direction."""
        for client, server, direction in ((frame.source, frame.target, TO_SERVER), (frame.target, frame.source, TO_CLIENT)):
            if point == "inside" and (client, server) in self.truth.near_of:
                return self.truth.near_of[client, server], direction
            if (client, server) in self.truth.asked:
                return client, direction
        for client, server, direction in ((frame.source, frame.target, TO_SERVER), (frame.target, frame.source, TO_CLIENT)):
            if server[1] < 20000 <= client[1]:  # conntrack never made anything of it: its only datagrams were dropped
                return client, direction
        return None, None

    def _judge_datagrams(self):
        lost, early = self.truth.lost_datagrams()
        true, found, invented = sum(lost.values()), 0, []
        if true + early != self.truth.dropped and not (self.shape.idle or self.shape.meanwhile or self.shape.fragments):  # forgotten: dropped by no rule
            self.notes.append("the ends miss %d datagrams, the device has dropped %d" % (true + early, self.truth.dropped))
        left, labelled = lost.copy(), set()
        for point, number, connection in self.answer.lost:
            frame = self.frames[point][number]
            if frame.protocol != UDP:
                continue
            client, direction = self._client_of(point, frame)
            what = None if frame.payload is None else ANY if DNS_PORT in (frame.source[1], frame.target[1]) else digest(frame.payload)
            labelled.add((connection, direction))
            if left[client, direction, what] > 0:
                left[client, direction, what] -= 1
                found += 1
            else:
                invented.append((point, number))
        for finding in self.answer.records["finding"]:
            if finding["kind"] != "datagram_dropped_by_device":
                continue
            for number in finding["connection_ids"]:
                if (number, finding["direction"]) in labelled:
                    continue
                legs = self.answer.connections[number]["legs"]
                clients = {end(leg["client"]) for leg in legs}
                key = next((key for key in left if key[0] in clients and key[1] == finding["direction"] and left[key] > 0), None)
                if key:
                    left[key] -= 1
                    found += 1
                else:
                    invented.append((finding["kind"], number))
        ports = collections.Counter()
        for (client, direction, _), number in left.items():
            if number > 0:
                servers = {t.server[1] for t in self.truth.translations if t.client == client}
                ports["%s of %s" % (direction, servers or "a question alone")] += number
        if ports:
            self.notes.append("not told: " + ", ".join("%s x%d" % item for item in ports.most_common()))
        return Told(true, found, 0, invented)

    def _beyond(self, point, frame):
        """Whether it was on the far side of the device, which may be the same point."""
        if not self.shape.hairpin:
            return point == "inside"
        return (frame.source, frame.target) in self.truth.near_of or (frame.target, frame.source) in self.truth.near_of

    def _key(self, point, frame):
        return (*self._client_of(point, frame), frame.ip_id, frame.length)

    def _judge_segments(self):
        """The kernel leaves a segment its IP ID, so that the captures themselves show which of those told did leave."""
        shown = collections.Counter()
        for point in POINTS:
            for frame in self.frames[point].values():
                if frame and frame.protocol == TCP and frame.payload:
                    shown[self._beyond(point, frame), self._key(point, frame)] += 1
        found, invented = 0, []
        for point, number, _ in self.answer.lost:
            frame = self.frames[point][number]
            if frame.protocol != TCP or not frame.payload:
                continue
            key, beyond = self._key(point, frame), self._beyond(point, frame)
            if shown[beyond, key] > shown[not beyond, key]:
                shown[beyond, key] -= 1
                found += 1
            else:
                invented.append((point, number))
        return Told(self.truth.dropped, found, 0, invented)

    def _errors_not_lost(self):
        """ICMP errors that are told as lost, and are in both captures: no rule drops them, and the kernel leaves them their IP IDs."""
        shown = {point: collections.Counter((frame.ip_id, frame.length) for frame in frames.values() if frame and frame.protocol == ICMP)
                 for point, frames in self.frames.items()}
        for point, number, _ in self.answer.lost:
            frame = self.frames[point][number]
            if frame.protocol == ICMP and all(counts[frame.ip_id, frame.length] for counts in shown.values()):
                yield point, number

    def details(self):
        if self.missed:
            yield "not paired, by the server's port: " + ", ".join("%s x%d" % item for item in self.missed.most_common())
        yield from self.notes[:8]
        if self.lost.invented:
            yield "told as lost and were not: " + ", ".join("%s %d" % each for each in self.lost.invented[:8])
        for finding in self.false_findings:
            yield "not true: %s x%d by %s: %s" % (finding["kind"], finding["count"], finding["origin"], finding["summary"])
