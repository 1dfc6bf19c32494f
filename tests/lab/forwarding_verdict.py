"""What Parallax says of the captures of forwarder.py, held against what the forwarder wrote down."""
import collections
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import pcapng  # noqa: E402
from packet_editing import Segment  # noqa: E402
from records import records_of  # noqa: E402

POINTS = ("outside", "inside")


@dataclass(frozen=True)
class Label:
    """A label of packets, the acts that it has to name, and those that it may name as well."""
    name: str
    label: str
    demanded: tuple
    permitted: tuple = ()


LABELS = [
    Label("lost", "lost_in_device", ("dropped",)),
    Label("injected", "injected_by_device", ("injected",), ("duplicated",)),
    Label("altered", "altered_by_device", ("altered",)),
    Label("duplicated", "duplicated_by_device", ("duplicated",)),
    Label("reordered", "reordered_by_device", ("reordered",), ("delayed",)),
]

# What may be found of the device where it acted so. Nothing loud is true of one that did none of it.
LOUD = ("warning", "critical")
FINDINGS = {
    "dropped": ("segment_loss", "control_segment_loss", "stalled_connection", "syn_unanswered", "syn_retried", "handshake_incomplete", "reset_not_forwarded"),
    "injected": ("reset_by_device", "closed_by_device"),
    "altered": ("payload_altered",),
    "duplicated": ("duplicated_by_device", "spurious_retransmission"),
    "reordered": ("reordered_by_device",),
    "delayed": ("device_delay", "reordered_by_device", "device_shaping"),
    "sack forgotten": ("sack_not_translated",),
}


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def end(address):
    return "%s:%d" % (address["address"], address["port"])


@dataclass
class Pairings:
    right: int = 0
    wrong: int = 0
    none: int = 0

    @property
    def recall(self):
        every = self.right + self.wrong + self.none
        return self.right / every if every else 1.0

    def __str__(self):
        return "%d/%d/%d" % (self.right, self.wrong, self.none)


@dataclass
class Told:
    """Of acts of one kind: those that were, those of them that were told, packets mistaken for such, and what was told that never was."""
    true: int = 0
    found: int = 0
    mistaken: int = 0
    invented: list = field(default_factory=list)

    @property
    def recall(self):
        return self.found / self.true if self.true else 1.0

    def __str__(self):
        mistaken = "+%d" % self.mistaken if self.mistaken else ""
        return "%d/%d%s/%d" % (self.true, self.found, mistaken, len(self.invented)) if self.true or self.invented or mistaken else "-"


class Truth:
    def __init__(self, folder):
        self.acts = read_lines(folder / "truth.jsonl")
        self.connections = read_lines(folder / "connections.jsonl")
        said = json.loads((folder / "results.json").read_text())
        self.results = said["results"]        # of the clients' connections: how many ended how
        self.aborted = set(said["aborted"])  # by the clients, with a RST

    def acts_of(self, names):
        return [act for act in self.acts if act["act"] in names]

    @staticmethod
    def frames(acts):
        return {(point, number) for act in acts for point, number in act["entered"] + act["left"]}


class Answer:
    """The records of `parallax analyze`."""

    def __init__(self, bin_folder, folder):
        self.records = records_of(bin_folder, {p: folder / (p + ".pcapng") for p in POINTS})
        self.labelled = collections.defaultdict(set)  # by label: (point, frame)
        for packet in self.records["packet"]:
            for label in packet["labels"]:
                self.labelled[label].add((packet["point"], packet["frame"]))


