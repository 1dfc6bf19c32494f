"""What happens to the sensor itself while traffic goes on: links go down, mirrors are removed, its process is held up.

None of it is the firewall's doing, so that nothing new may be said of the firewall: no finding that the truth does not bear out, and no
comment in a slice of that time. The sensor has to notice by itself, say so, and be as good as before when it is over.
"""
import signal
import time
from dataclasses import dataclass

PCAP, DPDK, POLLED = "pcap", "dpdk", "polled"  # see SOURCES in sensor.py


@dataclass(frozen=True)
class Disturbance:
    name: str
    kinds: tuple         # of the ports outside and inside
    begin: callable      # of the lab
    end: callable
    seconds: float
    outage: str = ""     # that status must show for the disturbed ports within a second; empty: none
    ports: tuple = ()    # names of the disturbed ports
    bulk: bool = False   # beside the lab's traffic some ten thousand packets a second


def inside_ports(lab):
    return [port for port in lab.network.ports if port.point == "inside"]


def peers_of_inside_ports(state):
    """The other end of the monitor's cable, as when the TAP or the switch loses its power."""
    def change(lab):
        for port in inside_ports(lab):
            lab.network.taps.run(["ip", "link", "set", port.interface, state])
    return change


def interfaces_of_inside_ports(state):
    def change(lab):
        for port in inside_ports(lab):
            lab.network.set_port(port, state)
    return change


def mirror_of_one_port(on):
    def change(lab):
        lab.network.mirror(inside_ports(lab)[0], on)
    return change


def send_signal(number):
    def change(lab):
        lab.sensor.daemon.send_signal(number)
    return change


def hold_up(lab):
    send_signal(signal.SIGSTOP)(lab)
    time.sleep(2.5)
    send_signal(signal.SIGCONT)(lab)


PAUSE = {"begin": send_signal(signal.SIGSTOP), "end": send_signal(signal.SIGCONT), "seconds": 2.5, "bulk": True}
INSIDE = ("inside-rx", "inside-tx")

DISTURBANCES = [
    Disturbance("links_down", (DPDK, PCAP), peers_of_inside_ports("down"), peers_of_inside_ports("up"), 5.0, "link down", INSIDE),
    Disturbance("interfaces_down", (PCAP, DPDK), interfaces_of_inside_ports("down"), interfaces_of_inside_ports("up"), 5.0, "link down", INSIDE),
    Disturbance("mirror_removed", (DPDK, DPDK), mirror_of_one_port(False), mirror_of_one_port(True), 5.0, "silent", ("inside-rx",)),
    Disturbance("pause_pcap_pcap", (PCAP, PCAP), **PAUSE),
    Disturbance("pause_pcap_dpdk", (PCAP, DPDK), **PAUSE),
    Disturbance("pause_dpdk_dpdk", (DPDK, DPDK), **PAUSE),
    Disturbance("pause_pcap_polled", (PCAP, POLLED), **PAUSE),
    Disturbance("pause_polled_polled", (POLLED, POLLED), **PAUSE),
]


def by_name(name):
    return next(each for each in DISTURBANCES if each.name == name)


class Observation:
    """The disturbance, and what the sensor said of its ports meanwhile and after."""

    def __init__(self, lab, disturbance):
        self.disturbance = disturbance
        self.noticed_after = None
        self.began = time.time()
        started = time.monotonic()
        disturbance.begin(lab)
        while time.monotonic() < started + disturbance.seconds:
            time.sleep(0.1)
            if disturbance.outage and self.noticed_after is None and self._noticed(lab):
                self.noticed_after = time.monotonic() - started
        self.up_meanwhile = self._ports_up(lab) if disturbance.outage else None
        disturbance.end(lab)
        self.ended = time.time()

    def _noticed(self, lab):
        ports = {port["name"]: port for port in lab.sensor.status()["ports"]}
        return all(ports[name]["outage"] == self.disturbance.outage for name in self.disturbance.ports)

    def _ports_up(self, lab):
        return lab.sensor.metric("parallax_port_up")

    def ports_up_again(self, lab):
        return self._ports_up(lab)
