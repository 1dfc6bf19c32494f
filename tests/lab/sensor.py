"""Parallax on the lab's ports: its configuration, its daemon, and questions to it through the `parallax` command."""
import json
import re
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

from namespaces import start, stop

# What a port can be. Only the last one is stamped when it is polled: the kernel stamps the others.
SOURCES = {
    # 16,384 frames of 2 KiB (the lab has no jumbo frames) outlast a stall of some tenths of a second.
    "dpdk": "dpdk:net_af_packet%(index)d,iface=%(interface)s,blocksz=65536,framesz=2048,framecnt=16384",
    "pcap": "pcap:%(interface)s",
    "polled": "dpdk:net_af_xdp%(index)d,iface=%(interface)s,busy_budget=0",
}
START_PATIENCE = 60.0  # seconds; a sanitizer and a busy machine are slow


def metrics_port():
    """The usual port where it is free."""
    for port in (9464, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise RuntimeError("no free port for the metrics")


def unwrap(record):
    """The record itself, out of its line {"finding": {...}}."""
    for kind in ("connection", "finding", "device"):
        if kind in record:
            return record[kind]
    return record


class Sensor:
    def __init__(self, binaries, work, ports, kinds=("dpdk", "dpdk"), of_spool="", spool_size="1GiB", of_limits="", of_api="", more=()):
        """`of_spool`, `of_limits`, `of_api`: further keys of these; `more`: further lines of the configuration."""
        self.work = work
        self.daemon_file, self.client_file = Path(binaries, "parallaxd"), Path(binaries, "parallax")
        self.target = "unix:%s/grpc.sock" % work
        self.metrics = "127.0.0.1:%d" % metrics_port()
        self.config = Path(work, "parallax.yaml")
        self.config.write_text(self._configuration(ports, dict(zip(("outside", "inside"), kinds)), of_spool, spool_size, of_limits, of_api, more))
        self.log = Path(work, "parallaxd.log")
        self.begin()

    def begin(self):
        """Starts the daemon, the first time or again; its log goes on."""
        with self.log.open("a") as log:
            self.daemon = start([*self.ahead_of_others(), str(self.daemon_file), "--config", str(self.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait_until_it_answers()

    @staticmethod
    def ahead_of_others():
        """A port without stamps of its own has to be polled in time, or the order between ports is lost; and here everything shares few CPUs."""
        command = ["chrt", "--fifo", "1"]
        return command if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0 else []

    def _configuration(self, ports, kinds, of_spool, spool_size, of_limits, of_api, more):
        lines = ["sensor: { name: lab }", "path: [outside, inside]", "ports:"]
        for index, port in enumerate(ports):
            source = SOURCES[kinds[port.point]] % {"index": index, "interface": port.interface}
            lines.append('  - { name: %s, point: %s, source: "%s", direction: %s }' % (port.name, port.point, source, port.direction))
        lines += [
            "workers: { count: 1, rx_count: 1 }",
            "spool: { directory: %s/spool, size: %s, file_size: 16MiB, snaplen: 256%s }" % (self.work, spool_size, ", " + of_spool if of_spool else ""),
            'api: { address: "%s"%s }' % (self.target, ", " + of_api if of_api else ""),
            'metrics: { address: "%s" }' % self.metrics,
            "eal: { huge_pages: false, memory_mib: 256 }",  # so that any machine will do
            "limits: { mbufs: 8191%s }" % (", " + of_limits if of_limits else ""),
            "service: { user: root }",  # the folder is the lab's
            *more,
        ]
        return "\n".join(lines) + "\n"

    def _wait_until_it_answers(self):
        until = time.monotonic() + START_PATIENCE
        while time.monotonic() < until:
            if self.daemon.poll() is not None:
                raise RuntimeError("parallaxd ended with code %d:\n%s" % (self.daemon.returncode, self.log.read_text()))
            if self._command("status").returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("parallaxd does not answer:\n" + self.log.read_text())

    def command(self, *words):
        return [str(self.client_file), *words, "--target", self.target]

    def _command(self, *words):
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=False)

    def ask(self, *words):
        """The answer to `parallax WORDS --format json`: a list of records."""
        done = self._command(*words, "--format", "json")
        if done.returncode != 0:
            raise RuntimeError("parallax %s: %s" % (" ".join(words), done.stderr.strip()))
        return [unwrap(json.loads(line)) for line in done.stdout.splitlines() if line.strip()]

    def follow(self, tell):
        """Calls `tell` with each new or changed finding, from a thread of its own, until the process returned is stopped."""
        process = start(self.command("findings", "--follow", "--format", "json"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

        def read():
            for line in process.stdout:
                tell(unwrap(json.loads(line)))
        threading.Thread(target=read, daemon=True).start()
        return process

    def status(self):
        return self.ask("status")[0]

    def metric(self, name):
        """The sum over all labels of one metric, as a scrape gives it."""
        return int(sum(value for _, value in self.samples(name)))

    def samples(self, name):
        """(name with labels, value) of each sample whose name matches."""
        with urllib.request.urlopen("http://%s/metrics" % self.metrics, timeout=5) as answer:
            text = answer.read().decode()
        return [(found, float(value)) for found, value in re.findall(r"^(%s(?:\{.*\})?) (\S+)$" % name, text, re.MULTILINE)]

    def accounted(self):
        """Packets that the sensor has seen or says that it has lost."""
        return self.metric("parallax_packets_total") + self.metric("parallax_capture_drops_total")

    def close(self):
        """The daemon's exit code."""
        return stop(self.daemon, patience=20.0)
