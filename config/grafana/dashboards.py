"""Writes the Grafana dashboards beside this file, from the tables below (`./dev docs`).

usage: dashboards.py [DIRECTORY]     another place to write them to
"""
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 24, 8  # of Grafana's grid; of a panel
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
SENSOR = 'instance=~"$instance"'
POINT = SENSOR + ', point=~"$point"'
DEVICE = SENSOR + ', device=~"$device"'
WHERE = SENSOR + ', where=~"$device"'


def panel(title, kind, unit, *targets, width=12, **more):
    """A row of the tables: targets are (expression, legend)."""
    return dict(title=title, type=kind, unit=unit, targets=targets, width=width, **more)


def quantiles(metric, matchers, by):
    """Median and p99, for a legend of the labels that are left."""
    legend = " ".join("{{%s}}" % label for label in by.split(", "))
    rate = f"sum by (le, {by}) (rate({metric}_bucket{{{matchers}}}[$__rate_interval]))"
    return [(f"histogram_quantile({q}, {rate})", f"{legend} {name}") for q, name in ((0.5, "median"), (0.99, "p99"))]


DOWN_OR_UP = [{"type": "value", "options": {"0": {"text": "down", "color": "red"}, "1": {"text": "up", "color": "green"}}}]

DASHBOARDS = {
    "overview": ("Parallax: overview", ("point",), [
        panel("Sensors", "stat", "none", (f"count(parallax_build_info{{{SENSOR}}})", "running"), width=4),
        panel("Ports", "stat", "none", (f"parallax_port_up{{{POINT}}}", "{{port}} ({{point}})"), width=8, mappings=DOWN_OR_UP),
        panel("New findings, within the time shown", "stat", "none",
              (f"sum by (severity) (increase(parallax_findings_total{{{SENSOR}}}[$__range]))", "{{severity}}"), width=12),
        panel("New findings an hour, by kind and place", "timeseries", "none",
              (f"sum by (kind, where) (increase(parallax_findings_total{{{SENSOR}, severity=~\"warning|critical\"}}[1h])) > 0",
               "{{kind}} {{where}}"), width=24),
        panel("Handshakes that failed, of all", "timeseries", "percentunit",
              (f"point_outcome:parallax_handshakes:ratio_rate5m{{{POINT}, outcome!=\"established\"}}", "{{point}} {{outcome}}")),
        panel("Segments lost in devices, of those that entered", "timeseries", "percentunit",
              (f"device_direction:parallax_segments_lost:ratio_rate5m{{{SENSOR}}}", "{{device}} {{direction}}")),
        panel("Resets a second, by who sent them", "timeseries", "none",
              (f"sum by (origin) (rate(parallax_resets_total{{{SENSOR}}}[$__rate_interval])) > 0", "{{origin}}")),
        panel("Time through devices, p99", "timeseries", "s",
              (f"device_direction:parallax_device_transit_seconds:p99_5m{{{SENSOR}}}", "{{device}} {{direction}}")),
        panel("Packets a second", "timeseries", "pps",
              (f"sum by (point, port) (rate(parallax_packets_total{{{POINT}}}[$__rate_interval]))", "{{point}} {{port}}")),
        panel("Lost by the sensor, of all packets", "timeseries", "percentunit",
              (f"port:parallax_capture_drops:ratio_rate5m{{{POINT}}}", "{{point}} {{port}}")),
    ]),
    "device": ("Parallax: device", ("device",), [
        panel("Data segments lost a second", "timeseries", "none",
              (f"rate(parallax_segments_lost_total{{{WHERE}}}[$__rate_interval])", "{{where}} {{direction}}")),
        panel("Lost, of those that entered", "timeseries", "percentunit",
              (f"device_direction:parallax_segments_lost:ratio_rate5m{{{DEVICE}}}", "{{device}} {{direction}}")),
        panel("Time through the device", "timeseries", "s", *quantiles("parallax_device_transit_seconds", DEVICE, "device, direction")),
        panel("Distribution of the time through the device", "heatmap", "s",
              (f"sum by (le) (rate(parallax_device_transit_seconds_bucket{{{DEVICE}}}[$__rate_interval]))", "{{le}}")),
        panel("Packets a second through the device", "timeseries", "pps",
              (f"rate(parallax_device_transit_seconds_count{{{DEVICE}}}[$__rate_interval])", "{{device}} {{direction}}")),
        panel("Resets a second by devices", "timeseries", "none",
              (f"rate(parallax_resets_total{{{SENSOR}, origin=\"device\"}}[$__rate_interval])", "{{instance}}")),
        panel("New findings an hour at the device", "timeseries", "none",
              (f"sum by (kind, where) (increase(parallax_findings_total{{{WHERE}}}[1h])) > 0", "{{kind}} {{where}}"), width=24),
        panel("Pairings a second, by method", "timeseries", "none",
              (f"sum by (method) (rate(parallax_pairings_total{{{SENSOR}}}[$__rate_interval])) > 0", "{{method}}")),
        panel("Legs without a pair a second", "timeseries", "none",
              (f"sum by (point) (rate(parallax_unpaired_legs_total{{{SENSOR}}}[$__rate_interval]))", "{{point}}")),
    ]),
    "service": ("Parallax: service", ("point",), [
        panel("Handshakes a second, by outcome", "timeseries", "none",
              (f"sum by (point, outcome) (rate(parallax_handshakes_total{{{POINT}}}[$__rate_interval])) > 0", "{{point}} {{outcome}}")),
        panel("Established, of all", "timeseries", "percentunit",
              (f"point_outcome:parallax_handshakes:ratio_rate5m{{{POINT}, outcome=\"established\"}}", "{{point}}")),
        panel("Round trip of handshakes to servers", "timeseries", "s",
              *quantiles("parallax_handshake_rtt_seconds", POINT + ', side="server"', "point")),
        panel("Round trip of handshakes to clients", "timeseries", "s",
              *quantiles("parallax_handshake_rtt_seconds", POINT + ', side="client"', "point")),
        panel("Round trip during connections (timestamps)", "timeseries", "s",
              *quantiles("parallax_rtt_seconds", POINT + ', method="timestamp"', "point, side")),
        panel("Segments sent again a second", "timeseries", "none",
              (f"sum by (point, direction, kind) (rate(parallax_retransmissions_total{{{POINT}}}[$__rate_interval])) > 0",
               "{{point}} {{direction}} {{kind}}")),
        panel("Established connections reset a second", "timeseries", "none",
              (f"sum by (origin) (rate(parallax_resets_total{{{SENSOR}, origin=~\"client|server\"}}[$__rate_interval]))", "{{origin}}")),
        panel("Legs in the tables", "timeseries", "none",
              (f"sum by (protocol) (parallax_connections_active{{{SENSOR}}})", "{{protocol}}")),
        panel("New findings an hour beyond the points, where servers and clients are", "timeseries", "none",
              (f"sum by (kind, where) (increase(parallax_findings_total{{{SENSOR}, where=~\"beyond .*\"}}[1h])) > 0", "{{kind}} {{where}}"),
              width=24),
    ]),
    "sensor": ("Parallax: the sensor itself", ("point",), [
        panel("Ports", "stat", "none", (f"parallax_port_up{{{POINT}}}", "{{port}} ({{point}})"), width=8, mappings=DOWN_OR_UP),
        panel("Up for", "stat", "s", (f"time() - parallax_start_timestamp_seconds{{{SENSOR}}}", "{{instance}}"), width=4),
        panel("Clock within", "stat", "s", (f"parallax_clock_uncertainty_seconds{{{SENSOR}}}", "{{instance}}"), width=4),
        panel("Spool reaches back", "stat", "s", (f"instance:parallax_spool_reach:seconds{{{SENSOR}}}", "{{instance}}"), width=4),
        panel("Spool in order", "stat", "none", (f"1 - parallax_spool_error{{{SENSOR}}}", "{{instance}}"), width=4,
              mappings=[{"type": "value", "options": {"0": {"text": "cannot write", "color": "red"}, "1": {"text": "yes", "color": "green"}}}]),
        panel("Bytes a second on the wire", "timeseries", "Bps",
              (f"sum by (point, port) (rate(parallax_bytes_total{{{POINT}}}[$__rate_interval]))", "{{point}} {{port}}")),
        panel("Packets lost a second, by place", "timeseries", "none",
              (f"sum by (port, reason) (rate(parallax_capture_drops_total{{{POINT}}}[$__rate_interval])) > 0", "{{port}} {{reason}}")),
        panel("Segments a second that were acknowledged and never seen", "timeseries", "none",
              (f"rate(parallax_capture_loss_segments_total{{{POINT}}}[$__rate_interval])", "{{point}}")),
        panel("Packets a second that cannot be decoded", "timeseries", "none",
              (f"sum by (point, reason) (rate(parallax_decode_errors_total{{{POINT}}}[$__rate_interval])) > 0", "{{point}} {{reason}}")),
        panel("Fill of the fullest ring", "timeseries", "percentunit",
              (f"parallax_ring_occupancy_ratio{{{SENSOR}}}", "worker {{worker}}")),
        panel("Waits for a ring a second", "timeseries", "none",
              (f"rate(parallax_ring_waits_total{{{POINT}}}[$__rate_interval])", "{{point}} {{port}}")),
        panel("Failures that accuse nobody a second, by why", "timeseries", "none",
              (f"sum by (reason) (rate(parallax_findings_without_blame_total{{{SENSOR}}}[$__rate_interval])) > 0", "{{reason}}")),
        panel("Stamps late by at most", "timeseries", "s", (f"parallax_stamp_uncertainty_seconds{{{POINT}}}", "{{point}} {{port}}")),
        panel("Processors in use", "timeseries", "none",
              (f"rate(parallax_process_cpu_seconds_total{{{SENSOR}}}[$__rate_interval])", "{{instance}}")),
        panel("Memory", "timeseries", "bytes", (f"parallax_process_resident_memory_bytes{{{SENSOR}}}", "{{instance}}")),
        panel("Spool", "timeseries", "bytes", (f"parallax_spool_size_bytes{{{SENSOR}}}", "held"),
              (f"parallax_spool_limit_bytes{{{SENSOR}}}", "allowed"), (f"parallax_spool_disk_free_bytes{{{SENSOR}}}", "free on its disk")),
        panel("Spool: bytes written a second", "timeseries", "Bps",
              (f"rate(parallax_spool_bytes_written_total{{{SENSOR}}}[$__rate_interval])", "{{instance}}")),
        panel("Spool: packets dropped, writes failed a second", "timeseries", "none",
              (f"rate(parallax_spool_dropped_packets_total{{{SENSOR}}}[$__rate_interval])", "dropped"),
              (f"rate(parallax_spool_write_errors_total{{{SENSOR}}}[$__rate_interval])", "failed")),
        panel("Spool: files removed an hour, by why", "timeseries", "none",
              (f"sum by (reason) (increase(parallax_spool_files_removed_total{{{SENSOR}}}[1h])) > 0", "{{reason}}")),
        panel("History: findings held", "timeseries", "none", (f"parallax_history_findings{{{SENSOR}}}", "held"),
              (f"parallax_history_limit_findings{{{SENSOR}}}", "allowed")),
        panel("History: findings written and forgotten before, errors a second", "timeseries", "none",
              (f"rate(parallax_history_written_findings_total{{{SENSOR}}}[$__rate_interval])", "written"),
              (f"rate(parallax_history_dropped_findings_total{{{SENSOR}}}[$__rate_interval])", "forgotten"),
              (f"rate(parallax_history_write_errors_total{{{SENSOR}}}[$__rate_interval])", "errors")),
        panel("Log of connections: lines written and connections dropped a second", "timeseries", "none",
              (f"rate(parallax_connection_log_lines_total{{{SENSOR}}}[$__rate_interval])", "written"),
              (f"rate(parallax_connection_log_dropped_connections_total{{{SENSOR}}}[$__rate_interval]) > 0", "dropped: {{reason}}")),
        panel("Log of connections: held", "timeseries", "bytes", (f"parallax_connection_log_size_bytes{{{SENSOR}}}", "held"),
              (f"parallax_connection_log_limit_bytes{{{SENSOR}}}", "allowed")),
        panel("Webhook: changes of findings told and dropped, posts failed a second", "timeseries", "none",
              (f"rate(parallax_webhook_alerts_total{{{SENSOR}}}[$__rate_interval])", "told"),
              (f"rate(parallax_webhook_dropped_alerts_total{{{SENSOR}}}[$__rate_interval]) > 0", "dropped: {{reason}}"),
              (f"rate(parallax_webhook_posts_failed_total{{{SENSOR}}}[$__rate_interval]) > 0", "failed: {{reason}}")),
        panel("Webhook: findings that fire, changes that wait", "timeseries", "none",
              (f"parallax_webhook_alerts_firing{{{SENSOR}}}", "firing"), (f"parallax_webhook_alerts_waiting{{{SENSOR}}}", "waiting")),
    ]),
}

