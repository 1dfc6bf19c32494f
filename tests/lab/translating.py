#!/usr/bin/env python3
"""A kernel's NAT between two captures: nftables translates, drops, and opens connections in a server's place; dnsmasq answers or asks on.

  [clients] eth ====== outside [device: nftables, dnsmasq] inside ====== eth [servers: and dnsmasq]

usage: translating.py BIN [SECONDS [SHAPE...]]     SHAPE: a part of a name
       translating.py BIN again FOLDER [SHAPE...]  reads what an earlier run has kept (PARALLAX_LAB_KEEP=FOLDER)
The device's conntrack says which connection became which; the ends and the device's counters say what was dropped. Prints a row for
each shape; exits with 1 where one falls short, with 77 where the machine lacks something.
"""
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import forwarding_traffic  # noqa: E402
import proxies  # noqa: E402
import translating_traffic  # noqa: E402
from forwarding import expect  # noqa: E402
from namespaces import stop  # noqa: E402
from proxies import CLIENTS, PROXY, PROXY_INSIDE, SERVER  # noqa: E402
from shapes import run_shapes  # noqa: E402
from translating_verdict import Verdict  # noqa: E402

HERE = Path(__file__).resolve().parent
PUBLIC = "203.0.113.80"
SECOND_SERVER = "10.20.0.3"
NEIGHBOURS = ["10.20.0.%d" % host for host in range(50, 58)]  # clients on the servers' own link
TCP_PORT = 9100
AT_ONCE = 2  # shapes; each leaves a processor idle most of its time
SETTLE = 1.5  # seconds after the last datagram: what is lost then is known to be
UDP = tuple(service.name for service in translating_traffic.SERVICES)

SNAT = "oifname inside meta l4proto { tcp, udp } snat to %s:20000-60000 random" % PROXY_INSIDE
MASQUERADE = "oifname inside masquerade random"
DNAT = "ip daddr %s dnat to %s" % (PUBLIC, SERVER)
TO_DEVICE = "iifname outside ip daddr %s udp dport 53 redirect" % SERVER
# Of TCP only segments that surely carry data: what else is lost need not be told.
DROP = ("ip protocol udp numgen random mod 40 == 7 counter name dropped drop", "tcp flags & (syn | rst | fin) == 0 meta length > 100 numgen random mod 50 == 7 counter name dropped drop")
DROP_LATER = "iifname outside ip frag-off & 0x1fff != 0 counter name dropped drop"
NEW_IDS = "ip id set numgen random mod 65536"
FLUSH = ("conntrack", "-F")
# Each datagram to another server, without conntrack.
SPREAD = "iifname outside udp dport 514 notrack ip daddr set numgen inc mod 2 map { 0 : %s, 1 : %s }" % (SERVER, SECOND_SERVER)
SYNPROXY = "tcp dport %d ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm" % TCP_PORT


@dataclass(frozen=True)
class Held:
    """The least shares that are demanded, all of them measured minus a margin. With them nothing may be wrong and nothing invented."""
    paired: float = 0.99     # of the connections that began within the captures
    midstream: float = 0.85  # and of those that began before
    lost: float = 1.0        # told, of what the device dropped


@dataclass(frozen=True)
class Shape:
    name: str
    asks: str = SERVER           # what the clients ask
    protocol: str = "udp"
    destination: str = ""        # rules of the device, by chain
    source: str = ""
    forward: tuple = ()
    raw: str = ""
    last: str = ""               # a rule for what has been translated
    fragments: str = ""          # a rule that sees fragments, before conntrack puts them together
    services: tuple = UDP
    hairpin: bool = False        # clients and servers on one link
    resolves: bool = False       # the device has a resolver of its own, that asks the servers'
    names: int = 0
    idle: float = 0.0            # seconds; longer than the device remembers a conversation
    large: bool = False
    settings: tuple = ()         # of the device, below /proc/sys/net
    offload: bool = False        # as hosts have it: checksums are left to the card, and segments are put together and cut up
    meanwhile: tuple = ()        # a command of the device, when half the time is over
    near: str = "outside"
    held: Held = None            # None: shown, and nothing is demanded yet

    @property
    def midstream(self):
        return "synproxy" not in self.name


