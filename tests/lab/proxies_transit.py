"""What Parallax says a proxy takes to pass messages on, against what clients and servers have measured themselves; and what it says that a
proxy has kept, against what that has written down.

From before a client sends a request until its server has it, and from before the server answers until the client has the answer: what the
proxy takes is within that, and where it holds every message back by a known time it is no less.
"""
import collections
import json
import statistics

SLACK = 0.0003  # seconds: stamps of two interfaces, and of the processes
TIMER = 0.003   # of the proxy, which reads the clock once a turn
APART = 0.003   # what the processes take to be woken, beside: more in the middle, and the proxy was not timed well


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def truth_of(folder):
    """Of each client's end and the proxy's port: seconds of its requests, of its answers."""
    served = {line["id"]: line for line in read_lines(folder / "served_times.jsonl")}
    asked = {line["id"]: line for line in read_lines(folder / "asked_times.jsonl")}
    truth = collections.defaultdict(lambda: ([], []))
    for line in read_lines(folder / "asked.jsonl"):
        client, server = asked.get(line["id"]), served.get(line["id"])
        if client and server:
            requests, answers = truth[line["client"], line["port"]]
            requests.append(server["got"] - client["sent"])
            answers.append(client["got"] - server["sent"])
    return truth


def clients_of(folder):
    clients = collections.defaultdict(set)
    for line in read_lines(folder / "asked.jsonl"):
        clients[line["shape"]].add((line["client"], line["port"]))
    return clients


def peers_of(folder):
    """The proxy's own ends over which each client's messages went on."""
    served = {line["id"]: line["peer"] for line in read_lines(folder / "served.jsonl")}
    peers = collections.defaultdict(set)
    for line in read_lines(folder / "asked.jsonl"):
        peers[line["client"]].add(served.get(line["id"]))
    return peers


def judge(folder, shapes, connections, end):
    """Prints a table; the names of what falls short. What is paired wrongly is not judged here."""
    truth, clients, peers = truth_of(folder), clients_of(folder), peers_of(folder)
    told = {}
    for c in connections:
        inside = {end(leg["client"]) for leg in c["legs"] if leg["point"] == "inside"}
        for leg in c["legs"]:
            if leg["point"] == "outside" and c.get("crossings") and inside <= peers[end(leg["client"])]:
                told[end(leg["client"]), leg["server"]["port"]] = c["crossings"][0]
    if not truth:
        return []
    print("\n%-46s %6s %9s %9s   %-22s %s" % ("transit, told by turns", "conns", "requests", "answers", "median of both, ms", "too long, too short; apart"))
    short = []
    for shape in shapes:
        counts, medians, too_long, too_short, apart = [0, 0], ([], []), [], [], []
        for client in clients[shape.name]:
            crossing = told.get(client)
            if crossing is None or client not in truth:
                continue
            for way, name in enumerate(("transit_from_client_seconds", "transit_from_server_seconds")):
                transit = crossing.get(name)
                if transit is None:
                    continue
                counts[way] += 1
                medians[way].append(transit["median"])
                # Of the messages of a TLS handshake the two have measured nothing.
                if not shape.passes_tls and transit["max"] > max(truth[client][way]) + SLACK:
                    too_long.append((client, name, transit["max"], max(truth[client][way])))
            if "transit_from_client_seconds" in crossing:
                requests = crossing["transit_from_client_seconds"]
                if requests["min"] < shape.held - TIMER:
                    too_short.append((client, "held for %.3f" % shape.held, requests))
                apart.append(max(truth[client][0]) - requests["max"])
        total = len(clients[shape.name])
        good = not too_long and not too_short and min(counts) >= shape.timed * total and (not shape.held or statistics.median(apart or [1]) < APART)
        if not good:
            short.append(shape.name + ", transit")
        text = "%.3f %.3f" % tuple(1000 * statistics.median(m) if m else 0 for m in medians)
        print("%-46s %6d %9d %9d   %-22s %d, %d; %.3f ms%s" % (shape.name, total, *counts, text, len(too_long), len(too_short), 1000 * statistics.median(apart or [0]), "" if good else "   SHORT"))
        for wrong in (too_long + too_short)[:3]:
            print("    ", wrong)
    return short


def judge_streams(folder, connections, findings, end):
    """What the relay has kept of answers: no byte more or less, and nobody else is said to have kept any. Of what is paired rightly."""
    peers = peers_of(folder)
    relays = {line["port"] for line in read_lines(folder / "asked.jsonl") if line["shape"].startswith("relay")}
    cut = {line["client"]: line["kept"] for line in read_lines(folder / "cut.jsonl")}
    accused = {i for f in findings if f["kind"] == "message_not_forwarded" for i in f["connection_ids"]}
    wrong, silent, right = [], 0, 0
    for c in connections:
        inside = {end(leg["client"]) for leg in c["legs"] if leg["point"] == "inside"}
        outside = {end(leg["client"]) for leg in c["legs"] if leg["point"] == "outside"}
        if any(not inside <= peers[client] for client in outside):
            continue
        for crossing in c.get("crossings", []):
            # Other services may have been asked from the same port.
            client = next((end(leg["client"]) for leg in c["legs"] if leg["point"] == "outside" and leg["server"]["port"] in relays), None)
            said = (crossing.get("bytes_kept_from_client", 0), crossing.get("bytes_kept_from_server"))
            kept = cut.get(client, 0)
            if said[0] != 0 or said[1] not in (None, kept) or (c["id"] in accused) != bool(said[1]):
                wrong.append((client, said, kept, c["id"] in accused))
            elif kept and said[1] is None:
                silent += 1
            else:
                right += kept > 0
    print("%-46s answers cut: %d told, %d not told; wrong: %d" % ("streams through proxies", right, silent, len(wrong)))
    for each in wrong[:3]:
        print("    ", each)
    return ["streams"] if wrong or (cut and right <= silent) else []