VARIABLES = {
    "point": ("Point", "label_values(parallax_packets_total{%s}, point)" % SENSOR),
    "device": ("Device", "label_values(parallax_device_transit_seconds_count{%s}, device)" % SENSOR),
}


def variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": DATASOURCE, "query": {"query": query, "refId": name}, "definition": query,
            "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}, "refresh": 2, "sort": 1}


def panel_json(number, row, x, y):
    made = {
        "id": number, "title": row["title"], "type": row["type"], "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": row["width"], "h": HEIGHT if row["type"] != "stat" else HEIGHT // 2},
        "fieldConfig": {"defaults": {"unit": row["unit"], "min": 0, "mappings": row.get("mappings", [])}, "overrides": []},
        "targets": [{"refId": chr(ord("A") + i), "datasource": DATASOURCE, "expr": expression, "legendFormat": legend}
                    for i, (expression, legend) in enumerate(row["targets"])],
    }
    if row["type"] == "heatmap":
        made["targets"][0]["format"] = "heatmap"
        made["options"] = {"calculate": False, "yAxis": {"unit": row["unit"]}}
    if row["type"] == "stat":
        made["targets"] = [target | {"instant": True} for target in made["targets"]]
        made["options"] = {"colorMode": "value", "graphMode": "none", "textMode": "value_and_name", "reduceOptions": {"calcs": ["lastNotNull"]}}
    return made


def dashboard(name):
    title, variables, rows = DASHBOARDS[name]
    panels, x, y, tallest = [], 0, 0, 0
    for number, row in enumerate(rows, 1):
        if x + row["width"] > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        panels.append(panel_json(number, row, x, y))
        x, tallest = x + row["width"], max(tallest, panels[-1]["gridPos"]["h"])
    asked = [("instance", "Sensor", "label_values(parallax_build_info, instance)")] + [(each, *VARIABLES[each]) for each in variables]
    return {
        "uid": f"parallax-{name}", "title": title, "tags": ["parallax"], "schemaVersion": 37, "version": 1, "editable": True,
        "time": {"from": "now-3h", "to": "now"}, "refresh": "30s", "timezone": "utc",
        "links": [{"type": "dashboards", "tags": ["parallax"], "title": "Parallax", "asDropdown": True, "keepTime": True, "includeVars": True}],
        "templating": {"list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]
                       + [variable(*each) for each in asked]},
        "panels": panels,
    }


def main():
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name in DASHBOARDS:
        (directory / f"parallax-{name}.json").write_text(json.dumps(dashboard(name), indent=1) + "\n")


if __name__ == "__main__":
    main()
