"""Captures one shape after the other, a few at once, and judges each; what falls short is kept to be looked at."""
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from namespaces import NoNamespaces

SKIPPED = 77  # CTest's: the machine lacks something


def run_shapes(name, tools, shapes, capture, judge, head, legend, at_once):
    """capture(shape, folder) and judge(folder, shape), which prints a row and says whether it is good. Returns the exit code.

    PARALLAX_LAB_KEEP names a folder where all of it stays.
    """
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        print("skipped: needs %s" % (", ".join(missing) or "root"))
        return SKIPPED
    keep = os.environ.get("PARALLAX_LAB_KEEP")
    root = Path(keep or tempfile.mkdtemp(prefix="parallax-%s-" % name)).resolve()
    root.mkdir(exist_ok=True)
    os.chmod(root, 0o755)  # tcpdump and dnsmasq give up root
    fallen = False
    print(head, flush=True)
    with ThreadPoolExecutor(at_once) as pool:
        captures = [pool.submit(capture, shape, root / shape.name) for shape in shapes]
        for shape, captured in zip(shapes, captures):
            try:
                captured.result()
            except NoNamespaces as error:
                pool.shutdown(cancel_futures=True)
                print("skipped: no network namespaces here: %s" % error)
                return SKIPPED
            good = judge(root / shape.name, shape)
            fallen = fallen or not good
            if good and not keep:
                shutil.rmtree(root / shape.name)
    print(legend)
    if fallen or keep:
        print("kept: %s" % root)
    else:
        shutil.rmtree(root)
    return 1 if fallen else 0
