#!/usr/bin/env python3
"""Real proxies between two captures: which connection outside belongs to which inside, against what really happened.

  [clients] eth ====== outside [proxy: haproxy, nginx] inside ====== eth [servers]

usage: proxies.py BIN [SECONDS [RATE [SHAPE...]]]     SECONDS: of each round; RATE: new connections a second of each shape
       proxies.py BIN again FOLDER                    reads a round that an earlier run has kept (PARALLAX_LAB_KEEP=1)
Every request carries a number that only the clients and the servers look at; from the two logs of it the truth is joined. It stands
behind what Parallax reads. Prints a table; exits with 1 where it falls short, with 77 where the machine lacks something.
"""
import collections
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import proxies_transit  # noqa: E402
from namespaces import Namespace, NoNamespaces, run, stop  # noqa: E402

SKIPPED = 77
AT_ONCE = 14  # shapes in a round: more would keep both processors of a small machine busy, and then a proxy's times say nothing
CLIENTS = ["198.51.100.%d" % host for host in range(10, 18)]
CLIENTS_6 = ["2001:db8:1::%d" % host for host in range(10, 18)]
PROXY, PROXY_6, PROXY_INSIDE, SERVER = "198.51.100.1", "2001:db8:1::1", "10.20.0.1", "10.20.0.2"
RAW, BANNER, HTTP, TLS, CLOSING, POOLED, BEHIND_2, HTTP_2, TLS_2 = range(9001, 9010)  # the servers' ports


@dataclass(frozen=True)
class Shape:
    name: str
    port: int            # of the proxy
    software: str
    config: str          # of its listener; SERVER stands for the server's address
    speaks: str          # raw, banner, http, tls, h2c, h2 (in TLS): what the client does
    server: int          # the server's port
    recall: float        # at least, of the clients' connections
    requests: int = 1    # on one connection
    family: int = 4
    precision: float = 0.985  # a single one wrong among some seventy
    held: float = 0      # seconds that the proxy holds each request back
    passes_tls: bool = False  # its handshake, too, is of those that take part
    timed: float = 0.6   # at least, of the clients' connections: those whose transit is told each way
    streams: int = 1     # h2: requests that are on their way at once


def haproxy(mode, server, options=(), bind="", target=""):
    options = [*options, "option httplog", "log stdout format raw local0"] if mode == "http" else options
    return "\n".join(["  mode " + mode, *("  " + option for option in options), "  bind :::PORT%s v4v6" % bind, "  server s SERVER:%d%s" % (server, target)])