BOTH = {"asks": PUBLIC, "destination": DNAT, "source": SNAT}
FORGETFUL = ("netfilter/nf_conntrack_udp_timeout=2", "netfilter/nf_conntrack_udp_timeout_stream=2")
HAIRPIN = {"asks": PUBLIC, "hairpin": True, "near": "inside", "destination": DNAT,
           "source": "ip saddr 10.20.0.0/24 ip daddr %s meta l4proto { tcp, udp } snat to %s:20000-60000 random" % (SERVER, PROXY_INSIDE)}
PROXIED = {"protocol": "tcp", "raw": "tcp dport %d tcp flags & (fin | syn | rst | ack) == syn notrack" % TCP_PORT,
           "settings": ("netfilter/nf_conntrack_tcp_loose=0", "ipv4/tcp_syncookies=1", "ipv4/tcp_timestamps=1")}
SHAPES = [
    Shape("udp-routed-drop", forward=DROP, held=Held(lost=0.9)),
    Shape("udp-snat", source=SNAT, held=Held()),
    Shape("udp-snat-drop", source=SNAT, forward=DROP, held=Held(lost=0.75)),
    Shape("udp-dnat-drop", asks=PUBLIC, destination=DNAT, forward=DROP, held=Held(lost=0.75)),
    Shape("udp-both", **BOTH, held=Held()),
    Shape("udp-both-drop", **BOTH, forward=DROP, held=Held(lost=0.7)),
    Shape("udp-both-offload", **BOTH, offload=True, held=Held()),
    Shape("udp-both-drop-offload", **BOTH, offload=True, forward=DROP, held=Held(lost=0.7)),
    Shape("udp-forgets", **BOTH, idle=4.0, settings=FORGETFUL, services=("calls", "lines"), held=Held()),
    Shape("udp-forgets-drop", **BOTH, idle=4.0, settings=FORGETFUL, services=("calls", "lines"), forward=DROP, held=Held(lost=0.45)),
    Shape("udp-flushed", **BOTH, meanwhile=FLUSH, held=Held()),
    Shape("udp-flushed-drop", **BOTH, meanwhile=FLUSH, forward=DROP, held=Held(lost=0.5)),
    Shape("udp-spread", asks=PUBLIC, raw=SPREAD, services=("lines",), held=Held()),
    Shape("udp-large-drop", **BOTH, large=True, forward=DROP, services=("calls",), held=Held(lost=0.7)),
    Shape("udp-fragments-drop", **BOTH, large=True, fragments=DROP_LATER, services=("calls",), held=Held(lost=0.75)),
    Shape("dns-both-drop", **BOTH, forward=DROP, services=("names",), held=Held(lost=0.0)),
    Shape("dns-forwarder", asks=PROXY, resolves=True, names=80, services=("names", "time"), held=Held(0.9)),
    Shape("dns-redirected", destination=TO_DEVICE, resolves=True, names=80, services=("names", "time"), held=Held(0.9)),
    Shape("hairpin-udp", **HAIRPIN, held=Held()),
    Shape("hairpin-udp-drop", **HAIRPIN, forward=DROP, held=Held(lost=0.75)),
    Shape("hairpin-tcp", **HAIRPIN, protocol="tcp", held=Held()),
    Shape("hairpin-tcp-drop", **HAIRPIN, protocol="tcp", forward=DROP, held=Held(lost=0.9)),
    Shape("hairpin-udp-ip-id", **HAIRPIN, last=NEW_IDS, services=("calls", "unsummed"), held=Held()),  # what both ends say, thrice
    Shape("hairpin-udp-ip-id-drop", **HAIRPIN, last=NEW_IDS, services=("calls", "unsummed"), forward=DROP, held=Held(0.95, lost=0.7)),
    Shape("hairpin-tcp-ip-id", **HAIRPIN, last=NEW_IDS, protocol="tcp", held=Held()),
    Shape("hairpin-tcp-ip-id-drop", **HAIRPIN, last=NEW_IDS, protocol="tcp", forward=DROP, held=Held(lost=0.9)),
    Shape("masquerade-tcp", protocol="tcp", source=MASQUERADE, held=Held()),
    Shape("masquerade-tcp-drop", protocol="tcp", source=MASQUERADE, forward=DROP, held=Held(lost=0.9)),
    Shape("masquerade-tcp-offload", protocol="tcp", source=MASQUERADE, offload=True, held=Held()),
    Shape("synproxy", **PROXIED, forward=(SYNPROXY,), held=Held()),
    Shape("synproxy-drop", **PROXIED, forward=(SYNPROXY, *DROP), held=Held(lost=0.9)),
    Shape("synproxy-snat-drop", **PROXIED, source=SNAT, forward=(SYNPROXY, *DROP), held=Held(0.95, lost=0.75)),
]


