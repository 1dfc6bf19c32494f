#!/usr/bin/env python3
"""A device that says what it does (forwarder.py) between two captures: what Parallax makes of it, against the truth.

  [clients] eth ====== outside [device: forwarder.py] inside ====== eth [servers]

usage: forwarding.py BIN [held | all | SHAPE...]     held: the shapes that are held to their bounds (usual); SHAPE: a part of a name
       forwarding.py BIN again FOLDER [SHAPE...]     reads what an earlier run has kept (PARALLAX_LAB_KEEP=FOLDER)
Clients and servers are kernels. Prints a row for each shape; exits with 1 where one that is held falls short, with 77 where the machine
lacks something.
"""
import dataclasses
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from forwarder import DEVICE_INSIDE, MAC, MTU, PUBLIC, SERVER, Acts  # noqa: E402
from forwarding_traffic import CLIENTS, Plan  # noqa: E402
from forwarding_verdict import Verdict  # noqa: E402
from namespaces import Namespace, run, stop  # noqa: E402
from shapes import run_shapes  # noqa: E402

HERE = Path(__file__).resolve().parent
DEVICE_OUTSIDE = "198.51.100.1"
MSS = 1460  # bytes: what the ends agree on, below the MTU, so that the device may join
AT_ONCE = 2  # shapes; each leaves a processor idle most of its time
SETTLE = 1.5  # seconds after the last connection: what is lost then is known to be


@dataclass(frozen=True)
class Held:
    """The least shares that are demanded, all of them measured minus a margin. With them nothing may be wrong and nothing invented."""
    lost: float = 1.0        # told, of the data segments that the device dropped
    openings: float = 0.99   # paired, of the connections that began within the captures
    midstream: float = 0.85  # and of those that began before; now and then a NAT's port is that of a known service, and looks like the server's
    resets: float = 0.75     # told, of the connections that the device ended
    altered: float = 0.0     # labelled, of the segments with another payload; the first few of a connection cannot be
    reordered: float = 0.0   # and of the packets that were overtaken; acknowledgements are not labelled
    duplicated: float = 0.0  # labelled, of the copies; those of connections with few packets are not, nor those that come late
    sacks: float = 0.0       # told, of the acknowledgements whose SACK blocks were not translated
    excused: tuple = ()      # labels that still are invented


@dataclass(frozen=True)
class Shape:
    name: str
    acts: Acts
    held: Held = None        # None: shown, and nothing is demanded yet
    timestamps: bool = True  # whether the ends offer the TCP option


NAT = {"translate": True}
ISN = {"rewrite_isn": True}
ALL = {"drop": 0.01, "delay": 0.01, "reorder": 0.02, "duplicate": 0.01, "split": 0.05, "join": 0.1}
RESEGMENTED = ("injected",)  # pieces of retransmissions
SHAPES = [
    Shape("router", Acts(), Held()),
    Shape("drop", Acts(drop=0.02), Held(0.95)),
    Shape("delay", Acts(delay=0.02), Held()),
    Shape("reorder", Acts(reorder=0.03), Held(reordered=0.45)),
    Shape("duplicate", Acts(duplicate=0.02), Held(duplicated=0.35)),
    Shape("split", Acts(split=0.2), Held()),
    Shape("join", Acts(join=0.3), Held()),
    Shape("alter", Acts(alter=0.02), Held(altered=0.55)),
    Shape("reset", Acts(reset=0.005), Held(0.8)),
    Shape("ip-id", Acts(ip_id="new"), Held()),
    Shape("isn", Acts(**ISN), Held()),
    Shape("isn-drop", Acts(**ISN, drop=0.02), Held(0.93)),
    Shape("isn-drop-sack", Acts(**ISN, translate_sack=False, drop=0.02), Held(0.85, sacks=0.97)),
    Shape("nat", Acts(**NAT), Held()),
    Shape("nat-drop", Acts(**NAT, drop=0.02), Held(0.95)),
    Shape("nat-ip-id-drop", Acts(**NAT, ip_id="new", drop=0.02), Held(0.92)),
    Shape("nat-ip-id-drop-no-timestamps", Acts(**NAT, ip_id="new", drop=0.02), Held(0.7), timestamps=False),
    Shape("nat-split", Acts(**NAT, split=0.2, drop=0.01), Held(0.85)),
    Shape("nat-join", Acts(**NAT, join=0.3, drop=0.01), Held(0.9)),
    Shape("nat-alter", Acts(**NAT, alter=0.02), Held(altered=0.5)),
    Shape("nat-reset", Acts(**NAT, reset=0.005), Held(0.85)),
    Shape("nat-duplicate", Acts(**NAT, duplicate=0.02, drop=0.01), Held(0.75, duplicated=0.4)),
    Shape("nat-reorder", Acts(**NAT, reorder=0.03, drop=0.01), Held(0.9, reordered=0.45)),
    Shape("nat-all", Acts(**NAT, **ALL), Held(0.85, excused=RESEGMENTED)),
    Shape("nat-ip-id-all", Acts(**NAT, ip_id="new", **ALL), Held(0.85, excused=RESEGMENTED)),
    Shape("nat-isn", Acts(**NAT, **ISN), Held()),
    Shape("nat-isn-drop", Acts(**NAT, **ISN, drop=0.02), Held(0.93)),
    Shape("nat-isn-zero-ip-id", Acts(**NAT, **ISN, ip_id="zero", drop=0.02), Held(0.6)),
    Shape("nat-isn-ip-id", Acts(**NAT, **ISN, ip_id="new", drop=0.02), Held(0.6)),
    Shape("nat-isn-no-timestamps", Acts(**NAT, **ISN, drop=0.02), Held(0.5), timestamps=False),
    Shape("nat-isn-ip-id-no-timestamps", Acts(**NAT, **ISN, ip_id="new", drop=0.02), timestamps=False),
    Shape("nat-isn-reset", Acts(**NAT, **ISN, reset=0.005), Held(0.85)),
    Shape("nat-isn-all", Acts(**NAT, **ISN, **ALL), Held(0.7, openings=0.97, excused=RESEGMENTED)),
    Shape("nat-isn-ip-id-all", Acts(**NAT, **ISN, ip_id="new", **ALL), Held(0.5, openings=0.97, excused=RESEGMENTED)),
]


