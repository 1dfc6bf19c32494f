"""Installs the Debian package on a bare Debian 12, starts what it has installed, upgrades, removes and purges it.

usage: package.py BUILD      the build's folder, with CPackConfig.cmake; exit code 77: this machine lacks something, which is said
"""
import ctypes
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bare_debian import BareDebian, NoDebian

SKIPPED = 77
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000  # linux/sched.h
START_PATIENCE, STOP_PATIENCE = 30.0, 10.0  # seconds
CONFIGURATION = "/etc/parallax/parallax.yaml"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
DRIVERS = ("librte-bus-vdev23", "librte-mempool-ring23", "librte-net-af-packet23")  # Debian 12's DPDK

# What the package puts where, with owner and mode.
PLACES = [
    ("/usr/bin/parallaxd", "root", 0o755),
    ("/usr/bin/parallax", "root", 0o755),
    (CONFIGURATION, "root", 0o644),
    ("/usr/lib/systemd/system/parallaxd.service", "root", 0o644),
    ("/usr/lib/sysusers.d/parallax.conf", "root", 0o644),
    ("/usr/lib/tmpfiles.d/parallax.conf", "root", 0o644),
    ("/var/spool/parallax", "parallax", 0o750),
    ("/var/lib/parallax", "parallax", 0o750),
    ("/var/log/parallax", "parallax", 0o750),
    ("/usr/share/man/man1/parallax.1", "root", 0o644),
    ("/usr/share/man/man5/parallax.yaml.5", "root", 0o644),
    ("/usr/share/man/man8/parallaxd.8", "root", 0o644),
    ("/usr/share/bash-completion/completions/parallax", "root", 0o644),
    ("/usr/share/bash-completion/completions/parallaxd", "root", 0o644),
    ("/usr/share/wireshark/profiles/Parallax/preferences", "root", 0o644),
    (f"{LIBRARIES}/wireshark/plugins/parallax.lua", "root", 0o644),
    (f"{LIBRARIES}/wireshark/extcap/parallax", "root", 0o755),
    ("/usr/share/parallax/prometheus/parallax.rules.yml", "root", 0o644),
    ("/usr/share/parallax/prometheus/parallax.html", "root", 0o644),
    ("/usr/share/parallax/grafana/parallax-overview.json", "root", 0o644),
    ("/usr/share/parallax/grafana/provider.yml", "root", 0o644),
    ("/usr/share/doc/parallax/README.md", "root", 0o644),
    ("/usr/share/doc/parallax/parallax.yaml", "root", 0o644),
    ("/usr/share/doc/parallax/parallaxd-dpdk.conf", "root", 0o644),
    ("/usr/share/doc/parallax/copyright", "root", 0o644),
]


def expect(is_so, what):
    if not is_so:
        raise AssertionError(what)


def say(text):
    print(text, flush=True)


def account_ids(debian):
    lines = debian.path("/etc/passwd").read_text().splitlines()
    return {fields[0]: (int(fields[2]), int(fields[3])) for fields in (line.split(":") for line in lines)}


class Packages:
    """The package as built, and a later version of it whose configuration is another one."""

    def __init__(self, build, folder):
        made = subprocess.run(["cpack", "--config", build / "CPackConfig.cmake", "-B", folder], capture_output=True, text=True, check=False)
        expect(made.returncode == 0, f"cpack: {made.stdout}{made.stderr}")
        self.first = next(folder.glob("parallax_*.deb"))
        content = folder / "later"
        subprocess.run(["dpkg-deb", "-R", self.first, content], check=True)
        with (content / "etc/parallax/parallax.yaml").open("a") as configuration:
            configuration.write("# of a later version\n")
        control = content / "DEBIAN/control"
        control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 9"))
        self.later = folder / "parallax_later.deb"
        subprocess.run(["dpkg-deb", "-b", content, self.later], check=True, stdout=subprocess.DEVNULL)


def put(package, debian):
    """The package where apt inside sees it."""
    shutil.copy(package, debian.path("/tmp"))
    return f"/tmp/{package.name}"


def unit_lines(debian, key):
    unit = debian.path("/usr/lib/systemd/system/parallaxd.service").read_text()
    return [line.split("=", 1)[1] for line in unit.splitlines() if line.startswith(key + "=")]


