"""Holds Parallax's answers against the truth of a lab run, and prints a table of what was expected and what was found."""
import collections
import datetime
import json
import shutil
import subprocess

import services
import truth

LOUD = ("warning", "critical")
SENSOR_KINDS = ("capture_loss", "port_silent", "clock_uncertain", "duplicate_capture")
ACCUSING = ("lost in device", "injected by device", "duplicated by device", "reordered by device", "altered by device")


def time_text(moment):
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def end(record):
    return record["address"], record["port"]


def key_of(connection):
    return connection["protocol"], end(connection["client"]), end(connection["server"])


def legs_at(connection, point):
    return [leg for leg in connection["legs"] if leg["point"] == point]


class Report:
    """The table. A row fails where what was found is not what was expected."""

    def __init__(self):
        self.rows, self.details, self.failed = [], [], False

    def row(self, what, expected, found, right=None):
        right = expected == found if right is None else right
        self.failed |= not right
        self.rows.append((what, str(expected), str(found), "ok" if right else "WRONG"))
        return right

    def detail(self, text):
        self.details.append(text)

    def __str__(self):
        header = ("what", "expected", "found", "")
        widths = [max(len(row[column]) for row in [header, *self.rows]) for column in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [header, *self.rows]]
        return "\n".join(lines + ["  " + detail for detail in self.details])


class Answers:
    """What Parallax says of a run, beside what happened."""

    def __init__(self, lab):
        self.true = truth.connections(lab.truth)
        self.translations = truth.translations(lab.conntrack)
        self.connections = collections.defaultdict(list)
        self.service_of = {}  # a connection's id to the service that it was made for
        connections, self.findings = lab.sensor.ask("connections"), lab.sensor.ask("findings")
        self._write(lab.work / "connections.jsonl", connections)
        self._write(lab.work / "findings.jsonl", self.findings)
        for connection in connections:
            self.connections[key_of(connection)].append(connection)
            if key_of(connection) in self.true:
                self.service_of[connection["id"]] = self.true[key_of(connection)]["service"]

    @staticmethod
    def _write(path, records):
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")

    def of_service(self, name):
        return [connection for key, record in self.true.items() if record["service"] == name for connection in self.connections[key]]

    def inside_of(self, key):
        """The (client, server) that a connection has inside; None where it was not paired."""
        for connection in self.connections.get(key, [])[:1]:
            inside = legs_at(connection, "inside")
            if inside and any(crossing["pairing"]["method"] != "none" for crossing in connection["crossings"]):
                return end(inside[0]["client"]), end(inside[0]["server"])
        return None


def sample(items, limit=5):
    items = list(items)
    return ", ".join(str(item) for item in items[:limit]) + (" ..." if len(items) > limit else "")


def check_traffic(answers, report):
    """The lab itself: each application saw what its service is made for."""
    results = collections.Counter((record["service"], record["result"]) for record in answers.true.values())
    meant = {service.name: service.result for service in services.SERVICES}
    surprises = {pair: number for pair, number in results.items() if meant[pair[0]] != pair[1]}
    report.row("applications surprised", 0, sum(surprises.values()))
    for (name, result), number in surprises.items():
        report.detail("%d x %s: %s" % (number, name, result))


def check_connections(answers, report):
    known = [key for key in answers.true if len(answers.connections[key]) == 1]
    report.row("connections of the clients, each seen once", len(answers.true), len(known))
    for key in answers.true.keys() - set(known):
        report.detail("%s: %s is %d connections" % (answers.true[key]["service"], key, len(answers.connections[key])))
        if len(report.details) > 10:
            break
    strangers = [key for key, found in answers.connections.items() if found and key not in answers.true]
    report.row("connections that no client made", 0, len(strangers))
    if strangers:
        report.detail("nobody's: " + sample(strangers))


def check_pairs(answers, report):
    """Outside to inside, as the firewall's conntrack has it: no pair missing, none wrong, none too many."""
    right, wrong, missing, invented = 0, [], [], []
    for key in answers.true:
        found, made = answers.inside_of(key), answers.translations.get(key)
        if made is None:
            if found is not None:
                invented.append(key)
        elif found is None:
            missing.append(key)
        elif found != made:
            wrong.append((key, found, made))
        else:
            right += 1
    report.row("pairs equal to the firewall's conntrack", len(answers.true.keys() & answers.translations.keys()), right)
    report.row("pairs unlike it, and pairs of what never crossed", 0, len(wrong) + len(invented))
    for name, keys in (("not paired", missing), ("paired, but never crossed", invented)):
        by_service = collections.Counter(answers.true[key]["service"] for key in keys)
        if by_service:
            report.detail("%s: %s" % (name, dict(by_service)))
    if wrong:
        report.detail("paired wrongly: " + sample(wrong))


