"""The metrics page of a real parallaxd: which metrics there are, with which labels, and which values these have."""
import re
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

START_PATIENCE = 30.0  # seconds
SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_capture(path):
    """One ARP request: all metrics are on the page from the start."""
    frame = bytes.fromhex("ffffffffffff0200000000010806" + "00" * 46)
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + struct.pack("<IIII", 1700000000, 0, len(frame), len(frame)) + frame)


def scrape(binaries):
    """The page as text, of a sensor with two points, a port each, and a spool."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        port = free_port()
        for point in ("outside", "inside"):
            write_capture(folder / f"{point}.pcap")
        (folder / "parallax.yaml").write_text(f"""
path: [outside, inside]
ports:
  - {{ name: tap0, point: outside, source: "file:{folder}/outside.pcap", direction: toward_inside }}
  - {{ name: tap1, point: inside, source: "file:{folder}/inside.pcap", direction: toward_inside }}
spool: {{ directory: {folder}/spool, size: 256MiB }}
api: {{ address: "unix:{folder}/grpc.sock" }}
metrics: {{ address: "127.0.0.1:{port}" }}
""")
        with (folder / "log").open("w") as log:
            daemon = subprocess.Popen([binaries / "parallaxd", "--config", folder / "parallax.yaml"], stdout=log, stderr=log)
        try:
            end = time.monotonic() + START_PATIENCE
            while "is ready" not in (folder / "log").read_text():
                if daemon.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"parallaxd did not start: {(folder / 'log').read_text()}")
                time.sleep(0.05)
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        finally:
            daemon.terminate()
            daemon.wait(30)


def vocabulary(page):
    """{metric: {label: {value, ...}}}"""
    metrics = {}
    for line in page.splitlines():
        found = SAMPLE.match(line)
        if line.startswith("#") or not found:
            continue
        labels = metrics.setdefault(found[1], {})
        for name, value in LABEL.findall(found[2] or ""):
            labels.setdefault(name, set()).add(value)
    return metrics
