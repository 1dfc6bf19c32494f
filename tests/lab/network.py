"""The lab's network: two tapped links and a firewall between them.

  [client] eth ====== oc [taps] of ====== outside [firewall] inside ====== ic [taps] is ====== eth [server]
                       |         |                                          |         |
                     port 0    port 1                                     port 2    port 3      <- where this process runs: the sensor's ports

What comes in at `oc` leaves at `of` and the other way round; a copy of each direction goes to a port of its own, as from an optical TAP.
One CPU serves every interface and nothing merges or splits segments, so that what the ports get is what the ends sent, in its order.
"""
import os
from dataclasses import dataclass, replace
from pathlib import Path

import services
from namespaces import Namespace, run

BACKLOG = Path("/proc/sys/net/core/netdev_max_backlog")  # the machine's, not the namespace's
BACKLOG_ENOUGH = 100_000


@dataclass(frozen=True)
class Port:
    interface: str
    name: str
    point: str
    direction: str
    enters: str  # the TAP's interface whose incoming frames it shows
    leaves: str

    def with_direction(self, direction):
        """As somebody may configure it who took it for another."""
        return replace(self, direction=direction)


class Network:
    def __init__(self):
        self.namespaces = []
        self.backlog = None
        self.filters = {}  # priority of the filter in force, by the TAP's interface
        prefix = "plx%x" % os.getpid()  # interface names are shared with whoever else runs a lab; at most 15 characters
        self.ports = [
            Port(prefix + "m0", "outside-rx", "outside", "toward_inside", "oc", "of"),
            Port(prefix + "m1", "outside-tx", "outside", "toward_outside", "of", "oc"),
            Port(prefix + "m2", "inside-rx", "inside", "toward_inside", "ic", "is"),
            Port(prefix + "m3", "inside-tx", "inside", "toward_outside", "is", "ic"),
        ]
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        self.client, self.taps, self.firewall, self.server = [self._namespace(name) for name in ("client", "taps", "firewall", "server")]
        self._raise_backlog()
        links = [(self.client, "eth", "oc"), (self.firewall, "outside", "of"), (self.firewall, "inside", "ic"), (self.server, "eth", "is")]
        for end, interface, tap in links:
            run(["ip", "link", "add", interface, "netns", str(end.pid), "type", "veth", "peer", "name", tap, "netns", str(self.taps.pid)])
        for port in self.ports:
            run(["ip", "link", "add", port.interface, "type", "veth", "peer", "name", port.interface, "netns", str(self.taps.pid)])
            Path("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % port.interface).write_text("1")  # the sensor's ports are silent
            run(["ip", "link", "set", port.interface, "arp", "off", "promisc", "on", "up"])
            one_cpu(port.interface)
        self._prepare(self.taps, ["oc", "of", "ic", "is"] + [port.interface for port in self.ports])
        self._prepare(self.client, ["eth"])
        self._prepare(self.firewall, ["outside", "inside"])
        self._prepare(self.server, ["eth"])
        self._addresses()
        self.firewall.run(["nft", "-f", "-"], input=services.firewall_rules())
        self.server.run(["nft", "-f", "-"], input=services.server_rules())

    def _namespace(self, name):
        self.namespaces.append(Namespace(name))
        return self.namespaces[-1]

    def _raise_backlog(self):
        """A burst of the client's is in the queue of one CPU several times over: the link, the firewall, the copies."""
        before = int(BACKLOG.read_text())
        if before < BACKLOG_ENOUGH:
            BACKLOG.write_text(str(BACKLOG_ENOUGH))
            self.backlog = before

    def _prepare(self, namespace, interfaces):
        quiet = namespace is self.taps
        script = ["set -e", "ip link set lo up", "echo %d > /proc/sys/net/ipv6/conf/all/disable_ipv6" % quiet]
        for interface in interfaces:
            script += [
                "echo 1 > /sys/class/net/%s/queues/rx-0/rps_cpus" % interface,
                "ethtool -K %s tx off tso off gso off gro off > /dev/null" % interface,
                "echo 0 > /proc/sys/net/ipv6/conf/%s/accept_ra" % interface if not quiet else "ip link set %s arp off promisc on" % interface,
                "ip link set %s up" % interface,
            ]
        namespace.run(["sh", "-c", "\n".join(script)])

    def _addresses(self):
        s = services
        self._configure(self.client, ["addr add %s/24 dev eth" % address for address in s.CLIENTS] + [
            "addr add %s/64 dev eth nodad" % s.CLIENT_6,
            "route add default via %s" % s.FIREWALL_OUTSIDE, "route add default via %s" % s.FIREWALL_OUTSIDE_6])
        self._configure(self.firewall, [
            "addr add %s/24 dev outside" % s.FIREWALL_OUTSIDE, "addr add %s/64 dev outside nodad" % s.FIREWALL_OUTSIDE_6,
            "addr add %s/24 dev inside" % s.FIREWALL_INSIDE, "addr add %s/64 dev inside nodad" % s.FIREWALL_INSIDE_6,
            "addr add %s/32 dev outside" % s.PUBLIC, "addr add %s/128 dev outside nodad" % s.PUBLIC_6])
        self._configure(self.server, [
            "addr add %s/24 dev eth" % s.SERVER, "addr add %s/64 dev eth nodad" % s.SERVER_6,
            "route add default via %s" % s.FIREWALL_INSIDE, "route add default via %s" % s.FIREWALL_INSIDE_6])
        self.firewall.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"])

    @staticmethod
    def _configure(namespace, lines):
        namespace.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")

    def plug_in(self):
        """Nothing passes the links before; so the sensor sees the first packet, and can be held to the interfaces' own counters."""
        for port in self.ports:
            self.taps.run(["tc", "qdisc", "add", "dev", port.enters, "clsact"])
            self.mirror(port, True)

    def mirror(self, port, copies):
        """With so many copies to the port (True: one); what passes the TAP passes in any case, also while it is changed."""
        before = self.filters.get(port.enters, 2)
        after = self.filters[port.enters] = before % 2 + 1
        copy = "action mirred egress mirror dev %s pipe " % port.interface * copies
        self.taps.run(["sh", "-c", "tc filter add dev {0} ingress protocol all prio {1} u32 match u32 0 0 {2}action mirred egress redirect dev {3};"
                       "tc filter delete dev {0} ingress prio {4} 2> /dev/null || true".format(
                           port.enters, after, copy, port.leaves, before)])

    def set_port(self, port, state):
        """The sensor's own end of a monitor cable."""
        run(["ip", "link", "set", port.interface, state])

    def received(self):
        """Packets that the kernel handed to the sensor's ports since they were made, and those that it lost before."""
        total = {"rx_packets": 0, "rx_dropped": 0}
        for port in self.ports:
            for name in total:
                total[name] += int(Path("/sys/class/net/%s/statistics/%s" % (port.interface, name)).read_text())
        return total

    def close(self):
        """The interfaces go with their namespaces."""
        for namespace in self.namespaces:
            namespace.close()
        self.namespaces = []
        for port in self.ports:  # the kernel takes its time to dismantle a namespace; the names are to be free now
            if Path("/sys/class/net", port.interface).exists():
                try:
                    run(["ip", "link", "delete", port.interface])
                except RuntimeError:
                    pass  # gone in the meantime
        if self.backlog is not None:
            BACKLOG.write_text(str(self.backlog))
            self.backlog = None


def one_cpu(interface):
    Path("/sys/class/net/%s/queues/rx-0/rps_cpus" % interface).write_text("1")