SECURE = " ssl crt FOLDER/both.pem"
SECURE_2 = SECURE + " alpn h2"
POOL = "upstream pool { server SERVER:%d; keepalive 16; } " % POOLED
TO_2 = " proto h2"
TO_POOL = "location / { proxy_pass http://pool; proxy_http_version 1.1; proxy_set_header Connection \"\"; %s}"
HELD = 0.02
PAUSE = ["http-request lua.pause"]
SHAPES = [
    Shape("haproxy tcp", 7001, "haproxy", haproxy("tcp", RAW), "raw", RAW, 0.9),
    Shape("haproxy tcp, server speaks first", 7002, "haproxy", haproxy("tcp", BANNER), "banner", BANNER, 0.9),
    Shape("haproxy tcp, PROXY v1", 7003, "haproxy", haproxy("tcp", RAW, target=" send-proxy"), "raw", RAW, 0.99),
    Shape("haproxy tcp, PROXY v2", 7004, "haproxy", haproxy("tcp", RAW, target=" send-proxy-v2"), "raw", RAW, 0.99),
    Shape("haproxy tcp, IPv6 to IPv4", 7005, "haproxy", haproxy("tcp", RAW, target=" send-proxy-v2"), "raw", RAW, 0.99, family=6),
    Shape("haproxy tcp, TLS passes through", 7006, "haproxy", haproxy("tcp", TLS), "tls", TLS, 0.99, passes_tls=True),
    Shape("haproxy http", 7010, "haproxy", haproxy("http", HTTP, ["option httpclose"]), "http", HTTP, 0.9),
    Shape("haproxy http, X-Forwarded-For", 7011, "haproxy", haproxy("http", HTTP, ["option forwardfor", "http-reuse never"]), "http", HTTP, 0.99, requests=3),
    Shape("haproxy http, Forwarded", 7012, "haproxy",
          haproxy("http", HTTP, ["http-request set-header Forwarded for=%[src]", "http-reuse never"]), "http", HTTP, 0.99, requests=3),
    Shape("haproxy http, pool, X-Forwarded-For", 7013, "haproxy", haproxy("http", HTTP, ["option forwardfor", "http-reuse always"]), "http", HTTP, 0.99, requests=3, timed=0),
    Shape("haproxy http, pool, one request each", 7015, "haproxy", haproxy("http", POOLED, ["http-reuse always"]), "http", POOLED, 0.8, timed=0),
    Shape("haproxy http, pool, one request each, X-Forwarded-For", 7016, "haproxy", haproxy("http", POOLED, ["option forwardfor", "http-reuse always"]), "http", POOLED, 0.95, timed=0),
    Shape("haproxy http, IPv6 to IPv4, X-Forwarded-For", 7014, "haproxy", haproxy("http", HTTP, ["option forwardfor"]), "http", HTTP, 0.99, family=6),
    Shape("haproxy http, TLS outside alone", 7030, "haproxy", haproxy("http", HTTP, ["http-reuse never"], bind=SECURE), "tls", HTTP, 0.9, requests=3, precision=0.97),
    Shape("haproxy tcp, TLS outside alone", 7031, "haproxy", haproxy("tcp", HTTP, bind=SECURE), "tls", HTTP, 0.9, requests=2, precision=0.97),
    Shape("haproxy http, other TLS inside", 7032, "haproxy",
          haproxy("http", TLS, ["http-reuse never"], bind=SECURE, target=" ssl verify none"), "tls", TLS, 0.9, requests=3, precision=0.97),
    Shape("haproxy http, TLS outside alone, pool, one request each", 7033, "haproxy", haproxy("http", POOLED, ["http-reuse always"], bind=SECURE), "tls", POOLED, 0.2,
          precision=0.97, timed=0),
    Shape("haproxy http, HTTP/2 outside in the clear", 7060, "haproxy", haproxy("http", BEHIND_2, ["http-reuse never"], bind=" proto h2"), "h2c", BEHIND_2, 0.7, requests=3,
          precision=0.97, timed=0),
    Shape("haproxy http, HTTP/2 outside in TLS", 7061, "haproxy", haproxy("http", BEHIND_2, ["http-reuse never"], bind=SECURE_2), "h2", BEHIND_2, 0.7, requests=3,
          precision=0.97, timed=0),
    Shape("haproxy http, HTTP/2 outside in TLS, four at once", 7062, "haproxy", haproxy("http", BEHIND_2, ["http-reuse never"], bind=SECURE_2), "h2", BEHIND_2, 0.8, requests=3,
          precision=0.95, timed=0, streams=4),
    Shape("haproxy http, HTTP/2 outside in TLS, pool", 7063, "haproxy", haproxy("http", BEHIND_2, ["http-reuse always"], bind=SECURE_2), "h2", BEHIND_2, 0.35, requests=3,
          precision=0.97, timed=0),
    Shape("haproxy http, HTTP/2 on both sides, clear inside, not shared", 7070, "haproxy", haproxy("http", HTTP_2, ["http-reuse never"], bind=SECURE_2, target=TO_2), "h2", HTTP_2, 0.6,
          requests=3, precision=0.97, timed=0),
    Shape("haproxy http, HTTP/2 on both sides, clear inside", 7071, "haproxy", haproxy("http", HTTP_2, ["http-reuse always"], bind=SECURE_2, target=TO_2), "h2", HTTP_2, 0.35,
          requests=3, precision=0.97, timed=0),
    Shape("haproxy http, HTTP/2 on both sides, four at once", 7072, "haproxy", haproxy("http", HTTP_2, ["http-reuse always"], bind=SECURE_2, target=TO_2), "h2", HTTP_2, 0.35,
          requests=3, precision=0.97, timed=0, streams=4),
    Shape("haproxy http, HTTP/2 on both sides in the clear", 7073, "haproxy", haproxy("http", HTTP_2, ["http-reuse always"], bind=TO_2, target=TO_2), "h2c", HTTP_2, 0.35,
          requests=3, precision=0.97, timed=0),
    Shape("haproxy http, HTTP/2 on both sides in TLS", 7074, "haproxy", haproxy("http", TLS_2, ["http-reuse always"], bind=SECURE_2, target=" ssl verify none alpn h2"), "h2", TLS_2, 0.35,
          requests=3, precision=0.97, timed=0),
    Shape("haproxy http, HTTP/2 inside alone, TLS outside", 7075, "haproxy", haproxy("http", HTTP_2, ["http-reuse always"], bind=SECURE, target=TO_2), "tls", HTTP_2, 0.35,
          requests=3, precision=0.97, timed=0),
    Shape("haproxy http, HTTP/2 inside alone, clear outside", 7076, "haproxy", haproxy("http", HTTP_2, ["http-reuse always"], target=TO_2), "http", HTTP_2, 0.35,
          requests=3, precision=0.97, timed=0),
    Shape("haproxy tcp, until 40 ms held", 7040, "haproxy",
          haproxy("tcp", RAW).replace("  bind", "  tcp-request inspect-delay 40ms\n  tcp-request content accept if WAIT_END\n  bind"), "raw", RAW, 0.9, requests=3),
    Shape("haproxy http, requests held", 7041, "haproxy", haproxy("http", HTTP, ["option forwardfor", "http-reuse never", *PAUSE]), "http", HTTP, 0.99, requests=3,
          held=HELD),
    Shape("haproxy http, TLS outside alone, requests held", 7042, "haproxy", haproxy("http", HTTP, ["http-reuse never", *PAUSE], bind=SECURE), "tls", HTTP, 0.8,
          requests=3, precision=0.97, held=HELD),
    Shape("relay of our own that cuts", 7050, "relay", "", "raw", CLOSING, 0.8, timed=0.5),
    Shape("nginx stream", 7020, "stream", "listen PORT; proxy_pass SERVER:%d;" % RAW, "raw", RAW, 0.9),
    Shape("nginx stream, PROXY v1", 7021, "stream", "listen PORT; proxy_pass SERVER:%d; proxy_protocol on;" % RAW, "raw", RAW, 0.99),
    Shape("nginx http", 7022, "nginx", "listen PORT; location / { proxy_pass http://SERVER:%d; }" % HTTP, "http", HTTP, 0.9, requests=2),
    Shape("nginx http, X-Forwarded-For", 7023, "nginx",
          "listen PORT; location / { proxy_pass http://SERVER:%d; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }" % HTTP, "http", HTTP, 0.99, requests=2),
    Shape("nginx http, X-Real-IP", 7024, "nginx",
          "listen PORT; location / { proxy_pass http://SERVER:%d; proxy_set_header X-Real-IP $remote_addr; }" % HTTP, "http", HTTP, 0.99, requests=2),
    Shape("nginx http, pool, one request each", 7025, "nginx", "listen PORT; " + TO_POOL % "", "http", POOLED, 0.8, timed=0),
    Shape("nginx http, pool, one request each, X-Forwarded-For", 7026, "nginx", "listen PORT; " + TO_POOL % "proxy_set_header X-Forwarded-For $remote_addr; ", "http", POOLED, 0.95,
          timed=0),
    Shape("nginx http, HTTP/2 outside in the clear", 7027, "nginx", "listen PORT http2; location / { proxy_pass http://SERVER:%d; }" % BEHIND_2, "h2c", BEHIND_2, 0.65, requests=2,
          precision=0.97, timed=0),
    Shape("nginx http, HTTP/2 outside in TLS", 7028, "nginx",
          "listen PORT ssl http2; ssl_certificate FOLDER/cert.pem; ssl_certificate_key FOLDER/key.pem; location / { proxy_pass http://SERVER:%d; }" % BEHIND_2, "h2", BEHIND_2, 0.65, requests=2,
          precision=0.97, timed=0),
]


