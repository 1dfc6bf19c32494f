"""What the daemon can do on live ports: two veth ports, and a sender that plays both sides of a router.

usage: live.py BINARIES [--held] [KIND...]     KIND: pcap, dpdk (af_packet) or polled (af_xdp, stamped when it is polled); pcap and dpdk unless said

For each kind of source: what it costs when nothing comes, what becomes of packets while the whole daemon is stopped for 200 ms at 100,000 packets a
second, the highest rate at which nothing is lost, and what twice that does. With --held only the first two, each held to its bound: exit code 1 where it is not kept,
77 where there are no namespaces.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "lab"))

import sensor  # noqa: E402
from namespaces import run  # noqa: E402
from network import BACKLOG, BACKLOG_ENOUGH  # noqa: E402

SKIPPED = 77
INSIDE_NAMESPACE = "PARALLAX_LIVE_BENCH"
POINTS = ("outside", "inside")
IDLE_SECONDS, IDLE_MOST = 10.0, 0.1  # of a core; 0.05 is the aim, and a virtual machine that does something else takes twice as long to wake a thread
STALL_SECONDS, STALL_RATE = 0.2, 100_000
RATES = [50_000 * 1.25 ** step for step in range(16)]
TRY_SECONDS = 3.0


class Bench:
    def __init__(self, binaries, kind, of_spool="", of_api=""):
        self.binaries = Path(binaries)
        self.work = tempfile.mkdtemp(prefix="parallax-live-")
        for point in POINTS:
            run(["ip", "link", "add", point, "type", "veth", "peer", "name", point + "-far"])
            for end in (point, point + "-far"):
                Path("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % end).write_text("1")
                run(["ip", "link", "set", end, "arp", "off", "up"])
            # As the README says of a kernel's ports; and one CPU serves each, since two would reorder its packets.
            run(["ethtool", "-K", point, "tx", "off", "tso", "off", "gso", "off", "gro", "off"])
            Path("/sys/class/net/%s/queues/rx-0/rps_cpus" % point).write_text("1")
        ports = [SimpleNamespace(interface=point, name=point, point=point, direction="both") for point in POINTS]
        self.sensor = sensor.Sensor(binaries, self.work, ports, (kind, kind), of_spool, of_api=of_api)
        self.pid = self.sensor.daemon.pid

    def close(self):
        self.sensor.close()
        for point in POINTS:
            run(["ip", "link", "del", point])
        shutil.rmtree(self.work, ignore_errors=True)

    def processor_seconds(self):
        """By thread."""
        seconds = {}
        for task in Path("/proc/%d/task" % self.pid).iterdir():
            name, _, rest = (task / "stat").read_text().partition(") ")
            fields = rest.split()
            name = name.partition("(")[2]
            seconds[name] = seconds.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return seconds

    def idle(self):
        """Shares of a core, by thread."""
        time.sleep(1.0)
        before, began = self.processor_seconds(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        passed = time.monotonic() - began
        return {name: (now - before.get(name, 0.0)) / passed for name, now in self.processor_seconds().items()}

    def counters(self):
        counters = {name: self.sensor.metric("parallax_" + name) for name in ("packets_total", "late_packets_total", "spool_dropped_packets_total")}
        for sample, value in self.sensor.samples("parallax_capture_drops_total"):
            reason = sample.partition('reason="')[2].partition('"')[0]
            counters[reason] = counters.get(reason, 0) + int(value)
        return counters

    def send(self, rate, seconds, meanwhile=lambda: None):
        """(packets a second that the sender reached, what the sensor counted meanwhile beside "sent")."""
        before = self.counters()
        sender = subprocess.Popen([*sensor.Sensor.ahead_of_others(), str(self.binaries / "live_sender"), *(point + "-far" for point in POINTS), str(rate), str(seconds)],
                                  stdout=subprocess.PIPE, text=True)
        meanwhile()
        sent, took = sender.communicate()[0].split()
        counted = {}
        until = time.monotonic() + 5.0
        while time.monotonic() < until and sum(counted.get(name, 0) for name in ("packets_total", "socket", "nic", "mbuf")) < int(sent):
            time.sleep(0.2)
            counted = {name: value - before.get(name, 0) for name, value in self.counters().items()}
        time.sleep(1.5)  # until everything is analysed
        counted = {name: value - before.get(name, 0) for name, value in self.counters().items()}
        return int(sent) / float(took), {"sent": int(sent), **counted}

    def stall(self):
        def stop_for_a_while():
            time.sleep(1.0)
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(STALL_SECONDS)
            os.kill(self.pid, signal.SIGCONT)
        return self.send(STALL_RATE, 3.0, stop_for_a_while)[1]

    def highest_rate(self):
        """(the highest of RATES without loss, the next one as far as the sender reached it, and what was counted there)."""
        best, reached, counted = 0.0, 0.0, {}
        for rate in RATES:
            reached, counted = self.send(rate, TRY_SECONDS)
            if lost(counted) > 0 or reached < 0.9 * rate:
                break
            best = reached
        return best, reached, counted


def lost(counted):
    """Packets that did not come to the analysis; the kernel may lose them before it counts them for a socket."""
    return counted["sent"] - counted["packets_total"] + sum(counted.get(reason, 0) for reason in ("ring_full", "leg_table", "forwarding", "events"))


def text_of(counted):
    return ", ".join("%s %d" % (name.removesuffix("_total"), value) for name, value in counted.items() if value)


def bounds_hit(bench):
    return bench.sensor.status()["summary"]["bounds_hit"]


def measure(binaries, kind, only_held):
    bench = Bench(binaries, kind)
    try:
        shares = bench.idle()
        idle = sum(shares.values())
        busiest = sorted(shares.items(), key=lambda share: -share[1])[:3]
        print("%s: idle %.1f %% of a core (%s)" % (kind, 100 * idle, ", ".join("%s %.1f" % (name, 100 * share) for name, share in busiest)), flush=True)
        counted = bench.stall()
        print("%s: stopped for %.0f ms at %d packets a second: %d lost (%s)" % (kind, 1e3 * STALL_SECONDS, STALL_RATE, lost(counted), text_of(counted)), flush=True)
        good = idle <= IDLE_MOST and lost(counted) == 0
        if not only_held:
            rate, reached, beyond = bench.highest_rate()
            print("%s: highest rate without loss %.0f packets a second; at the next one (%.0f) %s" % (kind, rate, reached, text_of(beyond)), flush=True)
            rate = max(rate, RATES[0])
            reached, counted = bench.send(2 * rate, TRY_SECONDS)
            print("%s: overload, %.0f packets a second: %s" % (kind, reached, text_of(counted)), flush=True)
            print("%s: after it, at half of the highest rate: %s" % (kind, text_of(bench.send(rate / 2, TRY_SECONDS)[1])), flush=True)
        for bound in bounds_hit(bench):
            print("%s: bound hit: %s" % (kind, bound))
        return good
    finally:
        bench.close()


def in_namespace(command):
    """Its exit code. One of the sysctls is the whole machine's."""
    before = int(BACKLOG.read_text())
    BACKLOG.write_text(str(max(before, BACKLOG_ENOUGH)))
    try:
        script = 'mount -t sysfs sysfs /sys && ip link set lo up && exec "$@"'
        return subprocess.run(["unshare", "--net", "--mount", "sh", "-c", script, "sh", *command], env={**os.environ, INSIDE_NAMESPACE: "1"}, check=False).returncode
    finally:
        BACKLOG.write_text(str(before))


def enter_namespace():
    """Runs this program again in a namespace of its own: the exit code. None: it is there."""
    if INSIDE_NAMESPACE in os.environ:
        return None
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        print("no network namespaces here: run it as root")
        return SKIPPED
    return in_namespace([sys.executable, "-B", *sys.argv])


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--held"]
    if not arguments or any(kind not in sensor.SOURCES for kind in arguments[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    ended = enter_namespace()
    if ended is not None:
        return ended
    results = [measure(arguments[0], kind, "--held" in sys.argv) for kind in arguments[1:] or ("pcap", "dpdk")]
    return 0 if "--held" not in sys.argv or all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
