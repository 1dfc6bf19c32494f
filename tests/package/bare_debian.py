"""A bare Debian 12 in a folder, as debootstrap makes it, to install packages in, to run programs in, and to be booted."""
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

RELEASE = "bookworm"
DEFAULT_MIRROR = "http://deb.debian.org/debian"


class NoDebian(Exception):
    """What this machine lacks for a bare Debian."""


def mirror():
    """Where this machine's own apt gets Debian from."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"],
                            capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        uri, codename, component = (line.split() + ["", ""])[:3]
        if codename == RELEASE and component == "main":
            return uri.rstrip("/")
    return DEFAULT_MIRROR


class BareDebian:
    """The folder, with /proc of this mount namespace; gone when closed. `kept` is a tar of the bare system, made if it is missing."""

    def __init__(self, kept):
        self.system = None  # a Systemd, once booted
        self.root = Path(tempfile.mkdtemp(prefix="parallax-package-"))
        os.chmod(self.root, 0o755)
        try:
            if not kept.exists():
                self._bootstrap(kept)
            subprocess.run(["tar", "-xf", kept, "-C", self.root], check=True)
            shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
            subprocess.run(["mount", "-t", "proc", "proc", self.root / "proc"], check=True)
        except BaseException:
            self.close()
            raise

    def _bootstrap(self, kept):
        bare = self.root / "bare"
        made = subprocess.run(["debootstrap", "--variant=minbase", RELEASE, bare, mirror()], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise NoDebian(f"debootstrap from {mirror()}: {made.stdout[-500:]}{made.stderr[-500:]}")
        proxies = subprocess.run(["apt-config", "dump", "Acquire::http::Proxy"], capture_output=True, text=True, check=False).stdout
        (bare / "etc/apt/apt.conf.d/proxy").write_text(proxies)
        beside = kept.with_suffix(".new")
        subprocess.run(["tar", "-cf", beside, "-C", bare, "."], check=True)
        shutil.rmtree(bare)
        beside.rename(kept)

    def close(self):
        if self.system is not None:
            self.system.close()
        subprocess.run(["umount", self.root / "proc"], capture_output=True, check=False)
        if not os.path.ismount(self.root / "proc"):
            shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        return self.root / name.lstrip("/")

    def boot(self):
        """From here on programs run beside a systemd."""
        self.system = Systemd(self.root)

    def command(self, *arguments):
        return (["chroot", str(self.root)] if self.system is None else self.system.enter()) + list(arguments)

    def run(self, *arguments, status=0):
        """Standard output and error of a program that ends with `status`."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        environment |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        ended = subprocess.run(self.command(*arguments), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, check=False)
        if ended.returncode != status:
            raise AssertionError(f"{' '.join(arguments)} ended with {ended.returncode}:\n{ended.stdout[-3000:]}")
        return ended.stdout


BOOT = """
set -e
cd "$0"
mount --bind . . && cd "$0"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --system --log-target=null
"""


class Systemd:
    """systemd as the first process of a process namespace, in the folder, in a control group of its own; in the network that is here."""

    PATIENCE = 60.0  # seconds

    def __init__(self, root):
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        groups = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
        if groups is None:
            raise NoDebian("no cgroup2 is mounted")
        self.process = None
        self.group = groups / f"parallax-package-{os.getpid()}"
        try:
            self.group.mkdir()
            unshare = ["unshare", "--mount", "--pid", "--cgroup", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", BOOT, str(root)]
            self.process = subprocess.Popen(unshare, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                            preexec_fn=lambda: (self.group / "cgroup.procs").write_text("0"))
            self._wait()
        except OSError as failure:
            self.close()
            raise NoDebian(f"systemd in {root}: {failure}") from failure
        except BaseException:
            self.close()
            raise

    def _wait(self):
        state, end = "", time.monotonic() + self.PATIENCE
        while state not in ("running", "degraded"):
            if self.process.poll() is not None:
                raise NoDebian(f"systemd ended: {self.process.stderr.read()}")
            if time.monotonic() > end:
                raise NoDebian(f"systemd is not up after {self.PATIENCE:.0f} s: {state or 'it does not answer'}")
            time.sleep(0.3)
            if self._first() is not None:
                state = subprocess.run(self.enter() + ["systemctl", "is-system-running"], capture_output=True, text=True, check=False).stdout.strip()

    def _first(self):
        """The first process inside, as it is numbered outside."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return children[0] if children else None

    def enter(self):
        return ["nsenter", "-t", self._first(), "--mount", "--pid", "--cgroup", "--ipc", "--uts", "--root", "--wd"]

    def close(self):
        if self.process is not None:
            self.process.kill()  # takes systemd with it, and that all the others
            self.process.communicate()
        for _ in range(50):
            for folder, _, _ in os.walk(self.group, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass  # the last of its processes is still ending
            if not self.group.exists():
                return
            time.sleep(0.1)