class Verdict:
    def __init__(self, bin_folder, folder):
        self.folder, self.frames = folder, {}
        self.truth, self.answer = Truth(folder), Answer(bin_folder, folder)
        self.openings, self.midstream = Pairings(), Pairings()
        self.methods = collections.Counter()
        self.shifts = collections.Counter()  # offsets of sequence numbers as told: right, wrong
        self.wrong = []
        self._judge_pairings()
        self.labels = {label.name: self._judge_label(label) for label in LABELS}
        self.lost_data = self._judge_lost_data()
        ended = {true["outside"]["client"] for true in self.truth.connections if true["ended_by_device"]}
        self.resets = {"device": self._judge_resets("device", ended), "client": self._judge_resets("client", self.truth.aborted - ended)}
        self.sacks = self._judge_sacks()
        self.false_findings = self._false_findings()

    def _judge_pairings(self):
        by_outside = collections.defaultdict(list)
        for connection in self.answer.records["connection"]:
            for outside in {(end(leg["client"]), end(leg["server"])) for leg in connection["legs"] if leg["point"] == "outside"}:
                by_outside[outside].append(connection)
        for true in self.truth.connections:
            tally = self.midstream if true["midstream"] else self.openings
            told = by_outside[true["outside"]["client"], true["outside"]["server"]]
            crossings = [c for connection in told for c in connection["crossings"] if c["pairing"]["method"] != "none"]
            inside = {(end(leg["client"]), end(leg["server"])) for connection in told for leg in connection["legs"] if leg["point"] == "inside"}
            if not inside or not crossings:
                tally.none += 1
            elif inside == {(true["inside"]["client"], true["inside"]["server"])}:
                tally.right += 1
            else:
                tally.wrong += 1
                self.wrong.append("%s is %s, told as %s" % (true["outside"]["client"], true["inside"]["client"], ", ".join(sorted(client for client, _ in inside))))
            self.methods.update({c["pairing"]["method"] for c in crossings} or ["-"])
            for crossing in crossings:
                for side in ("client", "server"):
                    if "isn_offset_from_" + side in crossing:
                        # From the sender's numbers to the receiver's, modulo 2^32.
                        right = (crossing["isn_offset_from_" + side] - true["shift_from_" + side]) % (1 << 32) == 0
                        self.shifts["right" if right else "wrong"] += 1

    def _judge_resets(self, who, true):
        """Connections that end with a RST of whom; by their clients' ends. A FIN may have come before. Mistaken: told as another's."""
        told = collections.defaultdict(set)
        for connection in self.answer.records["connection"]:
            if connection["close"] == "rst":
                told[connection["closed_by"]] |= {end(leg["client"]) for leg in connection["legs"] if leg["point"] == "outside"}
        others = set().union(*(ends for by, ends in told.items() if by not in (who, "unknown")))
        return Told(len(true), len(true & told[who]), len(true & others), sorted(told[who] - true))

    def _judge_label(self, label):
        said = self.answer.labelled[label.label]
        acts = self.truth.acts_of(label.demanded)
        possible = self.truth.acts_of(label.demanded + label.permitted)
        invented = sorted(said - Truth.frames(possible))
        mistaken = self._mistaken(invented, [act for act in possible if not said & Truth.frames([act])])
        found = sum(bool(said & Truth.frames([act])) for act in acts)
        return Told(len(acts), found, len(mistaken), [frame for frame in invented if frame not in mistaken])

    def _mistaken(self, invented, untold):
        """Another packet of the same bytes, as an original and its retransmission: it is true that one of the two was it."""
        twins = collections.Counter(self._identity(*frame) for act in untold for frame in act["entered"] + act["left"][-1:])
        mistaken = []
        for frame in invented:
            identity = self._identity(*frame)
            if twins[identity] > 0:
                twins[identity] -= 1
                mistaken.append(frame)
        return mistaken

    def _identity(self, point, number):
        if point not in self.frames:
            self.frames[point] = list(pcapng.read(self.folder / (point + ".pcapng")))
        segment = Segment.parse(self.frames[point][number - 1])
        return point, segment.ends, segment.seq, len(segment.payload), 0 if segment.payload else segment.ack

    def _judge_lost_data(self):
        """Of segments with payload; mistaken and invented is whatever is said to be lost and was not."""
        said, lost = self.answer.labelled["lost_in_device"], self.labels["lost"]
        acts = [act for act in self.truth.acts_of(("dropped",)) if act["length"] > 0]
        return Told(len(acts), sum(tuple(act["entered"][0]) in said for act in acts), lost.mistaken, lost.invented)

    def _judge_sacks(self):
        """Acknowledgements whose SACK blocks were left as they were: how many are told."""
        acts = len(self.truth.acts_of(("sack forgotten",)))
        told = sum(f["count"] for f in self.answer.records["finding"] if f["kind"] == "sack_not_translated")
        return Told(acts, min(acts, told), invented=["%d too many" % (told - acts)] if told > acts else [])

    def _false_findings(self):
        did = {act["act"] for act in self.truth.acts}
        true = {kind for act in did for kind in FINDINGS.get(act, ())}
        return [f for f in self.answer.records["finding"] if f["severity"] in LOUD and f["origin"] == "device" and f["kind"] not in true]

    def details(self):
        surprised = {how: number for how, number in self.truth.results.items() if how != "ok"}
        if surprised and not self.resets["device"].true:
            yield "applications surprised: %s" % surprised
        for text in self.wrong[:5]:
            yield "paired wrongly: " + text
        for name, told in self.labels.items():
            if told.invented:
                yield "told as %s and were not: %s" % (name, ", ".join("%s %d" % frame for frame in told.invented[:8]))
        for who, told in self.resets.items():
            if told.invented:
                yield "no RST of the %s ended: %s" % (who, ", ".join(told.invented[:8]))
        for finding in self.false_findings:
            yield "not true: %s x%d: %s" % (finding["kind"], finding["count"], finding["summary"])
