"""What the shipped rules, dashboards and consoles ask Prometheus for."""
import json
import re
from pathlib import Path

SELECTOR = re.compile(r'(?<![\w:])([a-z_]*:?parallax_[\w:]+)(?:\{([^}]*)\})?')
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r'\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)')
LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}|\$labels\.(\w+)")
LABEL_VALUES = re.compile(r"label_values\((.*), (\w+)\)")


def rules(path):
    """(kind, name, text of the rule) for each rule of a file that promtool has found to be in order."""
    text = re.sub(r"^(?:  - name:.*|    rules:|\s+#.*)\n", "", path.read_text(), flags=re.M)
    parts = re.split(r"^      - (record|alert): (\S+)\n", text, flags=re.M)[1:]
    return list(zip(parts[0::3], parts[1::3], parts[2::3]))


def expression_of(rule):
    """The expression alone: what follows `expr:`, up to the next key."""
    return re.search(r"^        expr: (?:>\n)?(.*?)(?=^        \w+:|\Z)", rule, flags=re.M | re.S)[1]


def of_dashboards(folder):
    """(where, expression, other text with labels in it)"""
    for path in sorted(Path(folder).glob("*.json")):
        board = json.loads(path.read_text())
        for each in board["templating"]["list"]:
            if each["type"] == "query":
                asked, label = LABEL_VALUES.fullmatch(each["definition"]).groups()
                yield f"{path.name} ${each['name']}", asked, "{{%s}}" % label
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield f"{path.name} \"{panel['title']}\"", target["expr"], target["legendFormat"]


def selectors(expression):
    """(metric, [(label, operator, value)])"""
    return [(name, MATCHER.findall(matchers or "")) for name, matchers in SELECTOR.findall(expression)]


def grouping_labels(expression):
    return {label.strip() for labels in GROUPING.findall(expression) for label in labels.split(",") if label.strip()}


def legend_labels(text):
    return {first or second for first, second in LEGEND.findall(text)}
