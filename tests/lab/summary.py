"""What `./dev run` tells the person: where to look, and in the end what Parallax saw."""
import collections

import services
import verify

LOUDEST_FIRST = ("critical", "warning", "notice", "info")
HANDSHAKES = ("syn_unanswered", "syn_refused")


def greeting(lab):
    command = " ".join(lab.sensor.command("%s"))
    ports = "\n".join("  %-10s  %-7s  %-14s  %s" % (port.name, port.point, port.direction, port.interface) for port in lab.network.ports)
    faults = "\n".join("  %s:%d  %s" % (services.PUBLIC, service.port, service.name) for service in services.FAULTY)
    return f"""
The lab is up: a client, a firewall with SNAT and DNAT, a server; each link is tapped, each direction on a port of its own:
{ports}
Healthy traffic runs beside these faults, one of each every two seconds:
{faults}

  metrics   http://{lab.sensor.metrics}/metrics
  API       {lab.sensor.target} (gRPC with reflection and health)
  try       {command % "status"}
            {command % "connections"}
            {command % "slice --finding 1 -o finding.pcapng"}
  log       {lab.sensor.log}

Findings as they come; Ctrl-C ends the lab.
"""


def where(finding):
    place = finding["where"]
    if "between" in place:
        return "between %s and %s" % tuple(place["between"])
    return "beyond %s" % place["beyond"] if "beyond" in place else "somewhere"


def farewell(lab):
    status = lab.sensor.status()["summary"]
    answers = verify.Answers(lab)
    failed = collections.Counter()
    for finding in answers.findings:
        if finding["kind"] in HANDSHAKES:
            failed[(finding["kind"], where(finding), finding["origin"])] += len(finding["connection_ids"])
    equal = sum(answers.inside_of(key) == inside for key, inside in answers.translations.items())
    lines = [
        "",
        "%d connections, %d of them paired across the firewall; %d of the %d in the firewall's own conntrack are paired as it says." % (
            status["connections"], status["paired_connections"], equal, len(answers.translations)),
        "%d handshakes failed:" % sum(failed.values()),
    ]
    for (kind, place, origin), number in failed.most_common():
        lines.append("  %4d  %-15s %s%s" % (number, kind, place, "" if origin == "unknown" else ", by the " + origin))
    lines += ["", "Findings:"]
    for finding in sorted(answers.findings, key=lambda each: (LOUDEST_FIRST.index(each["severity"]), each["id"])):
        lines.append("  %-8s %s" % (finding["severity"], finding["summary"]))
    kernel = lab.network.received()["rx_packets"]
    lines += ["", "%d packets came to the ports; the sensor saw or counted as lost %d of them." % (kernel, lab.sensor.accounted())]
    return "\n".join(lines)
