"""The spool's writer beside fio, tcpdump and dumpcap, on the disk that a directory is on.

usage: spool.py BINARIES [--tiny] [--directory DIRECTORY]

fio appends to a growing file, as the spool does; tcpdump, dumpcap and the spool copy the same capture file, which is in the page cache. Each round runs
them all by turns; shown are the medians of the rounds, with the least and the most. A rate includes the sync that puts everything on the disk; processor
time is the program's own (the kernel's write-back threads are nobody's). "dirty" is the most that the page cache held for the disk meanwhile.
"""
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PACKETS, ROUNDS = 8_000_000, 3
TINY_PACKETS, TINY_ROUNDS = 20_000, 1
SNAPLEN = 112
FIO = {  # name: engine, direct, block, depth
    "fio, plain, 1 MiB": ("psync", 0, "1m", 1),
    "fio, direct, 1 MiB": ("psync", 1, "1m", 1),
    "fio, io_uring, direct, 1 MiB, 4 at once": ("io_uring", 1, "1m", 4),
}


def write_input(path, packets):
    """TCP segments of 1,000 connections, of 1,054 bytes on the wire and SNAPLEN in the file."""
    frames = []
    for leg in range(1000):
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1040, leg, 0x4000, 64, 6, 0, bytes([10, 0, leg >> 8, leg & 255]), bytes([198, 51, 100, 1]))
        tcp = struct.pack("!HHIIBBHHH", 1024 + leg, 443, 1, 1, 0x50, 0x10, 512, 0, 0)
        frames.append((b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + ip + tcp + bytes(SNAPLEN))[:SNAPLEN])
    with open(path, "wb", buffering=1 << 20) as out:
        out.write(struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, SNAPLEN, 1))
        for first in range(0, packets, 1000):
            seconds, ns = 1_700_000_000 + first // 1_000_000, first % 1_000_000 * 1000
            out.write(b"".join(struct.pack("=IIII", seconds, ns + i * 1000, SNAPLEN, 1054) + frame for i, frame in enumerate(frames)))


class Dirty:
    """The most dirty memory, looked at every few milliseconds."""

    def __enter__(self):
        self.most, self.done = 0, False
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self):
        while not self.done:
            lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
            self.most = max(self.most, sum(int(lines[name].split()[0]) for name in ("Dirty", "Writeback")) // 1024)
            time.sleep(0.02)

    def __exit__(self, *_):
        self.done = True
        self.thread.join()


def measure(command, directory, stdin=None):
    """Seconds until all is on the disk, processor seconds, bytes in the directory, MiB dirty at the most, standard output."""
    os.sync()
    with Dirty() as dirty, open(stdin or os.devnull, "rb") as given:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        os.sync()
        seconds = time.monotonic() - begun
    if process.returncode != 0:
        sys.exit(f"{command[0]}: {errors.decode()}")
    size = sum(path.stat().st_size for path in Path(directory).rglob("*") if path.is_file())
    return seconds, usage.ru_utime + usage.ru_stime, size, dirty.most, output.decode()


def fio(kind, directory, size):
    engine, direct, block, depth = FIO[kind]
    command = ["fio", "--name=w", f"--filename={directory}/f", f"--size={size}", "--rw=write", f"--ioengine={engine}", f"--direct={direct}", f"--bs={block}",
               f"--iodepth={depth}", "--fallocate=none", "--end_fsync=1", "--thread", "--output-format=json"]
    with Dirty() as dirty:
        job = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["jobs"][0]
    seconds = job["write"]["runtime"] / 1000
    return {"rate": size / seconds / 1e6, "dirty": dirty.most}


def copier(command, packets, capture, directory, stdin=None):
    seconds, processor, size, dirty, _ = measure(command, directory, stdin)
    return {"rate": size / seconds / 1e6, "ns": processor / packets * 1e9, "dirty": dirty}


def main():
    arguments = sys.argv[1:]
    tiny = "--tiny" in arguments
    binaries = Path(arguments[0])
    place = arguments[arguments.index("--directory") + 1] if "--directory" in arguments else None
    packets, rounds = (TINY_PACKETS, TINY_ROUNDS) if tiny else (PACKETS, ROUNDS)
    work = tempfile.mkdtemp(prefix="parallax-spool-", dir=place)
    results = {}
    try:
        capture, out = f"{work}/input.pcap", f"{work}/out"
        write_input(capture, packets)
        size = packets * (SNAPLEN + 32) >> 20 << 20 or 1 << 20
        copier_program = str(binaries / "spool_copier")
        programs = {
            "tcpdump": (["tcpdump", "-Z", "root", "-r", capture, "-s", str(SNAPLEN), "-w", f"{out}/o.pcap"], None),
            "dumpcap": (["dumpcap", "-q", "-i", "-", "-w", f"{out}/o.pcapng"], capture),
            "spool, plain": ([copier_program, capture, out, str(SNAPLEN), "plain"], None),
            "spool": ([copier_program, capture, out, str(SNAPLEN)], None),
        }
        for _ in range(rounds):
            for name in [*FIO, *programs]:
                if not shutil.which(name.split(",")[0]) and not name.startswith("spool"):
                    continue
                os.mkdir(out, 0o777)
                Path(capture).read_bytes() if tiny else subprocess.run(["cat", capture], stdout=subprocess.DEVNULL, check=True)
                got = fio(name, out, size) if name in FIO else copier(programs[name][0], packets, capture, out, programs[name][1])
                results.setdefault(name, []).append(got)
                shutil.rmtree(out)
    finally:
        shutil.rmtree(work)
    print(f"{packets} packets of {SNAPLEN} bytes, {rounds} rounds: median (least to most)\n")
    print("| | MB/s | processor time, ns a packet | dirty, MiB |\n|---|---|---|---|")
    for name, rows in results.items():
        def cell(key):
            values = [row[key] for row in rows if key in row]
            return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})" if values else ""
        print(f"| {name} | {cell('rate')} | {cell('ns')} | {cell('dirty')} |")


main()