class Network(proxies.Network):
    """That of the proxies, with a device that forwards."""

    def __init__(self, shape):
        super().__init__()
        try:
            far = ["ip addr add %s/32 dev eth" % address for address in NEIGHBOURS] if shape.hairpin else []
            self._script(self.clients, ["ip route add default via " + PROXY])
            self._script(self.servers, ["ip route add default via " + PROXY_INSIDE, "ip addr add %s/24 dev eth" % SECOND_SERVER, *far])
            self._script(self.proxy, ["ip route add %s/32 dev inside" % address for address in (NEIGHBOURS if shape.hairpin else [])] +
                         ["echo 0 > /proc/sys/net/ipv4/conf/%s/send_redirects" % name for name in ("all", "inside")] + ["echo 1 > /proc/sys/net/ipv4/ip_forward"])
            self.proxy.run(["nft", "-f", "-"], input=rules(shape))
            if shape.offload:
                for namespace, interface in ((self.clients, "eth"), (self.servers, "eth"), (self.proxy, "outside"), (self.proxy, "inside")):
                    namespace.run(["ethtool", "-K", interface, "tx", "on", "tso", "on", "gso", "on", "gro", "on"])
            self._script(self.proxy, ["echo %s > /proc/sys/net/%s" % (value, name) for name, _, value in (setting.partition("=") for setting in shape.settings)])
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _script(namespace, lines):
        namespace.run(["sh", "-c", "\n".join(["set -e", *lines])])


def rules(shape):
    forward = "\n".join("    " + rule for rule in shape.forward)
    return f"""
table ip lab {{
  counter dropped {{ }}
  chain fragments {{
    type filter hook prerouting priority -450;
    {shape.fragments}
  }}
  chain raw {{
    type filter hook prerouting priority raw;
    {shape.raw}
  }}
  chain destination {{
    type nat hook prerouting priority dstnat;
    {shape.destination}
  }}
  chain source {{
    type nat hook postrouting priority srcnat;
    {shape.source}
  }}
  chain last {{
    type filter hook postrouting priority 200;
    {shape.last}
  }}
  chain faults {{
    type filter hook forward priority filter;
{forward}
    ct state invalid counter
  }}
}}
"""


def dnsmasq(folder, name, *arguments):
    return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--user=root", "--pid-file=",
            "--log-queries=extra", "--log-facility=%s" % (folder / (name + ".log")), "--dns-forward-max=1000", *arguments]


