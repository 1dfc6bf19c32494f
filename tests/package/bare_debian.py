"""A bare Debian 12 in a folder, as debootstrap makes it, to install packages in and to run programs in."""
import os
import shutil
import subprocess
import tempfile
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
        subprocess.run(["umount", self.root / "proc"], capture_output=True, check=False)
        if not os.path.ismount(self.root / "proc"):
            shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        return self.root / name.lstrip("/")

    def command(self, *arguments):
        return ["chroot", str(self.root), *arguments]

    def run(self, *arguments, status=0):
        """Standard output and error of a program that ends with `status`."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        environment |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        ended = subprocess.run(self.command(*arguments), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, check=False)
        if ended.returncode != status:
            raise AssertionError(f"{' '.join(arguments)} ended with {ended.returncode}:\n{ended.stdout[-3000:]}")
        return ended.stdout