class Network:
    def __init__(self):
        self.namespaces = []
        try:
            self.clients, self.proxy, self.servers = [self._namespace(name) for name in ("clients", "proxy", "servers")]
            for end, interface in ((self.clients, "outside"), (self.servers, "inside")):
                run(["ip", "link", "add", "eth", "netns", str(end.pid), "type", "veth", "peer", "name", interface, "netns", str(self.proxy.pid)])
            self._set_up(self.clients, "eth", ["%s/24" % a for a in CLIENTS] + ["%s/64" % a for a in CLIENTS_6])
            self._set_up(self.servers, "eth", [SERVER + "/24"])
            self._set_up(self.proxy, "outside", [PROXY + "/24", PROXY_6 + "/64"])
            self._set_up(self.proxy, "inside", [PROXY_INSIDE + "/24"])
        except BaseException:
            self.close()
            raise

    def _namespace(self, name):
        self.namespaces.append(Namespace(name))
        return self.namespaces[-1]

    @staticmethod
    def _set_up(namespace, interface, addresses):
        script = ["set -e", "ip link set lo up", "ethtool -K %s tx off tso off gso off gro off > /dev/null" % interface]
        script += ["ip addr add %s dev %s%s" % (a, interface, " nodad" if ":" in a else "") for a in addresses]
        namespace.run(["sh", "-c", "\n".join(script + ["ip link set %s up" % interface])])

    def close(self):
        for namespace in self.namespaces:
            namespace.close()