class Network:
    def __init__(self, timestamps):
        self.namespaces = []
        try:
            self.clients, self.device, self.servers = [self._namespace(name) for name in ("clients", "device", "servers")]
            for far, interface in ((self.clients, "outside"), (self.servers, "inside")):
                run(["ip", "link", "add", "eth", "netns", str(far.pid), "type", "veth", "peer", "name", interface, "netns", str(self.device.pid)])
            for interface in ("outside", "inside"):
                self._set_up(self.device, interface, MAC[interface], [])
            self._set_up(self.clients, "eth", MAC["client"], [
                *("ip addr add %s/24 dev eth" % address for address in CLIENTS),
                "ip neigh replace %s lladdr %s dev eth nud permanent" % (DEVICE_OUTSIDE, MAC["outside"]),
                "ip route add default via %s advmss %d" % (DEVICE_OUTSIDE, MSS),
                "echo %d > /proc/sys/net/ipv4/tcp_timestamps" % timestamps])
            self._set_up(self.servers, "eth", MAC["server"], [
                "ip addr add %s/24 dev eth" % SERVER[0],
                "ip neigh replace %s lladdr %s dev eth nud permanent" % (DEVICE_INSIDE, MAC["inside"]),
                "ip route change 10.20.0.0/24 dev eth src %s advmss %d" % (SERVER[0], MSS),
                "ip route add default via %s advmss %d" % (DEVICE_INSIDE, MSS)])
        except BaseException:
            self.close()
            raise

    def _namespace(self, name):
        self.namespaces.append(Namespace(name))
        return self.namespaces[-1]

    @staticmethod
    def _set_up(namespace, interface, address, lines):
        script = ["set -e", "ip link set lo up", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6",
                  "ethtool -K %s tx off tso off gso off gro off > /dev/null" % interface,
                  "ip link set %s address %s mtu %d up" % (interface, address, MTU), *lines]
        namespace.run(["sh", "-c", "\n".join(script)])

    def close(self):
        for namespace in self.namespaces:
            namespace.close()


def expect(process, word):
    line = process.stdout.readline().strip()
    if line != word:
        raise RuntimeError("expected '%s', got '%s'" % (word, line))