def matches(finding, expected):
    return (finding["kind"] == expected.kind and (expected.where is None or finding["where"] == expected.where) and
            (expected.origin is None or finding["origin"] == expected.origin))


def describe(finding):
    return "%s %s by %s x%d" % (finding["kind"], json.dumps(finding["where"]), finding["origin"], finding["count"])


def check_faults(answers, report):
    """Each fault is one finding, with its connections, all of them and no other."""
    for service in services.FAULTY:
        faulted = {connection["id"] for connection in answers.of_service(service.name)}
        about = [finding for finding in answers.findings if finding["severity"] in LOUD + ("notice",) and
                 any(answers.service_of.get(number) == service.name for number in finding["connection_ids"])]
        right = [finding for finding in about if matches(finding, service.expected)]
        covered = {number for finding in right for number in finding["connection_ids"]}
        made = sum(record["service"] == service.name for record in answers.true.values())
        expected = "%s x%d" % (service.expected.kind, made)
        found = ", ".join("%s x%d" % (finding["kind"], len(finding["connection_ids"])) for finding in about) or "nothing"
        others = [finding for finding in about if finding not in right]
        good = report.row(service.name, expected, found, len(right) == 1 and covered == faulted and len(faulted) == made and
                          not any(finding["severity"] in LOUD for finding in others))
        if not good:
            for finding in about:
                report.detail("%s: %s" % (service.name, describe(finding)))


def check_quiet(answers, report):
    """Nothing loud about the healthy; nothing loud besides the faults."""
    healthy = {service.name for service in services.HEALTHY}
    accused = [finding for finding in answers.findings if finding["severity"] in LOUD and
               any(answers.service_of.get(number) in healthy for number in finding["connection_ids"])]
    report.row("warnings about healthy connections", 0, len(accused))
    loose = [finding for finding in answers.findings if finding["severity"] in LOUD and
             not any(number in answers.service_of for number in finding["connection_ids"])]
    report.row("warnings about none of the lab's connections", 0, len(loose))
    for finding in accused + loose:
        report.detail("%s: %s" % (describe(finding), finding["summary"]))


def check_lost_segments(lab, answers, report):
    """Parallax counts the segments that the firewall's own counters counted; what it leaves undecided, it says."""
    rules = json.loads(lab.network.firewall.run(["nft", "-j", "list", "counters"]))["nftables"]
    dropped = {rule["counter"]["name"]: rule["counter"]["packets"] for rule in rules if "counter" in rule}
    for service in services.FAULTY:
        if service.counter:
            field = "lost_from_client" if service.uploads else "lost_from_server"
            crossings = [crossing for connection in answers.of_service(service.name) for crossing in connection["crossings"]]
            found = sum(crossing[field] for crossing in crossings)
            undecided = sum(crossing["undecided_packets"] for crossing in crossings)
            expected = dropped[service.counter]
            report.row("segments dropped, %s" % service.counter.replace("_", " "), expected, "%d, undecided %d" % (found, undecided),
                       found <= expected <= found + undecided)


def check_packets(lab, report):
    """No packet lost uncounted: the kernel's counters of the ports against the sensor's."""
    kernel = lab.network.received()
    report.row("packets on the ports", kernel["rx_packets"], lab.sensor.accounted())
    drops = lab.sensor.metric("parallax_capture_drops_total")
    report.row("of them counted as lost by the sensor", "any", drops, True)


def check_slices(lab, answers, report):
    """The slice of each finding opens without a word from tshark and shows both sides."""
    if not shutil.which("tshark"):
        report.detail("slices not read: no tshark here")
        return
    readable = 0
    for finding in answers.findings:
        path = lab.work / ("finding-%d.pcapng" % finding["id"])
        pulled = subprocess.run(lab.sensor.command("slice", "--finding", str(finding["id"]), "-o", str(path)), capture_output=True, text=True, check=False)
        read = subprocess.run(["tshark", "-r", str(path), "-T", "fields", "-e", "frame.number"], capture_output=True, text=True, check=False)
        words = [line for line in read.stderr.splitlines() if "Running as user" not in line]
        if pulled.returncode == 0 and read.returncode == 0 and read.stdout and not words:
            readable += 1
        else:
            report.detail("slice of finding %d: %s" % (finding["id"], (pulled.stderr.strip() or " ".join(words) or "empty")))
    report.row("slices of findings that tshark reads", len(answers.findings), readable)


def accuses_nobody(finding):
    """A faulty service failed, and the sensor says that it cannot tell where and by whom."""
    return finding["where"] == {"unknown": True} and finding["origin"] == "unknown"


