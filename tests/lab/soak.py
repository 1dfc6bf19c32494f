"""A soak: rounds of the lab's traffic, each with mishaps drawn from a seed, and what must hold through all of them.

usage: soak.py BINARIES [--minutes N] [--seed N]     exit code 77: no namespaces here

In the first third of the time the daemon is also started anew and killed; then one daemon runs to the end, and its memory is measured. The
clock is not stepped: it is the machine's, and a time namespace has the monotonic one alone. Nor is the disk remounted read-only, which the
kernel refuses while a file on it is open for writing.
"""
import argparse
import collections
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import disturbances
import lab as labs
import services
import verify
from namespaces import NoNamespaces, run

sys.path.insert(0, str(labs.HERE.parent / "package"))
from package import CLONE_NEWNS, leave_namespace  # noqa: E402

ROUND = 20.0               # seconds of traffic
START_MOST = 3.0           # seconds until a daemon that was started anew answers
WARM_UP = 240.0            # seconds until the tables of a daemon are full, with the limits below
MEMORY_MOST = 0.02         # growth of the resident memory after that
JUDGED_FROM = 300.0        # seconds after the warm-up: of less no growth is judged
DISK = 320                 # MiB of the spool's disk
LIMITS = "legs: 2048, half_open_legs: 512, connections: 2048, findings: 256"
DROPPED_SYNS = ("tcp dport 1080 tcp flags & (syn | ack) == syn drop", "web", ("syn_unanswered", "syn_retried"))
BLINDING = verify.SENSOR_KINDS + ("ports_swapped", "asymmetric_path")


@dataclass
class Round:
    """What was done to the daemon and its surroundings in one round, and so what it may rightly say."""
    mishaps: list = field(default_factory=list)
    blinded: bool = False      # it did not see all: findings of the sensor itself are in order
    spoiled: tuple = ()        # (service, kinds) of what the firewall did besides
    restarted: bool = False
    findings: dict = field(default_factory=dict)


