"""How long it takes until the sensor says what is wrong: faults of the network, and of the sensor's own eyes.

usage: delays.py BINARIES [NAME...]     names of what is tried (below; all of them unless said); exit code 77: no namespaces here

A fault is to be told within 5 s of becoming decidable. That is when the newest packet that its first finding speaks of was on the wire, and of
SYNs without an answer when their sender should have tried again and has not. What blinds the sensor itself is to be told within 10 s.
"""
import collections
import sys
import time
from datetime import datetime
from dataclasses import dataclass, field
from typing import Callable, Optional

import disturbances
import lab as labs
import services
from namespaces import NoNamespaces, stop

FAULT_MOST, SENSOR_MOST = 5.0, 10.0
SILENCE = {"syn_unanswered": 3.0}  # seconds after the last SYN, whose repetition would have come by then
TRAFFIC_SECONDS = 20.0


def seconds_of(text):
    """Of a time as the records have it, with up to nine decimals."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


class Arrivals:
    """When each finding was first told, and what it said then."""

    def __init__(self, lab):
        self.first = {}
        self.follower = lab.sensor.follow(self._tell)

    def _tell(self, finding):
        self.first.setdefault(finding["id"], (time.time(), finding))

    def of(self, kind, since=0.0):
        """(arrival, finding) of the first one of the kind since then; nothing: there is none."""
        found = [each for each in list(self.first.values()) if each[1]["kind"] == kind and each[0] >= since]
        return min(found, key=lambda each: each[0], default=None)


@dataclass
class Row:
    name: str
    most: float
    seconds: Optional[float]  # None: never told

    def good(self):
        return self.seconds is not None and self.seconds <= self.most

    def __str__(self):
        told = "never" if self.seconds is None else "%.2f s" % self.seconds
        return "%-44s %10s   at most %.0f s   %s" % (self.name, told, self.most, "ok" if self.good() else "TOO LATE")


def faults(binaries):
    """Each fault of the lab's firewall and server (services.py): from its newest packet to the first finding."""
    lab = labs.Lab(binaries)
    try:
        arrivals = Arrivals(lab)
        lab.drive(TRAFFIC_SECONDS).wait()
        time.sleep(FAULT_MOST)
        stop(arrivals.follower)
        rows = []
        for service in services.FAULTY:
            expected = service.expected
            about = [each for each in arrivals.first.values() if each[1]["kind"] == expected.kind and
                     (each[1].get("service") or "").endswith(":%d" % service.port)]
            first = min(about, key=lambda each: each[0], default=None)
            delay = None if first is None else first[0] - seconds_of(first[1]["last_seen"]) - SILENCE.get(expected.kind, 0.0)
            rows.append(Row("%s: %s" % (service.name, expected.kind), FAULT_MOST, delay))
        return rows
    finally:
        lab.close()


@dataclass(frozen=True)
class Blindness:
    """Something that the sensor does not see as it is; `begin` does it to a lab that runs."""
    kind: str                                   # of the finding that is to come
    begin: Callable = lambda lab: None          # nothing: it is so from the start
    options: dict = field(default_factory=dict)  # of the lab
    bulk: bool = False
    before: float = 5.0                         # seconds of traffic before it, in which the sensor learns what is usual

    def is_told(self, lab, arrivals, since):
        return arrivals.of(self.kind, since) is not None


class OwnLoss(Blindness):
    """No finding: status says how many packets the sensor has lost."""

    def is_told(self, lab, arrivals, since):
        return lab.sensor.status()["summary"]["sensor_loss"] > 0


def swap_inside_ports(ports):
    """As configured; the cables are as they are."""
    outside, (first, second) = ports[:2], ports[2:]
    return outside + [first.with_direction(second.direction), second.with_direction(first.direction)]


def show_twice(lab):
    for port in disturbances.inside_ports(lab):
        lab.network.mirror(port, copies=2)


BLINDNESSES = {
    "link_down": Blindness("port_silent", disturbances.peers_of_inside_ports("down")),
    "mirror_removed": Blindness("port_silent", disturbances.mirror_of_one_port(False)),
    "ports_swapped": Blindness("ports_swapped", options={"configured": swap_inside_ports}, before=0.0),
    "shown_twice": Blindness("duplicate_capture", show_twice),
    "own_loss": OwnLoss("sensor_loss in status", disturbances.hold_up, bulk=True),
}


def blindness(binaries, name):
    what = BLINDNESSES[name]
    lab = labs.Lab(binaries, **what.options)
    try:
        arrivals = Arrivals(lab)
        clients = lab.drive(what.before + SENSOR_MOST + 5.0)
        if what.bulk:
            lab.bulk(what.before + SENSOR_MOST)
        time.sleep(what.before)
        since = time.time()
        what.begin(lab)
        began = time.time()
        while time.time() < began + SENSOR_MOST + 3.0 and not what.is_told(lab, arrivals, since):
            time.sleep(0.05)
        told = time.time() if what.is_told(lab, arrivals, since) else None
        stop(clients, patience=0.1)
        stop(arrivals.follower)
        return [Row("%s: %s" % (name, what.kind), SENSOR_MOST, None if told is None else told - began)]
    finally:
        lab.close()


TRIED = collections.OrderedDict([("faults", faults)] + [(name, lambda binaries, name=name: blindness(binaries, name)) for name in BLINDNESSES])


def main():
    arguments = sys.argv[1:]
    if not arguments or any(name not in TRIED for name in arguments[1:]):
        print(__doc__ + "\nWhat is tried: " + " ".join(TRIED), file=sys.stderr)
        return 2
    if labs.os.geteuid() != 0:
        return labs.again_as_root()
    rows = []
    try:
        for name in arguments[1:] or TRIED:
            rows += TRIED[name](arguments[0])
            print("\n".join(str(row) for row in rows[-8:]) if name == "faults" else rows[-1], flush=True)
    except NoNamespaces as error:
        print("SKIPPED: this machine permits no network namespaces (%s)" % error)
        return labs.SKIPPED
    return int(not all(row.good() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