def write_configurations(folder, shapes):
    def listeners(software, wrap):
        return "\n".join(wrap(s, s.config.replace("FOLDER", str(folder)).replace("PORT", str(s.port)).replace("SERVER", SERVER)) for s in shapes if s.software == software)
    (folder / "haproxy.cfg").write_text("""
global
  maxconn 4000
  lua-load FOLDER/pause.lua
defaults
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout http-request 10s
%s
""".replace("FOLDER", str(folder)) % listeners("haproxy", lambda s, config: "listen p%d\n%s" % (s.port, config)))
    (folder / "pause.lua").write_text('core.register_action("pause", {"http-req"}, function() core.msleep(%d) end)\n' % (1000 * HELD))
    (folder / "nginx.conf").write_text("""
%s
worker_processes 1;
daemon off;
pid %s/nginx.pid;
error_log %s/nginx.log;
events { worker_connections 4000; }
stream {
%s
}
http {
  POOL
  access_log %s/nginx.access;
  client_body_temp_path %s/body; proxy_temp_path %s/proxy; fastcgi_temp_path %s/fcgi; uwsgi_temp_path %s/uwsgi; scgi_temp_path %s/scgi;
%s
}
""".replace("POOL", POOL.replace("SERVER", SERVER)) % ("load_module modules/ngx_stream_module.so;" if Path("/usr/lib/nginx/modules/ngx_stream_module.so").exists() else "",
       folder, folder, listeners("stream", lambda s, c: "  server { %s }" % c), *[folder] * 6, listeners("nginx", lambda s, c: "  server { %s }" % c)))