class Soak:
    def __init__(self, binaries, minutes, seed):
        self.chance, self.seconds = random.Random(seed), minutes * 60.0
        self.lab = labs.Lab(binaries, prepare=self._mount, spool_size="128MiB", of_limits=LIMITS)
        self.sensor, self.network = self.lab.sensor, self.lab.network
        self.failures, self.counts, self.starts = [], collections.Counter(), []
        self.memory = []           # (seconds since its start, bytes) of the daemon that runs now
        self.started = time.monotonic()
        self.connections = 0       # that the clients have made
        self.base = (0, 0)         # packets on the ports before that was started, and when it answered

    def _mount(self, lab):
        self.disk = lab.work / "spool"
        self.disk.mkdir()
        run(["mount", "-t", "tmpfs", "-o", "size=%dM,mode=0700" % DISK, "tmpfs", str(self.disk)])
        lab.closing.append(lambda: subprocess.run(["umount", "-l", str(self.disk)], check=False))

    def fail(self, what):
        self.failures.append(what)
        print("  FAILED: " + what, flush=True)

    # Mishaps: each takes a few seconds.
    def device_drops(self, current):
        rule, service, kinds = DROPPED_SYNS
        current.spoiled = (service, kinds)
        self.network.firewall.run(["nft", "insert", "rule", "inet", "lab", "faults", *rule.split()])
        time.sleep(4.0)
        listing = self.network.firewall.run(["nft", "-a", "list", "chain", "inet", "lab", "faults"])
        handle = next(line.split()[-1] for line in listing.splitlines() if "dport 1080" in line)
        self.network.firewall.run(["nft", "delete", "rule", "inet", "lab", "faults", "handle", handle])

    def reload(self, current):
        before = self.sensor.log.read_text().count("is in effect")
        text = self.sensor.config.read_text()
        line = "thresholds: { fan_out_tries: %d }" % self.chance.randint(50, 99)
        self.sensor.config.write_text("\n".join([old for old in text.splitlines() if not old.startswith("thresholds:")] + [line]) + "\n")
        self.sensor.daemon.send_signal(signal.SIGHUP)
        time.sleep(1.5)
        if self.sensor.log.read_text().count("is in effect") != before + 1:
            self.fail("a reload is not in effect")

    def restart(self, current):
        self._start_anew(current, signal.SIGTERM, 0)

    def kill(self, current):
        self._start_anew(current, signal.SIGKILL, -signal.SIGKILL)

    def _start_anew(self, current, number, code):
        self.note_findings(current)
        self.sensor.daemon.send_signal(number)
        ended = self.sensor.daemon.wait(20)
        if ended != code:
            self.fail("the daemon ended with %d, not %d" % (ended, code))
        before, began = self.network.received()["rx_packets"], time.monotonic()
        self.sensor.begin()
        self.starts.append(time.monotonic() - began)
        self.base = (before, self.network.received()["rx_packets"])
        self.memory, self.started, current.restarted, current.blinded = [], time.monotonic(), True, True
        if self.starts[-1] > START_MOST:
            self.fail("a start took %.1f s" % self.starts[-1])

    def disk_full(self, current):
        filler = self.disk / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError:
                pass
        time.sleep(4.0)
        filler.unlink()
        end = time.monotonic() + 10.0
        while self.sensor.status()["spool"]["error"] and time.monotonic() < end:
            time.sleep(0.5)
        if self.sensor.status()["spool"]["error"]:
            self.fail("the spool does not recover: " + self.sensor.status()["spool"]["error"])

    def _disturb(self, current, begin, end):
        current.blinded = True
        begin(self.lab)
        time.sleep(3.0)
        end(self.lab)

    def links_down(self, current):
        self._disturb(current, disturbances.peers_of_inside_ports("down"), disturbances.peers_of_inside_ports("up"))

    def mirror_removed(self, current):
        self._disturb(current, disturbances.mirror_of_one_port(False), disturbances.mirror_of_one_port(True))

    def pause(self, current):
        current.blinded = True
        self.sensor.daemon.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        self.sensor.daemon.send_signal(signal.SIGCONT)

    def stuck_client(self, current):
        """A stream of findings whose reader does not read, until the end of all."""
        if self.counts["stuck clients"] >= 8:
            return
        self.counts["stuck clients"] += 1
        follower = self.lab._process(self.sensor.follow(lambda finding: None))
        time.sleep(0.5)
        follower.send_signal(signal.SIGSTOP)

    def many_clients(self, current):
        """A thousand connections that say nothing, or the beginning of HTTP/2 and no more."""
        held = []
        try:
            for index in range(1000):
                one = socket.socket(socket.AF_UNIX)
                one.connect(self.sensor.target.removeprefix("unix:"))  # waits where too many wait already
                if index % 2:
                    one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                held.append(one)
            began = time.monotonic()
            self.sensor.status()
            if time.monotonic() - began > 5.0:
                self.fail("status took %.1f s beside a thousand clients" % (time.monotonic() - began))
        except OSError as error:
            self.counts["connections refused beside many"] += 1
            print("  after %d connections: %s" % (len(held), error), flush=True)
        finally:
            for one in held:
                one.close()

    def slices(self, current):
        pulls = [self.lab._process(subprocess.Popen(self.sensor.command("slice", "--from", "10s", "-o", "/dev/null"), stdout=subprocess.DEVNULL,
                                                         stderr=subprocess.PIPE, text=True)) for _ in range(4)]
        for pull in pulls:
            _, said = pull.communicate(timeout=60)
            refused = "at a time are served" in said
            self.counts["slices refused" if refused else "slices pulled"] += 1
            if pull.returncode != 0 and not refused:
                self.fail("a slice: " + said.strip())

    ALWAYS = ("device_drops", "reload", "disk_full", "links_down", "mirror_removed", "pause", "stuck_client", "many_clients", "slices")
    ANEW = ("restart", "kill")

    # What must hold.
    def note_findings(self, current):
        """Those of the daemon that runs now; it may be gone at the round's end."""
        for finding in self.sensor.ask("findings"):
            current.findings[(self.sensor.daemon.pid, finding["id"])] = finding

    def services_of(self, finding):
        """Names of the services that a finding is about, by the port of the server; None: of none of the lab's."""
        ends = [finding["service"]] if finding.get("service") else []
        if not ends:
            wanted = set(finding["connection_ids"])
            ends = ["x:%d" % each["server"]["port"] for each in self.sensor.ask("connections") if each["id"] in wanted]
        by_port = {port: each for each in services.SERVICES for port in (each.port, each.server_port)}
        return [by_port.get(int(end.rpartition(":")[2])) for end in ends]

    def is_explained(self, finding, current):
        if finding["kind"] in BLINDING or finding["origin"] == "sensor":
            return current.blinded or self.sensor.metric("parallax_capture_drops_total") > 0
        about = self.services_of(finding)
        for service in about:
            if service is None:
                return False
            spoiled = (bool(current.spoiled) and service.port == 80 and finding["kind"] in current.spoiled[1] and
                       (finding["origin"] == "device" or verify.accuses_nobody(finding)))
            if not spoiled and not (service.expected and (verify.matches(finding, service.expected) or verify.accuses_nobody(finding))):
                return False
        return bool(about)

    def check_packets(self, current):
        """Packets on the ports are those that the daemon saw or says that it lost: to the packet, unless it was started meanwhile."""
        time.sleep(2.0)
        kernel, accounted = self.network.received()["rx_packets"], self.sensor.accounted()
        if not kernel - self.base[1] <= accounted <= kernel - self.base[0]:
            self.fail("%d to %d packets came to the ports, %d are accounted for" % (kernel - self.base[1], kernel - self.base[0], accounted))
        self.counts["lost and counted"] = self.sensor.metric("parallax_capture_drops_total")

    def check_findings(self, current, known):
        self.note_findings(current)
        for key, finding in current.findings.items():
            loud = finding["severity"] in verify.LOUD and finding["state"] != "withdrawn"
            if not loud or key in known:
                continue
            known.add(key)
            self.counts["loud findings"] += 1
            if not self.is_explained(finding, current):
                self.fail("%s: %s" % (verify.describe(finding), finding["summary"]))

    def note_memory(self):
        status = Path("/proc/%d/status" % self.sensor.daemon.pid).read_text()
        resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024
        self.memory.append((time.monotonic() - self.started, resident))

    def check_memory(self):
        warm = [(at, resident) for at, resident in self.memory if at >= WARM_UP]
        text = "resident memory: %s MiB over the life of the last daemon" % ", ".join("%.1f" % (each[1] / 2**20) for each in self.memory[::max(1, len(self.memory) // 12)])
        if not warm or warm[-1][0] - warm[0][0] < JUDGED_FROM:
            return text + "; too short a time to judge its growth"
        first, last = (statistics.median(each[1] for each in part) for part in (warm[:3], warm[-3:]))
        growth = last / first - 1
        if growth > MEMORY_MOST:
            self.fail("memory grew by %.1f %% in %.0f s after the warm-up" % (100 * growth, warm[-1][0] - warm[0][0]))
        return text + "; %+.1f %% in the %.0f s after the warm-up" % (100 * growth, warm[-1][0] - warm[0][0])

    def round(self, number, mishaps, known):
        current = Round(mishaps=mishaps)
        print("%s round %d: %s" % (time.strftime("%H:%M:%S"), number, ", ".join(mishaps)), flush=True)
        clients = self.lab.drive(ROUND, self.connections)
        time.sleep(3.0)
        for name in mishaps:
            getattr(self, name)(current)
            self.counts[name] += 1
            time.sleep(self.chance.uniform(0.5, 1.5))
        clients.wait()
        time.sleep(2.5)
        self.connections += len(self.lab.truth.read_text().splitlines())
        if self.sensor.daemon.poll() is not None:
            raise RuntimeError("the daemon ended with %d:\n%s" % (self.sensor.daemon.returncode, self.sensor.log.read_text()[-3000:]))
        self.check_packets(current)
        self.check_findings(current, known)
        self.note_memory()

    def go(self):
        begin, number, known = time.monotonic(), 0, set()
        while number < 2 or time.monotonic() - begin < self.seconds:
            anew = number < 2 or time.monotonic() - begin < self.seconds / 3
            mishaps = self.chance.sample(self.ALWAYS, 2)
            if anew:
                mishaps[number % 2] = self.ANEW[number % 2]
            number += 1
            self.round(number, mishaps, known)
        memory = self.check_memory()
        self.lab.stop_sensor()
        if self.lab.daemon_code != 0:
            self.fail("the daemon ended with %d" % self.lab.daemon_code)
        print("\n%d rounds in %.0f s, %d connections; %s" % (number, time.monotonic() - begin, self.connections,
                                                             ", ".join("%s %d" % item for item in sorted(self.counts.items()))))
        print("started anew %d times, in %.1f s at the longest" % (len(self.starts), max(self.starts, default=0.0)))
        print(memory)
        print("%d failures" % len(self.failures))
        for text in self.failures:
            print("  " + text)
        return int(bool(self.failures))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("binaries")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if os.geteuid() != 0:
        return labs.again_as_root()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, labs.interrupt)
    os.umask(0o077)
    leave_namespace(CLONE_NEWNS)
    try:
        soak = Soak(options.binaries, options.minutes, options.seed)
    except NoNamespaces as error:
        print("SKIPPED: this machine permits no network namespaces (%s)" % error)
        return labs.SKIPPED
    try:
        print("seed %d" % options.seed, flush=True)
        result = soak.go()
        if result != 0:
            soak.lab.keep(Path(options.binaries).resolve().parent / "lab-failed-soak")
        return result
    finally:
        soak.lab.close()


if __name__ == "__main__":
    sys.exit(main())
