"""The records of `parallax analyze`, by kind."""
import collections
import json
import subprocess
from pathlib import Path


def records_of(bin_folder, files):
    """`files`: by point, in path order."""
    command = [str(Path(bin_folder, "parallax")), "analyze", *("%s=%s" % item for item in files.items()), "--format", "json", "--packets"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout:
        raise RuntimeError("analyze failed: " + done.stderr)
    records = collections.defaultdict(list)
    for line in done.stdout.splitlines():
        for kind, record in json.loads(line).items():
            records[kind].append(record)
    return records