def capture(network, folder, shapes, seconds, rate):
    """Runs the traffic; the two captures and the two logs are then in the folder."""
    write_configurations(folder, shapes)
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab.example", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")])
    (folder / "both.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    here = str(Path(__file__).parent / "proxies_traffic.py")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [network.servers.start([sys.executable, "-B", here, "serve", str(folder)]),
                 network.proxy.start(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], stdout=open(folder / "haproxy.access", "w")),
                 network.proxy.start([sys.executable, "-B", here, "relay", str(folder)]),
                 network.proxy.start(["nginx", "-c", str(folder / "nginx.conf")], **quiet)]
    captures = [network.proxy.start(["tcpdump", "-n", "-s", "0", "-B", "65536", "-i", point, "-w", str(folder / (point + ".pcap")), "tcp"], **quiet)
                for point in ("outside", "inside")]
    try:
        time.sleep(1.5)
        plan = [{"name": s.name, "port": s.port, "speaks": s.speaks, "requests": s.requests, "family": s.family, "streams": s.streams} for s in shapes]
        (folder / "plan.json").write_text(json.dumps(plan))
        network.clients.run([sys.executable, "-B", here, "ask", str(folder), str(seconds), str(rate)])
        time.sleep(1.5)
    finally:
        for process in captures:
            process.send_signal(signal.SIGINT)
            process.wait(10)
        for process in processes:
            stop(process)


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def truth_of(folder):
    """By shape: of each client's end and the proxy's port those ends that the proxy had toward the server."""
    served = {line["id"]: line["peer"] for line in read_lines(folder / "served.jsonl")}
    truth = collections.defaultdict(lambda: collections.defaultdict(set))
    for line in read_lines(folder / "asked.jsonl"):
        if line["id"] in served:
            truth[line["shape"]][line["client"], line["port"]].add(served[line["id"]])
    return truth


def end(address):
    return ("[%s]:%d" if ":" in address["address"] else "%s:%d") % (address["address"], address["port"])


def told_of(connections):
    """The same as Parallax tells it."""
    inside = {c["id"]: {end(leg["client"]) for leg in c["legs"] if leg["point"] == "inside"} for c in connections}
    told = collections.defaultdict(set)
    for c in connections:
        beyond = inside[c["id"]] or set().union(*(inside.get(other, set()) for other in c.get("shared_with", [])))
        for leg in c["legs"]:
            if leg["point"] == "outside":
                told[end(leg["client"]), leg["server"]["port"]] |= beyond
    return told


def floor_of(confidence):
    return max(edge for edge in (0.0, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99) if edge <= confidence)


def calibration(shapes, truth, told, pairings, shared):
    """Whether a confidence means what it says: of the pairings stated within it how many are right. `shared`: by client, the connections that it is shared with, as
    method, confidence and their ends inside."""
    bins = collections.defaultdict(lambda: [0, 0])
    for shape in shapes:
        for client, inside in truth[shape.name].items():
            if client in pairings and told.get(client):
                method, confidence = pairings[client]
                bins[method, floor_of(confidence)][told[client] <= inside] += 1
            for method, confidence, ends in shared.get(client, ()):
                bins["shared, " + method, floor_of(confidence)][bool(ends & inside)] += 1
    print("\n%-26s %-10s %6s %6s   %s" % ("method", "stated", "right", "wrong", "share"))
    for (method, floor), (wrong, right) in sorted(bins.items()):
        print("%-26s %-10s %6d %6d   %.4f" % (method, "%.2f and up" % floor, right, wrong, right / (right + wrong)))


def report(shapes, truth, told, methods):
    print("%-46s %6s %6s %6s %6s   %-10s %-9s %s" % ("shape", "conns", "right", "wrong", "none", "precision", "recall", "methods"))
    short = []
    for shape in shapes:
        right = wrong = none = 0
        used = collections.Counter()
        for client, inside in truth[shape.name].items():
            said = told.get(client, set())
            if not said:
                none += 1
            elif said <= inside or (methods.get(client) == "shared" and said & inside):  # the other's connections may be several
                right += 1
            else:
                wrong += 1
            used.update([methods.get(client, "-")])
        total = right + wrong + none
        precision = right / (right + wrong) if right + wrong else 1.0
        recall = right / total if total else 0.0
        good = precision >= shape.precision and recall >= shape.recall
        if not good:
            short.append(shape.name)
        print("%-46s %6d %6d %6d %6d   %-10.4f %-9.4f %s%s" % (shape.name, total, right, wrong, none, precision, recall,
              ", ".join("%s %d" % item for item in used.most_common()), "" if good else "   SHORT"))
    return short


