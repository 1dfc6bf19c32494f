"""What really happened in a lab run: the client's own log, and the firewall's conntrack log."""
import json
import re
from pathlib import Path

EVENT = re.compile(r"\[(?P<time>[\d.]+)\]?\s*\[NEW\] (?P<protocol>\w+) .*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+).*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")


def connections(path):
    """By (protocol, client, server) as the client saw them."""
    found = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        found[(record["protocol"], tuple(record["client"]), tuple(record["server"]))] = record
    return found


def translation_events(path):
    """In their order: the time in seconds, (protocol, client, server) outside, and the (client, server) that the firewall made of them inside."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        event = EVENT.search(line)
        if event:
            source, target, source_port, target_port, server, client, server_port, client_port = event.groups()[2:]
            key = (event["protocol"], (source, int(source_port)), (target, int(target_port)))
            yield float(event["time"]), key, ((client, int(client_port)), (server, int(server_port)))


def translations(path):
    """Of each (protocol, client, server) the last that was made of it."""
    return {key: made for _, key, made in translation_events(path)}
