"""Network namespaces that die with this process, however it ends: each is held by a child that the kernel kills with its parent."""
import subprocess


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        first_line = " ".join(command).partition("\n")[0]
        raise RuntimeError("%s: %s" % (first_line, (done.stderr or done.stdout).strip()))
    return done.stdout


def start(command, **options):
    """A child that does not outlive this process and takes no notice of the terminal's Ctrl-C: whoever started it stops it, in order."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], start_new_session=True, **options)


def stop(process, patience=5.0):
    """Asks, then kills; the exit code."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class NoNamespaces(Exception):
    """This machine does not permit them."""


class Namespace:
    """A network namespace with a /sys of its own (that is where the queues' CPUs are set)."""

    def __init__(self, name):
        self.name = name
        hold = "mount -t sysfs sysfs /sys && echo held && exec sleep infinity"
        self.holder = start(["unshare", "--net", "--mount", "sh", "-c", hold], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.holder.stdout.readline() != "held\n":
            raise NoNamespaces(self.holder.stderr.read().strip())
        self.pid = self.holder.pid

    def enter(self, command):
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", "--", *command]

    def run(self, command, **options):
        return run(self.enter(command), **options)

    def start(self, command, **options):
        return start(self.enter(command), **options)

    def close(self):
        stop(self.holder)
        self.holder.stdout.close()
        self.holder.stderr.close()