class Daemon:
    """parallaxd as its unit would start it, where no systemd has been booted."""

    def __init__(self, debian):
        self.debian = debian
        for directory in unit_lines(debian, "RuntimeDirectory"):
            debian.path(f"/run/{directory}").mkdir(exist_ok=True)
        for line in unit_lines(debian, "ExecStartPre"):
            debian.run(*line.lstrip("+").split())
        self.log = debian.path("/tmp/parallaxd.log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(debian.command(*unit_lines(debian, "ExecStart")[0].split()), stdout=log, stderr=log)
        end = time.monotonic() + START_PATIENCE
        while "is ready" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"parallaxd did not start:\n{self.log.read_text()}")
            time.sleep(0.1)

    def user_ids(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return {int(word) for word in next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            expect(self.process.wait(STOP_PATIENCE) == 0, f"parallaxd stopped with {self.process.returncode}:\n{self.log.read_text()}")
        finally:
            self.process.kill()


class Service:
    """parallaxd as systemd runs it."""

    def __init__(self, debian):
        self.debian = debian
        debian.run("systemctl", "restart", "parallaxd")

    def stop(self):
        self.debian.run("systemctl", "stop", "parallaxd")
        result = self.debian.run("systemctl", "show", "--property=Result,ExecMainStatus", "--value", "parallaxd").split()
        expect(sorted(result) == ["0", "success"], f"parallaxd stopped with {result}")


def check_privileges(debian):
    """What the service may do as systemd starts it, thread by thread; a reload goes on working."""
    process = service_process(debian)
    user, group = account_ids(debian)["parallax"]
    statuses = debian.run("sh", "-c", f"cat /proc/{process}/task/*/status").split("Name:")[1:]
    expect(len(statuses) > 5, f"{len(statuses)} threads")
    for status in statuses:
        values = {line.split(":")[0]: line.split()[1:] for line in status.splitlines()[1:]}
        expect(set(values["Uid"] + values["Gid"]) == {str(user), str(group)}, f"a thread is not of parallax: {status}")
        expect(all(int(values[name][0], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")), f"capabilities are left: {status}")
        expect(values["NoNewPrivs"] == ["1"] and values["Seccomp"] == ["2"], f"a thread without a sandbox: {status}")
    debian.run("systemctl", "reload", "parallaxd")
    end = time.monotonic() + START_PATIENCE
    while f"{CONFIGURATION} is in effect" not in journal(debian):
        expect(time.monotonic() < end, f"no reload: {journal(debian)}")
        time.sleep(0.2)
    expect("privileges: user parallax" in journal(debian), journal(debian))
    lines = debian.run("journalctl", "--no-pager", "-o", "json", "SYSLOG_IDENTIFIER=parallaxd", "_TRANSPORT=journal", "PRIORITY=5")
    expect("is in effect" in lines, f"the log does not come as the journal's own: {lines}")


def journal(debian):
    return debian.run("journalctl", "--no-pager", "-u", "parallaxd")


def service_process(debian):
    """Its number; 0: it does not run."""
    return int(debian.run("systemctl", "show", "--property=MainPID", "--value", "parallaxd"))


def check_history(debian, runs):
    """Written by the service's user, inside its sandbox."""
    accounts = account_ids(debian)
    page = urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=5).read().decode()
    expect("parallax_history_error 0" in page, f"the history is not written: {page}")
    for name in ("history.db", "ids", "lock"):
        found = debian.path(f"/var/lib/parallax/{name}").stat()
        expect((found.st_uid, found.st_gid) == accounts["parallax"], f"{name} is of {found.st_uid}:{found.st_gid}")
        expect(stat.S_IMODE(found.st_mode) == 0o640, f"{name} has mode {stat.S_IMODE(found.st_mode):o}")
    with sqlite3.connect(f"file:{debian.path('/var/lib/parallax/history.db')}?mode=ro", uri=True) as database:
        expect(database.execute("SELECT count(*) FROM run").fetchone()[0] >= runs, "a run is not written down")


def check_installed(debian):
    accounts = account_ids(debian)
    expect("parallax" in accounts, "there is no user parallax")
    for name, owner, mode in PLACES:
        path = debian.path(name)
        expect(path.exists(), f"{name} is missing")
        found = path.stat()
        expect((found.st_uid, found.st_gid) == accounts[owner], f"{name} is of {found.st_uid}:{found.st_gid}")
        expect(stat.S_IMODE(found.st_mode) == mode, f"{name} has mode {stat.S_IMODE(found.st_mode):o}")
    expect("in order" in debian.run("parallaxd", "--check-config", "--config", CONFIGURATION), "the configuration is refused")
    interfaces = debian.run(f"{LIBRARIES}/wireshark/extcap/parallax", "--extcap-interfaces")
    expect("{value=parallax}" in interfaces, f"the extcap says {interfaces}")
    offered = debian.run("bash", "-c", "source /usr/share/bash-completion/completions/parallax; COMP_WORDS=(parallax sl); COMP_CWORD=1; "
                         "_parallax; echo ${COMPREPLY[0]}")
    expect(offered.strip() == "slice", f"bash offers {offered}")
    enabled = debian.path("/etc/systemd/system/multi-user.target.wants/parallaxd.service")
    expect(enabled.is_symlink(), "the unit is not enabled")


def check_runs(debian):
    daemon = Daemon(debian)
    try:
        expect(daemon.user_ids() == {account_ids(debian)["parallax"][0]}, f"parallaxd runs as {daemon.user_ids()}")
        page = urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=5).read().decode()
        expect('parallax_port_up{point="loopback",port="lo"} 1' in page, page)
        expect("pcap:lo" in debian.run("parallax", "status"), "no status")
        check_history(debian, 1)
    finally:
        daemon.stop()


def enable_spool(debian):
    """The local change: the lines that the installed configuration proposes."""
    path = debian.path(CONFIGURATION)
    lines = path.read_text().splitlines()
    for section, count in (("# spool:", 4), ("# connection_log:", 2)):
        first = lines.index(section)
        for i in range(first, first + count):
            lines[i] = lines[i].removeprefix("# ")
    text = "\n".join(lines).replace("size: 20GiB", "size: 256MiB").replace("min_free: 5GiB", "min_free: 1MiB") + "\n"
    path.write_text(text)
    return text


def check_spools(debian, run=Daemon):
    daemon = run(debian)
    try:
        for _ in range(3):
            urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=5).read()
        time.sleep(1.5)  # a packet is in slices a quarter of a second after it was seen
        debian.run("parallax", "slice", "--from", "1m", "-o", "/tmp/slice.pcapng")
        expect(b"GET /metrics" in debian.path("/tmp/slice.pcapng").read_bytes(), "the slice is without the request")
    finally:
        daemon.stop()
    parallax = account_ids(debian)["parallax"]
    files = list(debian.path("/var/spool/parallax").glob("*.pcapng"))
    expect(files and all((file.stat().st_uid, file.stat().st_gid) == parallax for file in files), f"the spool's files: {files}")
    # The requests are in the log of connections, at the latest when the daemon has stopped.
    logs = [log for log in debian.path("/var/log/parallax").glob("conn-*.log") if log.stat().st_uid == parallax[0]]
    expect(logs and all(stat.S_IMODE(log.stat().st_mode) == 0o640 for log in logs), f"the log of connections: {logs}")
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    expect(any(line["id.resp_p"] == 9464 and line["conn_state"] == "SF" for line in lines), f"it says {lines}")


def install(debian, package, *options):
    debian.run("apt-get", "install", "-y", "-q", "-o", "Acquire::Retries=3", "--no-install-recommends", *options, put(package, debian))


def check_upgrade(debian, packages, changed):
    # At a terminal dpkg asks, and keeping what is there is the default.
    install(debian, packages.later, "-o", "Dpkg::Options::=--force-confdef")
    expect(debian.path(CONFIGURATION).read_text() == changed, "the upgrade has changed the configuration")
    expect(debian.path(CONFIGURATION + ".dpkg-dist").read_text().endswith("# of a later version\n"), "the new one is not beside it")


def check_remove(debian):
    debian.run("apt-get", "remove", "-y", "-q", "parallax")
    expect(not debian.path("/usr/bin/parallaxd").exists(), "the program is still there")
    expect(debian.path(CONFIGURATION).exists() and any(debian.path("/var/spool/parallax").iterdir()), "removal keeps no data")


def check_purge(debian):
    debian.run("apt-get", "purge", "-y", "-q", "parallax")
    left = debian.run("find", "/etc", "/usr", "/var/lib", "/var/log", "/var/spool", "-name", "*parallax*").split()
    expect(not left, f"left behind: {left}")


def check_af_packet(debian):
    """A port of DPDK over an interface of the kernel, inside the unit's sandbox as it is."""
    path = debian.path(CONFIGURATION)
    before = path.read_text()
    # A ring that fits what may be locked also where systemd itself may not lift the limit.
    port = before.replace("pcap:lo", "dpdk:net_af_packet0,iface=lo,blocksz=65536,framesz=2048,framecnt=1024")
    path.write_text(port + "eal: { memory_mib: 128 }\nlimits: { mbufs: 4095 }\n")
    debian.run("systemctl", "restart", "parallaxd")
    end = time.monotonic() + START_PATIENCE
    seen = []
    while not seen:  # what asks is what is seen
        expect(time.monotonic() < end, f"af_packet shows nothing: {journal(debian)}")
        page = urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=5).read().decode()
        seen = [line for line in page.splitlines() if line.startswith("parallax_packets_total") and not line.endswith(" 0")]
    check_privileges(debian)
    path.write_text(before)
    debian.run("systemctl", "restart", "parallaxd")


def check_with_systemd(debian, packages, changed):
    """The same as on a machine: installing starts it, upgrading restarts it, removing stops it."""
    before = service_process(debian)
    expect(before != 0, "booting does not start parallaxd: " + journal(debian))
    check_privileges(debian)
    check_history(debian, 1)
    check_upgrade(debian, packages, changed)
    after = service_process(debian)
    expect(after not in (0, before), f"the upgrade does not restart parallaxd: process {before}, then {after}")
    check_spools(debian, Service)
    check_af_packet(debian)
    check_remove(debian)
    expect(not debian.run("sh", "-c", "cat /proc/[0-9]*/comm | grep parallaxd || true"), "removal does not stop parallaxd")
    check_purge(debian)
    install(debian, packages.first)
    expect(service_process(debian) != 0, "installing does not start parallaxd: " + journal(debian))
    expect("pcap:lo" in debian.run("parallax", "status"), "no status")
    check_purge(debian)


def check_life(debian, packages):
    debian.run("apt-get", "update", "-q")
    install(debian, packages.first)
    # Of what the package recommends, the drivers for a port over the kernel's interfaces.
    debian.run("apt-get", "install", "-y", "-q", "-o", "Acquire::Retries=3", "--no-install-recommends", *DRIVERS)
    check_installed(debian)
    say("installed")
    leave_namespace(CLONE_NEWNET)  # the loopback that the daemon watches; nothing more is to be downloaded
    check_runs(debian)
    say("starts as installed")
    changed = enable_spool(debian)
    check_spools(debian)
    say("spools")
    try:
        debian.boot()
    except NoDebian as lack:
        say(f"NOT TRIED with systemd: {lack}")
        check_upgrade(debian, packages, changed)
        check_spools(debian)
        check_remove(debian)
        check_purge(debian)
        say("upgraded with local changes kept, removed with configuration and spool kept, purged")
        return
    check_with_systemd(debian, packages, changed)
    say("with systemd: started by installing and by booting, on pcap and af_packet ports without capabilities, reloaded, restarted by an upgrade, which keeps local changes; stopped by removing; purged")


def lacking(build):
    for program in ("debootstrap", "cpack", "dpkg-deb", "dpkg-shlibdeps", "ip"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    if 'CPACK_INSTALL_PREFIX "/usr"' not in (build / "CPackConfig.cmake").read_text():
        return "the build has another prefix than /usr: cmake --preset release"
    return ""


def again_as_root():
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        os.execvp("sudo", ["sudo", "-n", sys.executable, "-B", *sys.argv])
    say("SKIPPED: needs root, or sudo without a password")
    sys.exit(SKIPPED)


def leave_namespace(kind):
    """What is mounted from now on is seen by this process and its children alone; or they have a network of their own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(kind) != 0:
        say(f"SKIPPED: no namespaces: {os.strerror(ctypes.get_errno())}")
        sys.exit(SKIPPED)
    if kind == CLONE_NEWNS:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    else:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = Path(sys.argv[1]).resolve()
    lack = lacking(build)
    if lack:
        say(f"SKIPPED: {lack}")
        sys.exit(SKIPPED)
    if os.geteuid() != 0:
        again_as_root()
    leave_namespace(CLONE_NEWNS)
    with tempfile.TemporaryDirectory(prefix="parallax-package-") as folder:
        packages = Packages(build, Path(folder))
        try:
            debian = BareDebian(build / "bare_debian.tar")
        except NoDebian as lack:
            say(f"SKIPPED: {lack}")
            sys.exit(SKIPPED)
        try:
            check_life(debian, packages)
        finally:
            debian.close()
    say("package: in order")


if __name__ == "__main__":
    main()