def capture(shape, folder, seconds):
    """Runs the traffic of one shape; captures and truth are then in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    talk = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    network = Network(shape)
    processes = []

    def begin(namespace, command, **options):
        processes.append(namespace.start([str(word) for word in command], **options))
        return processes[-1]
    program = [sys.executable, "-B"]
    clients_at, sources = (network.servers, NEIGHBOURS) if shape.hairpin else (network.clients, CLIENTS)
    try:
        with (folder / "conntrack.log").open("w") as log:
            begin(network.proxy, ["conntrack", "-E", "-e", "NEW", "-b", "8388608", "-o", "timestamp,id"], **{**quiet, "stdout": log})
        begin(network.servers, dnsmasq(folder, "dns", "--listen-address=" + SERVER, "--address=/lab.example/192.0.2.7", "--local-ttl=60"), **quiet)
        if shape.resolves:
            begin(network.proxy, dnsmasq(folder, "resolver", "--listen-address=%s,127.0.0.1" % PROXY, "--server=" + SERVER, "--cache-size=1000"), **quiet)
        time.sleep(0.4)
        if shape.protocol == "tcp":
            server = begin(network.servers, [*program, HERE / "forwarding_traffic.py", "serve", TCP_PORT], **talk)
            plan = forwarding_traffic.Plan(seconds=seconds, short=int(25 * seconds), midstream=30 if shape.midstream else 0, sources=sources)
            command = [*program, HERE / "forwarding_traffic.py", "ask", shape.asks, TCP_PORT, json.dumps(asdict(plan))]
        else:
            server = begin(network.servers, [*program, HERE / "translating_traffic.py", "serve", folder, SERVER], **talk)
            asked = {name: SERVER if shape.resolves and name != "names" else shape.asks for name in shape.services}
            plan = translating_traffic.Plan(asked, sources, shape.services, seconds, idle=shape.idle, large=shape.large, names=shape.names)
            command = [*program, HERE / "translating_traffic.py", "ask", folder, json.dumps(asdict(plan))]
        expect(server, "listening")
        clients = begin(clients_at, command, **talk)
        expect(clients, "open")
        captures = [begin(network.proxy, ["tcpdump", "-n", "-s", "0", "-B", "65536", "--time-stamp-precision=nano", "-i", point, "-w", folder / (point + ".pcap"), "ip"], **quiet)
                    for point in ("outside", "inside")]
        time.sleep(0.8)
        (folder / "begun").write_text(repr(time.time()))
        clients.stdin.write("go on\n")
        if shape.meanwhile:
            time.sleep(seconds / 2)
            network.proxy.run(list(shape.meanwhile))
        results = clients.stdout.readline()
        if not results:
            raise RuntimeError("the clients failed")
        time.sleep(SETTLE)
        for process in captures:
            process.send_signal(signal.SIGINT)
            process.wait(10)
        (folder / "results.json").write_text(results)
        (folder / "ruleset.json").write_text(network.proxy.run(["nft", "-j", "list", "counters"]))
        stop(server)
    finally:
        for process in processes:
            stop(process)
        network.close()


FORMAT = "%-20s %-12s %-12s %-14s %-6s %-9s %-5s %s"
HEAD = FORMAT % ("shape", "paired", "midstream", "lost", "share", "findings", "held", "methods")
LEGEND = "Pairings: right/wrong/none. Lost: true/told/invented. Findings: loud ones that are not true."


def shortfalls(verdict, held):
    return ([name for name, found in (("paired", verdict.openings), ("midstream", verdict.midstream), ("lost", verdict.lost)) if found.recall < getattr(held, name)] +
            (["pairings"] if verdict.openings.wrong + verdict.midstream.wrong else []) +
            (["invented"] if verdict.lost.invented else []) +
            (["findings"] if verdict.false_findings else []))


def judge(bin_folder, folder, shape):
    """Prints a row; whether it is as good as demanded."""
    verdict = Verdict(bin_folder, folder, shape)
    short = shortfalls(verdict, shape.held) if shape.held else []
    print(FORMAT % (shape.name, verdict.openings, verdict.midstream, verdict.lost, "%.2f" % verdict.lost.recall, len(verdict.false_findings),
                    "SHORT" if short else "yes" if shape.held else "no", ", ".join("%s %d" % item for item in verdict.methods.most_common())), flush=True)
    if short:
        print("    short of: " + ", ".join(short))
    for line in verdict.details():
        print("    " + line)
    return not short


def chosen(words):
    return [shape for shape in SHAPES if not words or any(word in shape.name for word in words)]


def judge_again(bin_folder, folder, words):
    print(HEAD)
    good = [judge(bin_folder, folder / shape.name, shape) for shape in chosen(words) if (folder / shape.name / "ruleset.json").exists()]
    print(LEGEND)
    return 0 if all(good) else 1


def main():
    bin_folder, words = sys.argv[1], sys.argv[2:]
    if words[:1] == ["again"]:
        return judge_again(bin_folder, Path(words[1]), words[2:])
    seconds = float(words[0]) if words else 8
    return run_shapes("translating", ("nft", "conntrack", "dnsmasq", "tcpdump", "ethtool", "nsenter", "setpriv", "ip"), chosen(words[1:]),
                      lambda shape, folder: capture(shape, folder, seconds),
                      lambda folder, shape: judge(bin_folder, folder, shape), HEAD, LEGEND, AT_ONCE)


if __name__ == "__main__":
    sys.exit(main())
