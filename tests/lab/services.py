"""What the lab's client asks for, what the firewall does to it, and what Parallax has to say of it.

One row is one service: a public address and port that the firewall translates to a port of the server. A faulty service has one rule
of the firewall's (or of the server's host) that spoils it, so that each fault has a port, a finding and a truth of its own.
"""
from dataclasses import dataclass
from typing import Optional

CLIENTS = ["198.51.100.%d" % host for host in range(10, 14)]  # taken in turn
CLIENT_6 = "2001:db8:1::10"
PUBLIC, PUBLIC_6 = "203.0.113.80", "2001:db8:ff::80"  # what clients ask; it lives on the firewall alone
SERVER, SERVER_6 = "10.20.0.2", "fd00:20::2"
FIREWALL_OUTSIDE, FIREWALL_OUTSIDE_6 = "198.51.100.1", "2001:db8:1::1"
FIREWALL_INSIDE, FIREWALL_INSIDE_6 = "10.20.0.1", "fd00:20::1"  # what the server sees as its client


@dataclass(frozen=True)
class Expected:
    """The finding of a faulty service. `where` is the finding's own field; None: any."""
    kind: str
    where: Optional[dict]
    origin: Optional[str]


BETWEEN = {"between": ["outside", "inside"]}
BEYOND = {"beyond": "inside"}


@dataclass(frozen=True)
class Service:
    name: str
    port: int                   # public
    period: float               # seconds between two connections
    uploads: int = 0            # bytes of a request; 0: the request's line alone
    downloads: int = 400        # bytes of an answer
    requests: int = 1           # on one connection
    pause: float = 0.0          # seconds between two requests
    protocol: str = "tcp"
    family: int = 4
    translated: bool = True     # False: the client asks the server's own address
    listening: bool = True
    resets: bool = False        # the server answers a request with a RST
    rules: tuple = ()           # of the firewall, in its forward chain; PORT is the server's port
    server_rule: str = ""       # of the server's own host firewall
    counter: str = ""           # of the firewall: how many packets the rules dropped
    result: str = "ok"          # what the application sees
    expected: Optional[Expected] = None

    @property
    def server_port(self):
        return self.port + 1000 if self.translated else self.port


DATA = "meta length > 300"  # segments that carry data, not the line of a request
NOT_SEEN = "ip saddr . tcp sport != @seen add @seen { ip saddr . tcp sport }"

HEALTHY = [
    Service("web", 80, period=0.1),
    Service("web over IPv6", 80, period=0.4, family=6),
    Service("routed web, no translation", 8000, period=0.4, translated=False),
    Service("download", 8010, period=1.0, downloads=1_000_000),
    Service("upload", 8011, period=2.0, uploads=500_000),
    Service("kept alive", 8012, period=5.0, requests=8, pause=0.5, downloads=2_000),
    Service("routed echo", 7, period=0.2, protocol="udp", translated=False),
]

FAULTY = [
    Service("firewall drops the SYN", 8101, period=2.0, rules=("tcp dport PORT drop",),
            result="timeout", expected=Expected("syn_unanswered", BETWEEN, "device")),
    Service("firewall refuses with a RST", 8102, period=2.0, rules=("tcp dport PORT reject with tcp reset",),
            result="refused", expected=Expected("syn_refused", BETWEEN, "device")),
    Service("closed port of the server", 8103, period=2.0, listening=False,
            result="refused", expected=Expected("syn_refused", BEYOND, "server")),
    Service("segments lost toward the server", 8104, period=2.0, uploads=200_000, counter="lost_toward_inside",
            rules=("tcp dport PORT " + DATA + " numgen inc mod 40 == 20 counter name lost_toward_inside drop",),
            expected=Expected("segment_loss", BETWEEN, "device")),
    Service("segments lost toward the client", 8105, period=2.0, downloads=200_000, counter="lost_toward_outside",
            rules=("tcp sport PORT " + DATA + " numgen inc mod 40 == 20 counter name lost_toward_outside drop",),
            expected=Expected("segment_loss", BETWEEN, "device")),
    Service("RST of the server not forwarded", 8106, period=2.0, resets=True, rules=("tcp sport PORT tcp flags & rst == rst drop",),
            result="timeout", expected=Expected("reset_not_forwarded", BETWEEN, "device")),
    Service("server's host drops the SYN", 8107, period=2.0, server_rule="tcp dport PORT drop",
            result="timeout", expected=Expected("syn_unanswered", BEYOND, None)),
    Service("first SYN dropped, the second passes", 8108, period=2.0, rules=("tcp dport PORT ct state new " + NOT_SEEN + " drop",),
            expected=Expected("syn_retried", BETWEEN, "device")),
]

SERVICES = HEALTHY + FAULTY


def firewall_rules():
    """The ruleset of the firewall: DNAT of the public address, SNAT to a random port, and the faults."""
    translated = {4: [], 6: []}
    for service in SERVICES:
        if service.translated:
            target = SERVER if service.family == 4 else SERVER_6
            translated[service.family].append("%s . %d : %s . %d" % (service.protocol, service.port, target, service.server_port))
    faults = "\n".join("    " + rule.replace("PORT", str(service.server_port)) for service in FAULTY for rule in service.rules)
    counters = "\n".join("  counter %s {}" % service.counter for service in FAULTY if service.counter)
    return f"""
table inet lab {{
{counters}
  set seen {{ typeof ip saddr . tcp sport; size 4096; timeout 20s; flags dynamic; }}
  chain destination {{
    type nat hook prerouting priority dstnat;
    ip daddr {PUBLIC} dnat ip to meta l4proto . th dport map {{ {", ".join(translated[4])} }}
    ip6 daddr {PUBLIC_6} dnat ip6 to meta l4proto . th dport map {{ {", ".join(translated[6])} }}
  }}
  chain source {{
    type nat hook postrouting priority srcnat;
    oifname "inside" ct status dnat meta l4proto {{ tcp, udp }} meta nfproto ipv4 snat ip to {FIREWALL_INSIDE}:20000-60000 random
    oifname "inside" ct status dnat meta l4proto {{ tcp, udp }} meta nfproto ipv6 snat ip6 to [{FIREWALL_INSIDE_6}]:20000-60000 random
  }}
  chain faults {{
    type filter hook forward priority filter;
{faults}
  }}
}}
"""


def server_rules():
    rules = "\n".join("    " + service.server_rule.replace("PORT", str(service.server_port)) for service in FAULTY if service.server_rule)
    return f"""
table inet host {{
  chain input {{
    type filter hook input priority filter;
{rules}
  }}
}}
"""
