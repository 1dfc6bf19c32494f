"""What pulling slices at full speed, and pinning at full rate, cost the capture: its drop counters with and without, by turns, in one run.

usage: pulling.py BINARIES [--held] [RATE]     RATE: packets a second; four fifths of the highest without loss unless said

Two veth ports and a sender that plays both sides of a router, as of live.py. By turns the daemon is left alone, is asked for slices of everything by as many clients as
it serves, each as fast as it can take them, and beside that pins a finding whenever it can. With --held, at a modest rate, exit code 1 where a packet is lost on its way
to the analysis; 77 where there are no namespaces. What the spool could not write is told and not held: beside real-time
senders and workers on two cores its writer waits in the kernel for longer than its memory lasts, left alone, too (docs/decisions/0019).
"""
import contextlib
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

import live
from live import sensor

PULLERS, WINDOW = 4, "1s"
SECONDS, ROUNDS = 10.0, 2
HELD_RATE, HELD_SECONDS = 100_000, 3.0
PROBES_FROM = 0x180000  # numbers that Unanswered does not come to
FINDINGS_A_SECOND, FINDING_SECONDS = 200, 8.0  # until one is told and its packets are pinned
PINNED = "pinned: { size: 512MiB, rules: [{ kinds: [syn_unanswered], after_seconds: 1s, before_seconds: 5s, size: 1MiB }] }"
PLACES = "limits: { slices: %d, slices_per_caller: %d }" % (PULLERS + 1, PULLERS + 1)  # they are one caller
WAYS = {"left alone": (False, False), "pulled": (True, False), "pulled and pinned": (True, True)}


class Pullers:
    """Clients that pull the last seconds, again and again."""

    def __init__(self, bench, count):
        self.bench, self.stopped = bench, threading.Event()
        self.bytes, self.slices = 0, 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._pull) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _pull(self):
        while not self.stopped.is_set():
            client = subprocess.Popen(self.bench.sensor.command("slice", "--from", WINDOW), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False)
            taken = 0
            while chunk := client.stdout.read1(1 << 20):
                taken += len(chunk)
                if self.stopped.is_set():
                    client.terminate()
            said = client.stderr.read().decode().strip()
            ended = client.wait()
            if ended != 0 and not self.stopped.is_set():
                print("a slice failed: %s" % said, flush=True)
            with self.lock:
                self.bytes += taken
                self.slices += ended == 0

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def syn(number):
    """The SYN of a client of its own to a service of its own, which no one answers and the device does not forward."""
    address = struct.pack("!BBH", 10, 200 + (number >> 16) % 50, number & 0xffff)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, number & 0xffff, 0x4000, 64, 6, 0, address, struct.pack("!BBH", 10, 100, number & 0xffff))
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + header[12:]
    tcp = struct.pack("!HHIIBBHHH", 20000 + number % 40000, 443, number, 0, 0x50, 0x02, 65535, 0, 0)
    return bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]) + header + tcp


class Unanswered:
    """SYNs into the device at so many a second, each a finding."""

    number = 1

    def __init__(self):
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._send)
        self.thread.start()

    def _send(self):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
            out.bind(("outside-far", 0))
            while not self.stopped.wait(1 / FINDINGS_A_SECOND):
                out.send(syn(Unanswered.number))
                Unanswered.number += 1

    def stop(self):
        self.stopped.set()
        self.thread.join()


class Readable:
    """How long after its capture a packet can be read in a slice: one is sent, and slices are asked for until it is there."""

    def __init__(self, bench):
        self.bench, self.stopped, self.delays = bench, threading.Event(), []
        self.thread = threading.Thread(target=self._probe)
        self.thread.start()

    def _probe(self):
        number = PROBES_FROM
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
            out.bind(("outside-far", 0))
            while not self.stopped.wait(0.5):
                number += 1
                frame = syn(number)
                asked = self.bench.sensor.command("slice", "--from", "5s", "--filter", "src host %s" % socket.inet_ntoa(frame[26:30]))
                out.send(frame)
                began = time.monotonic()
                while not self.stopped.is_set():
                    if frame[26:30] in subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout:
                        self.delays.append(time.monotonic() - began)
                        break

    def stop(self):
        self.stopped.set()
        self.thread.join()

    def text(self):
        if not self.delays:
            return "; no packet was readable"
        return "; a packet is readable after %.0f ms (most %.0f, of %d)" % (statistics.median(self.delays) * 1e3, max(self.delays) * 1e3, len(self.delays))


def pins(bench):
    pinned = bench.sensor.status()["spool"]["pinned"]
    return pinned["made"], pinned["dropped"], pinned["waiting"]


def one_turn(bench, rate, seconds, pulled, pinned):
    """(what live.Bench.send() says, what was pulled and pinned)."""
    before = pins(bench)
    with contextlib.ExitStack() as stack:
        if pinned:
            stack.callback(Unanswered().stop)
            time.sleep(FINDING_SECONDS)
            before = pins(bench)
        pullers = Pullers(bench, PULLERS) if pulled else None
        if pullers is not None:
            stack.callback(pullers.stop)
        readable = Readable(bench)
        stack.callback(readable.stop)
        began = time.monotonic()
        reached, counted = bench.send(rate, seconds)
        took = time.monotonic() - began
    made = [now - then for now, then in zip(pins(bench)[:2], before[:2])]
    text = readable.text()
    if pullers is not None:
        text += "; %d slices by %d clients, %.0f MB/s" % (pullers.slices, PULLERS, pullers.bytes / took / 1e6)
    if pinned:
        text += "; %d findings a second pinned, %d not for want of time" % (made[0] / took, made[1])
    return reached, counted, text


def losses(counted):
    """By reason; all that is counted but packets taken."""
    return {name: value for name, value in counted.items() if name not in ("sent", "packets_total") and value}


def measure(binaries, rate, held):
    bench = live.Bench(binaries, "pcap", PINNED, PLACES)
    try:
        if rate is None:
            rate = HELD_RATE if held else bench.highest_rate()[0] * 0.8
        seconds = HELD_SECONDS if held else SECONDS
        bench.send(rate, seconds)  # so that there is something to pull
        good = True
        for _ in range(1 if held else ROUNDS):
            for way, (pulled, pinned) in WAYS.items():
                reached, counted, text = one_turn(bench, rate, seconds, pulled, pinned)
                lost = losses(counted)
                good &= not set(lost) - {"spool_dropped_packets_total"}
                print("%s: %.0f packets a second, lost: %s%s" % (way, reached, ", ".join("%s %d" % one for one in lost.items()) or "none", text), flush=True)
        return good
    finally:
        bench.close()


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--held"]
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    skipped = live.enter_namespace()
    if skipped is not None:
        return skipped
    good = measure(arguments[0], float(arguments[1]) if len(arguments) == 2 else None, "--held" in sys.argv)
    return 0 if "--held" not in sys.argv or good else 1


if __name__ == "__main__":
    sys.exit(main())
