"""A lab of network namespaces with Parallax watching it.

usage: lab.py run BINARIES [SECONDS]       shows findings as they come and a summary; without SECONDS until Ctrl-C
       lab.py verify BINARIES [SECONDS]    compares what Parallax says with what happened; exit code 77: no namespaces here
       lab.py disturb BINARIES NAME        the same while something happens to the sensor itself (disturbances.py)
BINARIES is the folder with parallaxd and parallax. Nothing is left behind, whatever ends it; but where verify fails, what it had to go by
(both truths, both answers, the log, the spool to analyse again) is kept in the folder lab-failed beside BINARIES.
"""
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import disturbances
import summary
import verify
from namespaces import NoNamespaces, stop
from network import Network
from sensor import Sensor

HERE = Path(__file__).resolve().parent
SKIPPED = 77
WORK_PREFIX = "parallax-lab-"
BEFORE_DISTURBANCE, AFTER_DISTURBANCE = 5.0, 2.5  # seconds of traffic; before: what is usual takes 3.5
SETTLE_PATIENCE = 15.0  # seconds for the last verdicts after the last packet


class WorkDirectory:
    """Sockets, logs and spool of a run. Its lock tells a run from the leftovers of a killed one, which are cleared here."""

    def __init__(self):
        for leftover in Path(tempfile.gettempdir()).glob(WORK_PREFIX + "*"):
            self._remove_unless_locked(leftover)
        self.path = Path(tempfile.mkdtemp(prefix=WORK_PREFIX))
        self.lock = (self.path / "lock").open("w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    @staticmethod
    def _remove_unless_locked(path):
        try:
            with (path / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass  # another lab is using it, or another user's

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)
        self.lock.close()


class Lab:
    """Network, sensor, server and clients, in the order in which they start; closed the other way round."""

    def __init__(self, binaries, kinds=("dpdk", "dpdk"), configured=list, prepare=lambda lab: None, **of_sensor):
        """`configured`: what the sensor is told of its ports, made of what they are; `prepare`: before it starts."""
        self.closing = []
        self.daemon_code = None
        try:
            self.work = self._keep(WorkDirectory()).path
            self.network = self._keep(Network())
            prepare(self)
            self.sensor = Sensor(binaries, self.work, configured(self.network.ports), kinds, **of_sensor)
            self.closing.append(self.stop_sensor)
            self.truth, self.conntrack = self.work / "truth.jsonl", self.work / "conntrack.log"
            with self.conntrack.open("w") as log:
                self._process(self.network.firewall.start(["conntrack", "-E", "-e", "NEW", "-b", "8388608", "-o", "timestamp,id"],
                                                          stdout=log, stderr=subprocess.DEVNULL))
            server = self._process(self.network.server.start([sys.executable, str(HERE / "server.py")], stdout=subprocess.PIPE))
            if server.stdout.readline() != b"listening\n":
                raise RuntimeError("the lab's server did not start")
            time.sleep(0.2)  # conntrack says nothing when it is ready
            self.network.plug_in()
        except BaseException:
            self.close()
            raise

    def _keep(self, part):
        self.closing.append(part.close)
        return part

    def _process(self, process):
        self.closing.append(lambda: stop(process))
        return process

    def drive(self, seconds, first=0):
        """Starts the clients; seconds 0: until they are stopped. `first`: how many connections there were before."""
        command = [sys.executable, str(HERE / "client.py"), str(self.truth), str(seconds), str(first)]
        return self._process(self.network.client.start(command))

    def bulk(self, seconds):
        return self._process(self.network.client.start([sys.executable, str(HERE / "bulk.py"), str(seconds)]))

    def follow(self):
        """Each finding to the terminal when it is new; how it grows is in the summary at the end."""
        told = set()

        def tell(finding):
            if finding["id"] not in told:
                told.add(finding["id"])
                print("%s  %-8s %s" % (time.strftime("%H:%M:%S"), finding["severity"], finding["summary"]), flush=True)
        return self._process(self.sensor.follow(tell))

    def settle(self):
        """Waits until every packet is accounted for and the sensor has nothing new to say."""
        until, before = time.monotonic() + SETTLE_PATIENCE, None
        while time.monotonic() < until:
            time.sleep(2.5)
            state = (self.network.received()["rx_packets"] - self.sensor.accounted(), self.sensor.status()["summary"])
            if state[0] <= 0 and state == before:
                return
            before = state

    def keep(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.work, folder, ignore=shutil.ignore_patterns("lock", "*.sock"))
        print("kept: %s" % folder)

    def stop_sensor(self):
        if self.daemon_code is None:
            self.daemon_code = self.sensor.close()

    def close(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while self.closing:
            self.closing.pop()()


def interrupt(*_):
    raise KeyboardInterrupt


def run(binaries, seconds):
    lab = Lab(binaries)
    try:
        print(summary.greeting(lab), flush=True)
        follower = lab.follow()
        clients = lab.drive(seconds)
        try:
            clients.wait()
            print("\nThe traffic has ended; waiting for the last verdicts.", flush=True)
            lab.settle()
        except KeyboardInterrupt:
            print("\nStopping.", flush=True)
            stop(clients, patience=0.1)
            time.sleep(1.0)
        stop(follower)
        print(summary.farewell(lab), flush=True)
        return 0
    finally:
        lab.close()


def prove(binaries, seconds):
    try:
        lab = Lab(binaries)
    except NoNamespaces as error:
        print("SKIPPED: this machine permits no network namespaces (%s)" % error)
        return SKIPPED
    try:
        clients = lab.drive(seconds)
        clients.wait()
        lab.settle()
        result = verify.report(lab)
        if result != 0:
            lab.keep(Path(binaries).resolve().parent / "lab-failed")
        return result
    finally:
        lab.close()


def disturb(binaries, disturbance):
    try:
        lab = Lab(binaries, disturbance.kinds)
    except NoNamespaces as error:
        print("SKIPPED: this machine permits no network namespaces (%s)" % error)
        return SKIPPED
    except RuntimeError as error:
        if disturbances.POLLED not in disturbance.kinds or "net_af_xdp" not in str(error):
            raise
        print("SKIPPED: this machine has no XDP sockets")
        return SKIPPED
    try:
        clients = lab.drive(BEFORE_DISTURBANCE + disturbance.seconds + AFTER_DISTURBANCE)
        time.sleep(BEFORE_DISTURBANCE - 1.0)
        if disturbance.bulk:
            lab.bulk(disturbance.seconds + 2.0)
        time.sleep(1.0)
        observation = disturbances.Observation(lab, disturbance)
        clients.wait()
        time.sleep(2.5)
        result = verify.report_disturbed(lab, observation)
        if result != 0:
            lab.keep(Path(binaries).resolve().parent / ("lab-failed-" + disturbance.name))
        return result
    finally:
        lab.close()


def again_as_root():
    """This program again, through a sudo that asks nothing. (The root of a user namespace may not bind a queue to a CPU.)"""
    command = ["sudo", "-n", sys.executable, "-B", *sys.argv]
    try:
        if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
            os.execvp(command[0], command)
    except OSError:
        pass
    print("SKIPPED: the lab needs root, or sudo without a password")
    return SKIPPED


def main():
    arguments = sys.argv[1:]
    names = [each.name for each in disturbances.DISTURBANCES]
    known = len(arguments) in (2, 3) and arguments[0] in ("run", "verify") or len(arguments) == 3 and arguments[0] == "disturb" and arguments[2] in names
    if not known:
        print(__doc__, file=sys.stderr)
        return 2
    mode, binaries = arguments[:2]
    if os.geteuid() != 0:
        return again_as_root()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    os.umask(0o077)
    try:
        if mode == "run":
            return run(binaries, float(arguments[2]) if len(arguments) == 3 else 0)
        if mode == "disturb":
            return disturb(binaries, disturbances.by_name(arguments[2]))
        return prove(binaries, float(arguments[2]) if len(arguments) == 3 else 30)
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, NoNamespaces, OSError) as error:
        print("lab: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
