"""promtool on the alert rules: they are in order, they do what parallax.rules.test.yml says, and the dashboards' expressions can be read.

usage: rules.py SOURCES BUILD     BUILD is the folder of all presets; exit code 77: there is no promtool, neither in PATH nor in BUILD/tools (`./dev test` puts it there)
"""
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import expressions

SKIPPED = 77


def promtool_of(build):
    kept = Path(build) / "tools/promtool"
    return str(kept) if kept.exists() else shutil.which("promtool")


def as_rules(folder):
    """The dashboards' expressions as recording rules, which promtool checks; Grafana's own variables as it would fill them in."""
    rules = []
    for number, (where, expression, _) in enumerate(expressions.of_dashboards(folder)):
        filled = re.sub(r"\[\$__(rate_interval|range)\]", "[5m]", expression)
        filled = re.sub(r"\$\w+", ".*", filled)
        rules.append({"record": f"dashboard:{number}", "expr": filled, "labels": {"where": where}})
    return json.dumps({"groups": [{"name": "dashboards", "rules": rules}]})  # JSON is YAML


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sources, build = Path(sys.argv[1]), Path(sys.argv[2])
    promtool = promtool_of(build)
    if promtool is None:
        print("SKIPPED: there is no promtool: `./dev test` brings it, and so does the package prometheus")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder:
        dashboards = Path(folder) / "dashboards.yml"
        dashboards.write_text(as_rules(sources / "config/grafana"))
        for arguments in (["check", "rules", sources / "config/prometheus/parallax.rules.yml"], ["check", "rules", dashboards],
                          ["test", "rules", sources / "tests/metrics/parallax.rules.test.yml"]):
            subprocess.run([promtool, *arguments], check=True)


if __name__ == "__main__":
    main()
