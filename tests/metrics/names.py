"""Every metric, label and label value that rules, their tests, dashboards and consoles use is on parallaxd's metrics page.

usage: names.py BINARIES SOURCES
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import exposition
import expressions

OF_PROMETHEUS = {"job", "instance", "le", "alertname"}
# Which detectors.severities of the configuration can bring about.
CONFIGURED = {("parallax_findings_total", "severity", "critical")}


class Check:
    def __init__(self, metrics):
        self.metrics = metrics
        self.recorded = {}
        self.failures = []

    def fail(self, where, what):
        self.failures.append(f"{where}: {what}")

    def selector(self, where, name, matchers):
        labels = self.metrics.get(name, self.recorded.get(name))
        if labels is None:
            return self.fail(where, f"there is no metric {name}")
        for label, operator, value in matchers:
            if label in OF_PROMETHEUS:
                continue
            if label not in labels:
                self.fail(where, f"{name} has no label {label}")
            elif "$" not in value:  # which is Grafana's to fill in
                self.value(where, name, label, operator, value)

    def value(self, where, name, label, operator, value):
        known = self.metrics.get(name, self.recorded.get(name))[label] | {word for metric, of, word in CONFIGURED if (metric, of) == (name, label)}
        for word in value.split("|") if "~" in operator else [value]:
            if not any(re.fullmatch(word, each) if "~" in operator else word == each for each in known):
                self.fail(where, f"{name} has no {label} \"{word}\"")

    def expression(self, where, expression, text=""):
        """The labels that its result may have, with their values."""
        found = expressions.selectors(expression)
        for name, matchers in found:
            self.selector(where, name, matchers)
        labels = {label: set() for label in OF_PROMETHEUS}
        for name, _ in found:
            for label, values in self.metrics.get(name, self.recorded.get(name, {})).items():
                labels.setdefault(label, set()).update(values)
        for label in expressions.grouping_labels(expression) | expressions.legend_labels(text):
            if label not in labels:
                self.fail(where, f"nothing there has a label {label}")
        return labels


def check_rules(check, path):
    for kind, name, rule in expressions.rules(path):
        expression = expressions.expression_of(rule)
        if kind == "record":
            check.recorded[name] = check.expression(name, expression)
        else:
            check.expression(name, expression if "up{" not in expression else "", rule.replace(expression, ""))


def check_tests(check, rules, path):
    text = path.read_text()
    for number, line in enumerate(text.splitlines(), 1):
        if "series:" in line and "up{" not in line:
            for name, matchers in expressions.selectors(line):
                check.selector(f"{path.name}:{number}", name, matchers)
    for kind, name, _ in expressions.rules(rules):
        if kind == "alert" and not re.search(rf"alertname: {name}\n +eval_time: \w+\n +exp_alerts:", text):
            check.fail(path.name, f"no test has {name} fire")


def check_dashboards(check, folder):
    for where, expression, text in expressions.of_dashboards(folder):
        check.expression(where, expression, text)
    with tempfile.TemporaryDirectory() as made:
        subprocess.run([sys.executable, "-B", folder / "dashboards.py", made], check=True)
        for path in Path(made).iterdir():
            if path.read_text() != (folder / path.name).read_text():
                check.fail(path.name, "is not what dashboards.py makes: run ./dev docs")


def check_console(check, path):
    text = path.read_text()
    for asked in re.findall(r'query (?:\(printf )?"((?:[^"\\]|\\.)*)"', text):
        expression = asked.replace('\\"', '"').replace("%q", '"$filled"')
        if "ALERTS" not in expression:
            check.expression(path.name, expression)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    binaries, config, here = Path(sys.argv[1]), Path(sys.argv[2]) / "config", Path(sys.argv[2]) / "tests/metrics"
    check = Check(exposition.vocabulary(exposition.scrape(binaries)))
    rules = config / "prometheus/parallax.rules.yml"
    check_rules(check, rules)
    check_tests(check, rules, here / "parallax.rules.test.yml")
    check_dashboards(check, config / "grafana")
    for console in sorted((config / "prometheus").glob("*.html")):
        check_console(check, console)
    print("\n".join(check.failures) or f"{len(check.metrics)} metrics, {len(check.recorded)} recordings: all names are known")
    sys.exit(1 if check.failures else 0)


if __name__ == "__main__":
    main()