def capture(shape, folder, plan):
    """Runs the traffic of one shape; captures and truth are then in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    usual = dataclasses.asdict(Acts())
    acts = {name: value for name, value in dataclasses.asdict(shape.acts).items() if value != usual[name]}
    talk = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    python = [sys.executable, "-B"]
    network = Network(shape.timestamps)
    processes = []
    try:
        def begin(namespace, program, *arguments):
            processes.append(namespace.start([*python, str(HERE / program), *arguments], **talk))
            return processes[-1]
        device = begin(network.device, "forwarder.py", str(folder), json.dumps(acts))
        expect(device, "forwarding")
        expect(begin(network.servers, "forwarding_traffic.py", "serve", str(SERVER[1])), "listening")
        target, port = PUBLIC if shape.acts.translate else SERVER
        clients = begin(network.clients, "forwarding_traffic.py", "ask", target, str(port), json.dumps(dataclasses.asdict(plan)))
        expect(clients, "open")
        time.sleep(0.3)
        device.stdin.write("capture\n")
        time.sleep(0.2)
        clients.stdin.write("go on\n")
        results = clients.stdout.readline()
        if not results:
            raise RuntimeError("the clients failed")
        time.sleep(SETTLE)
        device.stdin.write("end\n")
        if device.wait(60) != 0:
            raise RuntimeError("the forwarder failed")
        (folder / "results.json").write_text(results)
    finally:
        for process in processes:
            stop(process)
        network.close()


FORMAT = "%-30s %-10s %-10s %6s %-14s %5s %-12s %-9s %-10s %-9s %-9s %-9s %-9s %8s %-5s %s"
HEAD = FORMAT % ("shape", "openings", "midstream", "shifts", "data lost", "share", "injected", "altered", "duplicated", "reordered",
                 "reset:dev", "reset:cli", "sacks", "findings", "held", "methods")
LEGEND = "Pairings: right/wrong/none. Shifts of sequence numbers: right/wrong. Packets and resets: true/told+mistaken/invented. Findings: loud ones of the device that are not true."


def shortfalls(verdict, held):
    shares = {"lost": verdict.lost_data, "openings": verdict.openings, "midstream": verdict.midstream, "resets": verdict.resets["device"],
              "altered": verdict.labels["altered"], "reordered": verdict.labels["reordered"],
              "duplicated": verdict.labels["duplicated"], "sacks": verdict.sacks}
    told = {**verdict.labels, "sacks": verdict.sacks, **{"reset of the " + who: of for who, of in verdict.resets.items()}}
    return ([name for name, found in shares.items() if found.recall < getattr(held, name)] +
            (["pairings"] if verdict.openings.wrong + verdict.midstream.wrong else []) +
            (["shifts"] if verdict.shifts["wrong"] else []) +
            ["invented: " + name for name, of in told.items() if of.invented and name not in held.excused] +
            (["findings"] if verdict.false_findings else []))


def judge(bin_folder, folder, shape):
    """Prints a row; whether it is as good as demanded."""
    verdict = Verdict(bin_folder, folder)
    short = shortfalls(verdict, shape.held) if shape.held else []
    others = [str(verdict.labels[name]) for name in ("injected", "altered", "duplicated", "reordered")] + [str(verdict.resets[who]) for who in ("device", "client")]
    print(FORMAT % (shape.name, verdict.openings, verdict.midstream, "%d/%d" % (verdict.shifts["right"], verdict.shifts["wrong"]), verdict.lost_data,
                    "%.2f" % verdict.lost_data.recall, *others, verdict.sacks, len(verdict.false_findings), "SHORT" if short else "yes" if shape.held else "no",
                    ", ".join("%s %d" % item for item in verdict.methods.most_common())), flush=True)
    if short:
        print("    short of: " + ", ".join(short))
    for line in verdict.details():
        print("    " + line)
    return not short


def chosen(words):
    if words in ([], ["held"]):
        return [shape for shape in SHAPES if shape.held]
    return [shape for shape in SHAPES if words == ["all"] or any(word in shape.name for word in words)]


def judge_again(bin_folder, folder, words):
    print(HEAD)
    kept = [shape for shape in chosen(words or ["all"]) if (folder / shape.name / "truth.jsonl").exists()]
    good = [judge(bin_folder, folder / shape.name, shape) for shape in kept]
    print(LEGEND)
    return 0 if all(good) else 1


def main():
    bin_folder, words = sys.argv[1], sys.argv[2:]
    if words[:1] == ["again"]:
        return judge_again(bin_folder, Path(words[1]), words[2:])
    return run_shapes("forwarding", ("ethtool", "nsenter", "setpriv", "ip"), chosen(words),
                      lambda shape, folder: capture(shape, folder, Plan()),
                      lambda folder, shape: judge(bin_folder, folder, shape), HEAD, LEGEND, AT_ONCE)


if __name__ == "__main__":
    sys.exit(main())