def report_links(shapes, truth, connections):
    """Connections inside that carry requests of each client, one by one: found among its own legs or those of what it is shared_with. Prints a table of all shapes."""
    inside = {c["id"]: {end(leg["client"]) for leg in c["legs"] if leg["point"] == "inside"} for c in connections}
    of_client = {(end(leg["client"]), leg["server"]["port"]): c for c in connections for leg in c["legs"] if leg["point"] == "outside"}
    clients = {c["id"]: set() for c in connections}
    for client, c in of_client.items():
        clients[c["id"]].add(client)
    everywhere = {client: beyond for shape in truth.values() for client, beyond in shape.items()}
    short = []
    print("\n%-62s %6s %6s %6s   %-10s %s" % ("connections inside that each client used", "right", "wrong", "missed", "precision", "recall"))
    for shape in shapes:
        right = wrong = missed = 0
        for client, beyond in truth[shape.name].items():
            c = of_client.get(client)
            if c is None:
                missed += len(beyond)
                continue
            used = set().union(*(everywhere.get(each, set()) for each in clients[c["id"]]))
            others = c.get("shared_with", [])
            named = inside[c["id"]].union(*(inside.get(other, set()) for other in others))
            # A connection that it is shared with may have several, of which one is meant; or is itself a client's, that used one of its own.
            used_by = lambda other: set().union(*(everywhere.get(each, set()) for each in clients.get(other, ())))
            right += len(beyond & named)
            missed += len(beyond - named)
            wrong += len(inside[c["id"]] - used) + sum(1 for other in others if not inside.get(other, set()) & used and not used_by(other) & inside[c["id"]])
        precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
        print("%-62s %6d %6d %6d   %-10.4f %.4f%s" % (shape.name, right, wrong, missed, precision, recall, "" if precision >= shape.precision else "   SHORT"))
        if precision < shape.precision:
            short.append(shape.name + ", links")
    return short