def check_only_what_is_true(answers, report):
    """Of the firewall and the server nothing loud is said but what the rules of the lab do."""
    lies = []
    for finding in answers.findings:
        if finding["severity"] not in LOUD or finding["kind"] in SENSOR_KINDS or finding["origin"] == "sensor":
            continue
        about = {answers.service_of.get(number) for number in finding["connection_ids"]}
        faults = [service for service in services.FAULTY if service.name in about and (matches(finding, service.expected) or accuses_nobody(finding))]
        if not faults or about - {service.name for service in faults}:
            lies.append(finding)
    report.row("loud findings that are not true", 0, len(lies))
    for finding in lies:
        about = collections.Counter(answers.service_of.get(number, "none of the lab's") for number in finding["connection_ids"])
        report.detail("%s %s: %s" % (describe(finding), dict(about), finding["summary"]))


def check_outage(lab, observation, report):
    disturbance = observation.disturbance
    if disturbance.outage:
        after = observation.noticed_after
        report.row("%s in status after, seconds" % disturbance.outage, "at most 1.2", "never" if after is None else "%.2f" % after,
                   after is not None and after <= 1.2)  # the status is asked every 0.1 s
        report.row("parallax_port_up meanwhile, of 4 ports", 4 - len(disturbance.ports), observation.up_meanwhile)
    report.row("parallax_port_up after, of 4 ports", 4, observation.ports_up_again(lab))
    uncertain = lab.sensor.status()["clock_uncertainty_seconds"]
    report.row("clock uncertainty in status, us", "at least 2", "%.1f" % (uncertain * 1e6), uncertain >= 2e-6)


def check_comments(lab, observation, report):
    """A slice of the time around: comments that accuse the device stand only where a rule of the lab did it."""
    if not shutil.which("tshark"):
        report.detail("comments not read: no tshark here")
        return
    path = lab.work / "disturbed.pcapng"
    times = [time_text(moment) for moment in (observation.began - 2, observation.ended + 3)]
    pulled = subprocess.run(lab.sensor.command("slice", "--from", times[0], "--to", times[1], "-o", str(path)), capture_output=True, text=True, check=False)
    if pulled.returncode != 0:
        report.row("slice of the time around", "pulled", pulled.stderr.strip())
        return
    fields = ["frame.number", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "frame.comment"]
    command = ["tshark", "-r", str(path), "-Y", "frame.comment", "-T", "fields"] + [word for field in fields for word in ("-e", field)]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    faulty = {str(port) for service in services.FAULTY for port in (service.port, service.server_port)}
    accused = collections.Counter()
    samples = {}
    for line in lines:
        number, *ports, comment = line.split("\t")
        text = next((text for text in ACCUSING if text in comment), None)
        if text and not faulty & set(ports):
            accused[text] += 1
            samples.setdefault(text, "frame %s: %s" % (number, comment))
    report.row("comments on packets of healthy services", 0, sum(accused.values()))
    report.row("comments in all", "any", len(lines), True)
    for text, number in accused.items():
        report.detail("%d x %s, such as %s" % (number, text, samples[text]))


def check_sums(lab, report):
    """A sum of durations never is negative, nor one wild duration of a pause."""
    wild = ["%s %g" % (name, value) for name, value in lab.sensor.samples("parallax_[a-z_]+_seconds_sum") if value < 0 or value > 1e6]
    report.row("sums of histograms that cannot be", 0, len(wild))
    for text in wild[:5]:
        report.detail(text)


def report_disturbed(lab, observation):
    answers, table = Answers(lab), Report()
    check_outage(lab, observation, table)
    check_only_what_is_true(answers, table)
    check_sums(lab, table)
    check_comments(lab, observation, table)
    drops = lab.sensor.metric("parallax_capture_drops_total")
    table.row("packets counted as lost by the sensor", "any", drops, True)
    table.row("packets seen", "any", lab.sensor.metric("parallax_packets_total"), True)
    lab.stop_sensor()
    table.row("exit code of parallaxd", 0, lab.daemon_code)
    print(table)
    if table.failed:
        print("\nparallaxd said:\n" + lab.sensor.log.read_text()[-4000:])
    return int(table.failed)


def report(lab):
    """Prints the table; 0 where everything is as expected, else 1."""
    answers, table = Answers(lab), Report()
    check_traffic(answers, table)
    check_connections(answers, table)
    check_pairs(answers, table)
    check_faults(answers, table)
    check_quiet(answers, table)
    check_lost_segments(lab, answers, table)
    check_packets(lab, table)
    check_slices(lab, answers, table)
    lab.stop_sensor()
    table.row("exit code of parallaxd", 0, lab.daemon_code)
    print(table)
    if table.failed:
        print("\nparallaxd said:\n" + lab.sensor.log.read_text()[-4000:])
    return int(table.failed)