def records_of(bin_folder, folder, options=()):
    done = subprocess.run([str(Path(bin_folder, "parallax")), "analyze", "outside=%s" % (folder / "outside.pcap"), "inside=%s" % (folder / "inside.pcap"), "--format", "json", *options],
                          capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        sys.exit("analyze failed: " + done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def analyse(bin_folder, folder, options=()):
    return [record["connection"] for record in records_of(bin_folder, folder, options) if "connection" in record]


def judge(bin_folder, folder, shapes, options=()):
    records = records_of(bin_folder, folder, options)
    connections = [record["connection"] for record in records if "connection" in record]
    methods, pairings, shared = {}, {}, {}
    inside = {c["id"]: {end(leg["client"]) for leg in c["legs"] if leg["point"] == "inside"} for c in connections}
    for c in connections:
        for leg in c["legs"]:
            if leg["point"] == "outside":
                if not inside[c["id"]]:  # else the other may use one of its own
                    shared[end(leg["client"]), leg["server"]["port"]] = [
                        (s["pairing"]["method"], s["pairing"]["confidence"], inside[s["connection_id"]])
                        for s in c.get("shared_pairings", []) if inside.get(s["connection_id"])]
                if c.get("crossings"):
                    pairings[end(leg["client"]), leg["server"]["port"]] = (c["crossings"][0]["pairing"]["method"], c["crossings"][0]["pairing"]["confidence"])
                methods[end(leg["client"]), leg["server"]["port"]] = c["crossings"][0]["pairing"]["method"] if c.get("crossings") else "shared" if c.get("shared_with") else "-"
    truth, told = truth_of(folder), told_of(connections)
    short = report(shapes, truth, told, methods) + report_links(shapes, truth, connections)
    calibration(shapes, truth, told, pairings, shared)
    findings = [record["finding"] for record in records if "finding" in record]
    return short + proxies_transit.judge(folder, shapes, connections, end) + proxies_transit.judge_streams(folder, connections, findings, end)


def joins_of(bin_folder, folder, name):
    """Of what an access log was joined to: right, wrong; of the clients it names: right, wrong."""
    clients = collections.defaultdict(set)
    served = {line["id"]: line["peer"] for line in read_lines(folder / "served.jsonl")}
    for line in read_lines(folder / "asked.jsonl"):
        clients[served.get(line["id"])].add(line["client"])
    lines = (folder / name).read_text().splitlines()
    counts = [0, 0, 0, 0]
    for c in analyse(bin_folder, folder, ["--access-log", str(folder / name)]):
        outside, inside = ({end(leg["client"]) for leg in c["legs"] if leg["point"] == point} for point in ("outside", "inside"))
        asked = set().union(*(clients[i] for i in inside))
        behind = (outside | asked if c.get("shared_with") else outside) or asked  # a pool's connection has the requests of all that share it
        for request in c.get("http_requests", []):
            if "access_log_line" not in request:
                continue
            who = lines[request["access_log_line"] - 1].split(" ")[0].removeprefix("::ffff:")
            if name.startswith("haproxy"):
                address, _, port = who.rpartition(":")
                good = end({"address": address, "port": int(port)}) in behind
            else:
                good = any(client.startswith(who + ":") for client in behind)
            counts[not good] += 1
            if request.get("forwarded_for_is_logged"):
                named = {client.rpartition(":")[0].strip("[]") for i in inside for client in clients[i]}
                counts[2 + (request["forwarded_for"] not in named)] += 1
    return counts


def judge_logs(bin_folder, folder, shapes):
    """The proxies' own logs, joined to the capture: not one entry to a request that it is not of."""
    short = []
    for name, software in (("haproxy.access", "haproxy"), ("nginx.access", "nginx")):
        if not any(s.software == software and s.server in (HTTP, TLS) and s.speaks in ("http", "tls") for s in shapes) or not (folder / name).exists():
            continue
        right, wrong, named, misnamed = joins_of(bin_folder, folder, name)
        good = right > 0 and wrong == 0 and misnamed == 0
        print("%-46s requests joined: %d right, %d wrong; clients named: %d right, %d wrong%s" % (name, right, wrong, named, misnamed, "" if good else "   SHORT"))
        if not good:
            short.append(name)
    return short


def play(bin_folder, shapes, seconds, rate):
    """One round of shapes; the names of what falls short."""
    folder = Path(tempfile.mkdtemp(prefix="parallax-proxies-"))
    os.chmod(folder, 0o755)
    network = Network()
    try:
        capture(network, folder, shapes, seconds, rate)
    finally:
        network.close()
    short = judge(bin_folder, folder, shapes) + judge_logs(bin_folder, folder, shapes)
    if os.environ.get("PARALLAX_LAB_KEEP") or short:
        print("kept: %s" % folder)
    else:
        shutil.rmtree(folder)
    return short


def main():
    bin_folder = sys.argv[1]
    if sys.argv[2:3] == ["again"]:
        folder = Path(sys.argv[3])
        truth = truth_of(folder)
        kept = [s for s in SHAPES if s.name in truth]
        return 1 if judge(bin_folder, folder, kept) + judge_logs(bin_folder, folder, kept) else 0
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    rate = float(sys.argv[3]) if len(sys.argv) > 3 else 20
    shapes = [s for s in SHAPES if len(sys.argv) < 5 or any(word in s.name for word in sys.argv[4:])]
    if importlib.util.find_spec("h2") is None:
        print("without HTTP/2, which needs python3-h2")
        shapes = [s for s in shapes if not s.speaks.startswith("h2") and s.server not in (HTTP_2, TLS_2)]
    missing = [tool for tool in ("haproxy", "nginx", "tcpdump", "openssl", "ethtool") if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        print("skipped: needs %s" % (", ".join(missing) or "root"))
        return SKIPPED
    rounds = -(-len(shapes) // AT_ONCE)
    try:
        short = [name for first in range(rounds) for name in play(bin_folder, shapes[first::rounds], seconds, rate)]
    except NoNamespaces as error:
        print("skipped: no network namespaces here: %s" % error)
        return SKIPPED
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
